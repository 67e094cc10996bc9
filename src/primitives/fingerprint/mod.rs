//! Fingerprints: short keyed hashes that stand for outpoints and scripts.
//!
//! Invariant: SipHash-2-4 with 128 bits of output, under a random key made with the index, so that
//! nobody can prepare two outpoints or two scripts with the same fingerprint.

pub mod lanes;

use siphasher::sip128::SipHasher24;

/// Bits of an outpoint's fingerprint. By accident, 88 bits match wrongly anywhere in an import of
/// mainnet with a chance of 2e-9.
pub const OUTPOINT_BITS: u32 = 88;

/// Bits of a script's fingerprint.
pub const SCRIPT_BITS: u32 = 80;

/// Makes fingerprints under one key.
#[derive(Clone)]
pub struct Fingerprints {
    hasher: SipHasher24,
}

impl Fingerprints {
    /// Under this key.
    pub fn new(key: &[u8; 16]) -> Fingerprints {
        Fingerprints {
            hasher: SipHasher24::new_with_key(key),
        }
    }

    /// The key, as two words.
    pub fn key(&self) -> (u64, u64) {
        self.hasher.keys()
    }

    /// Of an outpoint as serialized: txid, then vout in little-endian ([`OUTPOINT_BITS`]).
    #[inline]
    pub fn outpoint(&self, outpoint: &[u8; 36]) -> u128 {
        outpoint_of_hash(self.hasher.hash(outpoint).as_u128())
    }

    /// Of a scriptPubKey ([`SCRIPT_BITS`]).
    #[inline]
    pub fn script(&self, script: &[u8]) -> u128 {
        script_of_hash(self.hasher.hash(script).as_u128())
    }
}

/// An outpoint's fingerprint, of its hash.
#[inline(always)]
pub fn outpoint_of_hash(hash: u128) -> u128 {
    hash >> (128 - OUTPOINT_BITS)
}

/// A script's fingerprint, of its hash.
#[inline(always)]
pub fn script_of_hash(hash: u128) -> u128 {
    hash >> (128 - SCRIPT_BITS)
}

#[cfg(test)]
mod tests {
    use super::lanes::Lanes;
    use super::*;
    use proptest::prelude::*;

    /// The hashes of `messages` (of `8 * W - 8` to `8 * W - 1` bytes), side by side.
    fn side_by_side<const W: usize>(key: &[u8; 16], messages: &[Vec<u8>]) -> Vec<u128> {
        let key = Fingerprints::new(key).key();
        let mut hashes = vec![0; messages.len()];
        let mut lanes = Lanes::<W>::empty();
        for (target, message) in messages.iter().enumerate() {
            if lanes.push(message, target) {
                lanes.hash(key, |target, hash| hashes[target] = hash);
            }
        }
        lanes.hash(key, |target, hash| hashes[target] = hash);
        hashes
    }

    proptest! {
        #[test]
        fn hashes_side_by_side_are_those_one_by_one(
            key in any::<[u8; 16]>(),
            short in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 0..20),
            long in prop::collection::vec(prop::collection::vec(any::<u8>(), 32..40), 0..20),
        ) {
            let one = |message: &Vec<u8>| SipHasher24::new_with_key(&key).hash(message).as_u128();
            let short_hashes: Vec<u128> = short.iter().map(one).collect();
            let long_hashes: Vec<u128> = long.iter().map(one).collect();
            prop_assert_eq!(side_by_side::<1>(&key, &short), short_hashes);
            prop_assert_eq!(side_by_side::<5>(&key, &long), long_hashes);
        }
    }

    #[test]
    fn another_key_gives_other_fingerprints() {
        let (one, other) = (Fingerprints::new(&[7; 16]), Fingerprints::new(&[8; 16]));
        assert_ne!(one.outpoint(&[1; 36]), other.outpoint(&[1; 36]));
        assert_eq!(one.outpoint(&[1; 36]) >> OUTPOINT_BITS, 0);
        assert_eq!(one.script(&[1; 25]) >> SCRIPT_BITS, 0);
    }
}
