//! Which part of a list is asked for, and what memory makes it.
//!
//! Invariant: the pages of a list, each begun where the one before says, are the list.

use super::View;
use crate::memory::{Fault, QUESTION_BYTES_MIN};
use crate::os::disk::is_writable;
use crate::os::paths::folder_of;
use crate::primitives::position::{Height, Txo};
use crate::{Error, Result};
use serde::{Serialize, Serializer};
use std::fmt;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::str::FromStr;

/// Lists of at most so many outputs are read at once, and the scripts of all their outputs compared, whichever
/// part of the list is asked for.
pub const AT_ONCE_MAX: usize = 1000;

/// Where a list begins: at a block, behind so many of its rows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Start {
    /// The block.
    pub height: Height,
    /// Rows of the block that are passed.
    pub skip: u64,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.skip {
            0 => write!(f, "{}", self.height),
            skip => write!(f, "{}:{skip}", self.height),
        }
    }
}

impl FromStr for Start {
    type Err = ParseIntError;

    fn from_str(text: &str) -> std::result::Result<Start, ParseIntError> {
        let (height, skip) = text.split_once(':').unwrap_or((text, "0"));
        Ok(Start {
            height: Height(height.parse()?),
            skip: skip.parse()?,
        })
    }
}

impl Serialize for Start {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A list, or a part of one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Listing {
    /// Compares the scripts of all outputs in the block files, however many there are, and also if the index
    /// keeps txids.
    pub check: bool,
    /// Where it begins.
    pub from: Start,
    /// The last block of it; `None`: the last that is asked about.
    pub until: Option<Height>,
    /// The most rows; `None`: all.
    pub limit: Option<u64>,
}

/// The same as positions.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    /// First output of the first block.
    pub from: Txo,
    /// Behind the last output of the last one.
    pub end: Txo,
}

/// Bytes that a row takes while many are read together: what the index says of it, where it is, and what is
/// answered, of an output and of its spend.
const ROW_BYTES: usize = 1 << 10;

/// Bytes that a row of a list takes: where it is, and how it ended.
const LIST_ROW_BYTES: usize = 1 << 9;
const _: () = assert!(QUESTION_BYTES_MIN / 8 / LIST_ROW_BYTES > AT_ONCE_MAX);

/// The part of the memory that is for a list.
const LIST_SHARE: usize = 4;

/// What of the memory is for what.
#[derive(Clone, Copy)]
pub(super) struct Share {
    /// All of it.
    pub memory_bytes: usize,
    /// The most rows that are read together.
    pub rows: usize,
    /// Bytes for sorting spends.
    pub spends_bytes: usize,
    /// Bytes for sorting what several scripts received.
    pub received_bytes: usize,
    /// Bytes of a list that are looked up together.
    pub list_bytes: usize,
    /// The most rows of a list that are read together.
    pub list_rows: usize,
}

impl Share {
    /// The memory of which a list may take so many bytes.
    pub fn memory_for_list(list_bytes: usize) -> usize {
        list_bytes * LIST_SHARE
    }

    /// Of so many bytes.
    pub fn of(memory_bytes: usize) -> Share {
        Share {
            memory_bytes,
            rows: memory_bytes / 8 / ROW_BYTES,
            spends_bytes: memory_bytes / 4,
            received_bytes: memory_bytes / 8,
            list_bytes: memory_bytes / LIST_SHARE,
            list_rows: memory_bytes / 8 / LIST_ROW_BYTES,
        }
    }
}

/// Where rows are sorted, and within what memory.
pub(super) struct Sorting {
    /// So many are sorted as they are.
    pub rows: usize,
    /// Bytes for more of them.
    pub bytes: usize,
    /// Where the temporary file is that the bytes have no room for.
    pub dir: PathBuf,
}

impl<'i> View<'i> {
    /// The same, answering within so many bytes of memory: all that the process may hold, if the index was
    /// opened with the same number ([`crate::index::Index::open_within`]).
    ///
    /// # Errors
    /// [`crate::memory::Fault::BudgetTooSmall`].
    pub fn within(mut self, memory_bytes: usize) -> Result<View<'i>> {
        if memory_bytes < QUESTION_BYTES_MIN {
            return Err(Error::from(Fault::BudgetTooSmall {
                budget_bytes: memory_bytes,
                least_bytes: QUESTION_BYTES_MIN,
            }));
        }
        self.share = Share::of(memory_bytes);
        Ok(self)
    }

    /// Sorting within so many bytes. What these have no room for is beside the index, or, where this user may not
    /// write, where temporary files are.
    pub(super) fn sorting(&self, bytes: usize) -> Sorting {
        let beside = folder_of(self.snapshot.index().store().path());
        let dir = match is_writable(beside) {
            true => beside.to_owned(),
            false => std::env::temp_dir(),
        };
        let rows = self.share.rows;
        Sorting { rows, bytes, dir }
    }

    /// The positions of what is listed.
    pub(super) fn stretch(&self, listing: &Listing) -> Result<Stretch> {
        let end = match listing.until {
            Some(until) if until < self.at => Txo(self.snapshot.block(until)?.outputs),
            _ => self.end(),
        };
        let from = match listing.from.height {
            from if from <= self.at => self.snapshot.block(from)?.first_txo,
            _ => end,
        };
        let from = from.min(end);
        Ok(Stretch { from, end })
    }
}

/// What becomes of a row.
pub(super) enum Turn {
    /// The list begins behind it.
    Passed,
    /// It is listed.
    Given,
    /// The list has ended before; the next part of it begins here.
    Behind(Start),
}

/// Counts the rows of a list, and knows where the next part begins.
pub(super) struct Counter {
    from: Start,
    /// Rows that are still to be given.
    left: Option<u64>,
    height: Height,
    /// Rows of that block that were passed or given.
    of_block: u64,
}

impl Counter {
    pub fn new(listing: &Listing) -> Counter {
        Counter {
            from: listing.from,
            left: listing.limit,
            height: Height(0),
            of_block: 0,
        }
    }

    /// The most rows that are of use at once.
    pub fn wanted(&self, most: usize) -> usize {
        let left = self.left.map(|left| left.saturating_add(self.from.skip));
        left.map_or(most, |left| most.min(left.saturating_add(1) as usize))
    }

    /// What becomes of the next row, which is of this block.
    pub fn turn(&mut self, height: Height) -> Turn {
        let start = self.start_at(height);
        if height == self.from.height && start.skip < self.from.skip {
            self.count(height);
            return Turn::Passed;
        }
        match &mut self.left {
            Some(0) => return Turn::Behind(start),
            Some(left) => *left -= 1,
            None => {}
        }
        self.count(height);
        Turn::Given
    }

    /// Where a list would begin with the next row, which is of this block.
    fn start_at(&self, height: Height) -> Start {
        let skip = match height == self.height {
            true => self.of_block,
            false => 0,
        };
        Start { height, skip }
    }

    fn count(&mut self, height: Height) {
        let before = self.start_at(height).skip;
        (self.height, self.of_block) = (height, before + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_reads_back_as_it_is_written() {
        for (text, height, skip) in [("0", 0, 0), ("500", 500, 0), ("7:3", 7, 3)] {
            let start = Start {
                height: Height(height),
                skip,
            };
            assert_eq!(text.parse(), Ok(start));
            assert_eq!(start.to_string(), text);
        }
        for bad in ["", ":", "1:", ":1", "-1", "1:-1", "1:1:1", "4294967296"] {
            assert!(bad.parse::<Start>().is_err(), "{bad}");
        }
    }
}
