//! What a scan leaves to the import and to the next scan: where the blocks of the best chain are, and the scan
//! state.
//!
//! Invariant: only what differs from what the last scan left is written. A block of the index keeps the place of
//! the copy that was imported, as long as it is there.

use super::chain::Chain;
use crate::Result;
use crate::datadir::{Aside, ChainBlock, Datadir, HeaderTree, Root};
use crate::index::Index;
use crate::index::scan_state::{ScanState, forget, write_places};
use crate::index::snapshot::Snapshot;
use crate::primitives::position::{Height, Place};
use crate::primitives::wire::Hash32;

/// Places of blocks written in one transaction.
const PLACES_PER_WRITE: usize = 1 << 16;

/// See the module documentation.
pub(super) struct Remembering<'a> {
    pub(super) index: &'a Index,
    pub(super) datadir: &'a Datadir,
    pub(super) tree: &'a HeaderTree<'a>,
    /// What the last scan left, if this one went on from it.
    pub(super) known: Option<&'a ScanState>,
}

impl Remembering<'_> {
    /// Writes down where the blocks are; gives the chain those of rivals, which wait, and says whether blocks of
    /// the index had moved.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub(super) fn note_places(&self, chain: &mut Chain) -> Result<bool> {
        let mut has_moved = false;
        let mut blocks = self.tree.best_chain().peekable();
        let snapshot = self.index.snapshot()?;
        let tip = self.index.tip().map(|(tip, _)| tip);
        while blocks.peek().is_some() {
            let mut part = Vec::new();
            for block in blocks.by_ref().take(PLACES_PER_WRITE) {
                let is_of_index = Some(block.height) <= tip;
                let is_shared = chain.fork.is_some_and(|fork| block.height <= fork);
                if is_of_index && !is_shared {
                    chain.rivals.push(block.place);
                    continue;
                }
                let old = self.old_place(&snapshot, block.height, is_of_index);
                let place = old
                    .filter(|old| is_of_index && self.is_copy(&block, old))
                    .unwrap_or(block.place);
                has_moved |= is_of_index && old.is_some_and(|old| old != place);
                if old != Some(place) {
                    part.push((block.height, place));
                }
            }
            if !part.is_empty() {
                write_places(self.index.store(), part.into_iter())?;
            }
        }
        Ok(has_moved)
    }

    /// Where the block was, if that is noted.
    fn old_place(&self, snapshot: &Snapshot, height: Height, is_of_index: bool) -> Option<Place> {
        let is_noted = self.known.is_some_and(|known| height <= known.chain_end);
        (is_of_index || is_noted)
            .then(|| snapshot.place(height).ok())
            .flatten()
    }

    /// Whether a copy of it is at `place`. The one that was imported is whole; the first may not be.
    fn is_copy(&self, block: &ChainBlock, place: &Place) -> bool {
        self.tree.copies(block.node).any(|copy| copy == *place)
    }

    /// Writes down the scan state of a chain that is complete.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::os::Fault::Io`].
    pub(super) fn note_state(&self, chain: &Chain) -> Result<()> {
        let anchor_height = chain.settled();
        let anchor_hash = match chain.end.reach.complete {
            true => self.hash_at(anchor_height)?,
            false => None,
        };
        let Some(anchor_hash) = anchor_hash else {
            return self.forget_state();
        };
        let state = ScanState {
            files: chain.scanned.file_states.clone(),
            asides: self.asides(anchor_height),
            anchor: (anchor_height, anchor_hash),
            chain_end: chain.best,
        };
        if self.known != Some(&state) {
            let store = self.index.store();
            store.volatile(|transaction| state.save(transaction))?;
        }
        Ok(())
    }

    /// Hash of the best chain's block there; `None` if it was deleted: the next scan looks at all that is there.
    fn hash_at(&self, wanted: Height) -> Result<Option<Hash32>> {
        let mut blocks = self.tree.best_chain();
        match (
            blocks.find(|block| block.height == wanted),
            self.tree.root(),
        ) {
            (Some(block), _) => self.datadir.hash_at(block.place).map(Some),
            (None, Root::Anchor { height, hash }) if height == wanted => Ok(Some(hash)),
            (None, _) => Ok(None),
        }
    }

    /// Places of the blocks off the best chain that leave it at the anchor or above. What follows one of the
    /// others, or an orphan, will be an orphan to the next scan, and then all files are looked at.
    fn asides(&self, anchor: Height) -> Vec<Place> {
        let may_matter = |(node, aside, _): &(_, Aside, Place)| match aside {
            Aside::Stale | Aside::Invalid => self.tree.leaves_best_at(*node) >= Some(anchor),
            Aside::Orphan | Aside::BelowAnchor => false,
        };
        let asides = self.tree.asides().filter(may_matter);
        asides.map(|(_, _, place)| place).collect()
    }

    /// Forgets the scan state, if there is one.
    fn forget_state(&self) -> Result<()> {
        let store = self.index.store();
        match ScanState::load(store)? {
            Some(_) => store.volatile(forget),
            None => Ok(()),
        }
    }
}
