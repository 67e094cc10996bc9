//! What the operating system refused, and files that are not what they should be.

use crate::Error;
use crate::error::Family;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The operating system refused to `action` (a verb: "open", "read", "map") the file at `path`.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source.kind()))]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Something else is where a file should be.
    #[error("{} is {what}, not a file", path.display())]
    NotAFile {
        /// Its path.
        path: PathBuf,
        /// What it is: "a folder", "a FIFO".
        what: &'static str,
    },
    /// An output would be written over what it is made from.
    #[error("{} is {what}, and is not written to: give another name", path.display())]
    Kept {
        /// The output.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        match self {
            Fault::Io { .. } => Family::Machine,
            _ => Family::Data,
        }
    }
}

/// What to do about it, to be put behind what the operating system said.
pub(crate) fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        _ if is_full(kind) => ": make room there, and run the same command again",
        ErrorKind::PermissionDenied => ": give this user the right to it, or run as one who has it",
        ErrorKind::ReadOnlyFilesystem => ": choose a place on a disk that can be written to",
        _ => "",
    }
}

/// Whether the disk is full, or the quota is used up.
pub(crate) fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Makes a [`Fault::Io`] out of what the operating system said.
pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| {
        Error::from(Fault::Io {
            action,
            path,
            source,
        })
    }
}

/// What the operating system said, if that is what the error is.
pub(crate) fn io_kind(error: &Error) -> Option<ErrorKind> {
    match error.fault() {
        Some(Fault::Io { source, .. }) => Some(source.kind()),
        _ => None,
    }
}
