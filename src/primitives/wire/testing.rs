//! Real blocks for the tests of this folder.
//!
//! Invariant: nothing here shares code with what reads block files; what is found is what the plain bytes
//! say.

use super::{Block, BlockFault, Tx};
use std::path::{Path, PathBuf};

/// Path of a shared fixture. A test that asks for one is ignored `without_shared`.
fn shared(name: &str) -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    repository.join("../shared/fixtures").join(name)
}

/// The blocks in a folder of block files, stale ones too, in the order in which they lie there.
fn blocks_in(dir: &Path) -> Vec<Vec<u8>> {
    let key = std::fs::read(dir.join("xor.dat")).unwrap_or(vec![0; 8]);
    let mut blocks = Vec::new();
    for number in 0.. {
        let Ok(mut plain) = std::fs::read(dir.join(format!("blk{number:05}.dat"))) else {
            break;
        };
        for (byte, key) in plain.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
        let magic = plain[..4].to_vec();
        let mut rest = &plain[..];
        while rest.len() > 88 {
            let length = u32::from_le_bytes(rest[4..8].try_into().expect("four bytes"));
            let end = 8 + length as usize;
            match rest.get(8..end) {
                Some(block) if rest[..4] == magic => {
                    blocks.push(block.to_vec());
                    rest = &rest[end..];
                }
                _ => rest = &rest[1..],
            }
        }
    }
    assert!(blocks.len() > 100, "{}", blocks.len());
    blocks
}

/// The blocks in `data/`.
pub fn regtest_blocks() -> Vec<Vec<u8>> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    blocks_in(&repository.join("data/regtest/blocks"))
}

/// The first of them.
pub fn regtest_genesis() -> Vec<u8> {
    regtest_blocks().swap_remove(0)
}

/// Blocks of mainnet and signet.
pub fn shared_blocks() -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    for name in ["mainnet-4312", "signet-120"] {
        blocks.extend(blocks_in(&shared(name).join("blocks")));
    }
    for height in [
        170, 91_812, 91_842, 277_647, 367_891, 481_829, 540_107, 702_861, 866_342,
    ] {
        let path = shared(&format!("single-blocks/main_{height:07}.raw"));
        blocks.push(std::fs::read(path).expect("fixture is readable"));
    }
    blocks
}

/// All transactions, if the bytes are those of a block, its merkle root aside.
pub fn walk(bytes: &[u8]) -> Result<Vec<Tx<'_>>, BlockFault> {
    let mut block = Block::read(bytes)?;
    let mut txs = Vec::new();
    while let Some(tx) = block.next_tx()? {
        txs.push(tx);
    }
    Ok(txs)
}
