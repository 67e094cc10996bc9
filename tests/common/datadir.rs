//! Datadirs as found in the wild: `regtest/blocks/blk*.dat` and `xor.dat`, with every oddity a node
//! leaves behind.
//!
//! Invariant: bytes on disk are the plain ones XORed by their offset in their file, but for the
//! preallocated tail, which is zeros on disk.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use bitcoin::BlockHash;

use super::chain::Chain;
use super::rng::Rng;

/// What stands before every regtest block.
pub const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

/// How the files look; the default is one obfuscated file without oddities.
#[derive(Clone, Debug)]
pub struct Layout {
    /// A record that would end at or past this starts the next file.
    pub file_bytes_max: usize,
    /// Written to `xor.dat`; None: there is no `xor.dat`.
    pub key: Option<[u8; 8]>,
    /// Zeros before each record but a file's first; they are XORed as blocks are.
    pub gap_bytes: usize,
    /// Random bytes before each record but a file's first.
    pub junk_bytes: usize,
    /// Zeros on disk behind the last record of the last file.
    pub tail_bytes: usize,
    /// So many bytes of the last record are missing, as while a node is writing.
    pub cut_bytes: usize,
    /// These blocks are written twice, the first time with a flipped bit near the end.
    pub damaged_first: Vec<BlockHash>,
    /// Magic before each record.
    pub magic: [u8; 4],
}

impl Default for Layout {
    fn default() -> Layout {
        Layout {
            file_bytes_max: 128 << 20,
            key: Some([0x8e, 0x01, 0xd4, 0x72, 0x3b, 0xf0, 0x69, 0xa5]),
            gap_bytes: 0,
            junk_bytes: 0,
            tail_bytes: 0,
            cut_bytes: 0,
            damaged_first: Vec::new(),
            magic: MAGIC,
        }
    }
}

/// A datadir that can grow as a running node's does.
pub struct Datadir {
    /// What `--datadir` takes.
    pub path: PathBuf,
    /// Where the files are.
    pub blocks: PathBuf,
    /// May be changed between appends.
    pub layout: Layout,
    /// The plain bytes of each file.
    files: Vec<Vec<u8>>,
    junk: Rng,
}

/// Writes these blocks in this order.
pub fn write_datadir(chain: &Chain, path: &Path, order: &[BlockHash], layout: Layout) -> Datadir {
    let blocks = path.join("regtest/blocks");
    std::fs::create_dir_all(&blocks).unwrap();
    if let Some(key) = layout.key {
        std::fs::write(blocks.join("xor.dat"), key).unwrap();
    }
    let mut datadir = Datadir {
        path: path.to_owned(),
        blocks,
        layout,
        files: vec![Vec::new()],
        junk: Rng::new(7),
    };
    datadir.append(chain, order);
    datadir
}

impl Datadir {
    /// Files that are there already, of the one network whose they are. Nothing can be appended to them.
    pub fn found(path: &Path) -> Datadir {
        let networks = std::fs::read_dir(path).unwrap();
        let networks = networks.map(|entry| entry.unwrap().path());
        let mut folders = networks.chain([path.to_owned()]).map(|f| f.join("blocks"));
        Datadir {
            path: path.to_owned(),
            blocks: folders.find(|folder| folder.is_dir()).unwrap(),
            layout: Layout::default(),
            files: Vec::new(),
            junk: Rng::new(7),
        }
    }

    /// The same of a copy, for a test that changes them.
    pub fn copied(from: &Path, to: &Path) -> Datadir {
        let from = Datadir::found(from);
        let blocks = to.join(from.blocks.strip_prefix(&from.path).unwrap());
        std::fs::create_dir_all(&blocks).unwrap();
        for entry in std::fs::read_dir(&from.blocks).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), blocks.join(entry.file_name())).unwrap();
        }
        Datadir::found(to)
    }

    /// Writes further blocks behind the last; a record that was cut short is completed.
    pub fn append(&mut self, chain: &Chain, order: &[BlockHash]) {
        let first_changed = self.files.len() - 1;
        for hash in order {
            let bytes = chain.bytes(*hash);
            if self.layout.damaged_first.contains(hash) {
                let mut damaged = bytes.to_vec();
                let near_end = damaged.len() - 6;
                damaged[near_end] ^= 1;
                self.record(&damaged);
            }
            self.record(bytes);
        }
        for number in first_changed..self.files.len() {
            self.write_file(number);
        }
    }

    fn record(&mut self, block: &[u8]) {
        let last = self.files.last().unwrap().len();
        let between = self.layout.gap_bytes + self.layout.junk_bytes;
        if last > 0 && last + between + 8 + block.len() >= self.layout.file_bytes_max {
            self.files.push(Vec::new());
        }
        let file = self.files.last_mut().unwrap();
        if !file.is_empty() {
            file.resize(file.len() + self.layout.gap_bytes, 0);
            let junk_start = file.len();
            file.resize(junk_start + self.layout.junk_bytes, 0);
            self.junk.fill(&mut file[junk_start..]);
        }
        file.extend_from_slice(&self.layout.magic);
        file.extend_from_slice(&(block.len() as u32).to_le_bytes());
        file.extend_from_slice(block);
    }

    /// Overwrites in place and never shortens first: a reader may have the file mapped.
    fn write_file(&self, number: usize) {
        let mut bytes = self.files[number].clone();
        let key = self.layout.key.unwrap_or_default();
        bytes
            .iter_mut()
            .zip(key.iter().cycle())
            .for_each(|(byte, key)| *byte ^= key);
        if number + 1 == self.files.len() {
            bytes.truncate(bytes.len() - self.layout.cut_bytes);
            bytes.resize(bytes.len() + self.layout.tail_bytes, 0);
        }
        let path = self.file(number);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .unwrap();
        file.write_all(&bytes).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
    }

    /// The path of file `number`.
    pub fn file(&self, number: usize) -> PathBuf {
        self.blocks.join(format!("blk{number:05}.dat"))
    }

    /// How many files were written.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }
}
