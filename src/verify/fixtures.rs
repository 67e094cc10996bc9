//! Real blocks for the tests of this folder, and a plain replay of them.
//!
//! Invariant: nothing here shares code with what it tests; blocks are decoded by `bitcoin`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use bitcoin::Block;
use bitcoin::hashes::Hash;

use crate::primitives::coin::Coin;

/// A datadir and what Bitcoin Core says of it.
pub struct Fixture {
    pub folder: PathBuf,
    pub expected: serde_json::Value,
}

/// `data`, or a shared fixture by name: a test that asks for one is ignored `without_shared`.
pub fn open(name: &str) -> Fixture {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = match name {
        "data" => repository.join("data"),
        name => repository.join("../shared/fixtures").join(name),
    };
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("fixture is readable");
    let expected = serde_json::from_str(&text).expect("expected.json is JSON");
    Fixture { folder, expected }
}

impl Fixture {
    /// The plain bytes of all files whose names begin with `prefix`, in order.
    pub fn files(&self, prefix: &str) -> Vec<Vec<u8>> {
        let mut blocks = self.folder.join("blocks");
        if !blocks.exists() {
            blocks = self.folder.join("regtest/blocks");
        }
        let key = std::fs::read(blocks.join("xor.dat")).unwrap_or(vec![0; 8]);
        let mut bytes = Vec::new();
        for number in 0.. {
            let path = blocks.join(format!("{prefix}{number:05}.dat"));
            let Ok(mut plain) = std::fs::read(path) else {
                break;
            };
            plain
                .iter_mut()
                .zip(key.iter().cycle())
                .for_each(|(byte, key)| *byte ^= key);
            bytes.push(plain);
        }
        bytes
    }

    /// The network's magic: the first bytes of the first file.
    pub fn magic(&self) -> [u8; 4] {
        self.files("blk")[0][..4].try_into().expect("four bytes")
    }

    /// Every block there is, by its hash.
    pub fn blocks(&self) -> HashMap<[u8; 32], Block> {
        let magic = self.magic();
        let mut blocks = HashMap::new();
        for file in self.files("blk") {
            let mut rest = &file[..];
            while rest.len() > 88 {
                let length = u32::from_le_bytes(rest[4..8].try_into().expect("four")) as usize;
                let decoded = bitcoin::consensus::deserialize::<Block>(
                    rest.get(8..8 + length).unwrap_or_default(),
                );
                match decoded {
                    Ok(block) if rest[..4] == magic => {
                        blocks.insert(block.block_hash().to_byte_array(), block);
                        rest = &rest[8 + length..];
                    }
                    _ => rest = &rest[1..],
                }
            }
        }
        blocks
    }

    /// The blocks from genesis to the tip that Core names.
    pub fn best_chain(&self) -> Vec<Block> {
        let tip: bitcoin::BlockHash = self.expected["tip_hash"]
            .as_str()
            .expect("a hash")
            .parse()
            .expect("a hash");
        let mut blocks = self.blocks();
        let mut chain = Vec::new();
        let mut hash = tip.to_byte_array();
        while let Some(block) = blocks.remove(&hash) {
            hash = block.header.prev_blockhash.to_byte_array();
            chain.push(block);
        }
        chain.reverse();
        assert_eq!(
            chain.len() as u64 - 1,
            self.expected["tip_height"].as_u64().expect("a number")
        );
        chain
    }
}

/// A coin that owns its script: height, coinbase, amount, script.
pub type Kept = (u32, bool, u64, Vec<u8>);

/// The UTXO set, replayed block by block.
#[derive(Default)]
pub struct Replay {
    coins: BTreeMap<([u8; 32], u32), Kept>,
    /// What the last block spent, in order, by transaction: what its undo record must say.
    pub spent: Vec<Vec<Kept>>,
}

impl Replay {
    pub fn apply(&mut self, height: u32, block: &Block) {
        self.spent.clear();
        for (index, tx) in block.txdata.iter().enumerate() {
            if index > 0 {
                let mut take = |input: &bitcoin::TxIn| {
                    let outpoint = input.previous_output;
                    self.coins
                        .remove(&(outpoint.txid.to_byte_array(), outpoint.vout))
                };
                self.spent
                    .push(tx.input.iter().map(|i| take(i).expect("a coin")).collect());
            }
            let txid = tx.compute_txid().to_byte_array();
            for (vout, output) in tx.output.iter().enumerate() {
                let script = output.script_pubkey.to_bytes();
                if height > 0 && script.first() != Some(&0x6a) && script.len() <= 10_000 {
                    let coin = (height, index == 0, output.value.to_sat(), script);
                    self.coins.insert((txid, vout as u32), coin);
                }
            }
        }
    }

    /// The coins, in outpoint order.
    pub fn coins(&self) -> impl Iterator<Item = Coin<'_>> {
        self.coins.iter().map(
            |((txid, vout), (height, coinbase, amount_sat, script))| Coin {
                txid: *txid,
                vout: *vout,
                height: *height,
                coinbase: *coinbase,
                amount_sat: *amount_sat,
                script,
            },
        )
    }
}
