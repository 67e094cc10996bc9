//! Block files that rot and are mended: what is in them is known, byte by byte.
//!
//! Invariant: what is on disk is the good bytes with every damage of this list applied, no more; a
//! record is intact if none touches it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bitcoin::BlockHash;

use super::rot::{Rot, rotten};
use crate::common::datadir::MAGIC;

/// How the files look.
#[derive(Clone, Debug)]
pub struct Layout {
    /// A record that would end past this begins the next file.
    pub file_bytes_max: usize,
    /// Whether there is an `xor.dat`.
    pub has_key: bool,
    /// Zeros behind the last record of the last file, as a node allocates them.
    pub tail_bytes: usize,
    /// Whether the files look as if nobody had written to them for hours.
    pub is_old: bool,
}

struct Record {
    hash: BlockHash,
    /// From its magic to its block's end.
    range: std::ops::Range<usize>,
}

#[derive(Default)]
struct BlockFile {
    bytes: Vec<u8>,
    records: Vec<Record>,
    is_changed: bool,
}

enum Damage {
    Rotten {
        file: usize,
        record: usize,
        rot: Rot,
        bytes: Vec<u8>,
    },
    Cut {
        file: usize,
        end: usize,
    },
    Gone {
        file: usize,
    },
}

impl Damage {
    fn file(&self) -> usize {
        match self {
            Damage::Rotten { file, .. } | Damage::Cut { file, .. } | Damage::Gone { file } => *file,
        }
    }
}

/// See the module documentation.
pub struct Disk {
    blocks: PathBuf,
    layout: Layout,
    key: [u8; 8],
    files: Vec<BlockFile>,
    damages: Vec<Damage>,
    writes: u64,
}

impl Disk {
    /// An empty datadir at `path`.
    pub fn new(path: &Path, layout: &Layout) -> Disk {
        let blocks = path.join("regtest/blocks");
        std::fs::create_dir_all(&blocks).unwrap();
        let key = match layout.has_key {
            true => [0x8e, 0x01, 0xd4, 0x72, 0x3b, 0xf0, 0x69, 0xa5],
            false => [0; 8],
        };
        if layout.has_key {
            std::fs::write(blocks.join("xor.dat"), key).unwrap();
        }
        Disk {
            blocks,
            layout: layout.clone(),
            key,
            files: vec![BlockFile::default()],
            damages: Vec::new(),
            writes: 0,
        }
    }

    /// Writes a block behind the last; a cut of that file is mended, as a node goes on with it.
    pub fn append(&mut self, hash: BlockHash, block: &[u8]) {
        let last = self.files.len() - 1;
        let filled = self.files[last].bytes.len();
        if filled > 0 && filled + 8 + block.len() > self.layout.file_bytes_max {
            self.files[last].is_changed = true; // its tail goes
            self.files.push(BlockFile::default());
        }
        let last = self.files.len() - 1;
        self.damages
            .retain(|damage| damage.file() != last || matches!(damage, Damage::Rotten { .. }));
        let file = &mut self.files[last];
        let start = file.bytes.len();
        file.bytes.extend(MAGIC);
        file.bytes.extend((block.len() as u32).to_le_bytes());
        file.bytes.extend(block);
        let range = start..file.bytes.len();
        file.records.push(Record { hash, range });
        file.is_changed = true;
    }

    /// How many records were written.
    pub fn records(&self) -> usize {
        self.files.iter().map(|file| file.records.len()).sum()
    }

    /// How many files there are, missing ones too.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Spoils a record, unless it is spoilt already.
    pub fn rot(&mut self, nth: usize, rot: Rot) -> String {
        let (file, record) = self.find(nth);
        let is_same = |damage: &Damage| matches!(damage, Damage::Rotten { file: f, record: r, .. } if (*f, *r) == (file, record));
        if self.damages.iter().any(is_same) {
            return "nothing".to_owned();
        }
        let found = &self.files[file].records[record];
        let bytes = rotten(&self.files[file].bytes[found.range.clone()], rot);
        let said = format!(
            "{rot:?} in blk{file:05}.dat, {:?}: {}",
            found.range, found.hash
        );
        self.files[file].is_changed = true;
        self.damages.push(Damage::Rotten {
            file,
            record,
            rot,
            bytes,
        });
        said
    }

    /// Cuts a file so many bytes behind the start of one of its records.
    pub fn cut(&mut self, file: usize, record: usize, bytes: usize) -> String {
        self.damages
            .retain(|damage| damage.file() != file || matches!(damage, Damage::Rotten { .. }));
        let records = &self.files[file].records;
        let found = &records[record % records.len()];
        let end = found.range.start + bytes % found.range.len();
        let said = format!("cut blk{file:05}.dat at byte {end}, in {}", found.hash);
        self.files[file].is_changed = true;
        self.damages.push(Damage::Cut { file, end });
        said
    }

    /// The same with the last record of all.
    pub fn cut_last(&mut self, bytes: usize) -> String {
        let file = self.files.len() - 1;
        self.cut(file, self.files[file].records.len() - 1, bytes)
    }

    /// Takes a file away.
    pub fn remove(&mut self, file: usize) -> String {
        self.damages
            .retain(|damage| damage.file() != file || matches!(damage, Damage::Rotten { .. }));
        self.files[file].is_changed = true;
        self.damages.push(Damage::Gone { file });
        format!("remove blk{file:05}.dat")
    }

    /// Takes all files up to this one away, as a node that prunes does; the last stays.
    pub fn prune(&mut self, file: usize) -> String {
        let gone = file.min(self.files.len().saturating_sub(2));
        match self.files.len() {
            1 => "nothing".to_owned(),
            _ => (0..=gone).map(|file| self.remove(file) + "; ").collect(),
        }
    }

    /// Undoes a damage.
    pub fn mend(&mut self, nth: usize) -> String {
        if self.damages.is_empty() {
            return "nothing".to_owned();
        }
        let damage = self.damages.remove(nth % self.damages.len());
        self.files[damage.file()].is_changed = true;
        match damage {
            Damage::Rotten { record, rot, .. } => format!("mend {rot:?} of record {record}"),
            Damage::Cut { file, .. } => format!("complete blk{file:05}.dat"),
            Damage::Gone { file } => format!("put back blk{file:05}.dat"),
        }
    }

    /// Whether everything is as it was written.
    pub fn is_whole(&self) -> bool {
        self.damages.is_empty()
    }

    /// Whether a file is missing below another.
    pub fn is_partial(&self) -> bool {
        let is_gone = |number: &usize| {
            let mut damages = self.damages.iter();
            damages.any(|damage| matches!(damage, Damage::Gone { file } if file == number))
        };
        let there = (0..self.files.len()).filter(|number| !is_gone(number));
        there.max() >= Some(self.files.len() - self.gone_files())
    }

    fn gone_files(&self) -> usize {
        let gone = |damage: &&Damage| matches!(damage, Damage::Gone { .. });
        self.damages.iter().filter(gone).count()
    }

    /// Whether more is wrong than that files are missing.
    pub fn is_damaged(&self) -> bool {
        self.damages.len() > self.gone_files()
    }

    /// Whether a record's header is right, and its block is not.
    pub fn has_bad_bodies(&self) -> bool {
        let is_body = |damage: &Damage| matches!(damage, Damage::Rotten { rot, .. } if matches!(rot, Rot::Body | Rot::Root));
        self.damages.iter().any(is_body)
    }

    /// The blocks that are there, in the order of their files.
    pub fn intact(&self) -> Vec<BlockHash> {
        let mut intact = Vec::new();
        for (number, file) in self.files.iter().enumerate() {
            let of_file = |damage: &&Damage| damage.file() == number;
            let damages: Vec<_> = self.damages.iter().filter(of_file).collect();
            for (at, record) in file.records.iter().enumerate() {
                let touches = |damage: &&Damage| match damage {
                    Damage::Rotten { record, .. } => *record == at,
                    Damage::Cut { end, .. } => record.range.end > *end,
                    Damage::Gone { .. } => true,
                };
                if !damages.iter().any(touches) {
                    intact.push(record.hash);
                }
            }
        }
        intact
    }

    /// Brings the files to what they are now.
    pub fn flush(&mut self) {
        for number in 0..self.files.len() {
            if std::mem::take(&mut self.files[number].is_changed) {
                self.write(number);
            }
        }
    }

    fn write(&mut self, number: usize) {
        let path = self.blocks.join(format!("blk{number:05}.dat"));
        let mut bytes = self.files[number].bytes.clone();
        let (mut end, mut is_gone) = (bytes.len(), false);
        for damage in self.damages.iter().filter(|d| d.file() == number) {
            match damage {
                Damage::Rotten {
                    record, bytes: bad, ..
                } => bytes[self.files[number].records[*record].range.clone()].copy_from_slice(bad),
                Damage::Cut { end: cut, .. } => end = *cut,
                Damage::Gone { .. } => is_gone = true,
            }
        }
        if is_gone {
            if path.exists() {
                std::fs::remove_file(&path).unwrap();
            }
            return;
        }
        bytes.truncate(end);
        let keys = self.key.iter().cycle();
        bytes
            .iter_mut()
            .zip(keys)
            .for_each(|(byte, key)| *byte ^= key);
        if number + 1 == self.files.len() && end == self.files[number].bytes.len() {
            bytes.resize(end + self.layout.tail_bytes, 0);
        }
        std::fs::write(&path, bytes).unwrap();
        self.writes += 1;
        if self.layout.is_old {
            let age = Duration::from_secs(2 * 86_400 - self.writes);
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
    }

    fn find(&self, nth: usize) -> (usize, usize) {
        let mut at = nth % self.records();
        for (number, file) in self.files.iter().enumerate() {
            if at < file.records.len() {
                return (number, at);
            }
            at -= file.records.len();
        }
        unreachable!("it is below the number of records")
    }
}
