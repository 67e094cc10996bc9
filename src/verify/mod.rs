//! The UTXO set against Bitcoin Core's own numbers: its hashes, its undo files, its snapshots.
//!
//! Invariant: everything here equals Bitcoin Core bit for bit, and nothing here knows the index.

pub mod amount;
pub mod assumeutxo;
pub mod coin;
pub mod compress;
pub mod cursor;
pub mod expect;
pub mod muhash;
pub mod serialized;
pub mod snapshot;
pub mod stats;
pub mod undo;

#[cfg(test)]
mod fixtures;

/// Core's `uint256`: 32 bytes, shown as hexadecimal back to front. Used for block hashes and for
/// the hashes of the UTXO set, whichever way they were made.
pub type Uint256 = bitcoin::hashes::sha256d::Hash;
