//! Files of other chains, known by how they begin.
//!
//! Invariant: a genesis block that is damaged, but ours, is never called another chain's.

use super::block_file_path;
use super::files::{self, BlockFile};
use super::network::Network;
use super::records::{FRAME_BYTES, Record};
use super::xor::XorKey;
use crate::error::io_error;
use crate::limits::HEADER_BYTES;
use crate::{Error, Result, wire};
use std::fs::File;
use std::path::Path;

/// What stands before a block of chains that split their format off ours (their `chainparams.cpp`,
/// `pchMessageStart`), as far as it differs.
const MAGICS: [([u8; 4], &str); 6] = [
    ([0xfb, 0xc0, 0xb6, 0xdb], "litecoin"),
    ([0xfd, 0xd2, 0xc8, 0xf1], "litecoin's testnet"),
    ([0xc0, 0xc0, 0xc0, 0xc0], "dogecoin"),
    ([0xfc, 0xc1, 0xb7, 0xdc], "dogecoin's testnet"),
    ([0xbf, 0x0c, 0x6b, 0xbd], "dash"),
    ([0xf9, 0xbe, 0xb4, 0xfe], "namecoin"),
];

/// Merkle roots, as they are printed, of genesis blocks behind a magic that is one of ours.
const MERKLE_ROOTS: [(&str, &str); 2] = [
    (
        "97ddfbbae6be97fd6cdf3e7ca13232a3afff2353e29badfab7f73011edd4ced9",
        "litecoin",
    ),
    (
        "5b2a3f53f605d62c53e62932dac6925e3d74afa5a4b459745c36d42d0ed26a69",
        "dogecoin",
    ),
];

/// Refuses files that begin with another chain's genesis block, or with its magic. `first` is the first
/// record that was recognized.
///
/// # Errors
/// [`Error::OtherChain`], [`Error::Io`].
pub(super) fn refuse(
    dir: &Path,
    files: &[BlockFile],
    key: XorKey,
    networks: &[Network],
    first: Option<&Record>,
) -> Result<()> {
    let Some(file) = files.first().filter(|file| file.number == 0) else {
        return Ok(());
    };
    let path = block_file_path(dir, file.number);
    let mut begin = [0; FRAME_BYTES + HEADER_BYTES];
    let opened = File::open(&path).map_err(io_error("open", &path))?;
    files::read_at(&opened, &mut begin, 0).map_err(io_error("read", &path))?;
    key.apply(&mut begin, 0);
    let (frame, header) = begin
        .split_last_chunk::<HEADER_BYTES>()
        .expect("as long as both");
    let refused = |name, hash| {
        Err(Error::OtherChain {
            path: path.clone(),
            name,
            hash,
        })
    };
    let hash = wire::hash_of(header);
    let is_magic = |(magic, _): &&([u8; 4], &str)| frame.starts_with(magic);
    if let Some((_, name)) = MAGICS.iter().find(is_magic) {
        return refused(Some(*name), hash);
    }
    let is_ours = networks.iter().any(|network| network.genesis_hash == hash);
    if is_ours || wire::prev_hash_of(header) != [0; 32] {
        return Ok(());
    }
    let root = bitcoin::TxMerkleNode::from_raw_hash(merkle_root_of(header)).to_string();
    if let Some((_, name)) = MERKLE_ROOTS.iter().find(|(known, _)| *known == root) {
        return refused(Some(*name), hash);
    }
    // A header that meets its own proof of work is not a damaged one.
    match first.is_some_and(|first| first.hash == hash) {
        true => refused(None, hash),
        false => Ok(()),
    }
}

fn merkle_root_of(header: &[u8; HEADER_BYTES]) -> bitcoin::hashes::sha256d::Hash {
    use bitcoin::hashes::Hash;
    let root = header[36..68].try_into().expect("a header has 80 bytes");
    Hash::from_byte_array(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::block::{Header, Version};
    use bitcoin::hashes::Hash;
    use bitcoin::{BlockHash, CompactTarget};

    /// The roots are right if the headers that hold them have the hashes that their chains publish.
    #[test]
    fn merkle_roots_are_those_of_published_genesis_blocks() {
        for (name, time, bits, nonce, hash) in [
            (
                "litecoin",
                1_317_972_665,
                0x1e0f_fff0,
                2_084_524_493,
                "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2",
            ),
            (
                "litecoin",
                1_296_688_602,
                0x207f_ffff,
                0,
                "530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9",
            ),
            (
                "dogecoin",
                1_386_325_540,
                0x1e0f_fff0,
                99_943,
                "1a91e3dace36e2be3bf030a65679fe821aa1d6ef92e7c9902eb318182c355691",
            ),
        ] {
            let (root, _) = MERKLE_ROOTS
                .into_iter()
                .find(|(_, known)| *known == name)
                .expect("known");
            let header = Header {
                version: Version::from_consensus(1),
                prev_blockhash: BlockHash::all_zeros(),
                merkle_root: root.parse().expect("literal"),
                time,
                bits: CompactTarget::from_consensus(bits),
                nonce,
            };
            assert_eq!(header.block_hash().to_string(), hash);
        }
    }
}
