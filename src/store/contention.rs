//! Who else has the index open, and what a bulk import says to those who wait for it.
//!
//! Invariant: asking takes no lock and changes nothing. What an import says is a note that it keeps beside
//! the file's bytes (an extended attribute), of no weight to the index: a file system may not keep it, and
//! a kill may leave it, so it is believed only of a file that is in use.

use super::Fault;
use crate::Result;
use crate::os::io_kind;
use crate::os::opening::open_file;
use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend, StorageError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::ErrorKind;
use std::ops::Bound;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Bounds of a range of bytes, as redb gives them.
pub(super) type Bounds = (Bound<u64>, Bound<u64>);

/// Every writer locks this byte, and who reads through an overlay. It lies where no index has data: redb
/// locks, and lets go, the bytes of its header, and keeps its own from 2^62 on.
const USED_BYTE: Bounds = (Bound::Included(1 << 40), Bound::Included(1 << 40));

/// Of this one, only a writer has a lock that is alone with the file: it locks all there are.
const ALONE_BYTE: Bounds = (
    Bound::Included((1 << 40) + 1),
    Bound::Included((1 << 40) + 1),
);

/// Every writer locks this byte, and does so before it waits for those who read through an overlay: while it
/// waits none comes after them, so that they end.
const WANTED_BYTE: Bounds = (
    Bound::Included((1 << 40) + 2),
    Bound::Included((1 << 40) + 2),
);

/// How long a writer waits for those who read through an overlay: most questions take less.
pub(super) const OVERLAYS_END_MAX: Duration = Duration::from_secs(2);

/// Time between two looks at what is waited for.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a file is wanted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// To be read.
    Reading,
    /// To be written to.
    Writing,
}

/// Whether another has the index at `path` open in such a way that it could not be opened now. Who reads it
/// through an overlay is not asked for: a writer waits for those itself.
///
/// # Errors
/// [`crate::os::Fault::Io`], [`Fault::Store`].
pub fn is_in_use(path: &Path, for_what: Use) -> Result<bool> {
    let file = match open_file(path) {
        Err(error) if io_kind(&error) == Some(ErrorKind::NotFound) => return Ok(false),
        opened => opened?,
    };
    let (from, to) = match for_what {
        Use::Reading => ALONE_BYTE,
        Use::Writing => WANTED_BYTE,
    };
    let asked = FileBackend::new(file).and_then(|file| {
        let locked = file.query_lock_range(from, to);
        locked.map_err(|error| StorageError::from(error).into())
    });
    asked.map_err(|error| super::fault::of_opening(path, error.into()).into())
}

/// Locks the file for a writer beside which others read, so that nobody reads it through an overlay: what
/// lies under one must not change. Waits for those who do, for a moment.
///
/// # Errors
/// [`DatabaseError::DatabaseAlreadyOpen`].
pub(super) fn lock_to_write(file: &FileBackend) -> std::result::Result<(), DatabaseError> {
    let ((from, to), (used_from, used_to)) = (WANTED_BYTE, USED_BYTE);
    expect_locked(file.try_lock_range(from, to))?;
    let began = Instant::now();
    loop {
        match expect_locked(file.try_lock_range(used_from, used_to)) {
            Err(DatabaseError::DatabaseAlreadyOpen) if began.elapsed() < OVERLAYS_END_MAX => {
                sleep(LOOK_EVERY);
            }
            locked => return locked,
        }
    }
}

/// Locks the file for somebody who reads it through an overlay.
///
/// # Errors
/// [`DatabaseError::DatabaseAlreadyOpen`].
pub(super) fn lock_to_overlay(file: &FileBackend) -> std::result::Result<(), DatabaseError> {
    let ((from, to), (used_from, used_to)) = (WANTED_BYTE, USED_BYTE);
    let is_free = file.query_lock_range(from, to).map(|is_locked| !is_locked);
    expect_locked(is_free)?;
    expect_locked(file.try_lock_shared_range(used_from, used_to))
}

fn expect_locked(
    locked: std::result::Result<bool, BackendError>,
) -> std::result::Result<(), DatabaseError> {
    match locked {
        Ok(true) => Ok(()),
        Ok(false) => Err(DatabaseError::DatabaseAlreadyOpen),
        Err(error) => Err(StorageError::from(error).into()),
    }
}

/// How far an import is that is alone with the index.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Note {
    /// Height of the last block added.
    pub height: u32,
    /// Height of the last block wanted.
    pub end: u32,
    /// Bytes of the blocks added.
    pub bytes_done: u64,
    /// Bytes of all blocks to add.
    pub bytes: u64,
    /// Seconds that this took.
    pub seconds: f64,
    /// When this was noted, in seconds since 1970.
    pub at: u64,
}

const ATTRIBUTE: &str = "user.blkdex.import";

/// An older note is one of an import that was killed.
const NOTE_AGE_MAX: Duration = Duration::from_secs(3600);

impl Note {
    /// Keeps it with the file at `path`; `false` if the file system does not.
    pub(crate) fn keep(&self, path: &Path) -> bool {
        let bytes = serde_json::to_vec(self).expect("plain fields become JSON");
        rustix::fs::setxattr(path, ATTRIBUTE, &bytes, rustix::fs::XattrFlags::empty()).is_ok()
    }

    /// The one that was kept with the file at `path` last.
    pub fn of(path: &Path) -> Option<Note> {
        let mut bytes = [0; 1024];
        let length = rustix::fs::getxattr(path, ATTRIBUTE, &mut bytes).ok()?;
        let note: Note = serde_json::from_slice(bytes.get(..length)?).ok()?;
        let age = now_seconds().saturating_sub(note.at);
        (age <= NOTE_AGE_MAX.as_secs()).then_some(note)
    }

    /// Takes it away.
    pub(crate) fn remove(path: &Path) {
        // If it was never kept, or cannot be removed, it is out of date soon.
        let _ = rustix::fs::removexattr(path, ATTRIBUTE);
    }

    /// Seconds that are left, if the rest goes as what was done.
    fn seconds_left(&self) -> Option<f64> {
        let left = self.bytes.checked_sub(self.bytes_done)?;
        (self.bytes_done > 0).then(|| self.seconds * left as f64 / self.bytes_done as f64)
    }
}

pub(crate) fn now_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = 100 * self.bytes_done / self.bytes.max(1);
        write!(
            f,
            "which imports: at height {} of {}, {percent} %",
            self.height, self.end
        )?;
        match self.seconds_left() {
            Some(left) if left >= 3600.0 => write!(f, ", about {:.1} h to go", left / 3600.0),
            Some(left) if left >= 60.0 => write!(f, ", about {:.0} min to go", left / 60.0),
            Some(left) => write!(f, ", about {left:.0} s to go"),
            None => Ok(()),
        }
    }
}

/// The fault of an index that another process has open.
pub(crate) fn in_use(path: &Path) -> Fault {
    Fault::IndexInUse {
        path: path.to_owned(),
        note: Note::of(path),
    }
}

/// The fault of an index that has no blocks. While its first import is at work that is not for long.
pub(crate) fn no_blocks(path: &Path) -> Fault {
    match is_in_use(path, Use::Writing) {
        Ok(true) => in_use(path),
        // That it cannot be looked at is said by who opens it.
        Ok(false) | Err(_) => Fault::NoBlocks {
            path: path.to_owned(),
        },
    }
}
