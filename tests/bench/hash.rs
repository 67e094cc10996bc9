//! Double SHA-256 and merkle roots over plain bytes.

use bitcoin::hashes::{Hash, HashEngine, sha256d};

/// Double SHA-256 of the parts, one after the other.
#[inline]
pub fn hash_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut engine = sha256d::Hash::engine();
    parts.iter().for_each(|part| engine.input(part));
    sha256d::Hash::from_engine(engine).to_byte_array()
}

/// The merkle root over `leaves`, which are used up.
pub fn merkle_root(leaves: &mut [[u8; 32]]) -> [u8; 32] {
    let mut count = leaves.len();
    while count > 1 {
        for pair in 0..count.div_ceil(2) {
            let (left, right) = (2 * pair, (2 * pair + 1).min(count - 1));
            leaves[pair] = hash_parts(&[&leaves[left], &leaves[right]]);
        }
        count = count.div_ceil(2);
    }
    leaves[0]
}
