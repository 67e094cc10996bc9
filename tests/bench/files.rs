//! Writes blocks into `blk*.dat` files, and what they spent into `rev*.dat` files, as Bitcoin Core does.
//!
//! Invariant: a record never crosses a file, and a byte is XORed by its offset in its file.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bitcoin Core, `node/blockstorage.h`: `MAX_BLOCKFILE_SIZE`.
const FILE_BYTES_MAX: u64 = 128 << 20;
/// Bitcoin Core, `node/blockstorage.h`: `BLOCKFILE_CHUNK_SIZE`. Files grow in such steps.
const CHUNK_BYTES: u64 = 16 << 20;
/// Bitcoin Core, `node/blockstorage.h`: `UNDOFILE_CHUNK_SIZE`. A file is cut to its length once it is full.
const UNDO_CHUNK_BYTES: u64 = 1 << 20;
/// What stands before every regtest block.
const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

/// The files of one chain.
pub struct BlockFiles {
    folder: PathBuf,
    key: Option<[u8; 8]>,
    file: File,
    number: u32,
    offset_bytes: u64,
    undo: File,
    undo_offset_bytes: u64,
    /// Magic, length and the first part of the block, put together before they are XORed.
    head: Vec<u8>,
    /// All bytes of records written.
    pub total_bytes: u64,
}

impl BlockFiles {
    /// Starts in `folder`, which is made. Without a key the blocks are stored plainly.
    pub fn create(folder: &Path, key: Option<[u8; 8]>) -> io::Result<BlockFiles> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("xor.dat"), key.unwrap_or_default())?;
        Ok(BlockFiles {
            folder: folder.to_owned(),
            key,
            file: File::create(folder.join("blk00000.dat"))?,
            number: 0,
            offset_bytes: 0,
            undo: File::create(folder.join("rev00000.dat"))?,
            undo_offset_bytes: 0,
            head: Vec::new(),
            total_bytes: 0,
        })
    }

    /// Writes one block, given in two parts; the second is XORed where it lies.
    pub fn write(&mut self, first: &[u8], second: &mut [u8]) -> io::Result<()> {
        let block_bytes = first.len() + second.len();
        let record_bytes = block_bytes as u64 + 8;
        if self.offset_bytes + record_bytes >= FILE_BYTES_MAX {
            self.number += 1;
            let name = format!("blk{:05}.dat", self.number);
            self.file = File::create(self.folder.join(name))?;
            self.offset_bytes = 0;
            let name = format!("rev{:05}.dat", self.number);
            self.undo = File::create(self.folder.join(name))?;
            self.undo_offset_bytes = 0;
        }
        self.head.clear();
        self.head.extend_from_slice(&MAGIC);
        self.head
            .extend_from_slice(&(block_bytes as u32).to_le_bytes());
        self.head.extend_from_slice(first);
        if let Some(key) = self.key {
            xor(&mut self.head, key, self.offset_bytes);
            xor(second, key, self.offset_bytes + self.head.len() as u64);
        }
        self.file.write_all(&self.head)?;
        self.file.write_all(second)?;
        self.offset_bytes += record_bytes;
        self.total_bytes += record_bytes;
        Ok(())
    }

    /// Writes the undo record of the block that was written last.
    pub fn write_undo(&mut self, undo: Vec<u8>, checksum: [u8; 32]) -> io::Result<()> {
        let mut record = MAGIC.to_vec();
        record.extend_from_slice(&(undo.len() as u32).to_le_bytes());
        record.extend_from_slice(&undo);
        record.extend_from_slice(&checksum);
        if let Some(key) = self.key {
            xor(&mut record, key, self.undo_offset_bytes);
        }
        self.undo_offset_bytes += record.len() as u64;
        self.undo.write_all(&record)
    }

    /// Leaves the last files with tails of zeros up to the next chunk, as a node does.
    pub fn finish(self) -> io::Result<()> {
        self.undo
            .set_len((self.undo_offset_bytes / UNDO_CHUNK_BYTES + 1) * UNDO_CHUNK_BYTES)?;
        self.file
            .set_len((self.offset_bytes / CHUNK_BYTES + 1) * CHUNK_BYTES)
    }
}

/// XORs bytes that stand at `offset_bytes` of their file.
fn xor(bytes: &mut [u8], key: [u8; 8], offset_bytes: u64) {
    let mut turned = key;
    turned.rotate_left(offset_bytes as usize % 8);
    let word = u64::from_ne_bytes(turned);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    rest.iter_mut()
        .zip(turned)
        .for_each(|(byte, key)| *byte ^= key);
}
