//! What an import says while it goes on; `summary.rs` has what it says at its end.
//!
//! Invariant: data, not sentences, except where a fault is already worded; the binary words the rest.

use super::summary::Summary;
use crate::batch::{Batch, TableCounts};
use crate::datadir::{ChainEnd, ScanProgress};
use crate::error::Topic;
use crate::import::chain::Chain;
use crate::import::needs::lack::Lack;
use crate::index::blocks::BlockRow;
use crate::index::left_out::LeftOut;
use crate::ledger::alarm::Alarm;
use crate::ledger::record::Record;
use crate::memory::plan::Plan;
use crate::primitives::header;
use crate::primitives::position::{Height, Place};
use crate::primitives::wire::{BlockFault, Hash32};
use crate::utxo;
use std::path::PathBuf;

/// Something that happened.
pub enum Event<'a> {
    /// Memory was planned.
    Plan(&'a Plan),
    /// The scan went on.
    Scan(&'a ScanProgress),
    /// The scan is done.
    Chain(&'a Chain),
    /// All that the import needs is there; blocks come next.
    Begin,
    /// A merge, or a rest, went on.
    Alive,
    /// An import that is to stay has come to the end of the chain for the first time.
    Tip(&'a Summary),
    /// A block was committed, by an import that stays.
    Added(&'a Added),
    /// A block was added.
    Progress(&'a Progress),
    /// The doctor checked a block.
    Check {
        /// Its height.
        height: Height,
        /// Bytes of blocks done.
        bytes_done: u64,
        /// Bytes in all.
        bytes: u64,
    },
    /// The check of a new index went on.
    Reading(&'a utxo::Progress),
    /// The use of memory was noted.
    Ledger(&'a Record),
    /// Something a person should know.
    Notice(Notice),
}

/// An import, and what is done around it.
pub enum Importing {}

impl Topic for Importing {
    type News<'n> = Event<'n>;
}

/// Who waits for it.
pub type Watch<'a> = crate::error::Watch<'a, Importing>;

/// Something a person should know, though the import goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The chain left the index: it was rolled back from `from`, and the last common block is `fork`.
    Reorganised {
        /// Old tip.
        from: Height,
        /// The last block that old and new chain share.
        fork: Height,
        /// New tip.
        best: Height,
    },
    /// All that this import had written was dropped: the first chain was invalid, and the other leaves it
    /// below the settled line.
    Restarted {
        /// Old tip.
        tip: Height,
    },
    /// The block files end below the index's tip; nothing was changed.
    Behind {
        /// Last block of the files.
        best: Height,
        /// Tip of the index.
        tip: Height,
    },
    /// The node may soon delete blocks that are not imported yet.
    NearEdge {
        /// The next block to import.
        next: Height,
        /// The lowest block from which on the node still has all.
        lowest: Height,
        /// Last block of the files.
        best: Height,
    },
    /// Blocks of the index were found at other places, which were noted anew.
    Moved,
    /// A block breaks the rules; it and what follows it is left out.
    Invalid {
        /// Its height.
        height: Height,
        /// Its hash, in internal byte order.
        hash: Hash32,
        /// What it does wrong.
        fault: String,
    },
    /// The copy of a block that came first is damaged; another one is used.
    OtherCopy {
        /// Height of the block.
        height: Height,
        /// The damaged copy.
        place: Place,
        /// The one used.
        copy: Place,
    },
    /// The chain does not end because all of it is there, but because something is missing.
    Unfinished(ChainEnd),
    /// Blocks are left out because they break the rules; the first of them is given.
    LeftOut {
        /// How many, with those that follow them.
        blocks: u32,
        /// The lowest.
        first: LeftOut,
    },
    /// The node's undo files have nothing of the last block.
    NotConnected {
        /// Its height.
        height: Height,
        /// Its hash, in internal byte order.
        hash: Hash32,
        /// Number of the file that should have it.
        file: u32,
    },
    /// Something that the import needs is not there; it goes on because it was told to.
    Lack(Lack),
    /// A rebuild cannot go on with the file that an earlier one left.
    BegunAnew {
        /// The file, removed.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A rebuilt index could not be given the owner of the old one.
    OwnerNotKept {
        /// The index.
        path: PathBuf,
        /// Its user was this.
        uid: u32,
        /// Its group was this.
        gid: u32,
    },
    /// Memory grows that should not.
    Memory(Alarm),
    /// Something is in the way of an import that stays; it tries again until that has gone.
    Trouble {
        /// What.
        words: String,
    },
    /// The newest block is not whole yet.
    NotWhole {
        /// Its height.
        height: Height,
        /// Where it is.
        place: Place,
        /// What is wrong with it so far.
        fault: BlockFault,
    },
}

/// A block that was committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Added {
    /// Its height.
    pub height: Height,
    /// Its hash, in internal byte order.
    pub hash: Hash32,
    /// Hash of the block before it.
    pub previous_hash: Hash32,
    /// Its time, in seconds since 1970.
    pub time: u32,
    /// Its transactions.
    pub txs: u64,
    /// Its inputs; that of the coinbase is not counted.
    pub inputs: u64,
    /// Its outputs.
    pub outputs: u64,
    /// Unspent, spendable outputs of the chain up to it.
    pub coins: u64,
}

impl Added {
    /// The block of this row, which follows that of the other.
    pub(crate) fn new(height: Height, row: &BlockRow, before: &BlockRow) -> Added {
        let of_block = |sum: fn(&BlockRow) -> u64| sum(row) - sum(before);
        Added {
            height,
            hash: row.hash,
            previous_hash: header::prev_hash_of(&row.header),
            time: header::time_of(&row.header),
            txs: of_block(|row| row.txs),
            inputs: of_block(|row| row.inputs),
            outputs: of_block(|row| row.outputs),
            coins: row.coins,
        }
    }
}

/// How far an import is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Height of the last block added.
    pub height: Height,
    /// Its time, in seconds since 1970.
    pub time: u32,
    /// Height of the last block wanted.
    pub end: Height,
    /// Blocks added.
    pub blocks_done: u64,
    /// Bytes of the blocks added.
    pub bytes_done: u64,
    /// Bytes of the blocks up to the best chain's end.
    pub bytes: u64,
    /// How the table served.
    pub table: TableCounts,
}

impl Progress {
    /// At the beginning of the blocks `first..=end`, which with those above have so many bytes.
    pub(crate) fn new(first: Height, end: Height, bytes: u64) -> Progress {
        Progress {
            height: first,
            time: 0,
            end,
            blocks_done: 0,
            bytes_done: 0,
            bytes,
            table: TableCounts::default(),
        }
    }

    /// One block on.
    pub(crate) fn add(&mut self, height: Height, bytes: &[u8], batch: &Batch) {
        self.height = height;
        self.time = bytes.first_chunk().map_or(0, header::time_of);
        self.blocks_done += 1;
        self.bytes_done += bytes.len() as u64;
        self.table = batch.table_counts();
    }
}
