//! Fingerprints: short keyed hashes that stand for outpoints and scripts.
//!
//! Invariant: SipHash-2-4 with 128 bits of output, under a random key made with the index, so that
//! nobody can prepare two outpoints or two scripts with the same fingerprint.

use crate::wire::Hash32;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;

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

    /// Of an outpoint as serialized: txid, then vout in little-endian ([`OUTPOINT_BITS`]).
    #[inline]
    pub fn outpoint(&self, outpoint: &[u8; 36]) -> u128 {
        self.hasher.hash(outpoint).as_u128() >> (128 - OUTPOINT_BITS)
    }

    /// Prepares the fingerprints of a transaction's own outputs: the txid is hashed once for all.
    #[inline]
    pub fn outputs_of(&self, txid: &Hash32) -> OutputsOf {
        let mut hasher = self.hasher;
        hasher.write(txid);
        OutputsOf { hasher }
    }

    /// Of a scriptPubKey ([`SCRIPT_BITS`]).
    #[inline]
    pub fn script(&self, script: &[u8]) -> u128 {
        self.hasher.hash(script).as_u128() >> (128 - SCRIPT_BITS)
    }
}

/// See [`Fingerprints::outputs_of`].
pub struct OutputsOf {
    hasher: SipHasher24,
}

impl OutputsOf {
    /// Of output `vout`.
    #[inline]
    pub fn outpoint(&self, vout: u32) -> u128 {
        let mut hasher = self.hasher;
        hasher.write(&vout.to_le_bytes());
        hasher.finish128().as_u128() >> (128 - OUTPOINT_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_has_the_same_fingerprint_whether_it_is_made_or_spent() {
        let fingerprints = Fingerprints::new(&[7; 16]);
        let txid = [0xAB; 32];
        let mut outpoint = [0xAB; 36];
        for vout in [0u32, 1, 300, u32::MAX] {
            outpoint[32..].copy_from_slice(&vout.to_le_bytes());
            assert_eq!(
                fingerprints.outputs_of(&txid).outpoint(vout),
                fingerprints.outpoint(&outpoint)
            );
        }
        assert_ne!(
            Fingerprints::new(&[8; 16]).outpoint(&outpoint),
            fingerprints.outpoint(&outpoint)
        );
    }
}
