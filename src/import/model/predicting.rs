//! An import as it is predicted, block by block: what waits, spills and commits.
//!
//! Invariant: a buffer is full, and a batch commits, when the import's own limits say so.

use super::ages::Ages;
use super::merges::Runs;
use super::{ChainSize, Predicted, seconds};
use crate::batch::pending::{COINS_A_SPEND, PENDING_SPILLS_MAX};
use crate::batch::rows::{Counts, RowBuffers};
use crate::batch::spill::APART_ROWS_MIN;
use crate::batch::table::Table;
use crate::batch::{COIN_SPILLS_MAX, SPILLS_MAX};
use crate::import::merging::Phase;
use crate::import::options::COMMIT_EVERY_BLOCKS;
use crate::limits::RUNS_MAX;
use crate::memory::part::Part;
use crate::memory::plan::Plan;
use crate::primitives::consensus::{BLOCK_OUTPUTS_MAX, BLOCK_TXS_MAX};
use crate::runs::row::{CoinRow, FundingRow, Relation, SpendingRow, TxidRow};
use crate::runs::stream::fan_in;

/// What one block has, on average.
#[derive(Clone, Copy)]
struct Block {
    txs: f64,
    inputs: f64,
    outputs: f64,
    coins: f64,
}

/// Rows that wait, and what the batch has spilled.
#[derive(Clone, Copy, Default)]
struct Waiting {
    blocks: u32,
    funding: f64,
    older: f64,
    recent: f64,
    recent_outputs: f64,
    txids: f64,
    deletes: f64,
    old_deletes: f64,
    pending: f64,
    /// All that was pending since the last commit.
    pending_all: f64,
    pending_spills: usize,
    has_apart: bool,
    /// By relation, runs and rows; of spends without those apart.
    spills: [(u64, f64); Relation::ALL.len()],
    /// Runs apart, which never merge.
    apart_spills: u64,
}

/// See the module documentation.
pub(super) struct Predicting {
    block: Block,
    region_bytes: usize,
    rows: Counts,
    pending_rows: f64,
    delete_rows: f64,
    table_coins: f64,
    coins_fan_in: usize,
    ages: Ages,
    /// Coins in the table, and the outputs that it reaches back to; all while it has never been full.
    in_table: f64,
    reach: Option<f64>,
    since_spill: f64,
    since_commit: f64,
    waiting: Waiting,
    runs: [Runs; Relation::ALL.len()],
    predicted: Predicted,
    changes: f64,
}

const COINS: usize = Relation::Coins as usize;
pub(super) const FUNDING: usize = Relation::Funding as usize;
pub(super) const SPENDING: usize = Relation::Spending as usize;
const TXIDS: usize = Relation::Txids as usize;

impl Predicting {
    /// Before the first block.
    pub fn new(chain: ChainSize, plan: &Plan) -> Predicting {
        let blocks = chain.blocks.max(1) as f64;
        let a_block = |count: u64| count as f64 / blocks;
        let region_bytes = plan.bytes_of(Part::Rows);
        let runs = |relation, row_bytes| {
            let fan_in = match relation {
                Relation::Coins => fan_in::<CoinRow>(region_bytes / row_bytes),
                Relation::Funding => fan_in::<FundingRow>(region_bytes / row_bytes),
                Relation::Spending => fan_in::<SpendingRow>(region_bytes / row_bytes),
                Relation::Txids => fan_in::<TxidRow>(region_bytes / row_bytes),
            };
            Runs::new(relation, fan_in.min(RUNS_MAX))
        };
        let unspent = chain.coins_made.saturating_sub(chain.inputs).max(1);
        let made_before = chain.coins_before as f64 * chain.coins_made as f64 / unspent as f64;
        let mut import = Predicting {
            block: Block {
                txs: a_block(chain.txs),
                inputs: a_block(chain.inputs),
                outputs: a_block(chain.outputs),
                coins: a_block(chain.coins_made),
            },
            region_bytes,
            rows: Counts::default(),
            pending_rows: (plan.bytes_of(Part::Pending) / size_of::<CoinRow>()) as f64,
            delete_rows: (plan.bytes_of(Part::Deletes) / size_of::<CoinRow>()) as f64,
            table_coins: Table::coins_in(Table::slots_of(plan)) as f64,
            coins_fan_in: fan_in::<CoinRow>(plan.bytes_of(Part::Deletes) / size_of::<CoinRow>()),
            ages: Ages {
                made: made_before,
                inputs_an_output: chain.inputs as f64 / chain.coins_made.max(1) as f64,
            },
            in_table: 0.0,
            reach: None,
            since_spill: 0.0,
            since_commit: 0.0,
            waiting: Waiting::default(),
            runs: [
                runs(Relation::Coins, size_of::<CoinRow>()),
                runs(Relation::Funding, size_of::<FundingRow>()),
                runs(Relation::Spending, size_of::<SpendingRow>()),
                runs(Relation::Txids, size_of::<TxidRow>()),
            ],
            predicted: Predicted::default(),
            changes: 0.0,
        };
        if chain.coins_before > 0 {
            import.in_table = import.table_coins.min(chain.coins_before as f64);
            import.reach = Some(import.ages.reach(import.in_table));
            import.runs[COINS].add(1, chain.coins_before as f64);
        }
        import.use_rows();
        import
    }

    /// How many rows the shares take by now.
    fn use_rows(&mut self) {
        let spills = self.predicted.effort.spills[FUNDING];
        self.rows = RowBuffers::room_of(RowBuffers::in_use_after(self.region_bytes, spills));
    }

    /// One more block.
    pub fn add_block(&mut self) {
        let block = self.block;
        self.ages.made += block.coins;
        self.changes += block.inputs + block.outputs;
        self.since_spill += block.coins;
        self.since_commit += block.coins;
        self.waiting.blocks += 1;
        self.take_coins(block);
        self.make_coins(block);
        self.add_rows(block);
    }

    /// Spends find their coin in the table, or wait.
    fn take_coins(&mut self, block: Block) {
        self.reach = self.reach.map(|reach| reach + block.coins);
        let found = self.reach.map_or(1.0, |reach| self.ages.younger(reach));
        let hits = block.inputs * found;
        let misses = block.inputs - hits;
        self.predicted.hits += hits.round() as u64;
        self.predicted.misses += misses.round() as u64;
        self.in_table -= hits;
        let waiting = &mut self.waiting;
        if waiting.pending + misses > self.pending_rows {
            waiting.pending = 0.0;
            waiting.pending_spills += 1;
        }
        waiting.pending += misses;
        waiting.pending_all += misses;
        waiting.deletes += block.inputs * (found - self.ages.younger(self.since_spill)).max(0.0);
        waiting.old_deletes += block.inputs * (1.0 - self.ages.younger(self.since_commit));
        if waiting.deletes > self.delete_rows - block.inputs {
            self.spill_coins();
        }
        let recent = self.ages.younger(self.waiting.recent_outputs + block.coins);
        self.waiting.older += block.inputs * (found - recent).max(0.0);
        self.waiting.recent += block.inputs * found.min(recent);
    }

    /// Coins come into the table; a full one drops its older half.
    fn make_coins(&mut self, block: Block) {
        self.in_table += block.coins;
        if self.in_table > self.table_coins {
            self.spill_coins();
            self.in_table = self.table_coins / 2.0;
            self.reach = Some(self.ages.reach(self.in_table));
        }
    }

    fn spill_coins(&mut self) {
        let rows = self.ages.unspent(self.since_spill) + self.waiting.deletes;
        self.spill(COINS, rows);
        self.waiting.deletes = 0.0;
        self.since_spill = 0.0;
    }

    fn spill(&mut self, relation: usize, rows: f64) {
        let (runs, all) = &mut self.waiting.spills[relation];
        *runs += 1;
        *all += rows;
        self.predicted.effort.spills[relation] += 1;
    }

    fn add_rows(&mut self, block: Block) {
        let waiting = &mut self.waiting;
        waiting.funding += block.outputs;
        waiting.recent_outputs += block.outputs;
        waiting.txids += block.txs;
        if waiting.funding + f64::from(BLOCK_OUTPUTS_MAX) > self.rows.funding as f64 {
            self.spill_funding();
            self.use_rows();
        }
        let waiting = &self.waiting;
        let is_full = waiting.older + block.inputs > self.rows.spending as f64
            || waiting.recent_outputs + block.outputs > self.rows.recent as f64;
        if is_full {
            self.spill_spending();
        }
        if self.waiting.txids + f64::from(BLOCK_TXS_MAX) > self.rows.txids as f64 {
            self.spill_txids();
        }
    }

    fn spill_funding(&mut self) {
        let rows = std::mem::take(&mut self.waiting.funding);
        self.spill(FUNDING, rows);
    }

    fn spill_txids(&mut self) {
        let rows = std::mem::take(&mut self.waiting.txids);
        self.spill(TXIDS, rows);
    }

    fn spill_spending(&mut self) {
        let older = std::mem::take(&mut self.waiting.older);
        let recent = std::mem::take(&mut self.waiting.recent);
        self.waiting.recent_outputs = 0.0;
        if self.waiting.has_apart || recent >= APART_ROWS_MIN as f64 {
            self.waiting.apart_spills += u64::from(!self.waiting.has_apart);
            self.waiting.has_apart = true;
            self.spill(SPENDING, older);
        } else {
            self.spill(SPENDING, older + recent);
        }
    }

    /// Whether the batch commits before the next block.
    pub fn is_due(&self) -> bool {
        let waiting = &self.waiting;
        let coins = self.ages.unspent(self.ages.made);
        let is_worth_it = waiting.pending_all * COINS_A_SPEND as f64 >= coins;
        let spills: u64 = waiting.spills.iter().map(|(runs, _)| runs).sum();
        waiting.blocks >= COMMIT_EVERY_BLOCKS
            || waiting.pending_spills + 2 >= PENDING_SPILLS_MAX
            || waiting.pending_spills > 0 && is_worth_it
            || waiting.spills[COINS].0 >= COIN_SPILLS_MAX as u64
            || spills + waiting.apart_spills >= SPILLS_MAX as u64
    }

    /// All that waits becomes real, and runs merge.
    pub fn commit(&mut self, phase: Phase) {
        self.spill_coins();
        let (coin_runs, coin_rows) = self.waiting.spills[COINS];
        let is_joined = coin_runs > 1 || self.waiting.pending_all >= 1.0;
        if is_joined {
            self.predicted.effort.joined_rows += coin_rows as u64;
            if coin_runs as usize > self.coins_fan_in {
                self.runs[COINS].merged_rows += coin_rows;
            }
        }
        if self.waiting.pending_all >= 1.0 {
            self.predicted.effort.passed_rows += self.runs[COINS].rows() as u64;
        }
        let coins_left = self.ages.unspent(self.since_commit) + self.waiting.old_deletes;
        self.runs[COINS].add(1, coins_left);
        self.look_up();
        self.spill_funding();
        self.spill_spending();
        self.spill_txids();
        for relation in [FUNDING, SPENDING, TXIDS] {
            let (runs, rows) = self.waiting.spills[relation];
            self.runs[relation].add(runs, rows);
        }
        self.waiting = Waiting::default();
        self.since_commit = 0.0;
        self.predicted.effort.commits += 1;
        let coins = self.ages.unspent(self.ages.made);
        for (runs, left) in self
            .runs
            .iter_mut()
            .zip([coins, f64::MAX, f64::MAX, f64::MAX])
        {
            runs.merge(phase, left);
        }
    }

    /// Spends that were looked up are rows of older outputs.
    fn look_up(&mut self) {
        let room = self.rows.spending as f64;
        self.waiting.older += self.waiting.pending_all;
        while self.waiting.older > room {
            self.waiting.older -= room;
            self.spill(SPENDING, room);
            self.predicted.effort.spills[SPENDING] -= 1;
        }
    }

    /// What it all came to.
    pub fn predicted(mut self) -> Predicted {
        for (merged, runs) in self.predicted.effort.merged_rows.iter_mut().zip(&self.runs) {
            *merged = runs.merged_rows as u64;
        }
        let rows = self.ages.made + self.predicted.hits as f64;
        self.predicted.seconds_beside_floor = seconds(&self.predicted, self.changes, rows);
        self.predicted
    }
}
