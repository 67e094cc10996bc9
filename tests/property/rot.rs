//! What becomes of the bytes of a record that goes bad.
//!
//! Invariant: a spoilt record is as long as the good one.

use bitcoin::Target;
use bitcoin::block::Header;
use bitcoin::consensus::encode::deserialize;

use crate::common::rng::Rng;

/// What becomes of the bytes of a record.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Rot {
    /// All of them are zeros.
    Zeros,
    /// All of them are junk.
    Junk,
    /// A bit of the header is flipped, and its work is gone.
    Header,
    /// A bit of the merkle root is flipped, and the work is still right: another block.
    Root,
    /// A byte behind the header is another.
    Body,
}

/// A record's bytes, spoilt.
pub fn rotten(good: &[u8], rot: Rot) -> Vec<u8> {
    let mut bytes = good.to_vec();
    match rot {
        Rot::Zeros => bytes.fill(0),
        Rot::Junk => Rng::new(good.len() as u64).fill(&mut bytes),
        Rot::Header => flip(&mut bytes, 8..44, false),
        Rot::Root => flip(&mut bytes, 44..76, true),
        Rot::Body => {
            let near_end = bytes.len() - 6;
            bytes[near_end] ^= 1;
        }
    }
    bytes
}

/// Flips the first bit of these bytes after which the header has work, or has not.
fn flip(record: &mut [u8], bytes: std::ops::Range<usize>, has_work: bool) {
    for bit in bytes.start * 8..bytes.end * 8 {
        record[bit / 8] ^= 1 << (bit % 8);
        let header: Header = deserialize(&record[8..88]).unwrap();
        if header.validate_pow(Target::MAX_ATTAINABLE_REGTEST).is_ok() == has_work {
            return;
        }
        record[bit / 8] ^= 1 << (bit % 8);
    }
}
