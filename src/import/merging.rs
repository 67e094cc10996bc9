//! Merges between batches: which appetite when, for all relations alike.
//!
//! Invariant: only settled runs merge, and a merge that was cut off is finished before any other.

use super::events::{Event, Watch};
use super::keeper::Keeper;
use crate::Result;
use crate::batch::Batch;
use crate::batch::clock::Stage;
use crate::index::Index;
use crate::ledger::record::Moment;
use crate::limits::RUNS_MAX;
use crate::primitives::position::Height;
use crate::runs::merge::{Merger, Unfinished};
use crate::runs::policy::{Appetite, choose, generations, last_id_of_part, overlap, runs_left};
use crate::runs::row::{CoinRow, FundingRow, Relation, Row, SpendingRow, TxidRow};
use crate::runs::stream::fan_in;

/// Runs of coins that may cover a key while a long import goes on: every commit reads all of them, and they
/// hold coins that younger ones have ended. (Measured, 10 GB at 64 MiB: with 8 the file is 7 % larger.)
const COIN_RUNS_LEFT: usize = 4;

/// A commit at the tip merges at most this many bytes of a relation.
const TIP_MERGE_BYTES_MAX: u64 = 64 << 20;

/// What an import is doing when it comes to merge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// In the middle of many blocks.
    Bulk,
    /// Many blocks are done; now the index is read.
    Finish,
    /// A few blocks at the tip.
    Tip,
}

/// How much merging fits the phase. Coins are read by every commit, so they are kept in few runs;
/// the other relations are not read before the end, and then no more merge than must.
pub(super) fn appetite(relation: Relation, phase: Phase) -> Appetite {
    let any = Appetite {
        overlap_free: runs_left(relation),
        overlap_left: 1,
        times_younger: 4.0,
        bytes_max: u64::MAX,
        overlap_max: RUNS_MAX / 4,
        at_once: matches!(relation, Relation::Coins),
    };
    match (phase, relation) {
        (Phase::Bulk, Relation::Coins) => Appetite {
            overlap_free: COIN_RUNS_LEFT,
            times_younger: 2.0,
            ..any
        },
        (Phase::Bulk, _) => Appetite {
            overlap_free: RUNS_MAX,
            times_younger: 0.5,
            ..any
        },
        (Phase::Finish, _) => Appetite {
            overlap_left: runs_left(relation),
            ..any
        },
        (Phase::Tip, _) => Appetite {
            times_younger: 1.0,
            bytes_max: TIP_MERGE_BYTES_MAX,
            ..any
        },
    }
}

/// The merges between two batches, with all that they work on.
pub(super) struct Merging<'a, 'e> {
    pub(super) index: &'a mut Index,
    pub(super) batch: &'a mut Batch,
    pub(super) keeper: &'a mut Keeper,
    pub(super) watch: &'a mut Watch<'e>,
}

impl Merging<'_, '_> {
    /// Merges what the phase asks for, relation by relation, until somebody wishes it to end.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`], and those of the keeper; named
    /// segments stay.
    pub(super) fn merge(&mut self, phase: Phase) -> Result<()> {
        self.batch.clock.enter(Stage::Merge);
        self.merge_relation::<CoinRow>(phase)?;
        self.merge_relation::<FundingRow>(phase)?;
        self.merge_relation::<SpendingRow>(phase)?;
        self.merge_relation::<TxidRow>(phase)?;
        self.batch.clock.enter(Stage::Other);
        Ok(())
    }

    /// Finishes merges that were cut off.
    ///
    /// # Errors
    /// As [`Merging::merge`].
    pub(super) fn finish_unfinished(&mut self) -> Result<()> {
        self.batch.clock.enter(Stage::Merge);
        for relation in Relation::ALL {
            if let Some(task) = Unfinished::load(self.index.store(), relation)? {
                match relation {
                    Relation::Coins => self.run::<CoinRow>(task)?,
                    Relation::Funding => self.run::<FundingRow>(task)?,
                    Relation::Spending => self.run::<SpendingRow>(task)?,
                    Relation::Txids => self.run::<TxidRow>(task)?,
                }
            }
        }
        self.batch.clock.enter(Stage::Other);
        Ok(())
    }

    fn merge_relation<R: Row>(&mut self, phase: Phase) -> Result<()> {
        let runs_max = self.fan_in::<R>().min(RUNS_MAX);
        while !self.watch.is_over() {
            let Some(task) = next_task::<R>(self.index, phase, runs_max) else {
                break;
            };
            self.run::<R>(task)?;
        }
        Ok(())
    }

    /// Runs that may cover the same key in one merge.
    fn fan_in<R: Row>(&mut self) -> usize {
        fan_in::<R>(self.batch.for_merge::<R>().0.len())
    }

    fn run<R: Row>(&mut self, task: Unfinished) -> Result<()> {
        // Begun with more memory than there is now: its segments stay, and what is left of its inputs
        // merges as any other runs do.
        if overlap(&task.inputs(self.index.catalogue())) > self.fan_in::<R>() {
            return Ok(());
        }
        self.note(Moment::BeforeMerge, R::RELATION)?;
        let segment_bytes = self.batch.segment_bytes();
        let (buffer, staging) = self.batch.for_merge::<R>();
        let (store, catalogue) = self.index.for_merge();
        let watch = &mut *self.watch;
        let merged = Merger {
            store,
            catalogue,
            staging,
            buffer,
            segment_bytes,
        }
        .run(task, &mut || {
            watch.tell(Event::Alive);
            watch.is_over()
        })?;
        self.batch.note_merge::<R>(merged);
        self.note(Moment::AfterMerge, R::RELATION)
    }

    fn note(&mut self, moment: Moment, relation: Relation) -> Result<()> {
        let moment = (moment, Some(relation));
        self.keeper.note(moment, self.index, self.batch, self.watch)
    }
}

/// The merge to do next, of at most `runs_max` runs that cover the same key.
fn next_task<R: Row>(index: &Index, phase: Phase, runs_max: usize) -> Option<Unfinished> {
    let settled = index.meta().settled.unwrap_or_default();
    let runs = index.catalogue().mergeable(R::RELATION);
    let oldest = runs.iter().map(|run| run.from).min()?;
    let settled_runs: Vec<_> = runs.into_iter().filter(|run| run.to <= settled).collect();
    let generations = generations(&settled_runs);
    let task = |heights: (Height, Height), last_id, is_whole| Unfinished {
        relation: R::RELATION,
        heights,
        key: 0,
        with_oldest: is_whole && heights.0 == oldest,
        last_id,
    };
    let window = choose(&generations, appetite(R::RELATION, phase), runs_max)?;
    let (from, to) = match &generations[window.generations.clone()] {
        [first, .., last] => (first, last),
        one => (&one[0], &one[0]),
    };
    let heights = (from.runs[0].from, to.runs[0].to);
    if window.generations.len() > 1 {
        return Some(task(heights, u32::MAX, true));
    }
    // Of one generation, no more of its runs than must.
    let last_id = last_id_of_part(from, window.overlap);
    let is_whole = last_id == u32::MAX;
    let inputs = task(heights, last_id, is_whole).inputs(index.catalogue());
    let can_merge = (2..=runs_max).contains(&overlap(&inputs));
    can_merge.then(|| task(heights, last_id, is_whole))
}
