//! Sorting more records than memory holds: chunks are sorted in memory, written one behind the other
//! into a file without a name, and merged.
//!
//! Invariant: every record that was pushed comes back once, in the order of keys, or an error does.
//! What fits into memory never touches the disk.
//!
//! Memory: what is given, made once: four fifths hold records, one fifth their order; while merging,
//! the same memory holds a window of each chunk.
//!
//! A chunk is a sequence of records: length (u16, little-endian), then key and value.

use crate::memory::Fault;
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::os;
use crate::primitives::consensus::SCRIPT_BYTES_MAX;
use crate::{Error, Result};
use bytemuck::{Pod, Zeroable};
use byteorder::{BigEndian, ByteOrder, LittleEndian};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::hash::Hasher;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use twox_hash::XxHash3_64;

/// Largest record that is sorted outside of memory: an outpoint, what a coin has besides, and its script.
const SORTED_BYTES_MAX: usize = 64 + SCRIPT_BYTES_MAX;

/// Bytes of each sorted chunk that a merge reads at once.
const SORTED_READ_BYTES: usize = 32 << 10;

// A record and its length fit what is read at once, and the length fits 16 bits.
const _: () = assert!(2 + SORTED_BYTES_MAX <= SORTED_READ_BYTES);
const _: () = assert!(SORTED_BYTES_MAX <= u16::MAX as usize);

/// Longest key.
pub const KEY_BYTES_MAX: usize = 36;

type Key = [u8; KEY_BYTES_MAX];

/// A record's place in memory, and how its key begins.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Entry {
    prefix: u64,
    at: u64,
}

/// A sorted chunk of the file.
struct Chunk {
    start: u64,
    end: u64,
    checksum: u64,
}

/// Takes records in any order. See the module documentation.
pub struct Sorter {
    key_bytes: usize,
    records: Region<u8>,
    used: usize,
    entries: Region<Entry>,
    count: usize,
    dir: PathBuf,
    file: Option<File>,
    chunks: Vec<Chunk>,
}

impl Sorter {
    /// Sorts by the first `key_bytes` of each record, in `bytes` of memory and, if they do not do, a
    /// temporary file in `dir`.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new(key_bytes: usize, bytes: usize, dir: &Path) -> Result<Sorter> {
        assert!((8..=KEY_BYTES_MAX).contains(&key_bytes));
        let entries = bytes / 5 / size_of::<Entry>();
        Ok(Sorter {
            key_bytes,
            records: Region::new(Part::Sorting, bytes - entries * size_of::<Entry>())?,
            used: 0,
            entries: Region::new(Part::Sorting, entries)?,
            count: 0,
            dir: dir.to_owned(),
            file: None,
            chunks: Vec::new(),
        })
    }

    /// Takes a record with its key, which is all in the first of `pieces`. Records of one key come back
    /// in any order.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`] if the temporary file cannot be written.
    pub fn push(&mut self, pieces: &[&[u8]]) -> Result<()> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        assert!(
            length <= SORTED_BYTES_MAX,
            "limits has room for all records"
        );
        assert!(pieces[0].len() >= self.key_bytes);
        if self.used + 2 + length > self.records.len() || self.count == self.entries.len() {
            self.write_chunk()?;
        }
        self.entries[self.count] = Entry {
            prefix: BigEndian::read_u64(pieces[0]),
            at: self.used as u64,
        };
        self.count += 1;
        LittleEndian::write_u16(&mut self.records[self.used..], length as u16);
        self.used += 2;
        for piece in pieces {
            self.records[self.used..][..piece.len()].copy_from_slice(piece);
            self.used += piece.len();
        }
        Ok(())
    }

    fn sort(&mut self) {
        let (records, key_bytes) = (&self.records, self.key_bytes);
        let key = |entry: &Entry| &records[entry.at as usize + 2..][..key_bytes];
        self.entries[..self.count].sort_unstable_by(|left, right| {
            let by_prefix = left.prefix.cmp(&right.prefix);
            by_prefix.then_with(|| key(left).cmp(key(right)))
        });
    }

    fn write_chunk(&mut self) -> Result<()> {
        self.sort();
        let dir = self.dir.clone();
        let failed = |source| os::Fault::Io {
            action: "write a temporary file in",
            path: dir.clone(),
            source,
        };
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile_in(&self.dir).map_err(failed)?);
        }
        let file = self.file.as_ref().expect("made above");
        let mut out = BufWriter::with_capacity(SORTED_READ_BYTES, file);
        let mut checksum = XxHash3_64::with_seed(0);
        for entry in &self.entries[..self.count] {
            let record = record_at(&self.records, entry.at as usize);
            checksum.write(record);
            out.write_all(record).map_err(failed)?;
        }
        out.flush().map_err(failed)?;
        drop(out);
        let start = self.chunks.last().map_or(0, |chunk| chunk.end);
        self.chunks.push(Chunk {
            start,
            end: start + self.used as u64,
            checksum: checksum.finish(),
        });
        (self.used, self.count) = (0, 0);
        Ok(())
    }

    /// All records in order.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`] if the temporary file cannot be written;
    /// [`crate::memory::Fault::BudgetTooSmall`] if it has more chunks than the memory can merge.
    pub fn finish(mut self) -> Result<Sorted> {
        if self.chunks.is_empty() {
            self.sort();
            return Ok(Sorted::Memory {
                sorter: self,
                next: 0,
            });
        }
        self.write_chunk()?;
        let chunks = self.chunks.len();
        let bytes = self.records.len();
        if chunks * SORTED_READ_BYTES > bytes {
            return Err(Fault::BudgetTooSmall {
                budget_bytes: bytes,
                least_bytes: chunks * SORTED_READ_BYTES,
            }
            .into());
        }
        Merge::new(self).map(Sorted::Merge)
    }
}

/// Length and record.
fn record_at(records: &[u8], at: usize) -> &[u8] {
    let length = LittleEndian::read_u16(&records[at..]) as usize;
    &records[at..at + 2 + length]
}

/// Gives records back in order.
pub enum Sorted {
    /// All are in memory.
    Memory {
        /// Where they are, in order.
        sorter: Sorter,
        /// The next to be given.
        next: usize,
    },
    /// They are in a file.
    Merge(Merge),
}

impl Sorted {
    /// The next record: key and value.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`], [`crate::memory::Fault::TemporaryDamaged`].
    pub fn next_record(&mut self) -> Result<Option<&[u8]>> {
        match self {
            Sorted::Memory { sorter, next } => {
                let entry = sorter.entries[..sorter.count].get(*next);
                *next += 1;
                Ok(entry.map(|entry| &record_at(&sorter.records, entry.at as usize)[2..]))
            }
            Sorted::Merge(merge) => merge.next_record(),
        }
    }
}

/// A chunk being read through its window.
struct Reading {
    chunk: Chunk,
    /// Where the file is read next.
    offset: u64,
    /// First byte of its window in the memory.
    window: usize,
    /// Its current record in the window, and the end of what is in there.
    at: usize,
    filled: usize,
    checksum: XxHash3_64,
}

/// Merges the chunks.
pub struct Merge {
    sorter: Sorter,
    file: File,
    window_bytes: usize,
    readings: Vec<Reading>,
    heads: BinaryHeap<Reverse<(Key, usize)>>,
    given: Option<usize>,
    last_key: Key,
}

impl Merge {
    fn new(mut sorter: Sorter) -> Result<Merge> {
        let chunks = std::mem::take(&mut sorter.chunks);
        let window_bytes = sorter.records.len() / chunks.len();
        let reading = |(number, chunk): (usize, Chunk)| Reading {
            offset: chunk.start,
            chunk,
            window: number * window_bytes,
            at: 0,
            filled: 0,
            checksum: XxHash3_64::with_seed(0),
        };
        let readings: Vec<Reading> = chunks.into_iter().enumerate().map(reading).collect();
        let mut merge = Merge {
            file: sorter.file.take().expect("chunks are in a file"),
            sorter,
            window_bytes,
            heads: BinaryHeap::with_capacity(readings.len()),
            readings,
            given: None,
            last_key: [0; KEY_BYTES_MAX],
        };
        for number in 0..merge.readings.len() {
            merge.enter(number)?;
        }
        Ok(merge)
    }

    fn next_record(&mut self) -> Result<Option<&[u8]>> {
        if let Some(number) = self.given.take() {
            let reading = &mut self.readings[number];
            let record = record_at(&self.sorter.records, reading.window + reading.at);
            reading.at += record.len();
            self.enter(number)?;
        }
        let Some(Reverse((key, number))) = self.heads.pop() else {
            return Ok(None);
        };
        if key < self.last_key {
            return Err(self.damaged());
        }
        self.last_key = key;
        self.given = Some(number);
        let reading = &self.readings[number];
        let record = record_at(&self.sorter.records, reading.window + reading.at);
        Ok(Some(&record[2..]))
    }

    /// Makes the chunk's next record one of the heads, if there is one.
    fn enter(&mut self, number: usize) -> Result<()> {
        self.fill(number)?;
        let reading = &mut self.readings[number];
        if reading.at == reading.filled {
            return match reading.checksum.finish() == reading.chunk.checksum {
                true => Ok(()),
                false => Err(self.damaged()),
            };
        }
        let record = record_at(&self.sorter.records, reading.window + reading.at);
        let mut key = [0; KEY_BYTES_MAX];
        key[..self.sorter.key_bytes].copy_from_slice(&record[2..][..self.sorter.key_bytes]);
        reading.checksum.write(record);
        self.heads.push(Reverse((key, number)));
        Ok(())
    }

    /// Reads on where the window does not hold the whole next record.
    fn fill(&mut self, number: usize) -> Result<()> {
        let reading = &mut self.readings[number];
        let window = &mut self.sorter.records[reading.window..][..self.window_bytes];
        let held = reading.filled - reading.at;
        let needed = match held {
            0 | 1 => 2,
            _ => 2 + LittleEndian::read_u16(&window[reading.at..]) as usize,
        };
        let mut left = reading.chunk.end - reading.offset;
        if (held < needed || held < 2) && left > 0 {
            window.copy_within(reading.at..reading.filled, 0);
            let bytes = left.min((self.window_bytes - held) as u64) as usize;
            let read = self
                .file
                .read_exact_at(&mut window[held..held + bytes], reading.offset);
            read.map_err(|source| os::Fault::Io {
                action: "read a temporary file in",
                path: self.sorter.dir.clone(),
                source,
            })?;
            reading.offset += bytes as u64;
            (reading.at, reading.filled) = (0, held + bytes);
            left -= bytes as u64;
        }
        let held = reading.filled - reading.at;
        let is_whole = held == 0 && left == 0
            || held >= 2 && held >= record_bytes(window, reading.at, self.sorter.key_bytes);
        match is_whole {
            true => Ok(()),
            false => Err(self.damaged()),
        }
    }

    fn damaged(&self) -> Error {
        Fault::TemporaryDamaged {
            dir: self.sorter.dir.clone(),
        }
        .into()
    }
}

/// Bytes of the record at `at` with its length; more than there can be if it cannot hold a key.
fn record_bytes(window: &[u8], at: usize, key_bytes: usize) -> usize {
    match LittleEndian::read_u16(&window[at..]) as usize {
        length if length < key_bytes => usize::MAX,
        length => 2 + length,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::fault_of;
    use crate::limits::SORTER_BYTES_MIN;

    /// Records of many lengths with keys of 12 bytes, in no order.
    fn records(count: u64) -> Vec<Vec<u8>> {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        (0..count)
            .map(|number| {
                state = state.wrapping_mul(0xDA94_2042_E4DD_58B5).wrapping_add(1);
                let mut record = (state >> 40 << 40).to_be_bytes().to_vec();
                record.extend((number as u32).to_be_bytes());
                let length = if number % 1000 == 7 {
                    10_000
                } else {
                    state >> 58
                };
                record.resize(12 + length as usize, number as u8);
                record
            })
            .collect()
    }

    fn sorted(records: &[Vec<u8>], bytes: usize) -> (bool, Vec<Vec<u8>>) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut sorter = Sorter::new(12, bytes, dir.path()).expect("memory");
        for record in records {
            sorter
                .push(&[&record[..12], &record[12..]])
                .expect("room on disk");
        }
        let mut sorted = sorter.finish().expect("sorts");
        let is_merge = matches!(sorted, Sorted::Merge(_));
        let mut found = Vec::new();
        while let Some(record) = sorted.next_record().expect("reads") {
            found.push(record.to_vec());
        }
        let left = std::fs::read_dir(dir.path()).expect("lists").count();
        assert_eq!(left, 0, "the file has no name");
        (is_merge, found)
    }

    #[test]
    fn records_come_back_in_order_from_memory_and_from_disk() {
        let records = records(60_000);
        let mut expected = records.clone();
        expected.sort();
        let (is_merge, found) = sorted(&records, 64 << 20);
        assert!(!is_merge && found == expected);
        let (is_merge, found) = sorted(&records, 1 << 20);
        assert!(is_merge && found == expected);
        assert!(sorted(&[], SORTER_BYTES_MIN).1.is_empty());
    }

    #[test]
    fn what_did_not_come_back_as_written_is_an_error() {
        for offset in [0, 1, 5, 400_000] {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let mut sorter = Sorter::new(12, 1 << 20, dir.path()).expect("memory");
            for record in records(30_000) {
                sorter.push(&[&record]).expect("room on disk");
            }
            let file = sorter.file.as_ref().expect("more than memory holds");
            let mut byte = [0];
            file.read_exact_at(&mut byte, offset).expect("reads");
            file.write_all_at(&[byte[0] ^ 0x40], offset)
                .expect("writes");
            let all = sorter.finish().and_then(|mut sorted| {
                while sorted.next_record()?.is_some() {}
                Ok(())
            });
            assert!(
                matches!(fault_of(&all), Some(Fault::TemporaryDamaged { .. })),
                "{offset}"
            );
        }
    }
}
