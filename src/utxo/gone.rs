//! Blocks that are in no block file any more: a node has pruned them, or somebody deleted or moved the files.
//!
//! Invariant: a file that is there and cannot be read is no such case; nor is one that holds something else, unless
//! a node has pruned the oldest. Owns two numbers for each stretch of neighbouring heights.

use crate::datadir::{self, block_file_path};
use crate::index::snapshot::Snapshot;
use crate::os::io_kind;
use crate::os::paths::is_there_still;
use crate::primitives::position::Height;
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Places read from the index at once.
const PLACES_PER_READ: u32 = 1024;

/// See the module documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoneBlocks {
    /// First and last height of each stretch.
    stretches: BTreeMap<u32, u32>,
    /// The file of the lowest.
    path: PathBuf,
}

impl GoneBlocks {
    /// The block at `height` was to be in the file at `path`.
    pub(crate) fn new(height: Height, path: PathBuf) -> GoneBlocks {
        GoneBlocks {
            stretches: BTreeMap::from([(height.0, height.0)]),
            path,
        }
    }

    /// And so was the one at `height`, in the file at `path`.
    pub(crate) fn add(&mut self, Height(height): Height, path: PathBuf) {
        if height < self.first().0 {
            self.path = path;
        }
        let before = self.stretches.range(..=height).next_back();
        let (first, end) = match before {
            Some((_, last)) if height <= *last => return,
            Some((first, last)) if last + 1 == height => (*first, height),
            _ => (height, height),
        };
        // The stretch that follows may begin right behind it.
        let last = self.stretches.remove(&(height + 1)).unwrap_or(end);
        self.stretches.insert(first, last);
    }

    /// Adds it to what may be there.
    pub(crate) fn note(all: &mut Option<GoneBlocks>, height: Height, path: PathBuf) {
        match all {
            Some(all) => all.add(height, path),
            none => *none = Some(GoneBlocks::new(height, path)),
        }
    }

    /// The lowest height.
    pub fn first(&self) -> Height {
        Height(self.stretches.keys().next().copied().unwrap_or_default())
    }

    /// The highest.
    pub fn last(&self) -> Height {
        Height(
            self.stretches
                .values()
                .next_back()
                .copied()
                .unwrap_or_default(),
        )
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        let counts = self.stretches.iter();
        counts
            .map(|(first, last)| u64::from(last - first) + 1)
            .sum()
    }

    /// The file that the lowest of them was in.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for GoneBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.first(), self.last());
        match (self.stretches.len(), self.count()) {
            (_, 1) => write!(f, "block {first} is gone (it was")?,
            (1, _) => write!(f, "blocks {first} to {last} are gone (the first was")?,
            (_, count) => write!(
                f,
                "{count} blocks are gone, from {first} to {last} (the first was"
            )?,
        }
        write!(f, " in {})", self.path.display())
    }
}

/// The blocks from `first` to `last` that the index has in files which are not in `blocks_dir`.
///
/// # Errors
/// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
pub(crate) fn gone_between(
    snapshot: &Snapshot<'_>,
    first: Height,
    last: Height,
    blocks_dir: &Path,
) -> Result<Option<GoneBlocks>> {
    let mut is_there = HashMap::new();
    let mut gone = None;
    for first in (first.0..=last.0).step_by(PLACES_PER_READ as usize) {
        let count = (last.0 - first + 1).min(PLACES_PER_READ);
        let places = snapshot.places(Height(first), count)?;
        for (height, place) in (first..).zip(places) {
            let look = || is_there_still(&block_file_path(blocks_dir, place.file));
            if !*is_there.entry(place.file).or_insert_with(look) {
                let path = block_file_path(blocks_dir, place.file);
                GoneBlocks::note(&mut gone, Height(height), path);
            }
        }
    }
    Ok(gone)
}

/// Whether the error says that there are no block files in `dir`, or that it is not there itself.
pub(crate) fn are_all_gone(error: &Error, dir: &Path) -> bool {
    let none = matches!(error.fault(), Some(datadir::Fault::NoBlockFiles { .. }));
    none || io_kind(error) == Some(ErrorKind::NotFound) && !is_there_still(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn blocks_are_named_by_their_heights_and_the_file_of_the_lowest() {
        let mut all = None;
        let mut words = Vec::new();
        for (height, file) in [(7, "b"), (7, "b"), (6, "a"), (8, "c"), (20, "d")] {
            GoneBlocks::note(&mut all, Height(height), file.into());
            words.extend(all.as_ref().map(ToString::to_string));
        }
        let expected = [
            "block 7 is gone (it was in b)",
            "block 7 is gone (it was in b)",
            "blocks 6 to 7 are gone (the first was in a)",
            "blocks 6 to 8 are gone (the first was in a)",
            "4 blocks are gone, from 6 to 20 (the first was in a)",
        ];
        assert_eq!(words, expected);
    }

    proptest! {
        #[test]
        fn heights_come_in_any_order_and_count_once(heights in prop::collection::vec(0u32..60, 1..80)) {
            let mut all = None;
            for height in &heights {
                GoneBlocks::note(&mut all, Height(*height), height.to_string().into());
            }
            let all = all.expect("there are some");
            let model: BTreeSet<u32> = heights.iter().copied().collect();
            prop_assert_eq!(all.count(), model.len() as u64);
            prop_assert_eq!(Some(&all.first().0), model.first());
            prop_assert_eq!(Some(&all.last().0), model.last());
            prop_assert_eq!(all.path().to_str(), Some(&*all.first().to_string()));
            let apart = model.iter().filter(|height| !model.contains(&(*height + 1))).count();
            prop_assert_eq!(all.stretches.len(), apart);
        }
    }
}
