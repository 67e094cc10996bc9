//! The one error enum of the library, and its wording.
//!
//! Variants carry data: which file, which byte or height, what was found and what was expected.
//! Messages are lower case, without a full stop, advice last.

use std::path::PathBuf;

/// Everything that can go wrong outside of our own code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to `action` (a verb: "open", "read", "map") the file at `path`.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The operating system did not give the memory that the plan asks for.
    #[error("cannot map {bytes} bytes of memory for {part}: {source}; a smaller --memory may help")]
    Memory {
        /// Which part of the plan.
        part: &'static str,
        /// How much it asked for.
        bytes: usize,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Another process has the index open.
    #[error("the index {} is in use by another blkdex: wait for it to end", path.display())]
    IndexInUse {
        /// The index file.
        path: PathBuf,
    },
    /// A writer was killed; a reader cannot repair.
    #[error(
        "the index {} was left open by a killed import: run `blkdex import` again, which repairs it in a moment",
        path.display()
    )]
    NeedsRecovery {
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
    /// The index was written by another version of blkdex.
    #[error(
        "the index {} has format {found}, this blkdex reads format {expected}: use the version that made it, or `blkdex rebuild`",
        path.display()
    )]
    OtherFormat {
        /// The index file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The one format that is read.
        expected: u32,
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
    /// redb, the store, failed: a full disk, a damaged file, or a file in use.
    #[error("the index {}: {source}", path.display())]
    Store {
        /// The index file.
        path: PathBuf,
        /// What redb said.
        source: Box<redb::Error>,
    },
    /// A page of the index does not hold what was written there.
    #[error(
        "the index {}: {relation} run {run}, page {key:#034x}: {damage}; run `blkdex rebuild`",
        path.display()
    )]
    Damaged {
        /// The index file.
        path: PathBuf,
        /// The relation.
        relation: &'static str,
        /// The run.
        run: u32,
        /// Key of the page.
        key: u128,
        /// What is wrong with it.
        damage: Damage,
    },
}

/// How stored rows can be seen to be damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// A page has a length that no page has.
    #[error("a page of {0} bytes")]
    PageLength(usize),
    /// The bytes do not match their checksum.
    #[error("the checksum is wrong")]
    Checksum,
    /// The page belongs to another run or another key.
    #[error("the page belongs elsewhere")]
    Misplaced,
    /// The head contradicts itself.
    #[error("the page's head cannot be right")]
    PageHead,
    /// Rows run past the end, or are out of order.
    #[error("the page's rows cannot be right")]
    PageRows,
    /// A page that the one before names is not there, or one is there that is not named.
    #[error("a page is missing")]
    PageMissing,
    /// The same key stands in two runs.
    #[error("a row is there twice")]
    RepeatedRow,
    /// A coin ends that was never made.
    #[error("a coin was spent that is not there")]
    DeleteWithoutPut,
}

/// What every fallible function of the library returns.
pub type Result<T> = std::result::Result<T, Error>;
