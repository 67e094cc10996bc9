//! What is asked for, what is told meanwhile, and what came of it.
//!
//! Invariant: options that were made by [`Options::new`] write a whole set with the defaults of the program.

use super::manifest::UtxoSetThen;
use super::{Hashes, Table};
use crate::datadir::Location;
use crate::error::Topic;
use crate::memory::auto_bytes;
use crate::primitives::position::Height;
use std::path::PathBuf;

/// Blocks of a range, where nothing else is said.
pub const BLOCKS_PER_FILE: u32 = 1_000;

/// Rows of a group, where nothing else is said: groups of a million took a writer 347 MB, of these 54 MB.
pub const GROUP_ROWS: usize = 122_880;

/// Up to which block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// The last settled one: nothing ever has to be taken back.
    Settled,
    /// The index's last one.
    Tip,
    /// This one.
    Height(Height),
}

/// What to write.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder.
    pub to: PathBuf,
    /// The first block.
    pub from: Height,
    /// The last.
    pub until: Until,
    /// The tables.
    pub tables: Vec<Table>,
    /// Blocks of a range.
    pub blocks_per_file: u32,
    /// Most rows of a group.
    pub group_rows: usize,
    /// How hashes are kept.
    pub hashes: Hashes,
    /// Whether what inputs spent is told.
    pub has_spent_coins: bool,
    /// The block files; `None`: where they were when they were imported.
    pub location: Option<Location>,
    /// All memory, in bytes.
    pub memory_bytes: usize,
}

impl Options {
    /// All tables of all settled blocks.
    pub fn new(to: PathBuf) -> Options {
        Options {
            to,
            from: Height(0),
            until: Until::Settled,
            tables: Table::ALL.to_vec(),
            blocks_per_file: BLOCKS_PER_FILE,
            group_rows: GROUP_ROWS,
            hashes: Hashes::Hex,
            has_spent_coins: true,
            location: None,
            memory_bytes: auto_bytes(),
        }
    }
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The block that was read last.
    pub height: Height,
    /// The last that will be.
    pub last: Height,
    /// Bytes of blocks that were read...
    pub bytes_done: u64,
    /// ...and that are to be read.
    pub bytes: u64,
    /// Rows of all tables.
    pub rows: u64,
}

/// What is told.
pub enum News<'n> {
    /// How far it is.
    Progress(&'n Progress),
    /// Blocks from one height to another have left the chain: their files are written anew.
    Redone(Height, Height),
    /// So many files that killed processes left were removed.
    Leftovers(u64),
}

/// A data set being written.
pub enum Exporting {}

impl Topic for Exporting {
    type News<'n> = News<'n>;
}

/// Who waits for it.
pub type Watch<'a> = crate::error::Watch<'a, Exporting>;

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// The first and the last block that were read; `None`: nothing was to do.
    pub blocks: Option<(Height, Height)>,
    /// The last block that was wanted.
    pub until: Height,
    /// Files, rows and bytes of each table.
    pub tables: Vec<TableWritten>,
    /// Bytes of blocks that were read.
    pub block_bytes: u64,
    /// Stretches of blocks that had left the chain.
    pub redone: Vec<(Height, Height)>,
    /// Leftovers that were removed.
    pub leftovers: u64,
    /// The UTXO set behind the blocks of the whole folder, where none from 0 on is missing.
    pub utxo_set: Option<UtxoSetThen>,
}

/// What was written of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableWritten {
    /// The table.
    pub table: Table,
    /// Files.
    pub files: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}
