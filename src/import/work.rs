//! An import at work: passes over the best chain, one after the other, until nothing is new.
//!
//! Invariant: the index goes from hand to hand, and is closed wherever it is not handed on: what fails leaves
//! nothing open.

use super::ahead::{
    ask_node, bring_onto, find_chain, look_ahead, refuse_gap, refuse_gap_below_all, refuse_lacks,
    say_what_lacks, tip_of_deep_fork,
};
use super::chain::Chain;
use super::edge::Edge;
use super::events::{Event, Notice, Watch};
use super::keeper::Keeper;
use super::needs::lack::Lack;
use super::pass::{End, Pass};
use super::summary::Summary;
use super::{BULK_BLOCKS_MIN, Fault, Options, plan, sharing};
use crate::Result;
use crate::batch::Batch;
use crate::batch::clock::Stage;
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
use crate::store;

/// See the module documentation.
pub(super) struct Work<'a> {
    options: &'a Options,
    plan: Plan,
    pub(super) datadir: Datadir,
    summary: Summary,
    keeper: Keeper,
    edge: Edge,
    is_first_pass: bool,
    is_end_asked_for: bool,
    /// Whether all there is in the index is of this import, which has not come to its first end.
    is_all_new: bool,
    /// Whether a block of this very import turned out to be invalid.
    has_invalid: bool,
    /// Whether it is to stay when it has come to its first end.
    stays: bool,
    /// Up to which height blocks were told one by one; `None` before it has come to that.
    told: Option<Height>,
}

/// Where the passes ended.
pub(super) struct Reached {
    pub(super) index: Index,
    pub(super) end: End,
    /// The chain that the last pass went along; `None` if it was still looked for.
    chain: Option<Chain>,
}

impl<'a> Work<'a> {
    /// Opens what it works on.
    pub(super) fn begin(
        options: &'a Options,
        stays: bool,
        watch: &mut Watch<'_>,
    ) -> Result<(Work<'a>, Index)> {
        let planned = |keeps| plan::plan(options.memory_bytes, options.table_bytes, keeps);
        // Too little memory is said before there is an index.
        planned(options.keeps_txids)?;
        catch_sigbus();
        let datadir = Datadir::open(&options.source)?;
        let index = open_index(options, &datadir, watch)?;
        let plan = planned(index.keeps_txids())?;
        watch.tell(Event::Plan(&plan));
        let work = Work {
            options,
            summary: Summary::new(&plan, &index),
            keeper: Keeper::new(&plan, &options.ledger),
            edge: Edge::default(),
            plan,
            datadir,
            is_first_pass: true,
            is_end_asked_for: false,
            is_all_new: index.tip().is_none(),
            has_invalid: false,
            stays,
            told: None,
        };
        Ok((work, index))
    }

    /// Pass after pass, until nothing is new.
    pub(super) fn reach_tip(&mut self, mut index: Index, watch: &mut Watch<'_>) -> Result<Reached> {
        loop {
            self.summary.clock.enter(Stage::Scan);
            let found = find_chain(&self.plan, &index, &mut self.datadir, self.options, watch);
            self.summary.clock.enter(Stage::Other);
            let chain = match found {
                Ok(chain) => chain,
                Err(error) if error.fault() == Some(&Interrupted) => {
                    let (end, chain) = (End::Interrupted, None);
                    return Ok(Reached { index, end, chain });
                }
                Err(error) => {
                    // A block of this very import turned out to be invalid, and its rival leaves deep below.
                    let may_restart = self.has_invalid && self.is_all_new;
                    let Some(tip) = tip_of_deep_fork(&error).filter(|_| may_restart) else {
                        return Err(error);
                    };
                    index = index.begin_anew()?;
                    watch.tell(Event::Notice(Notice::Restarted { tip }));
                    continue;
                }
            };
            if !self.prepare(&mut index, &chain, watch)? {
                self.look_again()?;
                continue;
            }
            let first = index.next_height();
            index = index.share(sharing(first, chain.end(self.options.until)))?;
            let end = self.pass(&mut index, &chain, watch)?;
            // While a long import went on, the node has written more: look again until nothing is new.
            let was_long = index.next_height().0.saturating_sub(first.0) >= BULK_BLOCKS_MIN;
            match end {
                End::Again => self.has_invalid = true,
                End::Vanished => index.store().volatile(forget)?,
                End::Done if was_long && self.options.until.is_none() => {}
                end => {
                    let chain = Some(chain);
                    return Ok(Reached { index, end, chain });
                }
            }
            self.look_again()?;
        }
    }

    /// Says what was found, and brings the index onto the chain. `false`: a block file has vanished; all has to
    /// be looked at again.
    fn prepare(&mut self, index: &mut Index, chain: &Chain, watch: &mut Watch<'_>) -> Result<bool> {
        watch.tell(Event::Chain(chain));
        self.is_end_asked_for = self.is_end_asked_for
            || refuse_gap(index, &chain.end, &self.datadir, self.options.until)?;
        let by_hand = self.is_first_pass.then_some(&self.options.invalid[..]);
        say_what_lacks(index, chain, by_hand, &mut self.summary, watch)?;
        if self.is_first_pass {
            if !look_ahead(self.options, index, &self.datadir, chain, watch)? {
                return Ok(false);
            }
            watch.tell(Event::Begin);
        }
        self.is_first_pass = false;
        // What a rollback takes with it, though the chain has not left it, is no news when it is back.
        if let (Some(told), Some(fork)) = (self.told, chain.fork) {
            self.told = Some(told.min(fork));
        }
        bring_onto(index, &self.datadir, chain, watch)?;
        exclude(index.store(), &self.options.invalid).map(|()| true)
    }

    /// One pass along the chain.
    fn pass(&mut self, index: &mut Index, chain: &Chain, watch: &mut Watch<'_>) -> Result<End> {
        let mut batch = self.new_batch(index)?;
        batch.clock = std::mem::take(&mut self.summary.clock);
        let end = Pass {
            options: self.options,
            watch,
            datadir: &self.datadir,
            chain,
            index,
            batch: &mut batch,
            keeper: &mut self.keeper,
            edge: &mut self.edge,
            bad_copies: Vec::new(),
            // What a reorganisation would take with a batch may not be there to be imported again.
            commits_each: self.stays || self.datadir.is_partial(),
            told: &mut self.told,
        }
        .run()?;
        self.keeper.end_pass(&batch);
        self.summary.add(&mut batch);
        Ok(end)
    }

    fn new_batch(&self, index: &Index) -> Result<Batch> {
        let network = self.datadir.network();
        let witnesses_from = self.options.checks_witness.then_some(network.segwit_height);
        Batch::new(
            index,
            &self.plan,
            self.options.segment_bytes,
            network.bip34_height,
            witnesses_from,
        )
    }

    /// Lists the block files anew.
    pub(super) fn look_again(&mut self) -> Result<()> {
        let datadir = Datadir::open(&self.options.source)?;
        if datadir.xor_key() != self.datadir.xor_key() {
            let dir = datadir.blocks_dir().to_owned();
            return Err(Fault::KeyChanged { dir }.into());
        }
        self.datadir = datadir;
        Ok(())
    }

    /// Opens the index again, after it was closed. If it is not there any more, no other is made.
    pub(super) fn open_again(&mut self, watch: &mut Watch<'_>) -> Result<Index> {
        if !self.options.index.exists() {
            let path = self.options.index.clone();
            return Err(store::Fault::IndexReplaced { path }.into());
        }
        open_index(self.options, &self.datadir, watch)
    }

    /// Notes what is known once nothing is left to import.
    pub(super) fn conclude(&mut self, reached: Reached, watch: &mut Watch<'_>) -> Result<Index> {
        let Reached { index, end, chain } = reached;
        self.summary.interrupted = matches!(end, End::Interrupted);
        if let (End::NotWhole(place), Some(chain)) = (&end, &chain) {
            self.summary.chain_end = chain.end.without_last(*place);
            note_chain_end(index.store(), &self.summary.chain_end)?;
        } else if let Some(chain) = &chain {
            self.summary.tip_connected = ask_node(&index, &self.datadir, chain, watch)?;
        }
        Ok(index)
    }

    /// What was done so far.
    pub(super) fn summary(&self, index: &Index) -> Result<Summary> {
        self.summary.clone().finish(index)
    }

    /// It has come to its first end, at the tip of `index`; from now on blocks are told.
    pub(super) fn follow(&mut self, index: &Index) {
        self.told = index.tip().map(|(tip, _)| tip);
        self.is_all_new = false;
    }
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
    refuse_gap_below_all(!options.index.exists(), datadir)?;
    Index::open_or_create(&options.index, Meta::fresh(datadir, options.keeps_txids))
}
