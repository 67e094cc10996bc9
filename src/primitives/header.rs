//! The header of a block: its fields and its hash (Bitcoin Core, `primitives/block.h`: `CBlockHeader`).
//!
//! Invariant: any 80 bytes are a header, so nothing here fails.
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 4 | version |
//! | 4 | 32 | hash of the previous block |
//! | 36 | 32 | merkle root |
//! | 68 | 4 | time |
//! | 72 | 4 | bits: the target in compact form |
//! | 76 | 4 | nonce |
//!
//! Numbers are little-endian; hashes are in internal byte order.

use super::wire::Hash32;
use bitcoin::hashes::{Hash, sha256d};
use byteorder::{ByteOrder, LittleEndian};

/// Bytes of a serialized header.
pub const HEADER_BYTES: usize = 80;

const PREV_HASH_AT: usize = 4;
/// Where the merkle root begins.
pub const MERKLE_ROOT_AT: usize = 36;
const TIME_AT: usize = 68;
const BITS_AT: usize = 72;
const NONCE_AT: usize = 76;
const _: () = assert!(NONCE_AT + 4 == HEADER_BYTES);

/// Double SHA-256 of a header: the block's hash.
pub fn hash_of(header: &[u8; HEADER_BYTES]) -> Hash32 {
    sha256d::Hash::hash(header).to_byte_array()
}

/// Version, which says what the block's miner was ready for.
pub fn version_of(header: &[u8; HEADER_BYTES]) -> i32 {
    LittleEndian::read_i32(header)
}

/// Hash of the previous block.
pub fn prev_hash_of(header: &[u8; HEADER_BYTES]) -> Hash32 {
    hash_at(header, PREV_HASH_AT)
}

/// Root of the tree of the transactions' ids.
pub fn merkle_root_of(header: &[u8; HEADER_BYTES]) -> Hash32 {
    hash_at(header, MERKLE_ROOT_AT)
}

/// Unix time in seconds, as the miner gave it.
pub fn time_of(header: &[u8; HEADER_BYTES]) -> u32 {
    LittleEndian::read_u32(&header[TIME_AT..])
}

/// The compact form of its target (Bitcoin Core, `arith_uint256.h`: `SetCompact`).
pub fn bits_of(header: &[u8; HEADER_BYTES]) -> u32 {
    LittleEndian::read_u32(&header[BITS_AT..])
}

/// What the miner changed until the hash met the target.
pub fn nonce_of(header: &[u8; HEADER_BYTES]) -> u32 {
    LittleEndian::read_u32(&header[NONCE_AT..])
}

fn hash_at(header: &[u8; HEADER_BYTES], at: usize) -> Hash32 {
    *header[at..].first_chunk().expect("a header has 80 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::consensus::deserialize;

    #[test]
    fn every_field_is_the_bitcoin_crates() {
        let bytes: [u8; HEADER_BYTES] = std::array::from_fn(|at| at as u8 + 100);
        let theirs: bitcoin::block::Header = deserialize(&bytes).expect("80 bytes");
        assert_eq!(version_of(&bytes), theirs.version.to_consensus());
        assert_eq!(prev_hash_of(&bytes), theirs.prev_blockhash.to_byte_array());
        assert_eq!(merkle_root_of(&bytes), theirs.merkle_root.to_byte_array());
        assert_eq!(time_of(&bytes), theirs.time);
        assert_eq!(bits_of(&bytes), theirs.bits.to_consensus());
        assert_eq!(nonce_of(&bytes), theirs.nonce);
        assert_eq!(hash_of(&bytes), theirs.block_hash().to_byte_array());
    }
}
