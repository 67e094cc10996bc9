//! Core's snapshot of the UTXO set, as `dumptxoutset` writes and `loadtxoutset` reads it.
//!
//! Invariant: what is written is what Core would write, byte for byte.
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 5 | "utxo", 0xff |
//! | 5 | 2 | version, 2 |
//! | 7 | 4 | magic of the network |
//! | 11 | 32 | hash of the block after which this is the set |
//! | 43 | 8 | number of coins |
//! | 51 | | per transaction: txid, number of its coins, the coins |
//!
//! The number of a transaction's coins is a compact size. A coin is its vout as a compact size,
//! VARINT(height × 2 + coinbase), and a compressed output. Fixed-width numbers are little-endian.
//! (Bitcoin Core, `node/utxo_snapshot.h`, `rpc/blockchain.cpp`, `WriteUTXOSnapshot`.)

mod write;

pub use write::Writer;

use bitcoin::hashes::Hash;

use super::Uint256;

const MARK: [u8; 5] = *b"utxo\xff";
const VERSION: u16 = 2;
const HEADER_BYTES: usize = 5 + 2 + 4 + 32 + 8;
const _: () = assert!(HEADER_BYTES == 51);

/// What stands before the coins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Magic of the network.
    pub magic: [u8; 4],
    /// The block after which this is the set.
    pub block_hash: Uint256,
    /// How many coins follow.
    pub coins: u64,
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..5].copy_from_slice(&MARK);
        bytes[5..7].copy_from_slice(&VERSION.to_le_bytes());
        bytes[7..11].copy_from_slice(&self.magic);
        bytes[11..43].copy_from_slice(self.block_hash.as_byte_array());
        bytes[43..].copy_from_slice(&self.coins.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Result;
    use crate::primitives::coin::Coin;
    use crate::verify::fixtures::{self, Replay};
    use std::path::PathBuf;

    fn write(header: Header, coins: &[Coin]) -> Result<Vec<u8>> {
        let mut writer = Writer::new(Vec::new(), PathBuf::from("-"), header)?;
        for coin in coins {
            writer.push(coin)?;
        }
        writer.finish()
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn the_replayed_set_writes_cores_snapshot() {
        let fixture = fixtures::open("regtest-core31");
        let bytes = std::fs::read(fixture.folder.join("utxos.snapshot.dat")).expect("it is there");
        let mut replay = Replay::default();
        let chain = fixture.best_chain();
        for (height, block) in chain.iter().enumerate() {
            replay.apply(height as u32, block);
        }
        let coins: Vec<Coin> = replay.coins().collect();
        let tip = chain.last().expect("a chain").block_hash();
        let block_hash = Uint256::from_byte_array(tip.to_byte_array());
        let header = Header {
            magic: fixture.magic(),
            block_hash,
            coins: coins.len() as u64,
        };
        assert!(write(header, &coins).expect("a Vec takes all") == bytes);
    }

    fn header() -> Header {
        Header {
            magic: [1, 2, 3, 4],
            block_hash: Uint256::from_byte_array([9; 32]),
            coins: 3,
        }
    }

    fn three_coins() -> [Coin<'static>; 3] {
        [1, 256, 16_512].map(|vout| Coin {
            txid: [7; 32],
            vout,
            height: 1,
            coinbase: true,
            amount_sat: 1,
            script: &[],
        })
    }

    #[test]
    fn the_bytes_are_golden_and_large_vouts_come_in_the_order_of_cores_database() {
        let bytes = write(header(), &three_coins()).expect("a Vec takes all");
        let mut golden = b"utxo\xff\x02\0\x01\x02\x03\x04".to_vec();
        golden.extend([9; 32]);
        golden.extend([3, 0, 0, 0, 0, 0, 0, 0]);
        golden.extend([7; 32]);
        golden.push(3);
        golden.extend([1, 3, 1, 6]);
        golden.extend([0xfd, 0x80, 0x40, 3, 1, 6]);
        golden.extend([0xfd, 0x00, 0x01, 3, 1, 6]);
        assert_eq!(bytes, golden);
    }

    #[test]
    fn another_number_of_coins_than_the_header_says_is_an_error() {
        let error = write(header(), &three_coins()[..2]).expect_err("one is missing");
        assert_eq!(
            error.to_string(),
            "snapshot holds 2 coins, its header says 3"
        );
    }

    #[test]
    #[should_panic(expected = "outpoint order")]
    fn falling_outpoints_are_refused() {
        let mut coins = three_coins();
        coins.reverse();
        let _ = write(header(), &coins);
    }
}
