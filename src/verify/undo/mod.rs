//! What Core's undo files say was spent, against what the index says.
//!
//! Invariant: how a record is laid out is told in `record.rs` alone.
//!
//! | file | what |
//! | --- | --- |
//! | `record.rs` | the records of an undo file |
//! | `coins.rs` | the coins in a record |
//! | `check.rs` | all of them against the index |
//! | `difference.rs` | the first difference, in full |
//! | `connected.rs` | whether a block has a record |

mod check;
mod coins;
mod connected;
mod difference;
mod record;

pub use check::{UndoCounts, check_undo};
pub use coins::{SpentCoin, SpentCoins};
pub use connected::is_connected;
pub use record::{Record, Records};
