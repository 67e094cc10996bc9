//! The end of the best chain, in types and in words: one for imports, the doctor, rebuilds and `status`.
//!
//! Invariant: what is refused, and what is said, follows from the end alone ([`super::judge`] judges it).

use super::{Datadir, Fault, Gone, Leftover, LeftoverKind};
use crate::primitives::position::{Height, Place};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use std::fmt;

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

/// How far the best chain reaches, and what is missing for it to go on.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Reach {
    /// Height of its last block, up to which all blocks are there; `None` if the genesis block is missing.
    pub height: Option<Height>,
    /// Whether nothing that is there lacks anything.
    pub complete: bool,
    /// Blocks that lack an ancestor.
    pub orphans: u32,
    /// The parent that the first of them lacks.
    pub first_missing_parent: Option<BlockHash>,
    /// Bytes that are no block where one may be missing; the likeliest place first.
    pub damage: Vec<Leftover>,
    /// Blocks that are needed, and were in files that a node has deleted.
    #[serde(default)]
    pub gone: Option<Gone>,
}

/// The end of the best chain. Written into the index as JSON, so fields may be added, not renamed.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct ChainEnd {
    /// How far the chain reaches.
    #[serde(flatten)]
    pub reach: Reach,
    /// Why it ends.
    pub state: EndState,
    /// Where the first block without an ancestor is.
    pub first_orphan: Option<Spot>,
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
    /// The same, but its last block, at `place`, is not whole yet.
    pub(crate) fn without_last(&self, place: Place) -> ChainEnd {
        let height = self.reach.height.and_then(|height| height.0.checked_sub(1));
        ChainEnd {
            state: EndState::BeingWritten,
            reach: Reach {
                complete: false,
                height: height.map(Height),
                damage: vec![Leftover::block(place)],
                ..self.reach.clone()
            },
            ..self.clone()
        }
    }

    /// Why nothing above the end, or nothing at all, is imported; `None` if it is where an import may stop.
    pub(crate) fn refusal(&self, datadir: &Datadir) -> Option<Fault> {
        let end = || Box::new(self.clone());
        if let Some(gone) = self.reach.gone {
            return Some(Fault::BlocksGone {
                dir: datadir.blocks_dir().to_owned(),
                gone,
                until: self.reach.height,
            });
        }
        match (self.reach.height, self.reach.orphans, self.state) {
            (None, 0, _) => Some(Fault::NoGenesis {
                dir: datadir.blocks_dir().to_owned(),
            }),
            (None, _, _) => Some(Fault::NothingConnects(end())),
            (until, _, EndState::Damaged) => Some(Fault::Gap { end: end(), until }),
            _ => None,
        }
    }
}

impl fmt::Display for ChainEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.reach.damage[..], self.first_orphan, self.state) {
            (_, _, EndState::Complete) => self.describe_end(f),
            ([left, ..], None, _) => write!(
                f,
                "{left}, behind the last whole block: a block there is not whole yet, or damaged"
            ),
            (_, Some(spot), _) if self.begins_at_a_genesis_block() => {
                write!(f, "blk{:05}.dat at byte {}: ", spot.file, spot.offset_bytes)?;
                write!(f, "another chain's genesis block, among these files: ")?;
                self.describe_orphans(f)
            }
            ([left, ..], Some(_), _) => {
                let words = match left.what {
                    LeftoverKind::Block => "",
                    _ => ", where a block is missing",
                };
                write!(f, "{left}{words}: ")?;
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
    /// Whether the first orphan has no parent at all: it is where another chain begins.
    fn begins_at_a_genesis_block(&self) -> bool {
        self.reach.first_missing_parent == Some(BlockHash::all_zeros())
    }

    fn describe_end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reach.height {
            Some(height) => write!(f, "the chain ends at height {height}"),
            None => write!(f, "the genesis block is missing"),
        }
    }

    fn describe_orphans(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orphans = self.reach.orphans;
        let lack = if orphans == 1 {
            "block lacks"
        } else {
            "blocks lack"
        };
        write!(f, "{orphans} {lack} an ancestor")?;
        let genesis = self.begins_at_a_genesis_block();
        if let Some(parent) = self.reach.first_missing_parent.filter(|_| !genesis) {
            write!(f, ", first {parent}")?;
        }
        write!(f, ", and ")?;
        self.describe_end(f)
    }
}
