//! The UTXO set against Bitcoin Core's own numbers: its hashes, its undo files, its snapshots.
//!
//! Invariant: everything here equals Bitcoin Core bit for bit; only `proof.rs`, `recompute.rs` and
//! `undo/check.rs` know the index.
//!
//! | file | what |
//! | --- | --- |
//! | `proof.rs` | the command: recompute, compare |
//! | `recompute.rs` | the numbers and hashes of the set at a height |
//! | `muhash/`, `serialized.rs` | the two hashes over coins |
//! | `stats.rs`, `expect.rs`, `assumeutxo.rs` | numbers of a set; what Core says of them |
//! | `text.rs` | text in UTF-8 and UTF-16 |
//! | `compress.rs`, `cursor.rs`, `snapshot/` | Core's short form of outputs, and its snapshots |
//! | `undo/` | what Core's undo files say was spent |
//! | `amount.rs` | amounts as Core prints them |
//! | `fault.rs` | what can go wrong |

pub(crate) mod assumeutxo;
pub(crate) mod compress;
pub(crate) mod cursor;
pub(crate) mod expect;
mod fault;
pub(crate) mod muhash;
pub(crate) mod proof;
pub(crate) mod recompute;
pub(crate) mod serialized;
pub(crate) mod snapshot;
pub(crate) mod stats;
mod text;
pub(crate) mod undo;

#[cfg(test)]
mod fixtures;

pub use expect::Expected;
pub use fault::{CodedFault, Fault};
pub use proof::{Options, Verified, verify};
pub use stats::Stats;
pub use undo::UndoCounts;

/// Core's `uint256`: 32 bytes, shown as hexadecimal back to front. Used for block hashes and for
/// the hashes of the UTXO set, whichever way they were made.
pub type Uint256 = bitcoin::hashes::sha256d::Hash;
