//! Facts of Bitcoin's consensus and formats, each told once, and the numbers that name what is in a chain.
//!
//! Invariant: nothing here opens a file, and nothing fails but by what the bytes say.
//!
//! | file | what |
//! | --- | --- |
//! | `wire/` | a block's bytes: transactions, merkle root, witnesses |
//! | `consensus.rs` | the numbers that bound a block |
//! | `header.rs` | the fields of a header, and its hash |
//! | `pow.rs` | proof of work |
//! | `bip34.rs` | the height that a coinbase names |
//! | `compact_size.rs` | counts and lengths |
//! | `coin.rs` | a coin, and the bytes that Bitcoin Core hashes of it |
//! | `amount.rs` | amounts in bitcoin, as Core prints them |
//! | `script.rs` | which scripts can never be spent |
//! | `script_type.rs` | what Core calls the form of a script |
//! | `network.rs` | the networks and what differs between them |
//! | `position.rs` | heights, txos, transaction numbers, places |
//! | `fingerprint/` | keyed hashes of outpoints, scripts and txids |
//! | `sha256/` | double SHA-256 of many messages side by side |

pub(crate) mod amount;
pub(crate) mod bip34;
pub(crate) mod coin;
pub(crate) mod compact_size;
pub(crate) mod consensus;
pub(crate) mod fingerprint;
pub(crate) mod header;
pub(crate) mod network;
pub(crate) mod position;
pub(crate) mod pow;
pub(crate) mod script;
pub(crate) mod script_type;
pub(crate) mod sha256;
pub(crate) mod wire;

pub use amount::{bitcoins, signed_bitcoins};
pub use consensus::BLOCK_BYTES_MAX;
pub use network::{NetworkName, UnknownNetwork};
pub use position::{Height, Place, TxNum, Txo};
pub use sha256::{Sha256Kernel, UnknownSha256Kernel};
pub use wire::{BlockFault, FaultKind};
