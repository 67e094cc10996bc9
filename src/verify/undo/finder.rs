//! The undo records of a chain's blocks, asked for block by block.
//!
//! Invariant: a record that is given has a right checksum for a child of the block's parent, and tells of as
//! many transactions as the block has. Where siblings have such records too, all of them are given.
//!
//! Core writes the records of a file in the order in which it connected the blocks, so the next one asked for is
//! mostly the next in the file. Neighbouring heights hop between two or three files.
//!
//! Memory: of each open file 16 bytes a record; one record, in a buffer of the size given.

use super::heads::{Found, Heads};
use super::record::{CHECKSUM_BYTES, Record};
use crate::datadir::UndoFiles;
use crate::memory;
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::primitives::position::Height;
use crate::primitives::wire::Hash32;
use crate::verify::Fault;
use crate::{Error, Result};
use std::path::PathBuf;

/// Files whose records are known at a time.
const OPEN_FILES_MAX: usize = 4;

/// A sibling's record may stand so many records behind a block's own: no reorganisation is as long.
const SIBLING_RECORDS: usize = 512;

/// A record, with what is needed to tell it from others.
struct Known {
    found: Found,
    txs: u32,
    /// Whether it was given.
    is_taken: bool,
}

struct Open {
    number: u32,
    heads: Heads,
    records: Vec<Known>,
    /// Behind the last that was given.
    next: usize,
    used: u64,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    /// Number of the file that the block is in.
    pub file: u32,
    /// Its height.
    pub height: Height,
    /// Its parent.
    pub prev_hash: Hash32,
    /// Its transactions.
    pub txs: usize,
}

/// See the module documentation.
pub(crate) struct UndoFinder {
    files: UndoFiles,
    magic: [u8; 4],
    open: Vec<Open>,
    turn: u64,
    buffer: Region<u8>,
    budget_bytes: usize,
}

impl UndoFinder {
    /// In these files, with a buffer of so many bytes out of a budget.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new(
        files: UndoFiles,
        magic: [u8; 4],
        buffer_bytes: usize,
        budget_bytes: usize,
    ) -> Result<UndoFinder> {
        Ok(UndoFinder {
            files,
            magic,
            open: Vec::with_capacity(OPEN_FILES_MAX),
            turn: 0,
            buffer: Region::in_small_pages(Part::UndoFiles, buffer_bytes)?,
            budget_bytes,
        })
    }

    /// All records that may be the block's, the likeliest first.
    ///
    /// # Errors
    /// [`Fault::UndoMissing`] if there is none; those of reading.
    pub fn candidates(&mut self, wanted: &Wanted) -> Result<Vec<Found>> {
        let at = self.open(wanted.file)?;
        let missing = || Fault::UndoMissing {
            path: self.files.path(wanted.file),
            height: wanted.height,
        };
        let Some(at) = at else {
            return Err(missing().into());
        };
        let found = self.open[at].find(wanted)?;
        match found.is_empty() {
            true => Err(missing().into()),
            false => Ok(found),
        }
    }

    /// One of these records.
    ///
    /// # Errors
    /// [`memory::Fault::BudgetTooSmall`]; those of reading.
    pub fn record(&mut self, wanted: &Wanted, found: &Found) -> Result<Record<'_>> {
        let needed = found.bytes as usize + CHECKSUM_BYTES;
        if needed > self.buffer.len() {
            return Err(memory::Fault::BudgetTooSmall {
                budget_bytes: self.budget_bytes,
                least_bytes: self.budget_bytes + 4 * (needed - self.buffer.len()),
            }
            .into());
        }
        self.buffer.note_used(needed);
        let (path, height) = (self.files.path(wanted.file), wanted.height);
        let missing = || Error::from(Fault::UndoMissing { path, height });
        let Some(at) = self.open(wanted.file)? else {
            return Err(missing());
        };
        let record = self.open[at].heads.read(found, &mut self.buffer)?;
        record.ok_or_else(missing)
    }

    /// The path of file `number`.
    pub fn path(&self, number: u32) -> PathBuf {
        self.files.path(number)
    }

    /// Place of the file in `open`; opens it if need be, in place of the one used longest ago.
    fn open(&mut self, number: u32) -> Result<Option<usize>> {
        self.turn += 1;
        let known = self.open.iter().position(|open| open.number == number);
        let at = match known {
            Some(at) => at,
            None => {
                let Some(file) = self.files.open(number)? else {
                    return Ok(None);
                };
                if self.open.len() == OPEN_FILES_MAX {
                    let oldest = (0..self.open.len()).min_by_key(|&at| self.open[at].used);
                    self.open.swap_remove(oldest.expect("files are open"));
                }
                self.open
                    .push(Open::new(number, Heads::new(file, self.magic))?);
                self.open.len() - 1
            }
        };
        self.open[at].used = self.turn;
        Ok(Some(at))
    }
}

impl Open {
    fn new(number: u32, mut heads: Heads) -> Result<Open> {
        let mut records = Vec::new();
        let mut at = 0;
        while let Some(found) = heads.next(at)? {
            at = found.end_bytes();
            let txs = heads.txs_of(&found)?.unwrap_or(u64::MAX);
            records.push(Known {
                found,
                txs: u32::try_from(txs).unwrap_or(u32::MAX),
                is_taken: false,
            });
        }
        Ok(Open {
            number,
            heads,
            records,
            next: 0,
            used: 0,
        })
    }

    /// All that may be the block's, from the next on, and round.
    fn find(&mut self, wanted: &Wanted) -> Result<Vec<Found>> {
        let count = self.records.len();
        let mut found = Vec::new();
        let mut first = None;
        for step in 0..count {
            let at = (self.next + step) % count;
            if first.is_some_and(|first| step > first + SIBLING_RECORDS) {
                break;
            }
            if self.may_be(at, wanted)? {
                found.push(self.records[at].found);
                if first.is_none() {
                    first = Some(step);
                    self.records[at].is_taken = true;
                }
            }
        }
        // What was passed over and never given is a sibling's, or of a block that comes later.
        let Some(first) = first else {
            return Ok(found);
        };
        let taken = (self.next + first) % count;
        for at in taken.saturating_sub(SIBLING_RECORDS)..self.next.min(taken) {
            if !self.records[at].is_taken && self.may_be(at, wanted)? {
                found.push(self.records[at].found);
            }
        }
        self.next = taken + 1;
        Ok(found)
    }

    fn may_be(&mut self, at: usize, wanted: &Wanted) -> Result<bool> {
        let known = &self.records[at];
        if u64::from(known.txs) + 1 != wanted.txs as u64 {
            return Ok(false);
        }
        self.heads.belongs_after(&known.found, &wanted.prev_hash)
    }
}
