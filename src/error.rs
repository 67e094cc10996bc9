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

    /// A piece of a rev file or of a snapshot breaks its format.
    #[error("{what} at byte {offset_bytes}: {fault}")]
    Coded {
        /// Which field: "coin script", "undo record".
        what: &'static str,
        /// Where it starts, counted from the start of the file.
        offset_bytes: u64,
        /// How it breaks the format.
        fault: CodedFault,
    },

    /// Something is wrong in the file at `path`.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },

    /// A snapshot was to hold as many coins as its header says.
    #[error("snapshot holds {found} coins, its header says {expected}")]
    SnapshotCoins {
        /// The number in the header.
        expected: u64,
        /// The number of coins that came.
        found: u64,
    },

    /// The text given to `verify --expect` is not what `gettxoutsetinfo` prints.
    #[error("not the output of gettxoutsetinfo: {field} {fault}")]
    Expect {
        /// The field, or "file".
        field: &'static str,
        /// What is wrong with it: "is missing", "is 12x, not a whole number".
        fault: String,
    },
}

/// How a coded piece of a file breaks its format.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodedFault {
    /// The bytes end inside it.
    #[error("cut short: {needed} bytes needed, {left} left")]
    CutShort {
        /// Bytes it takes.
        needed: u64,
        /// Bytes there are.
        left: u64,
    },
    /// A number is over its limit.
    #[error("{found} is over the limit of {limit}")]
    Over {
        /// The number, or the part of it read until it was too large.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A compact size takes more bytes than its number needs.
    #[error("{found} is written longer than it needs to be")]
    NotMinimal {
        /// The number.
        found: u64,
    },
    /// The x coordinate of a public key is on no curve point.
    #[error("not the x coordinate of a public key")]
    NotAKey,
    /// Bytes are left where nothing should follow.
    #[error("{left} bytes left over")]
    LeftOver {
        /// How many.
        left: u64,
    },
    /// These are not the bytes this format starts with.
    #[error("found {found:#x}, expected {expected:#x}")]
    Differs {
        /// The bytes as a big-endian number.
        found: u64,
        /// What they should be.
        expected: u64,
    },
}

/// What every fallible function of the library returns.
pub type Result<T> = std::result::Result<T, Error>;
