//! Proof of work: which headers have it, and how much (Bitcoin Core, `pow.cpp`, `chain.cpp`).
//!
//! Invariant: a header has work only if its hash meets its own target, and that target is one that Core
//! would write.

use super::header::{bits_of, hash_of};
use super::wire::Hash32;
use crate::primitives::header::HEADER_BYTES;
use bitcoin::{CompactTarget, Target, Work};

/// Hash of a header if it meets the target that the header claims, and that target is one a network
/// with this limit could ask for (Bitcoin Core, `pow.cpp`: `CheckProofOfWork`).
pub fn proven_hash(header: &[u8; HEADER_BYTES], limit: Target) -> Option<Hash32> {
    let target = target_of(bits_of(header))?;
    if target > limit {
        return None;
    }
    let hash = hash_of(header);
    (Target::from_le_bytes(hash) <= target).then_some(hash)
}

/// The target in `bits`, if it is positive and written as Bitcoin Core writes it
/// (`arith_uint256.cpp`: `GetCompact`; every valid header equals what that computes).
fn target_of(bits: u32) -> Option<Target> {
    // 32 is the exponent of the easiest target anywhere (regtest); above, shifts would overflow.
    if bits >> 24 > 32 {
        return None;
    }
    let target = Target::from_compact(CompactTarget::from_consensus(bits));
    let canonical = target != Target::ZERO && target.to_compact_lossy().to_consensus() == bits;
    canonical.then_some(target)
}

/// Expected hashes to find a block with that target (Bitcoin Core, `chain.cpp`: `GetBlockProof`), at
/// most 2^95; none for a target that no header may have.
pub fn work_of(bits: u32) -> u128 {
    let work = target_of(bits).map_or([0; 32], |target: Target| {
        Work::to_be_bytes(target.to_work())
    });
    let (high, low) = work.split_at(16);
    let low = u128::from_be_bytes(low.try_into().expect("half of 32 bytes"));
    if high.iter().any(|&byte| byte != 0) {
        1 << 95
    } else {
        low.min(1 << 95)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_those_that_bitcoin_core_would_write() {
        assert!(target_of(0x1d00_ffff).is_some());
        assert!(target_of(0x207f_ffff).is_some());
        for bits in [
            0,
            0x0100_0000,
            0x1d80_ffff,
            0xff00_ffff,
            0x1e00_00ff,
            0x2100_ffff,
        ] {
            assert!(target_of(bits).is_none(), "{bits:x}");
        }
    }
}
