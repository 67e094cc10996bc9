//! The import, as others see it; the loop is in `work.rs` and `pass.rs`.
//!
//! Invariant: one thread, one loop. What is committed is exactly the chain up to the tip, and a kill
//! at any moment loses only the work since the last commit.
//!
//! | file | what |
//! | --- | --- |
//! | `options.rs`, `plan.rs` | what is asked for; memory split into parts |
//! | `chain.rs` | the scan, the best chain |
//! | `remember.rs` | what a scan leaves: places of blocks, the scan state |
//! | `known.rs`, `fork.rs` | what the index adds to the files of a pruned node; where it leaves the best chain |
//! | `ahead.rs` | what the chain lacks, and whether to go on |
//! | `needs/` | disk, memory and time of an import, and whether they are there |
//! | `pass.rs` | one pass: blocks, commits, bad blocks |
//! | `beacon.rs` | what those are told who want the index meanwhile |
//! | `edge.rs` | how near the blocks are that a node deletes |
//! | `work.rs` | passes, one after the other, until nothing is new |
//! | `follow.rs` | what comes then, if the import is to stay |
//! | `trouble.rs` | which faults time may mend |
//! | `merging.rs` | which runs merge when |
//! | `model/` | what an import will have to do, predicted |
//! | `keeper.rs` | the ledger's records |
//! | `events.rs`, `summary.rs` | what is told meanwhile, and at the end |
//! | `fault.rs` | what can go wrong |

mod ahead;
mod beacon;
pub(crate) mod chain;
#[cfg(test)]
mod damaged;
mod edge;
pub(crate) mod events;
mod fault;
mod follow;
pub(crate) mod fork;
pub(crate) mod keeper;
pub(crate) mod known;
pub(crate) mod merging;
pub mod model;
pub(crate) mod needs;
mod options;
mod pass;
pub(crate) mod plan;
mod remember;
pub(crate) mod summary;
mod trouble;
mod work;

pub use crate::batch::clock::{Clock, Stage};
pub use crate::batch::{Effort, TableCounts};
pub use chain::Chain;
pub use events::{Added, Event, Importing, Notice, Progress, Watch};
pub use fault::{Fault, Files};
pub use follow::{Followed, follow};
pub use keeper::Settings;
pub use needs::Needs;
pub use needs::lack::{Lack, Lacks};
pub use needs::sample::Tally;
pub use options::{COMMIT_EVERY_BLOCKS, Options};
pub use summary::{Summary, Totals};

use crate::Result;
use crate::primitives::position::Height;
use crate::store::Sharing;
use work::Work;

/// From this many blocks on, an import is a bulk import: nobody reads meanwhile, the table is warmed first,
/// runs merge at the end, and the scan is repeated after it.
pub const BULK_BLOCKS_MIN: u32 = 1000;

fn is_bulk(next: Height, end: Height) -> bool {
    (end.0 + 1).saturating_sub(next.0) >= BULK_BLOCKS_MIN
}

fn sharing(next: Height, end: Height) -> Sharing {
    match is_bulk(next, end) {
        true => Sharing::Alone,
        false => Sharing::WithReaders,
    }
}

/// Imports what the block files have and the index has not. Who watches hears of everything that happens,
/// and can end it after a block, with a commit.
///
/// # Errors
/// Anything in [`crate::Error`]; what was committed before stays.
pub fn import(options: &Options, watch: &mut Watch<'_>) -> Result<Summary> {
    let (mut work, index) = Work::begin(options, false, watch)?;
    let reached = work.reach_tip(index, watch)?;
    let index = work.conclude(reached, watch)?;
    let summary = work.summary(&index)?;
    index.close()?;
    Ok(summary)
}
