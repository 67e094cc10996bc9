//! What an import is told.
//!
//! Invariant: nothing here is checked; the import does that.

use super::keeper::Settings;
use crate::datadir::Source;
use crate::memory::plan::auto_bytes;
use crate::primitives::position::Height;
use crate::primitives::wire::Hash32;
use std::path::PathBuf;

/// Blocks between two commits, unless others are wanted.
pub const COMMIT_EVERY_BLOCKS: u32 = 10_000;

/// What to import, where to, and with how much memory.
#[derive(Clone, Debug)]
pub struct Options {
    /// The block files.
    pub source: Source,
    /// The index file.
    pub index: PathBuf,
    /// The one number, in bytes.
    pub memory_bytes: usize,
    /// The table's share of it, set by hand.
    pub table_bytes: Option<usize>,
    /// Bytes of a merged segment, set by hand.
    pub segment_bytes: Option<u64>,
    /// The last block to import.
    pub until: Option<Height>,
    /// Blocks between two commits.
    pub commit_every: u32,
    /// Blocks to leave out, with all that follow them.
    pub invalid: Vec<Hash32>,
    /// Whether the index is to keep txids; one that does goes on with it.
    pub keeps_txids: bool,
    /// Whether to check witness commitments.
    pub checks_witness: bool,
    /// Whether to go on where disk, memory or rights lack.
    pub ignores_lacks: bool,
    /// What is asked of the ledger.
    pub ledger: Settings,
}

impl Options {
    /// All of `source` into `index`, as `blkdex import` does it if nothing else is asked for.
    pub fn new(source: Source, index: impl Into<PathBuf>) -> Options {
        Options {
            source,
            index: index.into(),
            memory_bytes: auto_bytes(),
            table_bytes: None,
            segment_bytes: None,
            until: None,
            commit_every: COMMIT_EVERY_BLOCKS,
            invalid: Vec::new(),
            keeps_txids: false,
            checks_witness: false,
            ignores_lacks: false,
            ledger: Settings::default(),
        }
    }
}
