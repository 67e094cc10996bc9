//! The import: the whole program on one screen.
//!
//! Invariant: one thread, one loop. What is committed is exactly the chain up to the tip, and a kill
//! at any moment loses only the work since the last commit.

pub mod chain;
pub mod events;
mod fault;
pub mod keeper;
pub mod merging;
pub mod needs;
mod options;
pub mod plan;

pub use fault::Fault;
pub use options::{COMMIT_EVERY_BLOCKS, Options};

use crate::batch::clock::Stage;
use crate::batch::{BadBlock, Batch, Failure};
use crate::datadir::{self, BlockReader, ChainEnd, Datadir, copies_of};
use crate::index::Index;
use crate::index::left_out::{LeftOut, exclude, leave_out, left_out};
use crate::index::meta::Meta;
use crate::index::scan_state::{chain_end, note_chain_end, write_places};
use crate::ledger::record::Moment;
use crate::memory::plan::Plan;
use crate::os::kept::refuse_block_file;
use crate::os::sigbus::catch_sigbus;
use crate::primitives::position::{Height, Place};
use crate::primitives::wire::{self, Hash32};
use crate::runs::row::Relation;
use crate::store::SEQUENTIAL_CACHE_BYTES;
use crate::verify::undo::is_connected;
use crate::{Error, Result};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use chain::Chain;
use events::{Event, Notice, Progress, Summary, Watch};
use keeper::Keeper;
use merging::{Phase, finish_unfinished, merge};
use needs::lack::{Lack, Lacks};
use needs::sample::Sample;
use needs::{Ahead, Room};
use plan::headers_bytes;
use std::sync::atomic::Ordering;

/// From this many blocks on, an import is a bulk import: the table is warmed first, runs merge at
/// the end, and the scan is repeated after it.
pub const BULK_BLOCKS_MIN: u32 = 1000;

/// Places of blocks read from the index at once.
const PLACES_PER_READ: u32 = 256;

/// How a pass over the chain ended.
enum End {
    /// At the last block wanted.
    Done,
    /// By a wish; all is committed.
    Interrupted,
    /// A block turned out to be invalid: look for the next best chain.
    Again,
    /// At a block, the newest, that a node has not written whole yet.
    NotWhole(Place),
}

/// Imports what the block files have and the index has not. Who watches hears of everything that happens,
/// and can end it after a block, with a commit.
///
/// # Errors
/// Anything in [`Error`]; what was committed before stays.
pub fn import(options: &Options, watch: &mut Watch<'_>) -> Result<Summary> {
    let plan = plan::plan(options.memory_bytes, options.table_bytes)?;
    watch.tell(Event::Plan(&plan));
    catch_sigbus();
    let mut datadir = Datadir::open(&options.source)?;
    let mut index = open_index(options, &datadir, watch)?;
    let mut summary = Summary::new(&plan, &index);
    let mut keeper = Keeper::new(&plan, &options.ledger);
    let was_empty = index.tip().is_none();
    let (mut is_first_pass, mut is_end_asked_for, mut may_restart) = (true, false, false);
    loop {
        summary.clock.enter(Stage::Scan);
        let found = find_chain(&plan, &index, &datadir, options, watch);
        summary.clock.enter(Stage::Other);
        let fork_too_deep = found.as_ref().err().and_then(tip_of_deep_fork);
        let chain = match (found, fork_too_deep) {
            (Err(_), Some(tip)) if may_restart => {
                // A block of this very import turned out to be invalid, and its rival leaves deep below.
                index = index.begin_anew()?;
                watch.tell(Event::Notice(Notice::Restarted { tip }));
                continue;
            }
            (found, _) => found?,
        };
        watch.tell(Event::Chain(&chain));
        is_end_asked_for =
            is_end_asked_for || refuse_gap(&index, &chain.end, &datadir, options.until)?;
        let by_hand = is_first_pass.then_some(&options.invalid[..]);
        say_what_lacks(&index, &chain, by_hand, &mut summary, watch)?;
        if std::mem::take(&mut is_first_pass) {
            refuse_lacks(options, lacks(options, &index, &datadir, &chain)?, watch)?;
        }
        follow(&mut index, &datadir, &chain, watch)?;
        exclude(index.store(), &options.invalid)?;
        let first = index.next_height();
        let mut batch = new_batch(options, &index, &plan, &datadir)?;
        batch.clock = std::mem::take(&mut summary.clock);
        let end = Import {
            options,
            watch,
            datadir: &datadir,
            chain: &chain,
            index: &mut index,
            batch: &mut batch,
            keeper: &mut keeper,
            bad_copies: Vec::new(),
        }
        .run()?;
        keeper.end_pass(&batch);
        summary.add(&mut batch);
        summary.interrupted = matches!(end, End::Interrupted);
        // While a long import went on, the node has written more: look again until nothing is new.
        let was_long = index.next_height().0 - first.0 >= BULK_BLOCKS_MIN;
        match end {
            End::Again => may_restart = was_empty,
            End::Done if was_long && options.until.is_none() => {}
            end => return conclude(summary, end, index, &datadir, &chain, watch),
        }
        datadir = Datadir::open(&options.source)?;
    }
}

/// What is said once nothing is left to import.
fn conclude(
    mut summary: Summary,
    end: End,
    index: Index,
    datadir: &Datadir,
    chain: &Chain,
    watch: &mut Watch<'_>,
) -> Result<Summary> {
    if let End::NotWhole(place) = end {
        summary.chain_end = chain.end.without_last(place);
        note_chain_end(index.store(), &summary.chain_end)?;
    } else {
        summary.tip_connected = ask_node(&index, datadir, chain, watch)?;
    }
    let summary = summary.finish(&index)?;
    index.close()?;
    Ok(summary)
}

fn new_batch(options: &Options, index: &Index, plan: &Plan, datadir: &Datadir) -> Result<Batch> {
    let network = datadir.network();
    let witnesses_from = options.checks_witness.then_some(network.segwit_height);
    Batch::new(
        index,
        plan,
        options.segment_bytes,
        network.bip34_height,
        witnesses_from,
    )
}

/// Opens the index, or makes it.
fn open_index(options: &Options, datadir: &Datadir, watch: &mut Watch<'_>) -> Result<Index> {
    refuse_block_file(datadir.blocks_dir(), &options.index)?;
    let network = datadir.network();
    if options.invalid.contains(&network.genesis_hash) {
        let network = network.name;
        return Err(Fault::GenesisLeftOut { network }.into());
    }
    let rights = Lack::of_rights(&options.index).into_iter().collect();
    refuse_lacks(options, rights, watch)?;
    Index::open_or_create(&options.index, SEQUENTIAL_CACHE_BYTES, Meta::fresh(datadir))
}

fn find_chain(
    plan: &Plan,
    index: &Index,
    datadir: &Datadir,
    options: &Options,
    watch: &mut Watch<'_>,
) -> Result<Chain> {
    let arena_bytes = headers_bytes(plan);
    let mut scanning = datadir::Watch {
        stop: watch.stop,
        tell: &mut |done| (watch.tell)(Event::Scan(done)),
    };
    let found = chain::find(index, datadir, arena_bytes, &options.invalid, &mut scanning);
    // Damage may hide the index's own chain, so that another one seems the best.
    if found
        .as_ref()
        .is_err_and(|error| tip_of_deep_fork(error).is_some())
        && let Some(end) = chain_end(index.store())?
    {
        match refuse_gap(index, &end, datadir, options.until) {
            Err(datadir::Fault::Gap { end, .. }) => {
                return Err(datadir::Fault::Gap { end, until: None }.into());
            }
            refused => refused?,
        };
    }
    found
}

/// The index's tip, if the error is that the chain leaves it below its settled line.
fn tip_of_deep_fork(error: &Error) -> Option<Height> {
    match error.fault() {
        Some(Fault::ForkTooDeep { tip, .. }) => Some(*tip),
        _ => None,
    }
}

/// Refuses to stop below damage as if the chain ended there, unless that is what was asked for; says
/// whether it was. Asked for once, it is right though a block turns out to be invalid later.
fn refuse_gap(
    index: &Index,
    end: &ChainEnd,
    datadir: &Datadir,
    until: Option<Height>,
) -> std::result::Result<bool, datadir::Fault> {
    let is_asked_for = until.is_some_and(|until| Some(until) <= end.reach.height);
    let has_more = index.tip().map(|(tip, _)| tip) > end.reach.height;
    match end.refusal(datadir) {
        Some(datadir::Fault::Gap { end, .. }) if !is_asked_for && has_more => {
            Err(datadir::Fault::Gap { end, until: None })
        }
        Some(refusal) if !is_asked_for => Err(refusal),
        _ => Ok(is_asked_for),
    }
}

/// What the blocks ahead need and is not there.
fn lacks(options: &Options, index: &Index, datadir: &Datadir, chain: &Chain) -> Result<Vec<Lack>> {
    let end = options
        .until
        .map_or(chain.best, |until| until.min(chain.best));
    let first = chain.fork.map_or(Height(0), Height::next);
    if first > end {
        return Ok(Vec::new());
    }
    let places = || {
        let mut places = Places::default();
        (first.0..=end.0).map(move |height| places.get(index, Height(height)))
    };
    let mut bytes = chain.bytes;
    if end < chain.best {
        let sizes = places().map(|place| Ok(u64::from(place?.bytes)));
        bytes = sizes.sum::<Result<u64>>()?;
    }
    let ahead = Ahead {
        index: &options.index,
        index_bytes: index.store().allocated_bytes()?,
        coins: index.tip().map_or(0, |(_, row)| row.coins),
        blocks: u64::from(end.0 + 1 - first.0),
        bytes,
        memory_bytes: options.memory_bytes,
    };
    needs::lacks(&ahead, Room::now(&options.index), || {
        Sample::take(datadir, places(), bytes)
    })
}

/// Ends an import that lacks something, unless it was told to go on.
fn refuse_lacks(options: &Options, lacks: Vec<Lack>, watch: &mut Watch<'_>) -> Result<()> {
    if !lacks.is_empty() && !options.ignores_lacks {
        return Err(Fault::Lacks(Lacks(lacks)).into());
    }
    for lack in lacks {
        watch.tell(Event::Notice(Notice::Lack(lack)));
    }
    Ok(())
}

/// Says what is there and is not imported, unless that was said already. `by_hand`: in the first pass, what
/// a person says is invalid.
fn say_what_lacks(
    index: &Index,
    chain: &Chain,
    by_hand: Option<&[Hash32]>,
    summary: &mut Summary,
    watch: &mut Watch<'_>,
) -> Result<()> {
    if !chain.end.reach.complete && summary.chain_end != chain.end {
        watch.tell(Event::Notice(Notice::Unfinished(chain.end.clone())));
    }
    summary.chain_end = chain.end.clone();
    // What a later pass finds invalid was said when it was found.
    let Some(by_hand) = by_hand else {
        return Ok(());
    };
    let mut blocks: Vec<_> = by_hand.iter().map(LeftOut::by_hand).collect();
    blocks.extend(left_out(index.store())?);
    blocks.sort_by_key(|block| (block.hash, block.height));
    blocks.dedup_by_key(|block| block.hash);
    if let Some(first) = blocks.iter().min_by_key(|block| block.height) {
        watch.tell(Event::Notice(Notice::LeftOut {
            blocks: chain.counts.invalid.max(blocks.len() as u32),
            first: first.clone(),
        }));
    }
    Ok(())
}

/// Whether the node has connected the last block, once that is in the index. Where the node's undo files
/// are there and have nothing of it, that is said: the node never took it, or has not yet.
fn ask_node(
    index: &Index,
    datadir: &Datadir,
    chain: &Chain,
    watch: &mut Watch<'_>,
) -> Result<Option<bool>> {
    let Some((tip, row)) = index
        .tip()
        .filter(|(tip, row)| tip.0 > 0 && (*tip, row.hash) == (chain.best, chain.best_hash))
    else {
        return Ok(None);
    };
    let place = index.snapshot()?.place(tip)?;
    let is_connected = is_connected(datadir, place)?;
    if is_connected == Some(false) {
        watch.tell(Event::Notice(Notice::NotConnected {
            height: tip,
            hash: row.hash,
            file: place.file,
        }));
    }
    Ok(is_connected)
}

/// Brings the index onto the chain: says what was found, and rolls back what the chain left.
fn follow(
    index: &mut Index,
    datadir: &Datadir,
    chain: &Chain,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let Some((tip, _)) = index.tip() else {
        return index.set_blocks_dir(datadir.blocks_dir());
    };
    if chain.is_behind {
        watch.tell(Event::Notice(Notice::Behind {
            best: chain.best,
            tip,
        }));
        return Ok(());
    }
    if chain.has_moved {
        watch.tell(Event::Notice(Notice::Moved));
    }
    if let Some(fork) = chain.fork.filter(|fork| *fork < tip) {
        index.roll_back(fork)?;
        watch.tell(Event::Notice(Notice::Reorganised {
            from: tip,
            fork,
            best: chain.best,
        }));
    }
    index.set_blocks_dir(datadir.blocks_dir())
}

struct Import<'a, 'e> {
    options: &'a Options,
    watch: &'a mut Watch<'e>,
    datadir: &'a Datadir,
    chain: &'a Chain,
    index: &'a mut Index,
    batch: &'a mut Batch,
    keeper: &'a mut Keeper,
    /// Copies of blocks that were tried and are damaged: none is tried twice.
    bad_copies: Vec<Place>,
}

impl Import<'_, '_> {
    fn run(&mut self) -> Result<End> {
        let end = self
            .options
            .until
            .map_or(self.chain.best, |until| until.min(self.chain.best));
        let mut next = self.index.next_height();
        self.merge_unfinished()?;
        if next > end {
            return Ok(End::Done);
        }
        let blocks = end.0 + 1 - next.0;
        let is_bulk = blocks >= BULK_BLOCKS_MIN;
        if is_bulk {
            self.batch.clock.enter(Stage::Table);
            self.batch.warm(self.index)?;
        }
        let settled = self.chain.settled();
        let mut reader = BlockReader::new(self.datadir)?;
        self.batch.load_coinbases(self.index, &mut reader)?;
        let mut progress = Progress::new(next, end, self.chain.bytes);
        let mut places = Places::default();
        while next <= end {
            self.batch.clock.enter(Stage::Read);
            let place = places.get(self.index, next)?;
            let bytes = reader.read(place)?;
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
            self.watch.tell(Event::Progress(&progress));
            let is_stopped = self.watch.is_over();
            let is_due =
                self.batch.blocks() >= self.options.commit_every || self.batch.must_commit();
            let is_due = is_due || self.keeper.must_commit(next);
            if is_due || next == settled || next == end || is_stopped {
                if let Some(again) = self.commit(&mut reader, settled)? {
                    return Ok(again);
                }
                let phase = match (is_bulk, next >= settled.min(end)) {
                    (false, _) => Phase::Tip,
                    (true, false) => Phase::Bulk,
                    (true, true) => Phase::Finish,
                };
                self.merge(phase)?;
            }
            if is_stopped || self.watch.is_over() && next == end {
                return Ok(End::Interrupted);
            }
            next = next.next();
        }
        Ok(End::Done)
    }

    fn merge(&mut self, phase: Phase) -> Result<()> {
        self.batch.clock.enter(Stage::Merge);
        let (stop, keeper, watch) = (self.watch.stop, &mut *self.keeper, &mut *self.watch);
        merge(
            self.index,
            self.batch,
            phase,
            &|| stop.load(Ordering::Relaxed),
            &mut |moment, relation, index, batch| {
                note(keeper, watch, (moment, Some(relation)), index, batch)
            },
        )?;
        self.batch.clock.enter(Stage::Other);
        Ok(())
    }

    fn merge_unfinished(&mut self) -> Result<()> {
        self.batch.clock.enter(Stage::Merge);
        let (stop, keeper, watch) = (self.watch.stop, &mut *self.keeper, &mut *self.watch);
        finish_unfinished(
            self.index,
            self.batch,
            &|| stop.load(Ordering::Relaxed),
            &mut |moment, relation, index, batch| {
                note(keeper, watch, (moment, Some(relation)), index, batch)
            },
        )?;
        self.batch.clock.enter(Stage::Other);
        Ok(())
    }

    /// Commits; a spend that cannot be makes its block invalid.
    fn commit(&mut self, reader: &mut BlockReader, settled: Height) -> Result<Option<End>> {
        if self.batch.blocks() == 0 {
            return Ok(None);
        }
        match self.batch.commit(self.index, settled) {
            Ok(()) => {
                let moment = (Moment::Commit, None);
                note(self.keeper, self.watch, moment, self.index, self.batch)?;
                Ok(None)
            }
            Err(Failure::Rule(bad)) => self.invalid_block(reader, bad).map(Some),
            Err(Failure::Fault(error)) => Err(error),
        }
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

/// Notes what memory is used for at a moment, and says so; growth that should not be may end it all.
fn note(
    keeper: &mut Keeper,
    watch: &mut Watch<'_>,
    (moment, relation): (Moment, Option<Relation>),
    index: &Index,
    batch: &mut Batch,
) -> Result<()> {
    let record = keeper.record(moment, relation, index, batch)?;
    watch.tell(Event::Ledger(&record));
    if let Some(alarm) = keeper.watch(&record)? {
        watch.tell(Event::Notice(Notice::Memory(alarm)));
    }
    Ok(())
}

/// Places of the next blocks, read many at a time.
#[derive(Default)]
struct Places {
    first: Height,
    places: Vec<Place>,
}

impl Places {
    fn get(&mut self, index: &Index, height: Height) -> Result<Place> {
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
