//! A message, as a transaction is one: most of it lies together in a block, but for four bytes in front
//! and four behind (BIP 144: marker and flag stand behind the version, witnesses before the lock time).
//!
//! Invariant: a [`Lane`] has all bytes of its message, but for those eight, where its blocks are looked up.

use super::rounds::MARK;
use crate::primitives::wire::Hash32;
use bitcoin::hashes::{Hash, HashEngine, sha256};

/// Bytes that SHA-256 takes at a time.
pub const BLOCK_BYTES: usize = 64;

/// Bytes of the mark that ends a message and of its length.
const END_BYTES: usize = 1 + 8;

/// Bytes in front of the middle, and as many behind it.
const EDGE_BYTES: usize = 4;

/// A message. Its middle lies in bytes that are given with it.
#[derive(Clone, Copy, Default, Debug)]
pub struct Message {
    /// Its first bytes.
    pub head: [u8; EDGE_BYTES],
    /// Where its middle begins.
    pub middle_at: u32,
    /// Bytes of its middle.
    pub middle_bytes: u32,
    /// Its last bytes.
    pub tail: [u8; EDGE_BYTES],
}

impl Message {
    /// All of its bytes.
    #[inline(always)]
    pub fn bytes(&self) -> usize {
        self.middle_bytes as usize + 2 * EDGE_BYTES
    }

    /// Blocks of 64 bytes that it fills, mark and length included.
    #[inline(always)]
    pub fn blocks(&self) -> usize {
        (self.bytes() + END_BYTES).div_ceil(BLOCK_BYTES)
    }

    /// Where it would begin if its head stood before its middle.
    fn from(&self) -> Option<usize> {
        (self.middle_at as usize).checked_sub(EDGE_BYTES)
    }

    /// Whether a lane takes it: it needs two blocks or more, and `bytes` reach to the end of its last.
    #[inline(always)]
    pub fn fits_a_lane(&self, bytes: &[u8]) -> bool {
        let blocks = self.blocks();
        let is_inside = |from: usize| from + blocks * BLOCK_BYTES <= bytes.len();
        blocks >= 2 && self.from().is_some_and(is_inside)
    }

    /// Its hash, by the `bitcoin` crate.
    pub fn hash_alone(&self, bytes: &[u8]) -> Hash32 {
        let middle = &bytes[self.middle_at as usize..][..self.middle_bytes as usize];
        let mut engine = sha256::Hash::engine();
        engine.input(&self.head);
        engine.input(middle);
        engine.input(&self.tail);
        let once = sha256::Hash::from_engine(engine).to_byte_array();
        sha256::Hash::hash(&once).to_byte_array()
    }
}

/// A message in a lane.
#[derive(Clone, Copy)]
pub struct Lane<'a> {
    /// Its blocks, as they lie there: what is to stand before its middle and behind it does not yet.
    pub blocks: &'a [[u8; BLOCK_BYTES]],
    message: Message,
}

impl<'a> Lane<'a> {
    /// Of a message that fits.
    #[inline(always)]
    pub fn new(bytes: &'a [u8], message: Message) -> Lane<'a> {
        let from = message.from().expect("it fits a lane");
        let bytes = &bytes[from..from + message.blocks() * BLOCK_BYTES];
        Lane {
            blocks: bytes.as_chunks().0,
            message,
        }
    }

    /// What is to stand in front of its first block.
    #[inline(always)]
    pub fn head(&self) -> [u8; EDGE_BYTES] {
        self.message.head
    }

    /// Its last two blocks as they are hashed: behind the middle the tail, the mark, zeros and the length.
    #[inline(always)]
    pub fn last_two(&self, two: &mut [[u8; BLOCK_BYTES]; 2]) {
        const BYTES: usize = 2 * BLOCK_BYTES;
        /// Ones, then as many zeros: from a later byte on, what a shorter middle leaves.
        static KEEPS: [u8; 2 * BYTES] = {
            let mut keeps = [0; 2 * BYTES];
            let mut at = 0;
            while at < BYTES {
                keeps[at] = 0xff;
                at += 1;
            }
            keeps
        };
        let first = self.blocks.len() - 2;
        let end = self.message.middle_bytes as usize + EDGE_BYTES - first * BLOCK_BYTES;
        let keeps = &KEEPS[BYTES - end..][..BYTES];
        let bytes = &self.blocks[first..].as_flattened()[..BYTES];
        let two = two.as_flattened_mut();
        for ((byte, own), keeps) in two.iter_mut().zip(bytes).zip(keeps) {
            *byte = own & keeps;
        }
        two[end..end + EDGE_BYTES].copy_from_slice(&self.message.tail);
        two[end + EDGE_BYTES] = MARK.to_be_bytes()[0];
        let bits = self.message.bytes() as u64 * 8;
        two[BYTES - 8..].copy_from_slice(&bits.to_be_bytes());
    }
}
