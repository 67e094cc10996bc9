//! A block as Bitcoin serializes it: header, transactions, inputs, outputs, witnesses (Bitcoin Core,
//! `primitives/transaction.h` and `serialize.h`).
//!
//! Invariant: what was handed out has been walked and found whole, so it is walked again without errors.
//! Nothing is copied or allocated. All integers are little-endian.
//!
//! | file | what |
//! | --- | --- |
//! | `block.rs` | a block, transaction by transaction |
//! | `tx.rs` | a transaction, its inputs and outputs |
//! | `txs.rs` | transactions and their ids, many at a time |
//! | `merkle.rs` | the transactions against the merkle root |
//! | `witness.rs` | the witnesses against their commitment |
//! | `cursor.rs` | the bytes, read forward |
//! | `fault.rs` | what can be wrong |

mod block;
mod cursor;
mod fault;
mod merkle;
mod tx;
mod txs;
mod witness;

pub use block::Block;
pub use fault::{BlockFault, FaultKind};
pub use merkle::{check_block, check_merkle_root};
pub use tx::{Input, Output, Tx, Witness};
pub use txs::Txs;
pub use witness::check_witnesses;

/// A 32-byte hash in the byte order in which blocks carry it (the reverse of the printed one).
pub type Hash32 = [u8; 32];

#[cfg(test)]
mod model;
#[cfg(test)]
mod testing;
