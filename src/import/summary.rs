//! What an import has done, as it is told at its end.
//!
//! Invariant: figures of this run are of all its passes, and those of the index are as of its end.

use crate::Result;
use crate::batch::clock::Clock;
use crate::batch::table::Table;
use crate::batch::{Batch, Effort, TableCounts};
use crate::datadir::ChainEnd;
use crate::index::Index;
use crate::index::left_out::{LeftOut, left_out};
use crate::memory::account::Account;
use crate::memory::plan::{Plan, Planned};
use crate::os::process::Resident;
use crate::primitives::position::Height;
use crate::primitives::wire::Hash32;
use crate::runs::catalogue::Run;
use std::time::Instant;

/// What an import has done.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Height and hash of the tip; `None` if there is none.
    pub tip: Option<(Height, Hash32)>,
    /// Blocks, transactions, inputs (coinbases' not counted) and outputs imported by this run.
    pub imported: Totals,
    /// The same of the whole index.
    pub totals: Totals,
    /// Unspent, spendable outputs at the tip.
    pub coins: u64,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Bytes of the index on disk.
    pub index_bytes: u64,
    /// Bytes of the pages of its runs; nearly all the rest is free for what is written next.
    pub runs_bytes: u64,
    /// The most private memory that was seen, in bytes.
    pub peak_memory_bytes: u64,
    /// The one number.
    pub memory_budget_bytes: u64,
    /// The parts of the plan, each with the most it used, where that is known.
    pub parts: Vec<(Planned, Option<u64>)>,
    /// Where the time went.
    pub clock: Clock,
    /// Home slots of the table.
    pub table_capacity: u64,
    /// How the table served.
    pub table: TableCounts,
    /// What was merged and passed.
    pub effort: Effort,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Why the chain ends where it does.
    pub chain_end: ChainEnd,
    /// Blocks that are left out, though the files have them.
    pub left_out: Vec<LeftOut>,
    /// Whether the node has connected the tip; `None` if that is not the best chain's end, or unknown.
    pub tip_connected: Option<bool>,
    started: Instant,
}

/// Counts of a stretch of chain.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Totals {
    /// Blocks.
    pub blocks: u64,
    /// Transactions.
    pub txs: u64,
    /// Inputs; the null inputs of coinbases are not counted.
    pub inputs: u64,
    /// Outputs.
    pub outputs: u64,
}

impl Totals {
    fn of(index: &Index) -> Totals {
        index
            .tip()
            .map_or(Totals::default(), |(height, row)| Totals {
                blocks: u64::from(height.0) + 1,
                txs: row.txs,
                inputs: row.inputs,
                outputs: row.outputs,
            })
    }

    fn since(self, before: Totals) -> Totals {
        Totals {
            blocks: self.blocks.saturating_sub(before.blocks),
            txs: self.txs.saturating_sub(before.txs),
            inputs: self.inputs.saturating_sub(before.inputs),
            outputs: self.outputs.saturating_sub(before.outputs),
        }
    }
}

impl Summary {
    /// Of an import that begins.
    pub(crate) fn new(plan: &Plan, index: &Index) -> Summary {
        Summary {
            tip: None,
            // Until the end, what the index had before.
            imported: Totals::of(index),
            totals: Totals::default(),
            coins: 0,
            seconds: 0.0,
            index_bytes: 0,
            runs_bytes: 0,
            peak_memory_bytes: 0,
            memory_budget_bytes: plan.budget_bytes() as u64,
            parts: plan
                .parts()
                .iter()
                .map(|planned| (*planned, None))
                .collect(),
            clock: Clock::default(),
            table_capacity: Table::slots_of(plan) as u64,
            table: TableCounts::default(),
            effort: Effort::default(),
            interrupted: false,
            chain_end: ChainEnd::default(),
            left_out: Vec::new(),
            tip_connected: None,
            started: Instant::now(),
        }
    }

    /// Takes over what a pass has measured.
    pub(crate) fn add(&mut self, batch: &mut Batch) {
        self.clock = std::mem::take(&mut batch.clock);
        let counts = batch.table_counts();
        self.table.hits += counts.hits;
        self.table.misses += counts.misses;
        self.table.evictions += counts.evictions;
        self.effort.add(batch.effort());
        let account = Account::now();
        for (planned, most) in &mut self.parts {
            let taken = account.of(planned.part);
            // `None` is below every `Some`.
            *most = (*most).max(taken.map(|taken| taken.in_use_most_bytes));
        }
        self.peak_memory_bytes = self
            .peak_memory_bytes
            .max(Resident::now().peak_private_bytes);
    }

    /// Completes it.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub(crate) fn finish(mut self, index: &Index) -> Result<Summary> {
        self.totals = Totals::of(index);
        self.imported = self.totals.since(self.imported);
        self.tip = index.tip().map(|(height, row)| (height, row.hash));
        self.left_out = left_out(index.store())?;
        self.coins = index.tip().map_or(0, |(_, row)| row.coins);
        self.runs_bytes = index.catalogue().runs().iter().map(Run::bytes).sum();
        self.index_bytes = index.store().allocated_bytes()?;
        self.seconds = self.started.elapsed().as_secs_f64();
        Ok(self)
    }
}
