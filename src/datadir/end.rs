//! Where the best chain ends, and why there: one rule for imports, the doctor, rebuilds and `status`.
//!
//! Invariant: orphans are judged from all files as they are, never from what an earlier scan remembered.
//!
//! Blocks whose parent is in no file (*orphans*) are what a node that is syncing leaves for minutes, and
//! what damage leaves for good. The first line that fits decides:
//!
//! | seen | state |
//! | --- | --- |
//! | no orphans, or too few to reach above the chain; the newest file ends with a whole block | complete |
//! | the same, but the newest file ends with part of a block | being written |
//! | more orphans than a node downloads ahead | damaged |
//! | bytes that are no block, as many as the smallest has, where a missing one may lie | damaged |
//! | the first orphan's file was written to within the last hour | being written |
//! | none of these | damaged |

use super::claimed::claimed_height;
use super::{Best, Datadir, HeaderTree, LeftPlace, left_places};
use crate::limits::{BEING_WRITTEN_AGE_MAX, ORPHANS_QUIET_MAX};
use crate::position::{Height, Place};
use crate::wire;
use crate::{Error, Result};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use std::fmt;
use std::time::{Duration, SystemTime};

/// Why the best chain ends where it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// Nothing that is there lacks anything.
    #[default]
    Complete,
    /// A node is, or was, writing: what is missing is to come.
    BeingWritten,
    /// Something is damaged or missing.
    Damaged,
}

/// The end of the best chain. Written into the index as JSON, so fields may be added, not renamed.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct ChainEnd {
    /// Whether nothing that is there lacks anything.
    pub complete: bool,
    /// Why it ends.
    pub state: EndState,
    /// Height of its last block; `None` if the genesis block is missing.
    pub height: Option<Height>,
    /// Blocks that lack an ancestor.
    pub orphans: u32,
    /// The parent that the first of them lacks.
    pub first_missing_parent: Option<BlockHash>,
    /// Where the first of them is.
    pub first_orphan: Option<Spot>,
    /// Bytes that are no block where one may be missing; the likeliest place first.
    pub damage: Vec<LeftPlace>,
}

/// A place in a block file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Spot {
    /// Number of the file.
    pub file: u32,
    /// Byte of the file.
    pub offset_bytes: u64,
}

impl ChainEnd {
    /// Judges the end of the best chain of `tree`, given what [`HeaderTree::best`] said.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn judge(datadir: &Datadir, tree: &HeaderTree<'_>, best: Option<Best>) -> Result<ChainEnd> {
        let end = ChainEnd {
            height: best.map(|best| best.height),
            orphans: tree.counts().orphans,
            ..ChainEnd::default()
        };
        let end = match tree
            .first_orphan()
            .filter(|_| may_reach(datadir, tree, best))
        {
            Some(orphan) => end.judge_orphans(datadir, tree, best, orphan)?,
            None => end.judge_newest(datadir)?,
        };
        Ok(ChainEnd {
            complete: end.state == EndState::Complete,
            ..end
        })
    }

    /// The same, but its last block, at `place`, is not whole yet.
    pub fn without_last(&self, place: Place) -> ChainEnd {
        let height = self.height.and_then(|height| height.0.checked_sub(1));
        ChainEnd {
            complete: false,
            state: EndState::BeingWritten,
            height: height.map(Height),
            damage: vec![LeftPlace::block(place)],
            ..self.clone()
        }
    }

    /// Why nothing above the end, or nothing at all, is imported; `None` if it is where an import may stop.
    pub fn refusal(&self, datadir: &Datadir) -> Option<Error> {
        let end = || Box::new(self.clone());
        match (self.height, self.orphans, self.state) {
            (None, 0, _) => Some(Error::NoGenesis {
                dir: datadir.blocks_dir().to_owned(),
            }),
            (None, _, _) => Some(Error::NothingConnects(end())),
            (_, _, EndState::Damaged) => Some(Error::Gap { end: end() }),
            _ => None,
        }
    }

    /// Nothing is missing: only the newest file may end with part of a block.
    fn judge_newest(mut self, datadir: &Datadir) -> Result<ChainEnd> {
        if let Some(newest) = datadir.files().last() {
            let left = left_places(datadir, newest.number..=newest.number)?;
            self.damage = left.into_iter().filter(LeftPlace::is_tail).collect();
        }
        if !self.damage.is_empty() {
            self.state = EndState::BeingWritten;
        }
        Ok(self)
    }

    fn judge_orphans(
        mut self,
        datadir: &Datadir,
        tree: &HeaderTree<'_>,
        best: Option<Best>,
        orphan: Place,
    ) -> Result<ChainEnd> {
        let prev_hash = wire::prev_hash_of(&datadir.header_at(orphan)?);
        self.first_missing_parent = Some(BlockHash::from_byte_array(prev_hash));
        self.first_orphan = Some(Spot {
            file: orphan.file,
            offset_bytes: orphan.offset_bytes,
        });
        let tip = best
            .and_then(|best| tree.place(best.node))
            .unwrap_or(orphan);
        let files = tip.file.min(orphan.file)..=orphan.file.saturating_add(1);
        self.damage = left_places(datadir, files)?;
        self.damage.retain(|left| left.may_be_a_block());
        let in_front =
            |left: &LeftPlace| (left.file, left.offset_bytes) < (orphan.file, orphan.offset_bytes);
        let nearest = self.damage.iter().rposition(in_front);
        self.damage[..nearest.map_or(0, |nearest| nearest + 1)].reverse();
        let is_young = age_of(datadir, orphan.file).is_some_and(|age| age <= BEING_WRITTEN_AGE_MAX);
        let is_normal = self.orphans <= ORPHANS_QUIET_MAX && self.damage.is_empty();
        self.state = match is_normal && is_young {
            true => EndState::BeingWritten,
            false => EndState::Damaged,
        };
        Ok(self)
    }
}

/// Whether a chain of orphans may reach above the best chain: a stale block whose parent the node never
/// fetched lacks nothing that matters. Told by the heights in coinbases (BIP 34), where there are any.
fn may_reach(datadir: &Datadir, tree: &HeaderTree<'_>, best: Option<Best>) -> bool {
    /// Stale blocks of that kind are rare.
    const STRAYS_MAX: usize = 16;
    let orphans = tree.counts().orphans;
    let Some(best) = best.filter(|_| orphans as usize <= STRAYS_MAX) else {
        return true;
    };
    let reaches = |place: Place| match claimed_height(datadir, place) {
        Some(height) => u64::from(height.0) + u64::from(orphans) > u64::from(best.height.0) + 1,
        None => true,
    };
    tree.orphan_roots().any(reaches)
}

/// How long ago the file was written to.
fn age_of(datadir: &Datadir, file: u32) -> Option<Duration> {
    let file = datadir.files().iter().find(|known| known.number == file)?;
    let age = SystemTime::now().duration_since(file.modified);
    Some(age.unwrap_or_default())
}

impl fmt::Display for ChainEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.damage[..], self.first_orphan, self.state) {
            (_, _, EndState::Complete) => self.describe_end(f),
            ([left, ..], None, _) => write!(
                f,
                "{left}, behind the last whole block: a block there is not whole yet, or damaged"
            ),
            ([left, ..], Some(_), _) => {
                write!(f, "{left}, where a block is missing: ")?;
                self.describe_orphans(f)
            }
            ([], Some(spot), _) => {
                write!(f, "blk{:05}.dat at byte {}: ", spot.file, spot.offset_bytes)?;
                write!(f, "the parent of this block is in no block file: ")?;
                self.describe_orphans(f)
            }
            ([], None, _) => self.describe_end(f),
        }
    }
}

impl ChainEnd {
    fn describe_end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.height {
            Some(height) => write!(f, "the chain ends at height {height}"),
            None => write!(f, "the genesis block is missing"),
        }
    }

    fn describe_orphans(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orphans = self.orphans;
        let lack = if orphans == 1 {
            "block lacks"
        } else {
            "blocks lack"
        };
        write!(f, "{orphans} {lack} an ancestor")?;
        if let Some(parent) = self.first_missing_parent {
            write!(f, ", first {parent}")?;
        }
        write!(f, ", and ")?;
        self.describe_end(f)
    }
}
