//! What the index knows of a chain that the files have only part of: its blocks hold the tree of headers
//! together where a node has deleted files.
//!
//! Invariant: the tree is then of all blocks of the files and of the index that lead to one another; no block
//! of the index is in it that nothing in the files stands on.

use crate::Result;
use crate::datadir::{Datadir, HeaderTree};
use crate::index::Index;
use crate::primitives::header;
use crate::primitives::position::Height;

/// Puts the index's blocks into the tree of a datadir that has only part of the chain: those between blocks
/// of the files, and the one that the lowest of these stands on, from which the tree then hangs.
///
/// # Errors
/// A file cannot be read; [`crate::datadir::Fault::HeaderArenaFull`]; [`crate::store::Fault::DamagedIndex`].
pub fn add_known(index: &Index, datadir: &Datadir, tree: &mut HeaderTree<'_>) -> Result<()> {
    if index.tip().is_none() || !datadir.is_partial() {
        return Ok(());
    }
    tree.best();
    let Some((mut lowest, highest)) = parents_known(index, datadir, tree)? else {
        return Ok(());
    };
    let snapshot = index.snapshot()?;
    let hash_at = |height: u32| Ok::<_, crate::Error>(snapshot.block(Height(height))?.hash);
    match tree.find(&datadir.network().genesis_hash) {
        // What comes from the genesis block may leave the index's chain anywhere.
        Some(_) => {
            while lowest > 0 && tree.find(&hash_at(lowest - 1)?).is_none() {
                lowest -= 1;
            }
        }
        None => {
            tree.hang_from(Height(lowest), hash_at(lowest)?);
            lowest += 1;
        }
    }
    for height in lowest..=highest {
        let row = snapshot.block(Height(height))?;
        let prev_hash = header::prev_hash_of(&row.header);
        tree.insert_known(&row.hash, &prev_hash, header::bits_of(&row.header))?;
    }
    Ok(())
}

/// The lowest and the highest of the index's blocks that blocks in the files stand on, and that are in none.
fn parents_known(
    index: &Index,
    datadir: &Datadir,
    tree: &HeaderTree<'_>,
) -> Result<Option<(u32, u32)>> {
    let snapshot = index.snapshot()?;
    let mut known: Option<(u32, u32)> = None;
    for orphan in tree.orphan_roots() {
        let parent = header::prev_hash_of(&datadir.header_at(orphan)?);
        if let Some(Height(height)) = snapshot.height_in_table(&parent)? {
            let (lowest, highest) = known.unwrap_or((height, height));
            known = Some((lowest.min(height), highest.max(height)));
        }
    }
    Ok(known)
}
