//! Why a log has no answer.
//!
//! Invariant: what is wrong with the question is told apart from what is wrong with the log.

use super::alarm::Alarm;
use crate::error::Family;
use crate::primitives::position::Height;
use std::path::PathBuf;

/// See the module documentation.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file is something else.
    #[error("{} is not a memory log: {why}; `blkdex import --memory-log FILE` writes one", path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
        /// How that was seen.
        why: &'static str,
    },
    /// A file to append a memory log to is something else.
    #[error("{} is not a memory log that this blkdex can go on with: {why}; it was left as it is", path.display())]
    NotToGoOnWith {
        /// The file.
        path: PathBuf,
        /// How that was seen.
        why: String,
    },
    /// Memory grows that should not, and that was to be an error.
    #[error("{0}; what was committed stays")]
    MemoryGrows(Alarm),
    /// The log was written by another version of blkdex.
    #[error(
        "the memory log {} has version {found}, this blkdex reads version {expected}: use the version that made it",
        path.display()
    )]
    OtherVersion {
        /// The log.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The one version that is read.
        expected: u32,
    },
    /// A line that others follow is damaged.
    #[error("{}, line {line}: {why}", path.display())]
    DamagedLine {
        /// The log.
        path: PathBuf,
        /// Number of the line, from 1 on.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// An import began and was killed before its first commit.
    #[error("the memory log {} has no records yet: the first is made at the first commit", path.display())]
    NoRecords {
        /// The log.
        path: PathBuf,
    },
    /// The log begins above the height asked for, or ends below it.
    #[error("the memory log {} has nothing at height {wanted}: it goes from {first} to {last}", path.display())]
    NoSuchHeight {
        /// The log.
        path: PathBuf,
        /// The height asked for.
        wanted: Height,
        /// Of the lowest record.
        first: Height,
        /// Of the last one.
        last: Height,
    },
    /// There is nothing between the two heights.
    #[error(
        "the memory log {} has one record for both heights, {from} and {to}, made at height {height}: choose heights farther apart",
        path.display()
    )]
    SameRecord {
        /// The log.
        path: PathBuf,
        /// The lower height asked for.
        from: Height,
        /// The upper one.
        to: Height,
        /// Of the record.
        height: Height,
    },
    /// The heights are the wrong way round.
    #[error("--from {from} is above --to {to}")]
    FromAboveTo {
        /// The one given as the lower.
        from: Height,
        /// The one given as the upper.
        to: Height,
    },
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        match self {
            Fault::FromAboveTo { .. } => Family::User,
            Fault::MemoryGrows(_) => Family::Machine,
            _ => Family::Data,
        }
    }
}
