//! `export parquet`: the chain as four tables in Parquet files.
//!
//! Invariant: what is under a final name is whole, on disk, and has as many rows as the index counts of its
//! blocks; what its inputs spent is what the node's undo files say, and of coins that one run also saw made,
//! what the index says too.
//!
//! One pass over the block and undo files, in the order of heights: no look-ups, nothing sorted.
//!
//! Memory: what `tables.rs` tells, 24 bytes a block of the chain for the comparison with the index, one undo
//! record, one block's transactions.
//!
//! | file | what |
//! | --- | --- |
//! | `options.rs` | what is asked for and told |
//! | `run.rs` | the whole of it, top to bottom |
//! | `walk.rs` | block by block |
//! | `spent.rs` | the coins that a block spends |
//! | `sums.rs` | what is counted |
//! | `plan.rs` | which files are to be written |
//! | `piece.rs`, `folder.rs`, `manifest.rs` | files of a set, by name and footer; their folder; their list |
//! | `table.rs`, `schema.rs` | the tables and their columns |
//! | `tables.rs`, `rows/` | rows that wait to be written |
//! | `writer.rs` | Parquet files |
//! | `text.rs`, `address.rs` | hashes and addresses in them |
//! | `fault.rs` | what can go wrong |

mod address;
mod fault;
mod folder;
mod manifest;
mod options;
mod piece;
mod plan;
pub(crate) mod rows;
mod run;
pub(crate) mod schema;
mod spent;
mod sums;
mod table;
mod tables;
pub(crate) mod text;
mod walk;
pub(crate) mod writer;

pub use fault::Fault;
pub use manifest::UtxoSetThen;
pub use options::{
    BLOCKS_PER_FILE, Exporting, GROUP_ROWS, News, Options, Progress, TableWritten, Until, Watch,
    Written,
};
pub use run::export_parquet;
pub use schema::Hashes;
pub use sums::Sums;
pub use table::Table;
