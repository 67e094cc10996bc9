//! Sorted runs in redb: the only module that knows how the rows of the four big relations are kept.
//!
//! Invariant: a run is immutable. It is written once, front to back, and later read, merged and
//! dropped; a merge that consumes it only moves its lowest key up.
//!
//! | file | what |
//! | --- | --- |
//! | `row.rs` | the row types |
//! | `page/` | rows packed into pages |
//! | `sort.rs` | sorting rows in memory |
//! | `catalogue.rs` | which runs are real |
//! | `write.rs` | a run from rows in ascending order |
//! | `read.rs` | looking rows up in runs |
//! | `range.rs` | the rows of a range of keys, of many runs, in order |
//! | `gather.rs` | of many runs the next rows in order |
//! | `stream.rs` | the rows of many runs as one sorted stream |
//! | `merge.rs` | several runs into one |
//! | `fold.rs` | the runs of a batch into fewer, before they are named |
//! | `policy.rs` | when to merge which runs |
//! | `fault.rs` | what can go wrong |

pub(crate) mod catalogue;
mod fault;
pub(crate) mod fold;
mod gather;
pub(crate) mod merge;
pub(crate) mod page;
pub(crate) mod policy;
pub(crate) mod range;
pub(crate) mod read;
pub(crate) mod row;
pub(crate) mod sort;
pub(crate) mod stream;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod write;

pub use fault::{Damage, Fault};

use crate::limits::{OLD_PAGE_BYTES, PAGE_BYTES};
use crate::store::TableDefinition;
use row::Relation;

/// Bytes of a page of this relation until index format 4; a page has no more now.
pub(crate) const fn old_page_bytes(relation: Relation) -> usize {
    match relation {
        Relation::Coins => PAGE_BYTES,
        _ => OLD_PAGE_BYTES,
    }
}

/// The most rows that a page of this relation holds: bounds what a merge has to keep of a page. Rows
/// are hardly ever packed so well (8 bytes a row; 4 of `funding`, 1.6 of `spending`) that this ends a page.
pub(crate) const fn page_rows_max(relation: Relation) -> usize {
    match relation {
        Relation::Coins => 2048,
        Relation::Funding | Relation::Txids => 4096,
        Relation::Spending => 10_240,
    }
}

/// The redb table of a run.
pub(crate) fn table_of(name: &str) -> TableDefinition<'_, u128, &'static [u8]> {
    TableDefinition::new(name)
}
