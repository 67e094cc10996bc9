//! What to say of blocks that are not there: nothing, a line, or a refusal.
//!
//! Invariant: an import is refused only if nothing of it is left.

use std::fmt;

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

use super::Datadir;
use super::headers::{Best, HeaderTree, Root};
use crate::limits::ORPHANS_QUIET_MAX;
use crate::position::Height;
use crate::{Error, Result};

/// A stretch of blocks that is not there, as far as can be known of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MissingBlocks {
    /// Blocks that have an ancestor missing.
    pub orphans: u32,
    /// Where the best chain ends; `None` if the genesis block is missing.
    pub best_height: Option<Height>,
    /// File of the first such block.
    pub file: u32,
    /// First byte of that block.
    pub offset_bytes: u64,
    /// Hash of its parent, which is missing; internal byte order.
    pub parent_hash: [u8; 32],
}

impl fmt::Display for MissingBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = BlockHash::from_byte_array(self.parent_hash);
        write!(
            f,
            "blk{:05}.dat at byte {}: this block's parent {parent} is in no block file; \
             {} blocks lack an ancestor, ",
            self.file, self.offset_bytes, self.orphans
        )?;
        match self.best_height {
            Some(height) => write!(f, "the chain without a gap ends at height {height}"),
            None => write!(f, "and so does the chain: its genesis block is missing"),
        }
    }
}

/// Judges what is missing, given what [`HeaderTree::best`] said. A few orphans are normal while a
/// node is syncing: `None`. More of them than it downloads ahead are worth a line: `Some`.
///
/// # Errors
/// [`Error::NothingConnects`] if there is nothing to import because of what is missing.
pub fn missing_blocks(
    datadir: &Datadir,
    tree: &HeaderTree,
    best: Option<Best>,
) -> Result<Option<MissingBlocks>> {
    let orphans = tree.counts().orphans;
    let (nothing, many) = (
        nothing_above(tree.root(), best),
        orphans > ORPHANS_QUIET_MAX,
    );
    let full_scan = matches!(tree.root(), Root::Genesis(_));
    let refused = nothing && (many || full_scan);
    let Some(place) = tree.first_orphan().filter(|_| refused || many) else {
        return Ok(None);
    };
    let header = datadir.header_at(place)?;
    let (_, parent_hash) = header[..36].split_last_chunk().expect("36 bytes hold 32");
    let missing = MissingBlocks {
        orphans,
        best_height: best.map(|best| best.height),
        file: place.file,
        offset_bytes: place.offset_bytes,
        parent_hash: *parent_hash,
    };
    if refused {
        Err(Error::NothingConnects(missing))
    } else {
        Ok(Some(missing))
    }
}

/// Whether the best chain is not longer than its root.
fn nothing_above(root: Root, best: Option<Best>) -> bool {
    let root_height = match root {
        Root::Genesis(_) => Height(0),
        Root::Anchor { height, .. } => height,
    };
    best.is_none_or(|best| best.height == root_height)
}

#[cfg(test)]
mod tests {
    use bitcoin::hex::FromHex;

    use super::super::testing::{fixture, folder_with};
    use super::super::{Location, Source, scan};
    use super::*;

    fn scanned(dir: &std::path::Path, arena: &mut [u8]) -> Result<Option<MissingBlocks>> {
        let location = Location::BlocksDir(dir.to_path_buf());
        let source = Source {
            location,
            network: None,
            signet_challenge: None,
        };
        let datadir = Datadir::open(&source)?;
        let mut tree = HeaderTree::new(arena, Root::Genesis(datadir.network().genesis_hash));
        scan(&datadir, &[], &mut tree, &mut |_| {})?;
        let best = tree.best();
        missing_blocks(&datadir, &tree, best)
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn missing_blocks_are_refused_only_if_nothing_is_left() {
        // Blocks 1 to 4312 without block 0, and without block 1.
        let bytes = fixture("mainnet-4312/blocks/blk00000.dat");
        let mut arena = vec![0; HeaderTree::bytes_for(5000) as usize];
        let without_0 = bytes[293..].to_vec();
        let without_1 = [&bytes[..293], &bytes[516..]].concat();
        for (bytes, height) in [(without_0, None), (without_1, Some(Height(0)))] {
            let dir = folder_with(&[bytes]);
            let refused = scanned(dir.path(), &mut arena).expect_err("nothing connects");
            let Error::NothingConnects(missing) = &refused else {
                panic!("{refused:?}")
            };
            assert_eq!(missing.best_height, height);
            assert!(refused.to_string().contains("blocks lack an ancestor"));
        }
        // Genesis, block 1, a gap: the first two remain, and one line says so.
        let dir = folder_with(&[[&bytes[..516], &bytes[516 + 223..]].concat()]);
        let missing = scanned(dir.path(), &mut arena)
            .expect("goes on")
            .expect("a line");
        assert_eq!(
            (missing.orphans, missing.best_height),
            (4310, Some(Height(1)))
        );
        let two = Vec::from_hex("000000006a625f06636b8bb6ac7b960a8d03705d1ace08b1a19da3fdcc99ddbd")
            .expect("literal");
        assert!(missing.parent_hash.iter().rev().eq(&two));
    }
}
