//! A node that prunes, as far as files tell: it writes blocks one by one, finalises a file when it is full, and
//! deletes the lowest files whenever it has more than it may keep.
//!
//! Invariant: as of Bitcoin Core (`node/blockstorage.cpp`: `FindFilesToPrune`), only whole files go, the lowest
//! first, and none with a block above the tip less the blocks that are kept.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bitcoin::BlockHash;

use crate::common::chain::Chain;
use crate::common::datadir::MAGIC;

/// How it goes about it.
#[derive(Clone, Copy)]
pub struct Pace {
    /// Bytes at which it begins the next file.
    pub file_bytes: u64,
    /// Bytes of files that it may keep.
    pub kept_bytes: u64,
    /// Blocks below the tip that it keeps in any case: Core's `MIN_BLOCKS_TO_KEEP`.
    pub kept_blocks: u32,
}

/// Bytes that it allocates ahead.
const AHEAD: u64 = 1 << 10;

/// The key that it obfuscates with.
const KEY: [u8; 8] = [0x8e, 0x01, 0xd4, 0x72, 0x3b, 0xf0, 0x69, 0xa5];

struct Kept {
    number: u32,
    bytes: u64,
    top: u32,
}

/// See the module documentation.
pub struct PruningNode<'c> {
    chain: &'c Chain,
    blocks: PathBuf,
    pace: Pace,
    files: Vec<Kept>,
    open: File,
    tip: u32,
    /// Files that it deleted.
    pub deleted: u32,
}

impl<'c> PruningNode<'c> {
    /// In a new datadir at `path`, with nothing written yet.
    pub fn new(chain: &'c Chain, path: &Path, pace: Pace) -> PruningNode<'c> {
        let blocks = path.join("regtest/blocks");
        std::fs::create_dir_all(&blocks).unwrap();
        std::fs::write(blocks.join("xor.dat"), KEY).unwrap();
        let open = create(&blocks, 0);
        PruningNode {
            chain,
            blocks,
            pace,
            files: vec![Kept {
                number: 0,
                bytes: 0,
                top: 0,
            }],
            open,
            tip: 0,
            deleted: 0,
        }
    }

    /// The block of highest height that it has.
    pub fn tip(&self) -> u32 {
        self.tip
    }

    /// Writes a block, and then deletes what is too much.
    pub fn write(&mut self, hash: BlockHash) {
        let block = self.chain.bytes(hash);
        let mut record = [&MAGIC[..], &(block.len() as u32).to_le_bytes(), block].concat();
        let mut end = self.files.last().unwrap().bytes;
        if end > 0 && end + record.len() as u64 > self.pace.file_bytes {
            self.open.set_len(end).unwrap();
            let number = self.files.last().unwrap().number + 1;
            self.open = create(&self.blocks, number);
            self.files.push(Kept {
                number,
                bytes: 0,
                top: 0,
            });
            end = 0;
        }
        for (at, byte) in (end..).zip(&mut record) {
            *byte ^= KEY[(at % 8) as usize];
        }
        let record_end = end + record.len() as u64;
        if self.open.metadata().unwrap().len() < record_end {
            self.open.set_len(record_end + AHEAD).unwrap();
        }
        self.open.write_all_at(&record, end).unwrap();
        let height = self.chain.height(hash);
        let file = self.files.last_mut().unwrap();
        (file.bytes, file.top) = (record_end, file.top.max(height));
        self.tip = self.tip.max(height);
        self.prune();
    }

    fn prune(&mut self) {
        let mut bytes: u64 = self.files.iter().map(|file| file.bytes).sum();
        let last = self.tip.saturating_sub(self.pace.kept_blocks);
        while bytes > self.pace.kept_bytes && self.files.len() > 1 && self.files[0].top <= last {
            let file = self.files.remove(0);
            std::fs::remove_file(path_of(&self.blocks, file.number)).unwrap();
            bytes -= file.bytes;
            self.deleted += 1;
        }
    }
}

fn path_of(blocks: &Path, number: u32) -> PathBuf {
    blocks.join(format!("blk{number:05}.dat"))
}

fn create(blocks: &Path, number: u32) -> File {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    options.open(path_of(blocks, number)).unwrap()
}
