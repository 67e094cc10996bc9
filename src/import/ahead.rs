//! What stands between the scan and the first block: which chain, what it lacks, whether to go on.
//!
//! Invariant: nothing is imported that stops below damage, or without what it needs, unless that was asked
//! for.

use super::chain::{self, Chain};
use super::events::{Event, Notice, Watch};
use super::needs::lack::{Lack, Lacks};
use super::needs::sample::Sample;
use super::needs::{self, Ahead, Room};
use super::pass::Places;
use super::plan::headers_bytes;
use super::summary::Summary;
use super::{Fault, Options};
use crate::datadir::{self, ChainEnd, Datadir, LOOKS_MAX, is_vanished};
use crate::index::Index;
use crate::index::left_out::{LeftOut, left_out};
use crate::index::scan_state::{chain_end, forget};
use crate::memory::plan::Plan;
use crate::primitives::position::Height;
use crate::primitives::wire::Hash32;
use crate::verify::undo::is_connected;
use crate::{Error, Result};

/// Finds the chain. Where files vanish meanwhile, `datadir` is opened again and all is looked at again.
pub(super) fn find_chain(
    plan: &Plan,
    index: &Index,
    datadir: &mut Datadir,
    options: &Options,
    watch: &mut Watch<'_>,
) -> Result<Chain> {
    for _ in 0..LOOKS_MAX {
        refuse_gap_below_all(index.tip().is_none(), datadir)?;
        match look_for_chain(plan, index, datadir, options, watch) {
            Err(error) if is_vanished(&error) || is_vanishing(&error) => {
                *datadir = Datadir::open(&options.source)?;
            }
            found => return found,
        }
    }
    let dir = datadir.blocks_dir().to_owned();
    Err(datadir::Fault::Vanishing { dir }.into())
}

/// Whether so many files have vanished that a scan has found no chain.
fn is_vanishing(error: &Error) -> bool {
    matches!(error.fault(), Some(datadir::Fault::Vanishing { .. }))
}

/// Refuses to begin an index where the node has deleted files, or they are missing: it needs them all.
pub(super) fn refuse_gap_below_all(begins: bool, datadir: &Datadir) -> Result<()> {
    match datadir.gap().filter(|_| begins) {
        Some(gap) => Err(gap.into()),
        None => Ok(()),
    }
}

fn look_for_chain(
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
pub(super) fn tip_of_deep_fork(error: &Error) -> Option<Height> {
    match error.fault() {
        Some(Fault::ForkTooDeep { tip, .. }) => Some(*tip),
        _ => None,
    }
}

/// Refuses to stop below damage as if the chain ended there, unless that is what was asked for; says
/// whether it was. Asked for once, it is right though a block turns out to be invalid later.
pub(super) fn refuse_gap(
    index: &Index,
    end: &ChainEnd,
    datadir: &Datadir,
    until: Option<Height>,
) -> std::result::Result<bool, datadir::Fault> {
    let is_asked_for = until.is_some_and(|until| Some(until) <= end.reach.height);
    let tip = index.tip().map(|(tip, _)| tip);
    let (has_more, has_less) = (tip > end.reach.height, tip < end.reach.height);
    match end.refusal(datadir) {
        Some(datadir::Fault::Gap { end, .. }) if !is_asked_for && has_more => {
            Err(datadir::Fault::Gap { end, until: None })
        }
        Some(datadir::Fault::BlocksGone { dir, gone, .. }) if !is_asked_for && !has_less => {
            let until = None;
            Err(datadir::Fault::BlocksGone { dir, gone, until })
        }
        Some(refusal) if !is_asked_for => Err(refusal),
        _ => Ok(is_asked_for),
    }
}

/// Ends an import that lacks something, unless it was told to go on. `false`: a block file has vanished; all has
/// to be looked at again, and what the last scan left is no more believed.
pub(super) fn look_ahead(
    options: &Options,
    index: &Index,
    datadir: &Datadir,
    chain: &Chain,
    watch: &mut Watch<'_>,
) -> Result<bool> {
    match lacks(options, index, datadir, chain) {
        Err(error) if is_vanished(&error) => index.store().volatile(forget).map(|()| false),
        lacks => refuse_lacks(options, lacks?, watch).map(|()| true),
    }
}

/// What the blocks ahead need and is not there.
fn lacks(options: &Options, index: &Index, datadir: &Datadir, chain: &Chain) -> Result<Vec<Lack>> {
    let end = chain.end(options.until);
    let first = chain.fork.map_or(Height(0), Height::next);
    if first > end {
        return Ok(Vec::new());
    }
    let places = || {
        let mut places = Places::default();
        (first.0..=end.0)
            .map(Height)
            .map(move |height| match chain.rival_at(height) {
                Some(place) => Ok(place),
                None => places.get(index, height),
            })
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
        keeps_txids: index.keeps_txids(),
    };
    needs::lacks(&ahead, Room::now(&options.index), || {
        Sample::take(datadir, places(), bytes)
    })
}

/// Ends an import that lacks something, unless it was told to go on.
pub(super) fn refuse_lacks(
    options: &Options,
    lacks: Vec<Lack>,
    watch: &mut Watch<'_>,
) -> Result<()> {
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
pub(super) fn say_what_lacks(
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
pub(super) fn ask_node(
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
    let is_connected = match is_connected(datadir, place) {
        // The node is far ahead, and has deleted the file.
        Err(error) if is_vanished(&error) => None,
        asked => asked?,
    };
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
pub(super) fn bring_onto(
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
        index.roll_back(fork, &chain.rivals)?;
        watch.tell(Event::Notice(Notice::Reorganised {
            from: tip,
            fork,
            best: chain.best,
        }));
    }
    index.set_blocks_dir(datadir.blocks_dir())
}
