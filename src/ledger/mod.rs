//! The ledger: what memory was used for, noted at every commit and around every merge.
//!
//! Invariant: noting takes no memory that stays. A log is a list of JSON lines: a [`record::Head`] for
//! each run of an import, then its [`record::Record`]s in the order they were made.
//!
//! | file | what |
//! | --- | --- |
//! | `counting.rs` | an allocator that counts |
//! | `heap.rs` | what it has counted, and how much of it is redb's |
//! | `keeper.rs` | records are made |
//! | `record.rs` | the lines of a log |
//! | `alarm.rs` | memory that grows and should not |
//! | `log.rs` | a log is begun, or gone on with |

pub mod alarm;
pub mod counting;
pub mod heap;
pub mod keeper;
pub mod log;
pub mod record;
