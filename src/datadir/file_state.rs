//! The state of a block file when it was scanned, by which the next scan knows what has changed.
//!
//! Invariant: a file is believed to be as it was only if its length and the time of its last change say so,
//! and that time had passed for good when the state was taken.

use super::BlockFile;
use super::records::Record;
use std::hash::Hasher;
use std::time::{SystemTime, UNIX_EPOCH};
use twox_hash::XxHash3_64;

/// Two changes of a file within so many nanoseconds may bear the same time: file systems count in ticks
/// of the kernel, some in seconds (ext3), others in two (FAT).
pub(super) const CHANGE_TICK_NS_MAX: i128 = 3_000_000_000;
/// The state of a file when it was scanned, so that the next scan reads only what has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileState {
    /// Number of the file.
    pub file: u32,
    /// Its length when it was scanned.
    pub bytes: u64,
    /// When it was changed, in nanoseconds, as of when it was listed; 0 if that was so shortly before that the next
    /// write may bear the same time.
    pub changed_ns: i64,
    /// End of its last whole record; 0 if it has none.
    pub scanned_to_bytes: u64,
    /// Checksum of places and hashes of all its whole records (XXH3-64).
    pub records_checksum: u64,
}

impl FileState {
    /// Whether the file is as it was: nobody has written to it since.
    pub(super) fn is_of(&self, file: &BlockFile) -> bool {
        self.changed_ns != 0 && (self.bytes, self.changed_ns) == (file.bytes, file.changed_ns)
    }
}
/// The whole records of one file, as far as it was read.
#[derive(Default)]
pub(super) struct RecordsRead {
    /// How many there are.
    pub count: u64,
    /// End of the last one.
    pub end_bytes: u64,
    hasher: XxHash3_64,
}

impl RecordsRead {
    /// Adds the next one.
    pub(super) fn add(&mut self, record: &Record) {
        self.count += 1;
        self.end_bytes = record.place.end_bytes();
        self.hasher.write(&record.place.offset_bytes.to_le_bytes());
        self.hasher.write(&record.place.bytes.to_le_bytes());
        self.hasher.write(&record.hash);
    }

    /// Checksum of their places and hashes.
    pub(super) fn checksum(&self) -> u64 {
        self.hasher.finish()
    }

    /// The state of the file that they are of.
    pub(super) fn state_of(&self, file: &BlockFile) -> FileState {
        FileState {
            file: file.number,
            bytes: file.bytes,
            changed_ns: sure_ns(file.changed_ns, SystemTime::now()),
            scanned_to_bytes: self.end_bytes,
            records_checksum: self.checksum(),
        }
    }
}

/// The time of a file's last change; 0 if that was so short a while ago that a further change may bear
/// the same time.
fn sure_ns(changed_ns: i64, now: SystemTime) -> i64 {
    let now_ns = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let is_sure = i128::from(changed_ns) + CHANGE_TICK_NS_MAX < now_ns as i128;
    if is_sure { changed_ns } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_passed_over_only_if_it_did_not_change_since_and_not_just_before() {
        let now = SystemTime::now();
        let ns = now
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_nanos() as i64;
        let second = 1_000_000_000;
        assert_eq!(sure_ns(ns - 10 * second, now), ns - 10 * second);
        for young in [ns, ns - second, ns + 10 * second] {
            assert_eq!(sure_ns(young, now), 0);
        }
        let file = BlockFile {
            number: 1,
            bytes: 100,
            modified: now,
            changed_ns: 7,
        };
        let state = FileState {
            file: 1,
            bytes: 100,
            changed_ns: 7,
            scanned_to_bytes: 90,
            records_checksum: 1,
        };
        assert!(state.is_of(&file));
        for other in [
            FileState {
                bytes: 101,
                ..state
            },
            FileState {
                changed_ns: 8,
                ..state
            },
            FileState {
                changed_ns: 0,
                ..state
            },
        ] {
            assert!(!other.is_of(&file));
        }
    }
}
