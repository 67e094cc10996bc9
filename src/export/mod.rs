//! `export`: the UTXO set, or who owns it, as a file.
//!
//! Invariant: under the final name there is a whole file or none; what is there already is replaced
//! only if that was asked for.
//!
//! | file | what |
//! | --- | --- |
//! | `destination.rs` | where it goes |
//! | `utxos.rs` | every coin: Core's snapshot, CSV, JSON lines |
//! | `balances.rs` | every script that owns something, or the richest |
//! | `entries.rs` | their lines, being sorted |
//! | `received.rs` | what scripts received |
//! | `parquet.rs` | both as Parquet |
//! | `ranking.rs` | which scripts cannot be among the richest |
//! | `fault.rs` | what can go wrong |

mod balances;
mod destination;
mod entries;
mod fault;
mod parquet;
mod ranking;
mod received;
mod utxos;

pub use fault::Fault;

use crate::os::kept::Kept;
use crate::utxo::UtxoSet;

pub use balances::{BalancesOptions, BalancesWritten, export_balances};
pub use destination::Destination;
pub use utxos::{UtxosOptions, UtxosWritten, export_utxos};

/// What an export may not replace: what it reads.
fn kept(set: &UtxoSet<'_>) -> Kept {
    let index = set.snapshot().index();
    Kept::new()
        .and_file(index.store().path(), "the index")
        .and_blocks(&index.meta().blocks_dir)
        .and_blocks(set.reader().blocks_dir())
}

/// How coins are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UtxosFormat {
    /// As Core's `dumptxoutset` writes them.
    Snapshot,
    /// As lines of text.
    Lines(Lines),
    /// As Parquet, with the columns of a data set's `outputs`.
    Parquet,
}

/// How balances are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BalancesFormat {
    /// As lines of text.
    Lines(Lines),
    /// As Parquet.
    Parquet,
}

impl From<Lines> for BalancesFormat {
    fn from(lines: Lines) -> BalancesFormat {
        BalancesFormat::Lines(lines)
    }
}

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lines {
    /// Comma-separated, with a line of titles.
    Csv,
    /// A JSON object a line.
    Jsonl,
}
