//! One pass over the best chain: block by block into the batch, commits, merges, and blocks that turn out
//! to be bad.
//!
//! Invariant: what is committed is the chain up to the tip; a block that breaks a rule is left out before
//! anything above it is.

use super::beacon::Beacon;
use super::chain::Chain;
use super::edge::Edge;
use super::events::{Added, Event, Notice, Progress, Watch};
use super::keeper::Keeper;
use super::merging::{Merging, Phase};
use super::{Fault, Options, is_bulk};
use crate::Result;
use crate::batch::clock::Stage;
use crate::batch::{BadBlock, Batch, Failure};
use crate::datadir::{self, BlockReader, Datadir, copies_of, is_vanished};
use crate::index::Index;
use crate::index::left_out::{LeftOut, leave_out};
use crate::index::scan_state::write_places;
use crate::ledger::record::Moment;
use crate::primitives::position::{Height, Place};
use crate::primitives::wire::{self};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

/// Places of blocks read from the index at once.
const PLACES_PER_READ: u32 = 256;

/// How a pass over the chain ended.
pub(super) enum End {
    /// At the last block wanted.
    Done,
    /// By a wish; all is committed.
    Interrupted,
    /// A block turned out to be invalid: look for the next best chain.
    Again,
    /// At a block, the newest, that a node has not written whole yet.
    NotWhole(Place),
    /// At a block whose file the node has deleted since it was found; all below is committed, if it can be.
    Vanished,
}

/// A pass, with all that it works on.
pub(super) struct Pass<'a, 'e> {
    pub(super) options: &'a Options,
    pub(super) watch: &'a mut Watch<'e>,
    pub(super) datadir: &'a Datadir,
    pub(super) chain: &'a Chain,
    pub(super) index: &'a mut Index,
    pub(super) batch: &'a mut Batch,
    pub(super) keeper: &'a mut Keeper,
    pub(super) edge: &'a mut Edge,
    /// Copies of blocks that were tried and are damaged: none is tried twice.
    pub(super) bad_copies: Vec<Place>,
    /// Whether each block that a reorganisation may still replace is a commit of its own, so that none takes
    /// more with it than it has to: what it takes has to be in the files.
    pub(super) commits_each: bool,
    /// Up to which height blocks were told one by one; `None` if they are not.
    pub(super) told: &'a mut Option<Height>,
}

impl<'e> Pass<'_, 'e> {
    /// Imports, from the index's tip to the last block wanted, and merges as it goes.
    pub(super) fn run(&mut self) -> Result<End> {
        match self.import() {
            Err(error) if is_vanished(&error) => Ok(End::Vanished),
            end => end,
        }
    }

    fn import(&mut self) -> Result<End> {
        self.tell_blocks()?;
        let end = self.chain.end(self.options.until);
        let mut next = self.index.next_height();
        self.merging().finish_unfinished()?;
        if next > end {
            return Ok(End::Done);
        }
        let is_bulk = is_bulk(next, end);
        if is_bulk {
            self.batch.clock.enter(Stage::Table);
            self.batch.warm(self.index)?;
        }
        let settled = self.chain.settled();
        let mut reader = BlockReader::new(self.datadir)?;
        self.batch.load_coinbases(self.index, &mut reader)?;
        let mut progress = Progress::new(next, end, self.chain.bytes);
        let mut beacon = Beacon::new(self.index);
        let mut places = Places::default();
        while next <= end {
            self.batch.clock.enter(Stage::Read);
            let place = places.get(self.index, next)?;
            self.look_at_edge(next, place)?;
            let bytes = match reader.read(place) {
                Err(error) if is_vanished(&error) => {
                    let again = self.commit(&mut reader, settled)?;
                    return Ok(again.unwrap_or(End::Vanished));
                }
                read => read?,
            };
            match self.batch.add(self.index, bytes, place) {
                Ok(()) => {}
                Err(Failure::Rule(bad)) => {
                    match self.bad_block(&mut reader, next, place, bad)? {
                        Some(end) => return Ok(end),
                        None => places = Places::default(),
                    }
                    continue;
                }
                Err(Failure::Fault(error)) => return Err(error),
            }
            progress.add(next, bytes, self.batch);
            self.keeper.add_block(next, bytes);
            beacon.show(&progress);
            self.watch.tell(Event::Progress(&progress));
            let is_stopped = self.watch.is_over();
            let is_due =
                self.batch.blocks() >= self.options.commit_every || self.batch.must_commit();
            let is_due =
                is_due || self.keeper.must_commit(next) || self.commits_each && next > settled;
            if is_due || next == settled || next == end || is_stopped {
                if let Some(again) = self.commit(&mut reader, settled)? {
                    return Ok(again);
                }
                let phase = match (is_bulk, next >= settled.min(end)) {
                    (false, _) => Phase::Tip,
                    (true, false) => Phase::Bulk,
                    (true, true) => Phase::Finish,
                };
                self.merging().merge(phase)?;
            }
            if is_stopped || self.watch.is_over() && next == end {
                return Ok(End::Interrupted);
            }
            next = next.next();
        }
        Ok(End::Done)
    }

    /// Says how near the edge is, before the next block is gone.
    fn look_at_edge(&mut self, next: Height, place: Place) -> Result<()> {
        let best = self.chain.best;
        let near = self
            .edge
            .look(self.index, self.datadir, (next, place), best)?;
        if let Some(near) = near {
            self.watch.tell(Event::Notice(near));
        }
        Ok(())
    }

    fn merging(&mut self) -> Merging<'_, 'e> {
        Merging {
            index: self.index,
            batch: self.batch,
            keeper: self.keeper,
            watch: self.watch,
        }
    }

    /// Commits; a spend that cannot be makes its block invalid.
    fn commit(&mut self, reader: &mut BlockReader, settled: Height) -> Result<Option<End>> {
        if self.batch.blocks() == 0 {
            return Ok(None);
        }
        match self.batch.commit(self.index, settled) {
            Ok(()) => {
                let moment = (Moment::Commit, None);
                self.keeper
                    .note(moment, self.index, self.batch, self.watch)?;
                self.tell_blocks().map(|()| None)
            }
            Err(Failure::Rule(bad)) => self.invalid_block(reader, bad).map(Some),
            Err(Failure::Fault(error)) => Err(error),
        }
    }

    /// Tells of the blocks that are committed and not told yet. They need not be of this pass: a commit that
    /// failed in its last step may be found to be real.
    fn tell_blocks(&mut self) -> Result<()> {
        let Some((told, (tip, _))) = self.told.zip(self.index.tip()) else {
            return Ok(());
        };
        if told >= tip {
            return Ok(());
        }
        let snapshot = self.index.snapshot()?;
        let mut before = snapshot.block(told)?;
        for height in told.0 + 1..=tip.0 {
            let row = snapshot.block(Height(height))?;
            let added = Added::new(Height(height), &row, &before);
            self.watch.tell(Event::Added(&added));
            before = row;
        }
        *self.told = Some(tip);
        Ok(())
    }

    /// A block that breaks the rules: above the settled line it is left out, below it all ends.
    fn invalid_block(&mut self, reader: &mut BlockReader, bad: BadBlock) -> Result<End> {
        let (height, coinbase) = self.batch.block_of(self.index, bad.txo())?;
        let place = self.index.snapshot()?.place(height)?;
        let bytes = reader.read(place)?;
        let fault = bad.describe(bytes, coinbase, &self.index.fingerprints());
        let hash = self.datadir.hash_at(place)?;
        if height <= self.chain.settled() {
            return Err(Fault::InvalidSettledBlock {
                height,
                hash,
                fault,
            }
            .into());
        }
        let left_out = LeftOut {
            hash: BlockHash::from_byte_array(hash),
            height: Some(height),
            fault: fault.clone(),
        };
        leave_out(self.index.store(), &left_out)?;
        self.watch.tell(Event::Notice(Notice::Invalid {
            height,
            hash,
            fault,
        }));
        Ok(End::Again)
    }

    /// A block that could not be added: its bytes are damaged, or it breaks the rules. `None`:
    /// another copy was found, try again.
    fn bad_block(
        &mut self,
        reader: &mut BlockReader,
        height: Height,
        place: Place,
        bad: BadBlock,
    ) -> Result<Option<End>> {
        let BadBlock::Bytes { fault, .. } = bad else {
            return self.invalid_block(reader, bad).map(Some);
        };
        let hash = self.datadir.hash_at(place)?;
        self.bad_copies.push(place);
        for copy in copies_of(self.datadir, &hash)? {
            let is_new = !self.bad_copies.contains(&copy);
            if is_new && wire::check_block(reader.read(copy)?).is_ok() {
                write_places(self.index.store(), std::iter::once((height, copy)))?;
                self.watch.tell(Event::Notice(Notice::OtherCopy {
                    height,
                    place,
                    copy,
                }));
                return Ok(None);
            }
        }
        let settled = self.chain.settled();
        if let Some(again) = self.commit(reader, settled)? {
            return Ok(Some(again));
        }
        if height == self.chain.best
            && height > settled
            && self.chain.scanned.is_last_written(place)
        {
            self.watch.tell(Event::Notice(Notice::NotWhole {
                height,
                place,
                fault,
            }));
            return Ok(Some(End::NotWhole(place)));
        }
        let bad = datadir::Fault::BadBlock {
            place,
            height,
            fault,
        };
        Err(match height.0.checked_sub(1) {
            Some(until) => Fault::StopsAbove {
                source: Box::new(bad.into()),
                until: Height(until),
            }
            .into(),
            None => bad.into(),
        })
    }
}

/// Places of the next blocks, read many at a time.
#[derive(Default)]
pub(super) struct Places {
    first: Height,
    places: Vec<Place>,
}

impl Places {
    pub(super) fn get(&mut self, index: &Index, height: Height) -> Result<Place> {
        let at = height.0.wrapping_sub(self.first.0) as usize;
        if let Some(place) = self.places.get(at) {
            return Ok(*place);
        }
        let snapshot = index.snapshot()?;
        self.places = snapshot.places(height, PLACES_PER_READ)?;
        self.first = height;
        match self.places.first() {
            Some(place) => Ok(*place),
            None => snapshot.place(height),
        }
    }
}
