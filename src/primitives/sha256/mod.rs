//! Double SHA-256 of many messages side by side, in as many lanes as the processor has.
//!
//! Invariant: the hashes are those of the `bitcoin` crate, whichever kernel makes them.
//!
//! SHA-256 of one message is a chain of dependent steps, which leaves most of a processor idle; a block
//! is thousands of independent messages. They are sorted by their number of blocks of 64 bytes, and as
//! many as there are lanes go through the rounds in lockstep, all ending together. What is much longer
//! than its neighbours, and what is left over, is hashed alone.
//!
//! | file | what |
//! | --- | --- |
//! | `kernel.rs` | which kernel there is, and which is taken |
//! | `message.rs` | a message in a block's bytes; its last blocks, padded |
//! | `lockstep.rs` | messages and pairs dealt out to lanes |
//! | `avx512.rs` | sixteen lanes of AVX-512 |
//! | `sha_ni.rs` | four streams of the SHA extensions |
//! | `rounds.rs` | the constants of SHA-256 |

#[cfg(target_arch = "x86_64")]
mod avx512;
mod kernel;
mod lockstep;
mod message;
mod rounds;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
#[cfg(test)]
mod tests;

pub use kernel::{Sha256Kernel, UnknownSha256Kernel};
pub use message::Message;

use crate::primitives::wire::Hash32;

/// Hashes every message, each of which lies in `bytes`, into its place in `hashes`.
pub fn hash_messages(bytes: &[u8], messages: &[Message], hashes: &mut [Hash32]) {
    Sha256Kernel::chosen().hash_messages(bytes, messages, hashes);
}

/// Hashes each two of `hashes` that stand side by side, and puts their hashes in front, in order. What
/// has no neighbour is left alone.
pub fn hash_pairs(hashes: &mut [Hash32]) {
    Sha256Kernel::chosen().hash_pairs(hashes);
}
