//! The index: one redb file, opened, committed to, rolled back.
//!
//! Invariant: the state after `Index::commit` is exactly "imported up to the tip". The tip and the
//! catalogue change together, in one durable transaction; what they do not name does not exist.
//!
//! | file | what |
//! | --- | --- |
//! | `left_out.rs` | blocks that break the rules |
//! | `meta.rs` | format, network, key, tip: what the index says of itself |
//! | `blocks.rs` | the rows of the tables that go by height |
//! | `kept.rs`, `kept_page.rs` | txids that are kept: their table, its pages |
//! | `opening.rs`, `writing.rs` | opened, committed to |
//! | `remembered.rs` | where its blocks are from, for a rebuild |
//! | `roll_back.rs` | dropping the newest blocks |
//! | `scan_state.rs` | what the scan of the block files left to remember |
//! | `snapshot.rs` | reading: blocks, their places, rows of runs |
//! | `fault.rs` | what can go wrong |

pub(crate) mod blocks;
#[cfg(any(test, fuzzing))]
pub(crate) mod contents;
mod fault;
pub(crate) mod kept;
pub(crate) mod kept_page;
pub(crate) mod left_out;
pub(crate) mod meta;
mod opening;
pub(crate) mod remembered;
mod roll_back;
pub(crate) mod scan_state;
pub(crate) mod snapshot;
mod writing;

pub use fault::Fault;
pub use left_out::LeftOut;
pub use meta::FORMATS;
pub use remembered::{Remembered, remembered};

pub(crate) use writing::NewBlock;

use crate::datadir::{Found, Location, Wanted, find};
use crate::primitives::fingerprint::Fingerprints;
use crate::primitives::position::{Height, Txo};
use crate::runs::catalogue::Catalogue;
use crate::store::Store;
use crate::store::contention::no_blocks;
use crate::{Error, Result};
use blocks::BlockRow;
use meta::Meta;
use snapshot::Snapshot;

/// An open index.
pub struct Index {
    store: Store,
    meta: Meta,
    tip: Option<(Height, BlockRow)>,
    catalogue: Catalogue,
}

impl Index {
    /// Where the block files of its network are below `location`.
    ///
    /// # Errors
    /// Those of [`Source::find`](crate::datadir::Source::find).
    pub fn find_blocks(&self, location: &Location) -> Result<Found> {
        find(location, Wanted::Known(&self.meta.network()?))
    }

    /// The file under it.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What it says of itself.
    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Whether it keeps txids.
    pub(crate) fn keeps_txids(&self) -> bool {
        self.meta.keeps_txids
    }

    /// Height and row of the last committed block.
    pub(crate) fn tip(&self) -> Option<(Height, BlockRow)> {
        self.tip
    }

    /// The error for an index without a tip.
    pub(crate) fn no_blocks(&self) -> Error {
        no_blocks(self.store.path()).into()
    }

    /// Height of the first block that is not committed.
    pub(crate) fn next_height(&self) -> Height {
        self.tip.map_or(Height(0), |(tip, _)| tip.next())
    }

    /// Position that the first output of the next block gets.
    pub(crate) fn next_txo(&self) -> Txo {
        self.tip.map_or(Txo(0), |(_, row)| Txo(row.outputs))
    }

    /// The fingerprints under its key.
    pub(crate) fn fingerprints(&self) -> Fingerprints {
        Fingerprints::new(&self.meta.fingerprint_key)
    }

    /// The runs that are real.
    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The store, and the catalogue to change, for a merge.
    pub(crate) fn for_merge(&mut self) -> (&Store, &mut Catalogue) {
        (&self.store, &mut self.catalogue)
    }

    /// Id for a run to be written.
    pub(crate) fn new_run_id(&mut self) -> u32 {
        self.catalogue.new_id()
    }

    /// A view of what was committed, volatile work of this process included.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub(crate) fn snapshot(&self) -> Result<Snapshot<'_>> {
        Snapshot::new(self)
    }
}
