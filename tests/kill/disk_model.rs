//! A disk that the power can be cut from: of what was not synced, each piece may be there or not.
//!
//! Invariant: what was synced before the cut is there. Lengths change in the order in which they were
//! changed, as file systems with a journal have it, but any number of the last changes may be lost; of
//! bytes, each 4,096 are kept, lost, or torn into 512 that are kept or lost, whatever their order. A file
//! is there once it was synced; a rename, or a file's first name, may be lost until its folder is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::common::rng::Rng;
use crate::recorder::{Event, Inode};

const PAGE_BYTES: usize = 4096;
const SECTOR_BYTES: usize = 512;

/// See the module documentation.
#[derive(Default)]
pub struct Disk<'e> {
    files: BTreeMap<Inode, Contents<'e>>,
    names: BTreeMap<PathBuf, Inode>,
    /// Not yet safe.
    renames: Vec<Renaming<'e>>,
}

/// A change of names.
#[derive(Clone, Copy)]
enum Renaming<'e> {
    Rename(&'e Path, &'e Path),
    Link(Inode, &'e Path),
}

#[derive(Default)]
struct Contents<'e> {
    safe: Vec<u8>,
    /// Whether it was synced since it was made.
    is_safe: bool,
    pending: Vec<&'e Event>,
}

impl<'e> Disk<'e> {
    /// With one file, safe.
    pub fn with(path: &Path, file: Inode, bytes: Vec<u8>) -> Disk<'e> {
        let mut disk = Disk::default();
        disk.names.insert(path.to_owned(), file);
        let contents = Contents {
            safe: bytes,
            is_safe: true,
            pending: Vec::new(),
        };
        disk.files.insert(file, contents);
        disk
    }

    /// The next thing that happens.
    pub fn apply(&mut self, event: &'e Event) {
        match event {
            Event::Write { file, .. } | Event::SetLength { file, .. } => {
                self.files.entry(*file).or_default().pending.push(event);
            }
            Event::Sync(file) => {
                let contents = self.files.entry(*file).or_default();
                let pending = std::mem::take(&mut contents.pending);
                pending
                    .iter()
                    .for_each(|event| change(&mut contents.safe, event, |_| Fate::Kept));
                contents.is_safe = true;
            }
            Event::Named(path, file) => {
                self.names.entry(path.clone()).or_insert(*file);
            }
            Event::Renamed { from, to } => self.renames.push(Renaming::Rename(from, to)),
            Event::Linked(file, to) => self.renames.push(Renaming::Link(*file, to)),
            Event::SyncFolder => {
                let renames = std::mem::take(&mut self.renames);
                rename(&mut self.names, &renames);
            }
        }
    }

    /// The files as they would be found after a cut now, by name.
    pub fn cut(&self, rng: &mut Rng) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut names = self.names.clone();
        let kept = rng.below(self.renames.len() as u64 + 1) as usize;
        rename(&mut names, &self.renames[..kept]);
        let mut found = BTreeMap::new();
        for (name, file) in names {
            let Some(contents) = self.files.get(&file) else {
                continue;
            };
            if contents.is_safe || rng.below(2) == 0 {
                found.insert(name, contents.cut(rng));
            }
        }
        found
    }
}

fn rename(names: &mut BTreeMap<PathBuf, Inode>, renames: &[Renaming<'_>]) {
    for renaming in renames {
        match renaming {
            Renaming::Rename(from, to) => {
                if let Some(file) = names.remove(*from) {
                    names.insert(to.to_path_buf(), file);
                }
            }
            Renaming::Link(file, to) => {
                names.insert(to.to_path_buf(), *file);
            }
        }
    }
}

impl Contents<'_> {
    fn cut(&self, rng: &mut Rng) -> Vec<u8> {
        let is_length = |event: &&&Event| matches!(event, Event::SetLength { .. });
        let lengths = self.pending.iter().filter(is_length).count() as u64;
        let mut lengths_kept = rng.below(lengths + 1);
        // How much of the rest is lost is another question each time: all, none, or in between.
        let (lost, torn) = (rng.below(5), rng.below(3));
        let mut bytes = self.safe.clone();
        let mut end = bytes.len();
        for event in &self.pending {
            match event {
                Event::SetLength { .. } if lengths_kept == 0 => {}
                Event::SetLength { .. } => {
                    lengths_kept -= 1;
                    change(&mut bytes, event, |_| Fate::Kept);
                    end = bytes.len();
                }
                event => change(&mut bytes, event, |rng_of| fate(rng, lost, torn, rng_of)),
            }
        }
        // What was written behind the end, and had no place there yet, is gone.
        bytes.truncate(end);
        bytes
    }
}

/// What becomes of a page, or of a sector of a torn one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Lost,
    Torn,
}

/// Of `lost` in four pieces are lost, and of those that are pages as many as `torn` says are torn.
fn fate(rng: &mut Rng, lost: u64, torn: u64, piece: Piece) -> Fate {
    if piece == Piece::Page && torn > 0 && rng.below(4 / torn) == 0 {
        return Fate::Torn;
    }
    match rng.below(4) < lost {
        true => Fate::Lost,
        false => Fate::Kept,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Page,
    Sector,
}

fn change(bytes: &mut Vec<u8>, event: &Event, mut fate: impl FnMut(Piece) -> Fate) {
    match event {
        Event::SetLength { bytes: length, .. } => bytes.resize(*length as usize, 0),
        Event::Write {
            offset,
            bytes: written,
            ..
        } => {
            let offset = *offset as usize;
            if bytes.len() < offset + written.len() {
                bytes.resize(offset + written.len(), 0);
            }
            for (at, page) in pieces(offset, written, PAGE_BYTES) {
                match fate(Piece::Page) {
                    Fate::Kept => bytes[at..at + page.len()].copy_from_slice(page),
                    Fate::Lost => {}
                    Fate::Torn => {
                        for (at, sector) in pieces(at, page, SECTOR_BYTES) {
                            if fate(Piece::Sector) == Fate::Kept {
                                bytes[at..at + sector.len()].copy_from_slice(sector);
                            }
                        }
                    }
                }
            }
        }
        _ => unreachable!("only these are pending"),
    }
}

/// The parts of what is written at `offset` that lie in one piece of the disk each.
fn pieces(offset: usize, written: &[u8], piece: usize) -> Vec<(usize, &[u8])> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < written.len() {
        let end = (at + piece - (offset + at) % piece).min(written.len());
        parts.push((offset + at, &written[at..end]));
        at = end;
    }
    parts
}
