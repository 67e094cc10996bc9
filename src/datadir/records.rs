//! The records of a block file: magic (4 bytes), length (4, little-endian), block.
//!
//! Invariant: a record is returned only if its header meets its own proof of work and the whole of
//! it is in the file. What lies between such records is counted, not trusted.
//!
//! Memory: one buffer of [`SEARCH_BYTES_MAX`], made once; of the plan, it has the place of a block, which is
//! read when the scan is over. Files are read with pread, a page where a record
//! begins and the blocks skipped, so a file that a node shortens meanwhile just ends earlier.

use std::fs::File;
use std::path::PathBuf;

use byteorder::{ByteOrder, LE};

use super::files::read_at;
use super::leftovers::{Leftovers, Stretch};
use super::xor::XorKey;
use crate::Result;
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::os::io_error;
use crate::os::opening::open_file;
use crate::primitives::consensus::{BLOCK_BYTES_MAX, BLOCK_BYTES_MIN};
use crate::primitives::header::HEADER_BYTES;
use crate::primitives::network::{Network, NetworkName};
use crate::primitives::position::Place;
use crate::primitives::pow::proven_hash;

/// Bytes read at once where a record is expected: a page holds the header and, early in the chain,
/// the next records too.
const HOP_BYTES: usize = 4096;

/// Bytes read at once while searching junk and zeros; sizes the scanner's only buffer.
const SEARCH_BYTES_MAX: usize = 1 << 18;
const _: () = assert!(HOP_BYTES <= SEARCH_BYTES_MAX);

/// Bytes before a block: magic and length.
pub const FRAME_BYTES: usize = 8;

/// One whole record with a header that meets its proof of work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Whose magic it bears.
    pub network: NetworkName,
    /// Where its block is.
    pub place: Place,
    /// The serialized header.
    pub header: [u8; HEADER_BYTES],
    /// Its hash, in internal byte order.
    pub hash: [u8; 32],
}

/// Reads the records of one file after another.
pub struct RecordReader {
    networks: Vec<Network>,
    key: XorKey,
    buffer: Region<u8>,
    open: Option<Open>,
}

/// The file being read, and which part of it is in the buffer (un-XORed).
struct Open {
    file: File,
    path: PathBuf,
    number: u32,
    file_bytes: u64,
    at: u64,
    buffer_from: u64,
    buffer_bytes: usize,
    left: Leftovers,
}

/// What is at an offset.
enum Seen {
    Record(Record),
    /// A record that begins well and runs over the end of the file.
    Cut,
    /// A record that begins well and claims so many bytes, more than any block has.
    Oversize(u32),
    Nothing,
}

impl RecordReader {
    /// Recognizes the records of `networks`.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new(networks: Vec<Network>, key: XorKey) -> Result<RecordReader> {
        Ok(RecordReader {
            networks,
            key,
            buffer: Region::in_small_pages(Part::Block, SEARCH_BYTES_MAX)?,
            open: None,
        })
    }

    /// Begins to read the file `number` at `path`, at byte `from`, which must be where a record may
    /// begin.
    pub fn open(&mut self, path: PathBuf, number: u32, from: u64) -> Result<()> {
        let file = open_file(&path)?;
        let file_bytes = file.metadata().map_err(io_error("open", &path))?.len();
        let (buffer_from, buffer_bytes) = (0, 0);
        self.open = Some(Open {
            file,
            path,
            number,
            file_bytes,
            at: from,
            buffer_from,
            buffer_bytes,
            left: Leftovers::default(),
        });
        Ok(())
    }

    /// Length of the open file, as it was when opened.
    pub fn file_bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.file_bytes)
    }

    /// Closes the file and says what else it holds; complete once
    /// [`next_record`](Self::next_record) gave `None`.
    pub fn close(&mut self) -> Leftovers {
        self.open.take().map(|open| open.left).unwrap_or_default()
    }

    /// The next record of the open file; `None` at its end.
    pub fn next_record(&mut self) -> Result<Option<Record>> {
        let RecordReader {
            networks,
            key,
            buffer,
            open,
        } = self;
        let Some(open) = open else { return Ok(None) };
        let from = open.at;
        let found = match open.examine(buffer, *key, networks, from)? {
            Seen::Record(record) => Some(record),
            _ => open.search(buffer, *key, networks)?,
        };
        if let Some(record) = &found {
            open.at = record.place.end_bytes();
        }
        Ok(found)
    }
}

impl Open {
    /// The bytes of the file from `at` on: at least `need` of them, or up to the file's end.
    /// Reads `want` bytes if they are not in the buffer.
    fn view<'b>(
        &mut self,
        buffer: &'b mut [u8],
        key: XorKey,
        at: u64,
        need: usize,
        want: usize,
    ) -> Result<&'b [u8]> {
        let need = self.file_bytes.saturating_sub(at).min(need as u64);
        let buffer_end = self.buffer_from + self.buffer_bytes as u64;
        if at < self.buffer_from || at + need > buffer_end {
            let target = &mut buffer[..want];
            self.buffer_from = at;
            self.buffer_bytes =
                read_at(&self.file, target, at).map_err(io_error("read", &self.path))?;
            key.apply(&mut target[..self.buffer_bytes], at);
        }
        let skip = ((at - self.buffer_from) as usize).min(self.buffer_bytes);
        Ok(&buffer[skip..self.buffer_bytes])
    }

    /// Whether a record begins at `at`.
    fn examine(
        &mut self,
        buffer: &mut [u8],
        key: XorKey,
        networks: &[Network],
        at: u64,
    ) -> Result<Seen> {
        let (file, file_bytes) = (self.number, self.file_bytes);
        let bytes = self.view(buffer, key, at, FRAME_BYTES + HEADER_BYTES, HOP_BYTES)?;
        let Some(network) = networks
            .iter()
            .find(|network| bytes.starts_with(&network.magic))
        else {
            return Ok(Seen::Nothing);
        };
        let cut = || match last_solid(bytes, key.at(at)) {
            Some(_) => Ok(Seen::Cut),
            None => Ok(Seen::Nothing),
        };
        let Some((frame, rest)) = bytes.split_first_chunk::<FRAME_BYTES>() else {
            return cut();
        };
        let length = LE::read_u32(&frame[4..]);
        if length < BLOCK_BYTES_MIN {
            return Ok(Seen::Nothing);
        }
        let Some(header) = rest.first_chunk::<HEADER_BYTES>() else {
            return match length <= BLOCK_BYTES_MAX {
                true => cut(),
                false => Ok(Seen::Nothing),
            };
        };
        let Some(hash) = proven_hash(header, network.pow_limit) else {
            return Ok(Seen::Nothing);
        };
        if length > BLOCK_BYTES_MAX {
            return Ok(Seen::Oversize(length));
        }
        let offset_bytes = at + FRAME_BYTES as u64;
        if offset_bytes + u64::from(length) > file_bytes {
            return Ok(Seen::Cut);
        }
        let place = Place {
            file,
            offset_bytes,
            bytes: length,
        };
        Ok(Seen::Record(Record {
            network: network.name,
            place,
            header: *header,
            hash,
        }))
    }

    /// Searches byte by byte from `self.at` on for the next record, and counts what it passes.
    fn search(
        &mut self,
        buffer: &mut [u8],
        key: XorKey,
        networks: &[Network],
    ) -> Result<Option<Record>> {
        let mut at = self.at;
        let mut stretch = Stretch::new(self.number, at);
        while at < self.file_bytes {
            let need = FRAME_BYTES + HEADER_BYTES;
            let bytes = self.view(buffer, key, at, need, SEARCH_BYTES_MAX)?;
            if bytes.is_empty() {
                break;
            }
            let at_end = at + bytes.len() as u64 >= self.file_bytes;
            let keep = if at_end { 0 } else { 3 };
            let candidate = find_magic(bytes, networks);
            let passed = candidate.unwrap_or(bytes.len().saturating_sub(keep).max(1));
            if let Some(solid) = last_solid(&bytes[..passed], key.at(at)) {
                stretch.solid_end = at + solid as u64 + 1;
            }
            at += passed as u64;
            if candidate.is_none() {
                continue;
            }
            match self.examine(buffer, key, networks, at)? {
                Seen::Record(record) => {
                    stretch.count(at, false, &mut self.left);
                    return Ok(Some(record));
                }
                Seen::Cut => stretch.cut(at),
                Seen::Oversize(length) => stretch.oversize(at, u64::from(length)),
                Seen::Nothing => {}
            }
            // Zeros on disk can read as a magic, if the key holds one.
            let bytes = self.view(buffer, key, at, 1, SEARCH_BYTES_MAX)?;
            if bytes.first().is_some_and(|&byte| byte != key.at(at)[0]) {
                stretch.solid_end = at + 1;
            }
            at += 1;
        }
        stretch.count(at, true, &mut self.left);
        self.at = self.file_bytes;
        Ok(None)
    }
}

/// Where the first magic of any of the networks begins.
fn find_magic(bytes: &[u8], networks: &[Network]) -> Option<usize> {
    let mut begins = [false; 256];
    for network in networks {
        begins[usize::from(network.magic[0])] = true;
    }
    bytes.windows(4).position(|window| {
        begins[usize::from(window[0])] && networks.iter().any(|n| n.magic == window)
    })
}

/// Index of the last byte that is not zero on disk. Zeros that nobody wrote are not XORed, so
/// un-XORed they read as the key.
fn last_solid(bytes: &[u8], key: [u8; 8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    let tail = (0..rest.len()).rev().find(|&i| rest[i] != key[i]);
    if let Some(i) = tail {
        return Some(words.len() * 8 + i);
    }
    let word = words.iter().rposition(|word| *word != key)?;
    let byte = (0..8).rev().find(|&i| words[word][i] != key[i])?;
    Some(word * 8 + byte)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::leftovers::{Leftover, LeftoverKind};
    use super::super::testing::fixture;
    use super::*;

    /// What is read back.
    struct Reread {
        records: Vec<Record>,
        /// End of the last whole record.
        end_bytes: u64,
        left: Leftovers,
    }

    /// Writes `bytes` as they are, and reads all records back.
    fn read_raw(bytes: &[u8], key: XorKey, from: u64) -> Reread {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("blk00000.dat");
        std::fs::write(&path, bytes).expect("write");
        let networks = NetworkName::ALL.map(Network::new).to_vec();
        let mut reader = RecordReader::new(networks, key).expect("memory");
        reader.open(path, 0, from).expect("opens");
        let mut records = Vec::new();
        while let Some(record) = reader.next_record().expect("reads") {
            records.push(record);
        }
        Reread {
            end_bytes: records.last().map_or(from, |last| last.place.end_bytes()),
            records,
            left: reader.close(),
        }
    }

    fn read(bytes: &[u8]) -> Reread {
        read_raw(bytes, XorKey::default(), 0)
    }

    /// The genesis record of regtest, and a few more, from `data/`.
    fn regtest_bytes() -> Vec<u8> {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/data/regtest/blocks");
        let key = super::super::files::read_xor_key(dir.as_ref()).expect("key");
        let mut bytes = std::fs::read(format!("{dir}/blk00000.dat")).expect("file");
        key.apply(&mut bytes, 0);
        bytes
    }

    fn end_of(record: &Record) -> usize {
        record.place.offset_bytes as usize + record.place.bytes as usize
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn a_duplicate_a_gap_and_a_tail_are_survived() {
        let bytes = fixture("odd/duplicate-block-zero-gap-zero-tail.dat");
        let Reread {
            records,
            left,
            end_bytes,
        } = read(&bytes);
        assert_eq!(records.len(), 301);
        assert_eq!((left.zero_gaps, left.zero_gap_bytes), (1, 1));
        assert_eq!(
            (end_bytes, left.zero_tail_bytes, left.junk_bytes),
            (70_674, 1022, 0)
        );
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn junk_before_the_magic_is_passed_byte_by_byte() {
        let bytes = fixture("odd/junk-before-magic.dat");
        let Reread {
            records,
            left,
            end_bytes,
        } = read(&bytes);
        assert_eq!(records.len(), 1);
        assert_eq!(
            records[0].place,
            Place {
                file: 0,
                offset_bytes: 14,
                bytes: 474
            }
        );
        assert_eq!((left.junk_bytes, end_bytes), (6, 488));
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn a_record_cut_short_is_named_and_not_returned() {
        let bytes = fixture("odd/testnet3-cut-mid-record.dat");
        let Reread {
            records,
            left,
            end_bytes,
        } = read(&bytes);
        assert_eq!((records.len(), end_bytes), (401, 95_027));
        let cut = &left.places[0];
        assert_eq!((cut.what, cut.offset_bytes), (LeftoverKind::Cut, 95_027));
        assert_eq!(cut.bytes, bytes.len() as u64 - 95_027);
        assert_eq!((left.places.len(), left.junk_bytes), (1, 0));
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn records_of_two_networks_are_told_apart() {
        let bytes = fixture("odd/two-networks-mixed.dat");
        let networks: Vec<_> = read(&bytes).records.iter().map(|r| r.network).collect();
        assert_eq!(
            networks,
            [NetworkName::Test, NetworkName::Main, NetworkName::Test]
        );
    }

    #[test]
    fn a_file_cut_anywhere_keeps_all_whole_records_before() {
        let bytes = regtest_bytes();
        let all = read(&bytes).records;
        let (second, third) = (end_of(&all[1]), end_of(&all[2]));
        for cut in second..third {
            let Reread {
                records,
                left,
                end_bytes,
            } = read(&bytes[..cut]);
            assert_eq!(records, all[..2]);
            assert_eq!(end_bytes, second as u64);
            assert_eq!(left.cut_records, u64::from(cut >= second + 4), "{cut}");
        }
        assert_eq!(read(&bytes[..third]).records, all[..3]);
    }

    #[test]
    fn zeros_on_disk_are_zeros_under_any_key_and_wherever_they_begin() {
        let bytes = regtest_bytes();
        let all = read(&bytes).records;
        let whole = end_of(&all[2]);
        // The second key holds regtest's magic, and a length that a block could have.
        for key in [XorKey::default(), XorKey([7, 0, 250, 191, 181, 218, 0, 1])] {
            for skip in 0..9 {
                let mut disk = bytes[..whole].to_vec();
                key.apply(&mut disk, 0);
                disk.resize(whole + skip, 0);
                let mut again = bytes[..end_of(&all[0])].to_vec();
                key.apply(&mut again, disk.len() as u64);
                disk.extend(again);
                disk.resize(disk.len() + 300_000, 0);
                let Reread { records, left, .. } = read_raw(&disk, key, 0);
                assert_eq!(records.len(), 4, "{skip}");
                assert_eq!(left.zero_gap_bytes, skip as u64);
                assert_eq!((left.zero_tail_bytes, left.junk_bytes), (300_000, 0));
                assert_eq!(left.cut_records, 0);
            }
        }
    }

    #[test]
    fn reading_goes_on_where_it_ended() {
        let bytes = regtest_bytes();
        let all = read(&bytes).records;
        let rest = read_raw(&bytes, XorKey::default(), end_of(&all[4]) as u64);
        assert_eq!(rest.records, all[5..]);
        assert_eq!(rest.end_bytes as usize, end_of(&all[all.len() - 1]));
    }

    #[test]
    fn a_length_that_no_block_can_have_is_named_and_the_next_records_are_read() {
        let bytes = regtest_bytes();
        let all = read(&bytes).records;
        for length in [BLOCK_BYTES_MAX + 1, u32::MAX] {
            let mut bad = bytes.clone();
            bad[4..8].copy_from_slice(&length.to_le_bytes());
            let Reread { records, left, .. } = read(&bad);
            assert_eq!(records, all[1..]);
            let oversize = Leftover {
                file: 0,
                offset_bytes: 0,
                bytes: u64::from(length),
                what: LeftoverKind::Oversize,
            };
            assert_eq!(left.places, [oversize]);
            assert_eq!((left.oversize_records, left.junk_bytes), (1, 0));
            // Without a header that meets its own work it is nothing but junk.
            bad[8 + 75] = 0x1d;
            let Reread { records, left, .. } = read(&bad);
            assert_eq!(records, all[1..]);
            assert_eq!(left.oversize_records, 0);
            assert_eq!(left.places[0].what, LeftoverKind::Junk);
        }
    }

    #[test]
    fn a_length_too_small_for_a_block_is_junk() {
        let bytes = regtest_bytes();
        let all = read(&bytes).records;
        for length in [0, BLOCK_BYTES_MIN - 1] {
            let mut bad = bytes.clone();
            bad[4..8].copy_from_slice(&length.to_le_bytes());
            let Reread { records, left, .. } = read(&bad);
            assert_eq!(records, all[1..]);
            // The block ends with its lock time, four zeros.
            assert_eq!(
                (left.junk_bytes, left.zero_gap_bytes),
                (end_of(&all[0]) as u64 - 4, 4)
            );
        }
    }

    #[test]
    fn a_header_without_work_is_junk() {
        let mut bytes = regtest_bytes();
        let all = read(&bytes).records;
        bytes[8 + 75] = 0x1d;
        assert_eq!(read(&bytes).records, all[1..]);
        bytes[8 + 75] = 0xff;
        assert_eq!(read(&bytes).records, all[1..]);
    }

    #[test]
    fn a_length_that_swallows_the_next_records_is_given_up_only_at_the_end() {
        let bytes = regtest_bytes();
        let all = read(&bytes).records;
        let mut bad = bytes.clone();
        bad[4..8].copy_from_slice(&3_999_999u32.to_le_bytes());
        let Reread { records, left, .. } = read(&bad);
        assert_eq!(records, all[1..]);
        assert_eq!((left.cut_records, left.places[0].offset_bytes), (1, 0));
    }

    #[test]
    fn files_of_magic_or_zeros_take_seconds_at_most() {
        let magic = Network::new(NetworkName::Main).magic;
        let mut near = magic.to_vec();
        near.extend(1000u32.to_le_bytes());
        near.extend(0x1d00_ffff_u32.to_le_bytes());
        for pattern in [magic.to_vec(), vec![0], near] {
            let bytes: Vec<u8> = pattern.iter().copied().cycle().take(32 << 20).collect();
            let began = Instant::now();
            assert!(read(&bytes).records.is_empty());
            assert!(began.elapsed() < Duration::from_secs(20), "{pattern:?}");
        }
    }
}
