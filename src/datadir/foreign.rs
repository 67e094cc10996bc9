//! Block files of other coins: programs made from Bitcoin Core write files that look like its own.
//!
//! Invariant: a coin is named only if the first bytes of a file are its magic; what has a Bitcoin network's
//! magic is told by its genesis block.

use super::files::read_at;
use super::opened::NETWORK_FILES_MAX;
use super::pruned::unless_vanished;
use super::records::{FRAME_BYTES, Record};
use crate::datadir::{BlockFile, Fault, XorKey, block_file_path};
use crate::os::io_error;
use crate::os::opening::open_file;
use crate::primitives::header;
use crate::primitives::network::Network;
use crate::{Error, Result};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use std::path::Path;

/// Magics in the block files of well-known coins (`pchMessageStart` in the `chainparams.cpp` of each). Coins
/// made from these have often kept them. Bitcoin Cash and its like write Bitcoin's own magic into their files,
/// and share its genesis block.
const COINS: [([u8; 4], &str); 8] = [
    ([0xfb, 0xc0, 0xb6, 0xdb], "Litecoin, or a coin made from it"),
    ([0xfd, 0xd2, 0xc8, 0xf1], "Litecoin's testnet"),
    ([0xc0, 0xc0, 0xc0, 0xc0], "Dogecoin"),
    ([0xfc, 0xc1, 0xb7, 0xdc], "Dogecoin's testnet"),
    ([0xf9, 0xbe, 0xb4, 0xfe], "Namecoin"),
    ([0xbf, 0x0c, 0x6b, 0xbd], "Dash"),
    ([0xce, 0xe2, 0xca, 0xff], "Dash's testnet"),
    ([0x24, 0xe9, 0x27, 0x64], "Zcash"),
];

/// The error that names the coin whose files these are, if it is one of [`COINS`].
///
/// # Errors
/// A file cannot be read.
pub(super) fn other_coin(dir: &Path, files: &[BlockFile], key: XorKey) -> Result<Option<Error>> {
    for file in files.iter().take(NETWORK_FILES_MAX) {
        let path = block_file_path(dir, file.number);
        let Some(open) = unless_vanished(open_file(&path))? else {
            continue;
        };
        let mut plain = [0; 4];
        read_at(&open, &mut plain, 0).map_err(io_error("read", &path))?;
        let mut decoded = plain;
        key.apply(&mut decoded, 0);
        let is_of = |(magic, _): &&([u8; 4], &str)| *magic == plain || *magic == decoded;
        if let Some((magic, coin)) = COINS.iter().find(is_of) {
            return Ok(Some(
                Fault::OtherCoin {
                    dir: dir.to_path_buf(),
                    file: file.number,
                    magic: *magic,
                    coin,
                }
                .into(),
            ));
        }
    }
    Ok(None)
}

/// Refuses a genesis block that is not the network's: a record without a parent.
pub(super) fn expect_genesis(record: &Record, network: &Network) -> Result<()> {
    let has_parent = header::prev_hash_of(&record.header) != [0; 32];
    let found = record.hash;
    if has_parent || found == network.genesis_hash {
        return Ok(());
    }
    Err(Fault::OtherGenesis {
        file: record.place.file,
        offset_bytes: record.place.offset_bytes - FRAME_BYTES as u64,
        found: BlockHash::from_byte_array(found),
        network: network.name,
        expected: BlockHash::from_byte_array(network.genesis_hash),
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::folder_with;
    use super::*;
    use crate::datadir::{Datadir, Location, Source};
    use crate::primitives::network::NetworkName;

    fn refusal(bytes: Vec<u8>, key: Option<[u8; 8]>) -> String {
        let mut bytes = bytes;
        if let Some(key) = key {
            XorKey(key).apply(&mut bytes, 0);
        }
        let dir = folder_with(&[bytes]);
        if let Some(key) = key {
            std::fs::write(dir.path().join("xor.dat"), key).expect("written");
        }
        let source = Source::new(Location::BlocksDir(dir.path().to_path_buf()));
        Datadir::open(&source).expect_err("refused").to_string()
    }

    /// The record of a block that nobody has to have mined: any nonce that meets the easy target.
    fn record_of(network: NetworkName, change: impl Fn(&mut [u8])) -> Vec<u8> {
        let block = bitcoin::constants::genesis_block(network.bitcoin());
        let mut bytes = bitcoin::consensus::serialize(&block);
        change(&mut bytes);
        let magic = Network::new(network).magic;
        [&magic[..], &(bytes.len() as u32).to_le_bytes(), &bytes].concat()
    }

    #[test]
    fn files_of_other_coins_are_named_obfuscated_or_not() {
        for (magic, coin) in COINS {
            let record = record_of(NetworkName::Main, |_| {});
            let bytes = [&magic[..], &record[4..]].concat();
            for key in [None, Some([1, 2, 3, 4, 5, 6, 7, 8])] {
                let words = refusal(bytes.clone(), key);
                assert!(words.contains(coin), "{words}");
            }
        }
    }

    #[test]
    fn no_coin_has_the_magic_of_a_bitcoin_network() {
        for network in NetworkName::ALL.map(Network::new) {
            assert!(COINS.iter().all(|(magic, _)| *magic != network.magic));
        }
    }

    #[test]
    fn another_genesis_block_of_the_same_magic_is_named_as_that() {
        // Private chains and coins made from Bitcoin often keep regtest's magic. Half of all nonces meet
        // its target.
        let mut seen = 0;
        for nonce in 100..110_u32 {
            let record = record_of(NetworkName::Regtest, |block| {
                block[76..80].copy_from_slice(&nonce.to_le_bytes());
            });
            let words = refusal(record, None);
            if !words.contains("no block of any known network") {
                assert!(
                    words.starts_with("blk00000.dat at byte 0: another chain's genesis block "),
                    "{words}"
                );
                assert!(words.contains("not regtest's 0f9188f13cb7b2c7"), "{words}");
                seen += 1;
            }
        }
        assert!(seen > 0);
    }
}
