//! Why coins cannot be read at a height.

use super::GoneBlocks;
use crate::error::Family;
use crate::primitives::position::{Height, Place};
use crate::{Error, Result};
use bitcoin::BlockHash;

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Index and block files do not fit each other.
    #[error(
        "block {height}: {what}: the index has {index}, the block files {files}; run `blkdex rebuild`"
    )]
    Contradiction {
        /// Height of the block.
        height: Height,
        /// What differs.
        what: &'static str,
        /// What the index says.
        index: u64,
        /// What the block files say.
        files: u64,
    },
    /// The index, or the height asked about, does not reach there.
    #[error("height {wanted} is above the tip, {tip}")]
    AboveTip {
        /// The height asked for.
        wanted: Height,
        /// The last block's.
        tip: Height,
    },
    /// No such block in the chain.
    #[error("no block {hash} in the chain of the index (a stale block, perhaps)")]
    UnknownBlock {
        /// The hash asked for.
        hash: BlockHash,
    },
    /// Nothing was there yet.
    #[error(
        "{} is before the genesis block, which is of {}: there is no block to answer as of",
        moment(*wanted), moment(i64::from(*genesis))
    )]
    BeforeGenesis {
        /// The moment asked for, in Unix seconds.
        wanted: i64,
        /// The time of the genesis block.
        genesis: u32,
    },
    /// The block files cannot be read.
    #[error("this needs the block files (--datadir DIR says where they are): {source}")]
    BlockFiles {
        /// What happened.
        source: Box<Error>,
    },
    /// Files that hold blocks that are needed are not there any more.
    #[error(
        "{0}, and this needs them; if the block files were moved, --datadir DIR says where they are"
    )]
    Gone(GoneBlocks),
    /// Something else lies where the block was.
    #[error(
        "blk{:05}.dat at byte {}: block {height} is not there any more; \
         `blkdex import` finds the blocks of a moved datadir again",
        place.file,
        place.offset_bytes
    )]
    BlockMoved {
        /// Height of the block.
        height: Height,
        /// Where it was.
        place: Place,
    },
}

/// A time as `--at` takes it.
fn moment(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds);
    time.map_or_else(|_| format!("second {seconds}"), |time| time.to_string())
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        Family::Data
    }
}

/// As the error for block files that cannot be read.
pub(crate) fn from_block_files<T>(result: Result<T>) -> Result<T> {
    result.map_err(|source| {
        Error::from(Fault::BlockFiles {
            source: Box::new(source),
        })
    })
}
