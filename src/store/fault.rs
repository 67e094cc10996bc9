//! What is wrong with the index as a file.

use super::contention::{Note, in_use};
use crate::error::Family;
use crate::os::{advice, is_full};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// redb, the store, failed: a full disk, a damaged file, or a file in use.
    #[error("the index {}: {source}{}", path.display(), advice_on(source))]
    Store {
        /// The index file.
        path: PathBuf,
        /// What redb said.
        source: Box<redb::Error>,
    },
    /// Bytes of the index are missing, or are not those that were written.
    #[error("the index {} is damaged ({what}): `blkdex rebuild` makes it anew", path.display())]
    DamagedIndex {
        /// The index file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Another process has the index open.
    #[error(
        "the index {} is in use by another blkdex{}: the same command with `--wait` waits for it",
        path.display(),
        note.as_ref().map_or(String::new(), |note| format!(", {note}"))
    )]
    IndexInUse {
        /// The index file.
        path: PathBuf,
        /// What that process says of itself.
        note: Option<Note>,
    },
    /// The file that is written to does not have that name any more.
    #[error(
        "the index {} was removed or replaced while it was written to: run the same command again to go on with \
         what is there now",
        path.display()
    )]
    IndexReplaced {
        /// The index file.
        path: PathBuf,
    },
    /// There is no such file.
    #[error(
        "there is no index {} yet: `blkdex import --datadir DIR` makes one, DIR being bitcoind's datadir",
        path.display()
    )]
    NoIndex {
        /// The index file.
        path: PathBuf,
    },
    /// Nothing was imported yet.
    #[error("the index {} holds no blocks yet: run `blkdex import`", path.display())]
    NoBlocks {
        /// The index file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a blkdex index: {why}", path.display())]
    NotAnIndex {
        /// The file.
        path: PathBuf,
        /// How that was seen.
        why: &'static str,
    },
}

impl Fault {
    /// Whether the file itself is to blame: it is damaged, or no index. What the disk or another process
    /// is to blame for is not.
    pub fn is_of_file(&self) -> bool {
        use std::io::ErrorKind::{InvalidData, UnexpectedEof};
        match self {
            Fault::NotAnIndex { .. } | Fault::DamagedIndex { .. } => true,
            Fault::Store { source, .. } => match &**source {
                redb::Error::Io(io) => matches!(io.kind(), InvalidData | UnexpectedEof),
                redb::Error::PreviousIo | redb::Error::DatabaseAlreadyOpen => false,
                _ => true,
            },
            _ => false,
        }
    }

    /// Whether the disk is full, or the quota is used up.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Fault::Store { source, .. } => match &**source {
                redb::Error::Io(io) => is_full(io.kind()),
                _ => false,
            },
            _ => false,
        }
    }
}

/// What to do about it, as far as the operating system's word tells.
fn advice_on(error: &redb::Error) -> &'static str {
    match error {
        redb::Error::Io(io) => advice(io.kind()),
        _ => "",
    }
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        match self {
            Fault::IndexInUse { .. } => Family::Contention,
            _ => Family::Data,
        }
    }
}

/// What redb's error means when a file is opened.
pub(super) fn of_opening(path: &Path, error: redb::Error) -> Fault {
    let not_an_index = |why| Fault::NotAnIndex {
        path: path.to_owned(),
        why,
    };
    match error {
        redb::Error::DatabaseAlreadyOpen => in_use(path),
        redb::Error::UpgradeRequired(_) => not_an_index(
            "it is a redb file of a kind that no blkdex wrote; \
             if it was an index once, `blkdex rebuild --force` makes it anew",
        ),
        redb::Error::Io(io) if io.kind() == ErrorKind::InvalidData => not_an_index(
            "it does not begin as one; if it was an index once, `blkdex rebuild --force` makes it anew, \
             otherwise give another file with --index",
        ),
        source => of_work(path, source),
    }
}

/// What it means at work: damage is told from a disk that fails or is full.
pub(super) fn of_work(path: &Path, source: redb::Error) -> Fault {
    let path = path.to_owned();
    let what = match source {
        redb::Error::Corrupted(what) if what.starts_with("File truncated") => {
            format!("it is cut short; redb: {what}")
        }
        redb::Error::Corrupted(what) => format!("redb: {what}"),
        redb::Error::Io(io) if io.kind() == ErrorKind::UnexpectedEof => {
            "it ends before a page that it should have".into()
        }
        source => {
            let source = Box::new(source);
            return Fault::Store { path, source };
        }
    };
    Fault::DamagedIndex { path, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_full_disk_is_told_from_one_that_fails() {
        let of = |kind| of_work(Path::new("i"), redb::Error::Io(io::Error::from(kind)));
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            assert!(of(kind).is_disk_full(), "{kind}");
        }
        for kind in [ErrorKind::Other, ErrorKind::UnexpectedEof] {
            assert!(!of(kind).is_disk_full(), "{kind}");
        }
        assert!(!of_work(Path::new("i"), redb::Error::PreviousIo).is_disk_full());
    }
}
