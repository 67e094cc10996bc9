//! The one error enum of the library, and its wording.
//!
//! Variants carry data: which file, which byte or height, what was found and what was expected.
//! Messages are lower case, without a full stop, advice last.

use std::path::PathBuf;

use crate::datadir::NetworkName;

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

    /// A name that is no network's.
    #[error("no network is called '{found}'; it is one of main, test, testnet4, signet, regtest")]
    UnknownNetwork {
        /// What was given.
        found: String,
    },

    /// A signet challenge was given for a network that has none.
    #[error("a signet challenge was given, but the network is {network}")]
    ChallengeWithoutSignet {
        /// The network asked for.
        network: NetworkName,
    },

    /// No block file where some were expected.
    #[error(
        "no blk*.dat in {}; give bitcoind's datadir to --datadir, \
         or the folder of the blk files to --blocks-dir",
        dir.display()
    )]
    NoBlockFiles {
        /// The folder that was searched.
        dir: PathBuf,
    },

    /// Block files of several networks lie in their folders below `dir`.
    #[error("{} holds {}; choose one with --network", dir.display(), list_names(found))]
    SeveralNetworks {
        /// The datadir.
        dir: PathBuf,
        /// The networks that have block files there.
        found: Vec<NetworkName>,
    },

    /// The first block files were deleted.
    #[error(
        "{} begins with blk{first:05}.dat: blk00000.dat is missing; \
         the node is pruned, and its oldest blocks are gone",
        dir.display()
    )]
    FirstFileMissing {
        /// Folder of the block files.
        dir: PathBuf,
        /// Lowest number that is there.
        first: u32,
    },

    /// A block file in the middle is missing.
    #[error("{}: blk{missing:05}.dat is missing, though blk{next:05}.dat is there", dir.display())]
    FileMissing {
        /// Folder of the block files.
        dir: PathBuf,
        /// Lowest number that is missing.
        missing: u32,
        /// The next number that is there.
        next: u32,
    },

    /// A block file is longer than the 32-bit offsets kept of headers reach.
    #[error("blk{file:05}.dat has {bytes} bytes, over the limit of {limit_bytes}")]
    FileTooLong {
        /// Number of the file.
        file: u32,
        /// Its length.
        bytes: u64,
        /// The longest accepted.
        limit_bytes: u64,
    },

    /// `xor.dat` is not a key.
    #[error("{} has {found_bytes} bytes, but an obfuscation key has 8", path.display())]
    XorLength {
        /// The file.
        path: PathBuf,
        /// Its length.
        found_bytes: u64,
    },

    /// No block was recognized in the first files.
    #[error(
        "no block of {} in the first blk*.dat of {}; is xor.dat the one that belongs there? \
         a custom signet needs --signet-challenge",
        network.map_or("any known network".to_string(), |n| n.to_string()),
        dir.display()
    )]
    NoRecords {
        /// Folder of the block files.
        dir: PathBuf,
        /// The network asked for, if one was.
        network: Option<NetworkName>,
    },

    /// A block of another network.
    #[error(
        "blk{file:05}.dat at byte {offset_bytes}: a block of {found}, but {expected} was expected; \
         keep the files of two networks apart, and name the one that is meant with --network"
    )]
    OtherNetwork {
        /// Number of the file.
        file: u32,
        /// Where the record begins.
        offset_bytes: u64,
        /// The network whose magic the record bears.
        found: NetworkName,
        /// The network that is being read.
        expected: NetworkName,
    },

    /// A place ends behind the end of its file.
    #[error(
        "blk{file:05}.dat at byte {offset_bytes}: {bytes} bytes were expected, \
         but the file ends at {file_bytes}; was it changed since it was scanned?"
    )]
    PastEnd {
        /// Number of the file.
        file: u32,
        /// First byte asked for.
        offset_bytes: u64,
        /// How many bytes were asked for.
        bytes: u32,
        /// Length of the file.
        file_bytes: u64,
    },

    /// A place is longer than any block.
    #[error(
        "blk{file:05}.dat at byte {offset_bytes}: \
         block length {bytes} is over the limit of {limit_bytes}"
    )]
    PlaceTooLong {
        /// Number of the file.
        file: u32,
        /// First byte asked for.
        offset_bytes: u64,
        /// How many bytes were asked for.
        bytes: u32,
        /// Longest block.
        limit_bytes: u32,
    },

    /// There are more headers than the memory set aside for them holds.
    #[error(
        "{headers} headers need {needed_bytes} bytes of memory, {arena_bytes} are set aside; \
         give more with --memory"
    )]
    HeaderArenaFull {
        /// Headers found (from [`crate::datadir::scan`]: all of them).
        headers: u64,
        /// Bytes of the arena.
        arena_bytes: u64,
        /// Bytes that would do.
        needed_bytes: u64,
    },

    /// Blocks are there, but none of them leads back to where the chain must begin.
    #[error("{0}; the datadir is pruned or incomplete, nothing can be imported from it")]
    NothingConnects(crate::datadir::MissingBlocks),
}

/// Networks as a list for people.
fn list_names(names: &[NetworkName]) -> String {
    names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What every fallible function of the library returns.
pub type Result<T> = std::result::Result<T, Error>;
