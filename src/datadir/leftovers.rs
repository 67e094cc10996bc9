//! What else than whole records a block file holds: damage, space, and what a node has not written yet.
//!
//! Invariant: a stretch between two records is counted once, and each byte of it as one kind.
//!
//! Memory: of each kind, [`PLACES_LISTED_MAX`] places; the rest are only counted.

use super::pruned::unless_vanished;
use super::records::FRAME_BYTES;
use super::{Datadir, block_file_path};
use crate::Result;
use crate::limits::PLACES_LISTED_MAX;
use crate::primitives::consensus::{BLOCK_BYTES_MAX, BLOCK_BYTES_MIN};
use crate::primitives::position::Place;
use std::fmt;
use std::ops::RangeInclusive;

/// Zeros of a hole that could have held a record.
const HOLE_BYTES_MIN: u64 = FRAME_BYTES as u64 + BLOCK_BYTES_MIN as u64;

/// A place in a block file where no whole record is.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct Leftover {
    /// Number of the file.
    pub file: u32,
    /// Its first byte.
    pub offset_bytes: u64,
    /// How many bytes it has; of an oversize record, how many its length field claims.
    pub bytes: u64,
    /// What is there.
    pub what: LeftoverKind,
}

/// What is at such a place.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LeftoverKind {
    /// Bytes that are neither zero nor part of a record.
    Junk,
    /// Zeros before a record, enough of them to have held one.
    ZeroGap,
    /// A record that begins well and runs over the end of its file.
    Cut,
    /// A record that begins well, with a length that no block of the network can have.
    Oversize,
    /// A whole record whose block is not what its header says.
    Block,
}

impl Leftover {
    /// A whole record whose block is not what its header says.
    pub(crate) fn block(place: Place) -> Leftover {
        Leftover {
            file: place.file,
            offset_bytes: place.offset_bytes,
            bytes: place.bytes.into(),
            what: LeftoverKind::Block,
        }
    }

    /// Whether a block may have been there.
    pub(crate) fn may_be_a_block(&self) -> bool {
        self.bytes >= HOLE_BYTES_MIN
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes;
        write!(f, "blk{:05}.dat at byte {}: ", self.file, self.offset_bytes)?;
        match self.what {
            LeftoverKind::Junk => write!(f, "{bytes} bytes that are no block"),
            LeftoverKind::ZeroGap => write!(f, "{bytes} bytes of zeros"),
            LeftoverKind::Cut => write!(f, "a block of which only {bytes} bytes are there"),
            LeftoverKind::Oversize => write!(
                f,
                "a block that claims to have {bytes} bytes, over the limit of {BLOCK_BYTES_MAX}"
            ),
            LeftoverKind::Block => write!(f, "a block that is not what its header says"),
        }
    }
}

/// What else than records the files with these numbers hold: of each the first few places of each kind.
///
/// # Errors
/// A file cannot be read.
pub fn leftovers_of(datadir: &Datadir, numbers: RangeInclusive<u32>) -> Result<Vec<Leftover>> {
    let mut reader = datadir.record_reader()?;
    let mut found = Vec::new();
    let newest = datadir.files().last().map(|file| file.number);
    let files = datadir.files().iter().map(|file| file.number);
    for number in files.filter(|number| numbers.contains(number)) {
        let path = block_file_path(datadir.blocks_dir(), number);
        if unless_vanished(reader.open(path, number, 0))?.is_none() {
            continue;
        }
        while reader.next_record()?.is_some() {}
        let file_bytes = reader.file_bytes();
        let Leftovers {
            mut places,
            zero_tail_bytes,
            ..
        } = reader.close();
        // Core cuts a file when it begins the next.
        if Some(number) != newest && zero_tail_bytes >= HOLE_BYTES_MIN {
            places.push(Leftover {
                file: number,
                offset_bytes: file_bytes - zero_tail_bytes,
                bytes: zero_tail_bytes,
                what: LeftoverKind::ZeroGap,
            });
        }
        places.sort_unstable();
        found.append(&mut places);
    }
    Ok(found)
}

/// What else than records one file holds, or several, as far as they were read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Leftovers {
    /// Stretches of zeros before a record.
    pub zero_gaps: u64,
    /// Their bytes.
    pub zero_gap_bytes: u64,
    /// Zeros behind last records: space that the node has allocated ahead.
    pub zero_tail_bytes: u64,
    /// Bytes that are neither zero nor part of a record.
    pub junk_bytes: u64,
    /// Records cut short.
    pub cut_records: u64,
    /// Records with a length that no block can have.
    pub oversize_records: u64,
    /// Where they are: of each kind the first few.
    pub places: Vec<Leftover>,
}

impl Leftovers {
    /// Adds those of another file.
    pub(super) fn add(&mut self, other: Leftovers) {
        self.zero_gaps += other.zero_gaps;
        self.zero_gap_bytes += other.zero_gap_bytes;
        self.zero_tail_bytes += other.zero_tail_bytes;
        self.junk_bytes += other.junk_bytes;
        self.cut_records += other.cut_records;
        self.oversize_records += other.oversize_records;
        for place in other.places {
            list(&mut self.places, place);
        }
    }

    /// The places of one kind.
    pub(crate) fn places_of(&self, what: LeftoverKind) -> impl Iterator<Item = &Leftover> {
        self.places.iter().filter(move |place| place.what == what)
    }
}

/// A stretch without a whole record, while it is searched.
pub(super) struct Stretch {
    file: u32,
    from: u64,
    /// From here to the end of what was searched all is zeros on disk.
    pub(super) solid_end: u64,
    /// The first record that begins well; what lies before it is junk.
    first_record: Option<u64>,
    cut_at: Option<u64>,
    oversize_records: u64,
    oversize: Vec<Leftover>,
}

impl Stretch {
    /// A stretch that begins at byte `from`.
    pub(super) fn new(file: u32, from: u64) -> Stretch {
        Stretch {
            file,
            from,
            solid_end: from,
            first_record: None,
            cut_at: None,
            oversize_records: 0,
            oversize: Vec::new(),
        }
    }

    /// Notes a record that runs over the end of the file. Of several the first counts: it may hold
    /// the others.
    pub(super) fn cut(&mut self, at: u64) {
        self.first_record.get_or_insert(at);
        self.cut_at.get_or_insert(at);
    }

    /// Notes a record that claims `bytes`.
    pub(super) fn oversize(&mut self, at: u64, bytes: u64) {
        self.first_record.get_or_insert(at);
        self.oversize_records += 1;
        let found = self.leftover(at, bytes, LeftoverKind::Oversize);
        list(&mut self.oversize, found);
    }

    /// Counts the stretch, which ends at `to`: at a record, or at the end of the file.
    pub(super) fn count(self, to: u64, is_tail: bool, left: &mut Leftovers) {
        let zeros = to - self.solid_end;
        if is_tail {
            left.zero_tail_bytes += zeros;
        } else if zeros > 0 {
            left.zero_gaps += 1;
            left.zero_gap_bytes += zeros;
        }
        if !is_tail && zeros >= HOLE_BYTES_MIN {
            let found = self.leftover(self.solid_end, zeros, LeftoverKind::ZeroGap);
            list(&mut left.places, found);
        }
        let junk = self.first_record.unwrap_or(self.solid_end) - self.from;
        left.junk_bytes += junk;
        if junk > 0 {
            let found = self.leftover(self.from, junk, LeftoverKind::Junk);
            list(&mut left.places, found);
        }
        if let Some(at) = self.cut_at {
            left.cut_records += 1;
            let bytes = self.solid_end.saturating_sub(at);
            let found = self.leftover(at, bytes, LeftoverKind::Cut);
            list(&mut left.places, found);
        }
        left.oversize_records += self.oversize_records;
        for found in self.oversize {
            list(&mut left.places, found);
        }
    }

    fn leftover(&self, offset_bytes: u64, bytes: u64, what: LeftoverKind) -> Leftover {
        let file = self.file;
        Leftover {
            file,
            offset_bytes,
            bytes,
            what,
        }
    }
}

/// Adds a place, unless there are enough of its kind.
fn list(places: &mut Vec<Leftover>, found: Leftover) {
    let of_its_kind = places.iter().filter(|place| place.what == found.what);
    if of_its_kind.count() < PLACES_LISTED_MAX {
        places.push(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(stretch: Stretch, to: u64, is_tail: bool) -> (Leftovers, Vec<(u64, u64)>) {
        let mut left = Leftovers::default();
        stretch.count(to, is_tail, &mut left);
        let spans = left.places.iter().map(|p| (p.offset_bytes, p.bytes));
        let spans = spans.collect();
        (left, spans)
    }

    #[test]
    fn a_hole_is_listed_from_the_size_of_a_record_on_and_a_tail_never() {
        for (zeros, is_tail, is_listed) in
            [(88, false, false), (89, false, true), (89, true, false)]
        {
            let (left, spans) = listed(Stretch::new(3, 1000), 1000 + zeros, is_tail);
            assert_eq!(
                spans,
                if is_listed {
                    vec![(1000, zeros)]
                } else {
                    vec![]
                }
            );
            assert_eq!(left.zero_gap_bytes + left.zero_tail_bytes, zeros);
        }
    }

    #[test]
    fn junk_ends_where_a_record_begins_well() {
        let mut stretch = Stretch::new(0, 100);
        stretch.oversize(120, 5_000_000);
        stretch.cut(300);
        stretch.cut(310);
        stretch.solid_end = 400;
        let (left, mut spans) = listed(stretch, 500, true);
        spans.sort_unstable();
        assert_eq!(spans, [(100, 20), (120, 5_000_000), (300, 100)]);
        assert_eq!(
            (left.junk_bytes, left.cut_records, left.oversize_records),
            (20, 1, 1)
        );
        assert_eq!(left.zero_tail_bytes, 100);
    }

    #[test]
    fn many_places_of_one_kind_leave_room_for_the_others() {
        let mut left = Leftovers::default();
        for n in 0..100 {
            Stretch::new(0, n * 1000).count(n * 1000 + 500, false, &mut left);
        }
        let mut junk = Stretch::new(0, 200_000);
        junk.solid_end = 200_001;
        junk.count(200_001, false, &mut left);
        assert_eq!(left.zero_gaps, 100);
        assert_eq!(left.places.len(), PLACES_LISTED_MAX + 1);
        assert_eq!(left.places[PLACES_LISTED_MAX].what, LeftoverKind::Junk);
    }
}
