//! What an import will have to do: predicted from the size of the chain and the memory, block by block.
//!
//! Invariant: sizes of buffers come from the plan, and what merges when from the policy; what is believed of the
//! chain is in `ages.rs`. Costs were measured, and say where.
//!
//! | file | what |
//! | --- | --- |
//! | `ages.rs` | how old outputs are when they are spent |
//! | `predicting.rs` | what waits, spills and commits |
//! | `merges.rs` | runs, and what merging them reads |

mod ages;
mod merges;
mod predicting;

use super::chain::UNSETTLED_BLOCKS;
use super::merging::Phase;
use super::plan::plan;
use crate::Result;
use crate::batch::Effort;
use predicting::Predicting;

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
const ROW_NS: f64 = 43.0;
/// For each row that a merge reads.
const MERGED_ROW_NS: f64 = 53.0;
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

/// Of so many inputs and outputs, and rows that are written: processor time beside the floor.
fn seconds(found: &Predicted, changes: f64, rows: f64) -> f64 {
    let effort = &found.effort;
    let merged: u64 = effort.merged_rows.iter().sum();
    let ns = changes * CHANGE_NS
        + rows * ROW_NS
        + merged as f64 * MERGED_ROW_NS
        + effort.joined_rows as f64 * JOINED_ROW_NS
        + effort.passed_rows as f64 * PASSED_ROW_NS
        + found.misses as f64 * MISS_NS
        + effort.commits as f64 * COMMIT_NS;
    ns / 1e9
}

#[cfg(test)]
mod tests;
