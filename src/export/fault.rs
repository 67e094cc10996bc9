//! Why a file was not written.

use crate::error::Family;
use std::path::PathBuf;

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The output file is there already.
    #[error("{} is there already; --force replaces it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A balance is larger than a column of numbers holds.
    #[error("a script owns more than 2^63 sat, more than a column holds")]
    TooMuch,
    /// Two scripts have the same fingerprint.
    #[error(
        "two scripts of the index {} have the same fingerprint; `blkdex rebuild` takes another key",
        path.display()
    )]
    SameFingerprint {
        /// The index file.
        path: PathBuf,
    },
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        Family::Data
    }
}
