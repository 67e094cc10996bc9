//! The ledger: what memory was used for, noted at every commit and around every merge.
//!
//! Invariant: noting takes no memory that stays. A log is a list of JSON lines: a [`record::Head`] for
//! each run of an import, then its [`record::Record`]s in the order they were made.
//!
//! | file | what |
//! | --- | --- |
//! | `record.rs` | the lines of a log |

pub mod counting;
pub mod heap;
pub mod record;
