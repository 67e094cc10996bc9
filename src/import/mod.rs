//! The import: the whole program on one screen.
//!
//! Invariant: one thread, one loop. What is committed is exactly the chain up to the tip, and a kill
//! at any moment loses only the work since the last commit.
//!
//! | file | what |
//! | --- | --- |
//! | `options.rs`, `plan.rs` | what is asked for; memory split into parts |
//! | `chain.rs` | the scan, the best chain, places |
//! | `known.rs`, `fork.rs` | what the index adds to the files of a pruned node; where it leaves the best chain |
//! | `ahead.rs` | what the chain lacks, and whether to go on |
//! | `needs/` | disk, memory and time of an import, and whether they are there |
//! | `pass.rs` | one pass: blocks, commits, bad blocks |
//! | `beacon.rs` | what those are told who want the index meanwhile |
//! | `edge.rs` | how near the blocks are that a node deletes |
//! | `merging.rs` | which runs merge when |
//! | `keeper.rs`, `events.rs` | the ledger's records; what is told meanwhile and at the end |
//! | `fault.rs` | what can go wrong |

mod ahead;
mod beacon;
pub(crate) mod chain;
#[cfg(test)]
mod damaged;
mod edge;
pub(crate) mod events;
mod fault;
pub(crate) mod fork;
pub(crate) mod keeper;
pub(crate) mod known;
pub(crate) mod merging;
pub(crate) mod needs;
mod options;
mod pass;
pub(crate) mod plan;

pub use crate::batch::TableCounts;
pub use crate::batch::clock::{Clock, Stage};
pub use chain::Chain;
pub use events::{Event, Importing, Notice, Progress, Summary, Totals, Watch};
pub use fault::{Fault, Files};
pub use keeper::Settings;
pub use needs::Needs;
pub use needs::lack::{Lack, Lacks};
pub use needs::sample::Tally;
pub use options::{COMMIT_EVERY_BLOCKS, Options};

use crate::Result;
use crate::batch::Batch;
use crate::datadir::Datadir;
use crate::error::Interrupted;
use crate::index::Index;
use crate::index::left_out::exclude;
use crate::index::meta::Meta;
use crate::index::scan_state::{forget, note_chain_end};
use crate::memory::plan::Plan;
use crate::os::kept::refuse_block_file;
use crate::os::sigbus::catch_sigbus;
use crate::primitives::position::Height;
use crate::store::Sharing;
use ahead::{
    ask_node, find_chain, follow, look_ahead, refuse_gap, refuse_gap_below_all, refuse_lacks,
    say_what_lacks, tip_of_deep_fork,
};
use edge::Edge;
use keeper::Keeper;
use pass::{End, Pass};

/// From this many blocks on, an import is a bulk import: nobody reads meanwhile, the table is warmed first,
/// runs merge at the end, and the scan is repeated after it.
pub const BULK_BLOCKS_MIN: u32 = 1000;

fn is_bulk(next: Height, end: Height) -> bool {
    (end.0 + 1).saturating_sub(next.0) >= BULK_BLOCKS_MIN
}

fn sharing(next: Height, end: Height) -> Sharing {
    match is_bulk(next, end) {
        true => Sharing::Alone,
        false => Sharing::WithReaders,
    }
}

/// Imports what the block files have and the index has not. Who watches hears of everything that happens,
/// and can end it after a block, with a commit.
///
/// # Errors
/// Anything in [`crate::Error`]; what was committed before stays.
pub fn import(options: &Options, watch: &mut Watch<'_>) -> Result<Summary> {
    let planned = |keeps| plan::plan(options.memory_bytes, options.table_bytes, keeps);
    // Too little memory is said before there is an index.
    planned(options.keeps_txids)?;
    catch_sigbus();
    let (mut datadir, mut index) = open(options, watch)?;
    let plan = planned(index.keeps_txids())?;
    watch.tell(Event::Plan(&plan));
    let mut summary = Summary::new(&plan, &index);
    let (mut keeper, mut edge) = (Keeper::new(&plan, &options.ledger), Edge::default());
    let was_empty = index.tip().is_none();
    let (mut is_first_pass, mut is_end_asked_for, mut may_restart) = (true, false, false);
    loop {
        summary.clock.enter(Stage::Scan);
        let found = find_chain(&plan, &index, &mut datadir, options, watch);
        summary.clock.enter(Stage::Other);
        let chain = match found {
            Ok(chain) => chain,
            Err(error) if error.fault() == Some(&Interrupted) => {
                summary.interrupted = true;
                return finish(summary, index);
            }
            Err(error) => {
                // A block of this very import turned out to be invalid, and its rival leaves deep below.
                let Some(tip) = tip_of_deep_fork(&error).filter(|_| may_restart) else {
                    return Err(error);
                };
                index = index.begin_anew()?;
                watch.tell(Event::Notice(Notice::Restarted { tip }));
                continue;
            }
        };
        watch.tell(Event::Chain(&chain));
        is_end_asked_for =
            is_end_asked_for || refuse_gap(&index, &chain.end, &datadir, options.until)?;
        let by_hand = is_first_pass.then_some(&options.invalid[..]);
        say_what_lacks(&index, &chain, by_hand, &mut summary, watch)?;
        if is_first_pass && !look_ahead(options, &index, &datadir, &chain, watch)? {
            datadir = Datadir::open(&options.source)?;
            continue;
        }
        is_first_pass = false;
        follow(&mut index, &datadir, &chain, watch)?;
        exclude(index.store(), &options.invalid)?;
        let first = index.next_height();
        index = index.share(sharing(first, chain.end(options.until)))?;
        let mut batch = new_batch(options, &index, &plan, &datadir)?;
        batch.clock = std::mem::take(&mut summary.clock);
        let end = Pass {
            options,
            watch,
            datadir: &datadir,
            chain: &chain,
            index: &mut index,
            batch: &mut batch,
            keeper: &mut keeper,
            edge: &mut edge,
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
            End::Vanished => index.store().volatile(forget)?,
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
    finish(summary, index)
}

fn finish(summary: Summary, index: Index) -> Result<Summary> {
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

/// Opens the block files, and the index, or makes it.
fn open(options: &Options, watch: &mut Watch<'_>) -> Result<(Datadir, Index)> {
    let datadir = Datadir::open(&options.source)?;
    refuse_block_file(datadir.blocks_dir(), &options.index)?;
    let network = datadir.network();
    if options.invalid.contains(&network.genesis_hash) {
        let network = network.name;
        return Err(Fault::GenesisLeftOut { network }.into());
    }
    let rights = Lack::of_rights(&options.index).into_iter().collect();
    refuse_lacks(options, rights, watch)?;
    refuse_gap_below_all(!options.index.exists(), &datadir)?;
    let index = Index::open_or_create(&options.index, Meta::fresh(&datadir, options.keeps_txids))?;
    Ok((datadir, index))
}
