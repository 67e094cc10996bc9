//! From block files to the chain to index: scan, best chain, and where the index leaves it.
//!
//! Invariant: places are only written for a chain that the index may follow: one that shares every
//! settled block with it. What an earlier scan found is a short cut to what all files say, never another
//! answer: whenever it would end below blocks that are there, or refuse, all files are looked at again.
//!
//! Memory: an arena of headers, made for the scan and given back before anything else is made.

use super::remember::Remembering;
use crate::datadir;
use crate::datadir::{Best, ChainEnd, Counts, Datadir, HeaderTree, Root, Scanned, scan};
use crate::import::Fault;
use crate::import::fault::Files;
use crate::import::fork::{Fork, expect_blocks, fork};
use crate::import::known::add_known;
use crate::index::Index;
use crate::index::left_out::left_out;
use crate::index::scan_state::{ScanState, note_chain_end};
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::primitives::header;
use crate::primitives::position::{Height, Place};
use crate::primitives::wire::Hash32;
use crate::{Error, Result};
use bitcoin::hashes::Hash;

/// Blocks below the best header that a reorganisation may still replace. Core has never seen one of
/// more than a few dozen; it keeps undo data of 288 for pruning (`MIN_BLOCKS_TO_KEEP`).
pub(super) const UNSETTLED_BLOCKS: u32 = 100;

/// Hardly a record is smaller than this: magic, length, header, count, the smallest coinbase.
const RECORD_BYTES_TYPICAL_MIN: u64 = 140;

/// The best chain, as far as its blocks are present.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Height of its last block.
    pub best: Height,
    /// Hash of its last block.
    pub best_hash: Hash32,
    /// The last block that it shares with the index; `None` if the index is empty.
    pub fork: Option<Height>,
    /// Whether the block files end below the index's tip, on the same chain.
    pub is_behind: bool,
    /// Where its blocks are above the fork, as far as the index has others at these heights. They are noted
    /// when those are dropped: a reader must not find them beside the others' rows.
    pub(crate) rivals: Vec<Place>,
    /// Bytes of the blocks above the fork.
    pub bytes: u64,
    /// Whether only what was appended was read.
    pub is_catch_up: bool,
    /// Whether blocks of the index had moved to other places.
    pub has_moved: bool,
    /// What the scan read.
    pub scanned: Scanned,
    /// What it found.
    pub counts: Counts,
    /// Why it ends there.
    pub end: ChainEnd,
}

impl Chain {
    /// Where its block at `height` is, if that is not noted yet.
    pub(crate) fn rival_at(&self, height: Height) -> Option<Place> {
        let first = self.fork?.next();
        let above = height.0.checked_sub(first.0)?;
        self.rivals.get(above as usize).copied()
    }

    /// The last block of it to import.
    pub(crate) fn end(&self, until: Option<Height>) -> Height {
        until.map_or(self.best, |until| until.min(self.best))
    }

    /// Blocks at or below this height are settled.
    pub(crate) fn settled(&self) -> Height {
        Height(self.best.0.saturating_sub(UNSETTLED_BLOCKS))
    }
}

/// Finds the chain, writes down where its blocks are, and notes why it ends.
///
/// # Errors
/// Those of the scan; [`crate::datadir::Fault::HeaderArenaFull`]; [`crate::datadir::Fault::NoGenesis`],
/// [`crate::datadir::Fault::NothingConnects`]; [`crate::import::Fault::ForkTooDeep`].
pub fn find(
    index: &Index,
    datadir: &Datadir,
    arena_bytes: usize,
    by_hand: &[Hash32],
    watch: &mut datadir::Watch<'_>,
) -> Result<Chain> {
    let mut invalid: Vec<Hash32> = by_hand.to_vec();
    let known = left_out(index.store())?;
    let known = known.iter().map(|block| block.hash.to_byte_array());
    invalid.extend(known.clone());
    // One that is named for the first time may lie below the anchor.
    let is_news = by_hand
        .iter()
        .any(|hash| !known.clone().any(|known| known == *hash));
    let finder = Finder {
        index,
        datadir,
        arena_bytes,
        invalid,
    };
    if !is_news
        && let Some(state) = ScanState::load(index.store())?
        && still_holds(index, datadir, &state)?
        && let Some(chain) = finder.catch_up(&state, watch)?
    {
        return Ok(chain);
    }
    finder.look_at_all(watch)
}

/// Whether the blocks that the last scan led to are where they were.
fn still_holds(index: &Index, datadir: &Datadir, state: &ScanState) -> Result<bool> {
    if datadir.blocks_dir() != index.meta().blocks_dir {
        return Ok(false);
    }
    let snapshot = index.snapshot()?;
    let is_at = |height: Height, hash: &Hash32| match snapshot.place(height) {
        Ok(place) => datadir.hash_at(place).is_ok_and(|found| found == *hash),
        Err(_) => false,
    };
    let tip_holds = match index.tip() {
        Some((tip, row)) => is_at(tip, &row.hash),
        None => true,
    };
    Ok(tip_holds && is_at(state.anchor.0, &state.anchor.1))
}

/// Memory for a scan: for as many headers as the bytes can hold that no scan has read, and for those that
/// are known, be it to an index with so many blocks that the files have only part of; but at most `most_bytes`.
///
/// # Errors
/// [`crate::memory::Fault::Memory`].
pub fn header_arena(
    datadir: &Datadir,
    state: Option<&ScanState>,
    indexed: Height,
    most_bytes: usize,
) -> Result<Region<u8>> {
    let bytes: u64 = datadir.files().iter().map(|file| file.bytes).sum();
    let read = state.map_or(0, |state| {
        state.files.iter().map(|f| f.scanned_to_bytes).sum()
    });
    let headers = bytes.saturating_sub(read) / RECORD_BYTES_TYPICAL_MIN
        + 4 * u64::from(UNSETTLED_BLOCKS)
        + 1000;
    let asides = state.map_or(0, |state| state.asides.len() as u64);
    let known = match state {
        Some(state) => u64::from(state.chain_end.0 - state.anchor.0.0),
        None if datadir.is_partial() => indexed.0.into(),
        None => 0,
    };
    let wanted = HeaderTree::bytes_for(headers + asides + known);
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    Region::new(Part::Headers, wanted.min(most_bytes))
}

struct Finder<'a> {
    index: &'a Index,
    datadir: &'a Datadir,
    arena_bytes: usize,
    /// Blocks to leave out.
    invalid: Vec<Hash32>,
}

impl Finder<'_> {
    /// Goes on from where the last scan ended. `None`: all files have to be looked at.
    fn catch_up(&self, state: &ScanState, watch: &mut datadir::Watch<'_>) -> Result<Option<Chain>> {
        let next = self.index.next_height();
        let mut arena = header_arena(self.datadir, Some(state), next, self.arena_bytes)?;
        let root = Root::Anchor {
            height: state.anchor.0,
            hash: state.anchor.1,
        };
        let mut tree = HeaderTree::new(&mut arena, root);
        if !self.insert_known(state, &mut tree)? {
            return Ok(None);
        }
        let scanned = match scan(self.datadir, &state.files, &mut tree, watch) {
            // Files have changed that were thought to be known.
            Err(error) if is_full(&error) => return Ok(None),
            found => found?,
        };
        self.leave_out(&mut tree);
        let best = tree.best();
        // What rivals an invalid block may have left the chain far below.
        let counts = tree.counts();
        if scanned.rewritten_files > 0 || counts.orphans > 0 || counts.invalid > 0 {
            return Ok(None);
        }
        match self.conclude(self.datadir, &tree, best, scanned, Some(state)) {
            Ok(chain) if chain.is_behind || !chain.end.reach.complete => Ok(None),
            Err(error) if matches!(error.fault(), Some(Fault::ForkTooDeep { .. })) => Ok(None),
            other => other.map(Some),
        }
    }

    /// As if the index were new.
    fn look_at_all(&self, watch: &mut datadir::Watch<'_>) -> Result<Chain> {
        let next = self.index.next_height();
        let mut arena = header_arena(self.datadir, None, next, self.arena_bytes)?;
        let root = Root::Genesis(self.datadir.network().genesis_hash);
        let mut tree = HeaderTree::new(&mut arena, root);
        let scanned = scan(self.datadir, &[], &mut tree, watch)?;
        let datadir = self.datadir.clone().without(&scanned.vanished);
        add_known(self.index, &datadir, &mut tree)?;
        self.leave_out(&mut tree);
        let best = tree.best();
        if best.is_none() && !scanned.vanished.is_empty() {
            let dir = datadir.blocks_dir().to_owned();
            return Err(datadir::Fault::Vanishing { dir }.into());
        }
        self.conclude(&datadir, &tree, best, scanned, None)
    }

    fn leave_out(&self, tree: &mut HeaderTree<'_>) {
        for hash in &self.invalid {
            tree.mark_invalid(hash);
        }
    }

    /// The chain, when it is written down where its blocks are.
    fn conclude(
        &self,
        datadir: &Datadir,
        tree: &HeaderTree<'_>,
        best: Option<Best>,
        scanned: Scanned,
        state: Option<&ScanState>,
    ) -> Result<Chain> {
        let next = self.index.next_height();
        let end = ChainEnd::judge(datadir, tree, best, &scanned, next)?;
        note_chain_end(self.index.store(), &end)?;
        let Some(best) = best else {
            return Err(end.refusal(datadir).expect("there is no chain").into());
        };
        let best_hash = self.hash_of(tree, best)?;
        let Fork { fork, is_behind } = fork(
            self.index,
            tree,
            (best.height, best_hash),
            Files::of(datadir, end.reach.complete),
        )?;
        if state.is_none() && !is_behind {
            expect_blocks(self.index, datadir, tree, fork)?;
        }
        let first = fork.map_or(Height(0), Height::next);
        let above = tree.best_chain().filter(|block| block.height >= first);
        let bytes = above.map(|block| u64::from(block.place.bytes)).sum();
        let mut chain = Chain {
            best: best.height,
            best_hash,
            fork,
            is_behind,
            rivals: Vec::new(),
            bytes,
            is_catch_up: state.is_some(),
            has_moved: false,
            scanned,
            counts: tree.counts(),
            end,
        };
        if !chain.is_behind {
            let memory = Remembering {
                index: self.index,
                datadir: self.datadir,
                tree,
                known: state,
            };
            chain.has_moved = memory.note_places(&mut chain)?;
            memory.note_state(&chain)?;
        }
        Ok(chain)
    }

    /// Hash of the best chain's last block. The files may lack it where what stands on it is left out.
    fn hash_of(&self, tree: &HeaderTree<'_>, best: Best) -> Result<Hash32> {
        match (tree.place(best.node), tree.root()) {
            (Some(place), _) => self.datadir.hash_at(place),
            (None, Root::Anchor { height, hash }) if height == best.height => Ok(hash),
            (None, _) => Ok(self.index.snapshot()?.block(best.height)?.hash),
        }
    }

    /// Inserts the headers above the anchor that earlier scans found. `false`: one has moved.
    fn insert_known(&self, state: &ScanState, tree: &mut HeaderTree<'_>) -> Result<bool> {
        let snapshot = self.index.snapshot()?;
        let mut parent = Some(state.anchor.1);
        for height in state.anchor.0.0 + 1..=state.chain_end.0 {
            if !self.insert_at(snapshot.place(Height(height))?, tree, &mut parent)? {
                return Ok(false);
            }
        }
        for place in &state.asides {
            if !self.insert_at(*place, tree, &mut None)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Inserts the header at `place`; checks that it follows `parent`, and makes it the next parent.
    fn insert_at(
        &self,
        place: Place,
        tree: &mut HeaderTree<'_>,
        parent: &mut Option<Hash32>,
    ) -> Result<bool> {
        let Ok(header) = self.datadir.header_at(place) else {
            return Ok(false);
        };
        let (hash, prev) = (header::hash_of(&header), header::prev_hash_of(&header));
        if parent.is_some_and(|parent| parent != prev) {
            return Ok(false);
        }
        if parent.is_some() {
            *parent = Some(hash);
        }
        tree.insert(&hash, &prev, header::bits_of(&header), place)?;
        Ok(true)
    }
}

/// Whether there are more headers than was thought.
fn is_full(error: &Error) -> bool {
    matches!(error.fault(), Some(datadir::Fault::HeaderArenaFull { .. }))
}
