//! What is wrong with what an index says of itself.

use super::meta::FORMATS;
use crate::error::Family;
use std::path::PathBuf;

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The index was written by another version of blkdex.
    #[error(
        "the index {} has format {found}, of {} blkdex; this one reads formats {} to {}: \
         use that one, or make the index anew with `blkdex rebuild`",
        path.display(),
        if *found < FORMATS[0] { "an older" } else { "a newer" },
        FORMATS[0],
        FORMATS[FORMATS.len() - 1]
    )]
    OtherFormat {
        /// The index file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Txids are to be kept in an index that was made without.
    #[error(
        "the index {} was made without --keep-txids: `blkdex rebuild --keep-txids` makes it anew with them",
        path.display()
    )]
    KeepsNoTxids {
        /// The index file.
        path: PathBuf,
    },
    /// The index holds another network's chain.
    #[error("the index {} holds {found}, not {expected}: give another file with --index", path.display())]
    IndexOfOtherNetwork {
        /// The index file.
        path: PathBuf,
        /// Its network.
        found: String,
        /// The network of the block files.
        expected: String,
    },
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        Family::Data
    }
}
