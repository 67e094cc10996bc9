//! Where the best chain leaves the index, and whether it can be followed from there.
//!
//! Invariant: nothing settled is left, and nothing is dropped that the files cannot give back.

use crate::Result;
use crate::datadir::{self, Datadir, Gone, HeaderTree, Root};
use crate::import::Fault;
use crate::import::fault::Files;
use crate::index::Index;
use crate::primitives::position::Height;
use crate::primitives::wire::Hash32;

/// Where the best chain leaves the index.
pub struct Fork {
    /// The last block that they share; `None` if the index is empty.
    pub fork: Option<Height>,
    /// Whether the best chain ends there, below the index's tip, because the files do.
    pub is_behind: bool,
}

/// The last block that the index and the best chain, which ends in `best`, share.
///
/// # Errors
/// [`crate::import::Fault::ForkTooDeep`], [`crate::store::Fault::Store`].
pub fn fork(
    index: &Index,
    tree: &HeaderTree<'_>,
    best: (Height, Hash32),
    files: Files,
) -> Result<Fork> {
    let at = |fork, is_behind| Ok(Fork { fork, is_behind });
    let Some((tip, _)) = index.tip() else {
        return at(None, false);
    };
    let snapshot = index.snapshot()?;
    // Files that end inside the index are behind it, be it below its settled line.
    if best.0 < tip && snapshot.block(best.0)?.hash == best.1 {
        // Unless what follows in the index is to be left out from now on.
        let next = tree.find(&snapshot.block(best.0.next())?.hash);
        if !next.is_some_and(|next| tree.is_excluded(next)) {
            return at(Some(best.0), true);
        }
    }
    let mut height = tip;
    loop {
        if let Root::Anchor { height: anchor, .. } = tree.root()
            && height <= anchor
        {
            break;
        }
        let hash = snapshot.block(height)?.hash;
        if tree.find(&hash).is_some_and(|node| tree.is_on_best(node)) {
            break;
        }
        if height.0 == 0
            || index
                .meta()
                .settled
                .is_some_and(|settled| height <= settled)
        {
            return Err(Fault::ForkTooDeep {
                files,
                tip,
                settled: index.meta().settled.unwrap_or_default(),
            }
            .into());
        }
        height = Height(height.0 - 1);
    }
    at(Some(height), false)
}

/// Refuses a chain of which the files lack blocks that are to be imported. Rolling back drops whole batches, so
/// these may lie below the fork too.
///
/// # Errors
/// [`crate::datadir::Fault::BlocksGone`].
pub fn expect_blocks(
    index: &Index,
    datadir: &Datadir,
    tree: &HeaderTree<'_>,
    fork: Option<Height>,
) -> Result<()> {
    if !datadir.is_partial() {
        return Ok(());
    }
    let tip = index.tip().map(|(tip, _)| tip);
    let stays = match fork.filter(|fork| Some(*fork) < tip) {
        Some(fork) => index.boundary_at_or_below(fork),
        None => fork,
    };
    let mut first = stays.map_or(Height(0), Height::next);
    for block in tree.best_chain().filter(|block| Some(block.height) > stays) {
        if block.height != first {
            return Err(datadir::Fault::BlocksGone {
                dir: datadir.blocks_dir().to_owned(),
                gone: Gone {
                    first,
                    last: Some(Height(block.height.0 - 1)),
                },
                until: None,
            }
            .into());
        }
        first = first.next();
    }
    Ok(())
}
