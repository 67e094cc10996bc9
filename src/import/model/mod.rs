//! What an import will have to do: predicted from the size of the chain and the memory, block by block.
//!
//! Invariant: sizes of buffers come from the plan, and what merges when from the policy; what is believed of the
//! chain is in `ages.rs`. Costs were measured, and say where.
//!
//! | file | what |
//! | --- | --- |
//! | `ages.rs` | how old outputs are when they are spent |
//! | `merges.rs` | runs, and what merging them reads |

mod ages;
mod merges;

use super::chain::UNSETTLED_BLOCKS;
use super::merging::Phase;
use super::options::COMMIT_EVERY_BLOCKS;
use super::plan::plan;
use crate::Result;
use crate::batch::Effort;
use crate::batch::pending::{COINS_A_SPEND, PENDING_SPILLS_MAX};
use crate::batch::rows::{Counts, RowBuffers};
use crate::batch::spill::APART_ROWS_MIN;
use crate::batch::table::Table;
use crate::batch::{COIN_SPILLS_MAX, SPILLS_MAX};
use crate::limits::RUNS_MAX;
use crate::memory::part::Part;
use crate::memory::plan::Plan;
use crate::primitives::consensus::{BLOCK_OUTPUTS_MAX, BLOCK_TXS_MAX};
use crate::runs::row::{CoinRow, FundingRow, Relation, SpendingRow, TxidRow};
use crate::runs::stream::fan_in;
use ages::Ages;
use merges::Runs;

/// Costs beside the floor, in nanoseconds, on a processor whose floor takes 0.88 s a GB. (Zen 4, SHA extensions,
/// a chain of 30 GB, processor time.)
const FLOOR_REFERENCE_NS_A_BYTE: f64 = 0.88;
/// Seconds of the reference's floor.
pub fn floor_seconds(bytes: u64) -> f64 {
    bytes as f64 * FLOOR_REFERENCE_NS_A_BYTE / 1e9
}

/// About what a row of any relation takes in a page.
pub(super) const ROW_BYTES: u64 = 9;

/// For each input and output: fingerprint, table.
const CHANGE_NS: f64 = 65.0;
/// For each row: sorted, packed, written.
const ROW_NS: f64 = 36.0;
/// For each row that a merge reads.
const MERGED_ROW_NS: f64 = 48.0;
/// For each row of coins that becomes part of one run at a commit.
const JOINED_ROW_NS: f64 = 35.0;
/// For each coin on disk that a commit passes.
const PASSED_ROW_NS: f64 = 10.0;
/// For each spend that missed the table.
const MISS_NS: f64 = 220.0;
/// For each commit.
const COMMIT_NS: f64 = 200e6;

/// The chain that lies ahead.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ChainSize {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Transactions.
    pub txs: u64,
    /// Inputs.
    pub inputs: u64,
    /// Outputs.
    pub outputs: u64,
    /// Outputs that can be spent.
    pub coins_made: u64,
    /// Coins that the index has already.
    pub coins_before: u64,
}

/// What an import of it will have done.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Predicted {
    /// Runs spilled, rows merged and passed.
    pub effort: Effort,
    /// Spends that will find their coin in the table.
    pub hits: u64,
    /// Spends that will not.
    pub misses: u64,
    /// Processor time beside the floor, on a processor of the reference's speed.
    pub seconds_beside_floor: f64,
}

impl Predicted {
    /// The share of spends that find their coin in the table.
    pub fn hit_share(&self) -> f64 {
        self.hits as f64 / ((self.hits + self.misses) as f64).max(1.0)
    }

    /// Bytes that go to the index's file and come from it, its final size included, at most. What is looked up
    /// and merged is hardly ever all in the page cache.
    pub fn file_bytes(&self, index_bytes: u64) -> u64 {
        let merged: u64 = self.effort.merged_rows.iter().sum();
        let rows = 2 * merged + 2 * self.effort.joined_rows + self.effort.passed_rows;
        index_bytes + rows * ROW_BYTES
    }
}

/// Predicts an import with so much memory.
///
/// # Errors
/// [`crate::memory::Fault::BudgetTooSmall`].
pub fn predict(chain: &ChainSize, memory_bytes: usize) -> Result<Predicted> {
    let plan = plan(memory_bytes, None, false)?;
    let mut import = Predicting::new(*chain, &plan);
    let settled = chain.blocks.saturating_sub(UNSETTLED_BLOCKS.into());
    for block in 1..=chain.blocks {
        import.add_block();
        let is_at_end = block == settled || block == chain.blocks;
        if is_at_end || import.is_due() {
            import.commit(if is_at_end {
                Phase::Finish
            } else {
                Phase::Bulk
            });
        }
    }
    Ok(import.predicted())
}

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

struct Predicting {
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
const FUNDING: usize = Relation::Funding as usize;
const SPENDING: usize = Relation::Spending as usize;
const TXIDS: usize = Relation::Txids as usize;

impl Predicting {
    fn new(chain: ChainSize, plan: &Plan) -> Predicting {
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

    fn add_block(&mut self) {
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
    fn is_due(&self) -> bool {
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

    fn commit(&mut self, phase: Phase) {
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

    fn predicted(mut self) -> Predicted {
        for (merged, runs) in self.predicted.effort.merged_rows.iter_mut().zip(&self.runs) {
            *merged = runs.merged_rows as u64;
        }
        let effort = &self.predicted.effort;
        let merged: u64 = effort.merged_rows.iter().sum();
        let rows = self.ages.made + self.predicted.hits as f64;
        let ns = self.changes * CHANGE_NS
            + rows * ROW_NS
            + merged as f64 * MERGED_ROW_NS
            + effort.joined_rows as f64 * JOINED_ROW_NS
            + effort.passed_rows as f64 * PASSED_ROW_NS
            + self.predicted.misses as f64 * MISS_NS
            + effort.commits as f64 * COMMIT_NS;
        self.predicted.seconds_beside_floor = ns / 1e9;
        self.predicted
    }
}

#[cfg(test)]
mod tests;
