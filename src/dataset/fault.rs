//! Why a data set was not written.

use super::Table;
use crate::error::Family;
use crate::primitives::position::Height;
use std::path::PathBuf;

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// An undo file is not there.
    #[error(
        "{} is not there, which block {height} needs: what inputs spent is told by the node's undo files alone; \
         --without-spent-coins writes null instead",
        path.display()
    )]
    NoUndoFile {
        /// The file.
        path: PathBuf,
        /// The first block that needs it.
        height: Height,
    },
    /// What was read is not what the index counted.
    #[error(
        "block {height}: {what}: the index has {index}, the block files {files}; run `blkdex rebuild`"
    )]
    Count {
        /// Height of the block, or the last of the file's.
        height: Height,
        /// What was counted.
        what: &'static str,
        /// By the index.
        index: u64,
        /// In the files.
        files: u64,
    },
    /// A transaction pays more than it spends, or spends more than there is.
    #[error(
        "block {height}, transaction {txid}: it spends {spent_sat} sat by the undo file, and pays {paid_sat}"
    )]
    Overspent {
        /// Height of the block.
        height: Height,
        /// The transaction.
        txid: bitcoin::Txid,
        /// What its inputs are worth.
        spent_sat: u64,
        /// What its outputs are worth.
        paid_sat: u64,
    },
    /// The outputs of a block are worth more than a column holds.
    #[error(
        "block {height}: its outputs are worth more than 2^63 sat together, more than a column holds"
    )]
    TooMuch {
        /// Height of the block.
        height: Height,
    },
    /// `--from` is above `--until`.
    #[error("there is nothing to write from height {from} until {until}")]
    NothingBetween {
        /// The first height.
        from: Height,
        /// The last.
        until: Height,
    },
    /// Nothing is settled yet.
    #[error("no block is settled yet, and {tip} is the tip; `--until tip` goes up to there")]
    NothingSettled {
        /// The tip.
        tip: Height,
    },
    /// The folder has a set of another chain, or one that was made otherwise.
    #[error("{} holds another data set: its {what} is {found}, not {expected}; give another folder", path.display())]
    OtherSet {
        /// A file of it.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What it is there.
        found: String,
        /// What it would be.
        expected: String,
    },
    /// A settled block of the set is not that of the index.
    #[error(
        "{}: its last block {height} is {found}, but {expected} in the index, and it was settled: \
         it is a set of another chain; give another folder",
        path.display()
    )]
    OtherChain {
        /// A file of the set.
        path: PathBuf,
        /// Its last block.
        height: Height,
        /// The hash there.
        found: String,
        /// The hash in the index.
        expected: String,
    },
    /// The set goes further than the index.
    #[error("{} reaches height {height}, but the index only {tip}; import first", path.display())]
    AheadOfIndex {
        /// A file of the set.
        path: PathBuf,
        /// Its last block.
        height: Height,
        /// The tip of the index.
        tip: Height,
    },
    /// A file under a final name is not one that this program wrote.
    #[error("{}: {why}; remove it, and the same command writes it again", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file cannot be encoded.
    #[error("{}: {why}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the encoder says.
        why: String,
    },
    /// A table was named that there is not.
    #[error("{name} is no table; there are {}", Table::NAMES.join(", "))]
    NoTable {
        /// What was named.
        name: String,
    },
    /// What is to be the folder is something else.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// Its path.
        path: PathBuf,
    },
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        match self {
            Fault::NothingBetween { .. }
            | Fault::NothingSettled { .. }
            | Fault::NoTable { .. }
            | Fault::NotAFolder { .. }
            | Fault::OtherSet { .. }
            | Fault::OtherChain { .. }
            | Fault::AheadOfIndex { .. } => Family::User,
            Fault::Parquet { .. } => Family::Machine,
            _ => Family::Data,
        }
    }
}
