//! What an import says: while it goes on ([`Event`]) and at its end ([`Summary`]).
//!
//! Invariant: data, not sentences, except where a fault is already worded; the binary words the rest.

use crate::Result;
use crate::batch::clock::Clock;
use crate::batch::table::Table;
use crate::batch::{Batch, TableCounts};
use crate::datadir::{ChainEnd, ScanProgress};
use crate::error::Topic;
use crate::import::chain::Chain;
use crate::import::needs::lack::Lack;
use crate::index::Index;
use crate::index::blocks::BlockRow;
use crate::index::left_out::{LeftOut, left_out};
use crate::ledger::alarm::Alarm;
use crate::ledger::record::Record;
use crate::memory::account::Account;
use crate::memory::plan::{Plan, Planned};
use crate::os::process::Resident;
use crate::primitives::header;
use crate::primitives::position::{Height, Place};
use crate::primitives::wire::{BlockFault, Hash32};
use crate::runs::catalogue::Run;
use crate::utxo;
use std::path::PathBuf;
use std::time::Instant;

/// Something that happened.
pub enum Event<'a> {
    /// Memory was planned.
    Plan(&'a Plan),
    /// The scan went on.
    Scan(&'a ScanProgress),
    /// The scan is done.
    Chain(&'a Chain),
    /// All that the import needs is there; blocks come next.
    Begin,
    /// A merge, or a rest, went on.
    Alive,
    /// An import that is to stay has come to the end of the chain for the first time.
    Tip(&'a Summary),
    /// A block was committed, by an import that stays.
    Added(&'a Added),
    /// A block was added.
    Progress(&'a Progress),
    /// The doctor checked a block.
    Check {
        /// Its height.
        height: Height,
        /// Bytes of blocks done.
        bytes_done: u64,
        /// Bytes in all.
        bytes: u64,
    },
    /// The check of a new index went on.
    Reading(&'a utxo::Progress),
    /// The use of memory was noted.
    Ledger(&'a Record),
    /// Something a person should know.
    Notice(Notice),
}

/// An import, and what is done around it.
pub enum Importing {}

impl Topic for Importing {
    type News<'n> = Event<'n>;
}

/// Who waits for it.
pub type Watch<'a> = crate::error::Watch<'a, Importing>;

/// Something a person should know, though the import goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The chain left the index: it was rolled back from `from`, and the last common block is `fork`.
    Reorganised {
        /// Old tip.
        from: Height,
        /// The last block that old and new chain share.
        fork: Height,
        /// New tip.
        best: Height,
    },
    /// All that this import had written was dropped: the first chain was invalid, and the other leaves it
    /// below the settled line.
    Restarted {
        /// Old tip.
        tip: Height,
    },
    /// The block files end below the index's tip; nothing was changed.
    Behind {
        /// Last block of the files.
        best: Height,
        /// Tip of the index.
        tip: Height,
    },
    /// The node may soon delete blocks that are not imported yet.
    NearEdge {
        /// The next block to import.
        next: Height,
        /// The lowest block from which on the node still has all.
        lowest: Height,
        /// Last block of the files.
        best: Height,
    },
    /// Blocks of the index were found at other places, which were noted anew.
    Moved,
    /// A block breaks the rules; it and what follows it is left out.
    Invalid {
        /// Its height.
        height: Height,
        /// Its hash, in internal byte order.
        hash: Hash32,
        /// What it does wrong.
        fault: String,
    },
    /// The copy of a block that came first is damaged; another one is used.
    OtherCopy {
        /// Height of the block.
        height: Height,
        /// The damaged copy.
        place: Place,
        /// The one used.
        copy: Place,
    },
    /// The chain does not end because all of it is there, but because something is missing.
    Unfinished(ChainEnd),
    /// Blocks are left out because they break the rules; the first of them is given.
    LeftOut {
        /// How many, with those that follow them.
        blocks: u32,
        /// The lowest.
        first: LeftOut,
    },
    /// The node's undo files have nothing of the last block.
    NotConnected {
        /// Its height.
        height: Height,
        /// Its hash, in internal byte order.
        hash: Hash32,
        /// Number of the file that should have it.
        file: u32,
    },
    /// Something that the import needs is not there; it goes on because it was told to.
    Lack(Lack),
    /// A rebuild cannot go on with the file that an earlier one left.
    BegunAnew {
        /// The file, removed.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A rebuilt index could not be given the owner of the old one.
    OwnerNotKept {
        /// The index.
        path: PathBuf,
        /// Its user was this.
        uid: u32,
        /// Its group was this.
        gid: u32,
    },
    /// Memory grows that should not.
    Memory(Alarm),
    /// Something is in the way of an import that stays; it tries again until that has gone.
    Trouble {
        /// What.
        words: String,
    },
    /// The newest block is not whole yet.
    NotWhole {
        /// Its height.
        height: Height,
        /// Where it is.
        place: Place,
        /// What is wrong with it so far.
        fault: BlockFault,
    },
}

/// A block that was committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Added {
    /// Its height.
    pub height: Height,
    /// Its hash, in internal byte order.
    pub hash: Hash32,
    /// Hash of the block before it.
    pub previous_hash: Hash32,
    /// Its time, in seconds since 1970.
    pub time: u32,
    /// Its transactions.
    pub txs: u64,
    /// Its inputs; that of the coinbase is not counted.
    pub inputs: u64,
    /// Its outputs.
    pub outputs: u64,
    /// Unspent, spendable outputs of the chain up to it.
    pub coins: u64,
}

impl Added {
    /// The block of this row, which follows that of the other.
    pub(crate) fn new(height: Height, row: &BlockRow, before: &BlockRow) -> Added {
        let of_block = |sum: fn(&BlockRow) -> u64| sum(row) - sum(before);
        Added {
            height,
            hash: row.hash,
            previous_hash: header::prev_hash_of(&row.header),
            time: header::time_of(&row.header),
            txs: of_block(|row| row.txs),
            inputs: of_block(|row| row.inputs),
            outputs: of_block(|row| row.outputs),
            coins: row.coins,
        }
    }
}

/// How far an import is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Height of the last block added.
    pub height: Height,
    /// Its time, in seconds since 1970.
    pub time: u32,
    /// Height of the last block wanted.
    pub end: Height,
    /// Blocks added.
    pub blocks_done: u64,
    /// Bytes of the blocks added.
    pub bytes_done: u64,
    /// Bytes of the blocks up to the best chain's end.
    pub bytes: u64,
    /// How the table served.
    pub table: TableCounts,
}

impl Progress {
    /// At the beginning of the blocks `first..=end`, which with those above have so many bytes.
    pub(crate) fn new(first: Height, end: Height, bytes: u64) -> Progress {
        Progress {
            height: first,
            time: 0,
            end,
            blocks_done: 0,
            bytes_done: 0,
            bytes,
            table: TableCounts::default(),
        }
    }

    /// One block on.
    pub(crate) fn add(&mut self, height: Height, bytes: &[u8], batch: &Batch) {
        self.height = height;
        self.time = bytes.first_chunk().map_or(0, header::time_of);
        self.blocks_done += 1;
        self.bytes_done += bytes.len() as u64;
        self.table = batch.table_counts();
    }
}

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
