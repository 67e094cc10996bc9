//! The ledger: what memory was used for, noted at every commit and around every merge.
//!
//! Invariant: noting takes no memory that stays. A log is a list of JSON lines: a [`record::Head`] for
//! each run of an import, then its [`record::Record`]s in the order they were made.
//!
//! | file | what |
//! | --- | --- |
//! | `alarm.rs` | memory that grows and should not |
//! | `record.rs` | the lines of a log |
//! | `part_name.rs` | how it names a part |
//! | `log.rs` | a log is begun, or gone on with |
//! | `read.rs` | reads its lines, whatever they are |
//! | `fault.rs` | why a log has no answer |
//! | `find.rs` | the records at heights |
//! | `diff.rs` | what grew between two of them |
//! | `history.rs` | a log as numbers over height |
//! | `step.rs` | the work between two commits |
//! | `numbers.rs` | numbers and dates for people |
//! | `picture/` | these as plots, on a page or a sheet |

pub(crate) mod alarm;
pub(crate) mod diff;
mod fault;
pub(crate) mod find;
pub(crate) mod history;
pub(crate) mod log;
pub mod numbers;
mod part_name;
pub(crate) mod picture;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod step;
#[cfg(test)]
mod testing;

pub use alarm::Alarm;
pub use diff::{Diff, Growth, Measure, RelationGrowth, Side, diff};
pub use fault::Fault;
pub use find::{Answers, Found, find, planned_bytes};
pub use log::{LOG_LINE_BYTES_MAX, Log};
pub use part_name::PartName;
pub use picture::{Drawn, Format, report};
pub use record::{
    Cgroup, Head, Heap, LOG_NAME, LOG_VERSION, Line, Moment, PartUse, PlannedPart, Process, Record,
    RelationUse, TableUse,
};
