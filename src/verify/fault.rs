//! What differs from what Bitcoin Core says.

use crate::error::Family;
use crate::primitives::position::Height;
use std::path::PathBuf;

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
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
        source: Box<crate::Error>,
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
    /// `--at` and the file of `--expect` name different heights.
    #[error("--at is {at}, but the file of --expect is about height {expected}")]
    ExpectHeight {
        /// The height asked for.
        at: Height,
        /// The height in the file.
        expected: Height,
    },
    /// Bitcoin Core and we differ.
    #[error("at height {height} {field} is {found}, but Bitcoin Core says {expected}")]
    Differs {
        /// Height of the block.
        height: Height,
        /// What differs, as Core calls it.
        field: &'static str,
        /// What was found.
        found: String,
        /// What Core says.
        expected: String,
    },
    /// What an undo file says was spent is not what the index has.
    #[error(
        "block {height}, transaction {txid}, input {input}: \
         {field} is {found}, but rev{file:05}.dat says {expected}"
    )]
    UndoDiffers {
        /// Height of the block.
        height: Height,
        /// The spending transaction.
        txid: bitcoin::Txid,
        /// Index of the input in it.
        input: u32,
        /// What differs.
        field: &'static str,
        /// What the index has.
        found: String,
        /// What the undo file says.
        expected: String,
        /// Number of the file.
        file: u32,
    },
    /// An undo file lists a spent coin whose spend the index does not have.
    #[error(
        "block {height}, transaction {txid}, input {input}: \
         the index has no such spend, but rev{file:05}.dat lists one"
    )]
    UndoUnknownSpend {
        /// Height of the block.
        height: Height,
        /// The spending transaction.
        txid: bitcoin::Txid,
        /// Index of the input in it.
        input: u32,
        /// Number of the file.
        file: u32,
    },
    /// An undo file lists too few spent coins.
    #[error("block {height}: rev{file:05}.dat lists fewer spent coins than the block has inputs")]
    UndoTooFew {
        /// Height of the block.
        height: Height,
        /// Number of the file.
        file: u32,
    },
    /// The index or the undo file has a spent coin too many.
    #[error(
        "block {height}: the index has {found} spends, but rev{file:05}.dat lists another number"
    )]
    UndoCount {
        /// Height of the block.
        height: Height,
        /// Spends of the block in the index.
        found: usize,
        /// Number of the file.
        file: u32,
    },
    /// A block's undo record is not where it should be, or damaged.
    #[error("{}: no undo record with a right checksum for block {height}", path.display())]
    UndoMissing {
        /// The undo file.
        path: PathBuf,
        /// Height of the block.
        height: Height,
    },
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        match self {
            Fault::ExpectHeight { .. } => Family::User,
            _ => Family::Data,
        }
    }
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
}
