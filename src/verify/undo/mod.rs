//! What Core's undo files say was spent, against what the index says.
//!
//! Invariant: how a record is laid out is told in `record.rs` alone.
//!
//! | file | what |
//! | --- | --- |
//! | `record.rs` | the records of an undo file |
//! | `heads.rs` | where they are |
//! | `finder.rs` | those of a chain's blocks, block by block |
//! | `coins.rs` | the coins in a record |
//! | `check.rs` | all of them against the index, file by file |
//! | `sums.rs` | the sums by which both are compared, also block by block |
//! | `difference.rs` | the first difference, in full |
//! | `connected.rs` | whether a block has a record |

mod check;
mod coins;
mod connected;
mod difference;
mod finder;
mod heads;
mod record;
mod sums;

pub(crate) use check::in_undo_file;
pub use check::{UndoCounts, check_undo};
pub use coins::{SpentCoin, SpentCoins};
pub use connected::is_connected;
pub(crate) use difference::{first_difference, is_of_index};
pub(crate) use finder::{UndoFinder, Wanted};
pub(crate) use heads::Found;
pub use record::{Record, Records};
pub(crate) use sums::SpendSums;
