//! How far an import is from the edge: the lowest block that a node which prunes still has.
//!
//! Invariant: it is said before a block is gone, once for each time that the edge comes near; where the node
//! cannot delete what is next, nothing is said.

use super::events::Notice;
use crate::Result;
use crate::datadir::{Datadir, block_file_path};
use crate::index::Index;
use crate::primitives::position::{Height, Place};

/// Blocks below its tip that a node keeps in any case (Bitcoin Core, `validation.h`: `MIN_BLOCKS_TO_KEEP`).
const BLOCKS_KEPT: u32 = 288;

/// Files below that of the next block, with which it is far from the edge: a node deletes whole files, the
/// lowest first.
const FILES_BELOW_MIN: usize = 2;

/// A node with so much less than it may keep deletes no file before some more are full: they have 128 MiB, and
/// undo files beside them (Bitcoin Core, `node/blockstorage.h`: `MAX_BLOCKFILE_SIZE`).
const SPARE_BYTES_MIN: u64 = 4 * (128 << 20);

/// Heights whose places are read at once.
const PLACES_PER_READ: u32 = 256;

/// See the module documentation.
#[derive(Default)]
pub(super) struct Edge {
    /// The file that was last looked at.
    file: Option<u32>,
    /// With so many files below the next block's it was last said that the edge is near.
    told: Option<usize>,
}

impl Edge {
    /// Looks, once for each block file, how near the edge is to the block that is imported next, of a chain that
    /// goes on to `best`.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn look(
        &mut self,
        index: &Index,
        datadir: &Datadir,
        (next, place): (Height, Place),
        best: Height,
    ) -> Result<Option<Notice>> {
        if best.0 < next.0.saturating_add(BLOCKS_KEPT) {
            *self = Edge::default();
            return Ok(None);
        }
        if self.file.replace(place.file) == Some(place.file) {
            return Ok(None);
        }
        let files = datadir.files().iter().map(|file| file.number);
        let is_there = |number: &u32| block_file_path(datadir.blocks_dir(), *number).exists();
        let lowest = files.clone().find(is_there).unwrap_or(place.file);
        let below = files.filter(is_there).take_while(|n| *n < place.file);
        let below = below.take(FILES_BELOW_MIN).count();
        if below == FILES_BELOW_MIN || !may_delete(datadir, lowest) {
            self.told = None;
            return Ok(None);
        }
        if self.told.replace(below).is_some_and(|told| told <= below) {
            return Ok(None);
        }
        let lowest = lowest_from(index, next, lowest)?;
        Ok(Some(Notice::NearEdge { next, lowest, best }))
    }
}

/// Whether the node deletes files, or will soon.
fn may_delete(datadir: &Datadir, lowest: u32) -> bool {
    let bytes: u64 = datadir.files().iter().map(|file| file.bytes).sum();
    let is_full = |most: u64| bytes + SPARE_BYTES_MIN >= most;
    lowest > 0 || datadir.is_partial() || datadir.prune_bytes().is_some_and(is_full)
}

/// The lowest height from which on, up to `next`, all blocks are in files not below `file`.
fn lowest_from(index: &Index, next: Height, file: u32) -> Result<Height> {
    let snapshot = index.snapshot()?;
    let mut lowest = next;
    while lowest.0 > 0 {
        let from = Height(lowest.0.saturating_sub(PLACES_PER_READ));
        let places = snapshot.places(from, lowest.0 - from.0)?;
        let there = places.iter().rev().take_while(|place| place.file >= file);
        let there = there.count() as u32;
        lowest = Height(lowest.0 - there);
        if lowest > from {
            break;
        }
    }
    Ok(lowest)
}
