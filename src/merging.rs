//! Merges between batches: which appetite when, for all relations alike.
//!
//! Invariant: only settled runs merge, and a merge that was cut off is finished before any other.

use crate::Result;
use crate::batch::Batch;
use crate::index::Index;
use crate::limits::{RUNS_MAX, TIP_MERGE_BYTES_MAX};
use crate::position::Height;
use crate::runs::gather::fan_in;
use crate::runs::merge::{Merger, Unfinished};
use crate::runs::policy::{Appetite, first_to_merge, generations};
use crate::runs::row::{CoinRow, FundingRow, Relation, Row, SpendingRow, TxidRow};

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
/// the other relations are not read before the end.
fn appetite(relation: Relation, phase: Phase, runs_max: usize) -> Appetite {
    let any = Appetite {
        overlap_free: 1,
        times_younger: 4.0,
        bytes_max: u64::MAX,
        overlap_max: runs_max,
    };
    match (phase, relation) {
        (Phase::Bulk, Relation::Coins) => Appetite {
            overlap_free: 8,
            times_younger: 2.0,
            ..any
        },
        (Phase::Bulk, _) => Appetite {
            overlap_free: runs_max,
            times_younger: 0.5,
            ..any
        },
        (Phase::Finish, _) => any,
        (Phase::Tip, _) => Appetite {
            overlap_free: 8,
            times_younger: 1.0,
            bytes_max: TIP_MERGE_BYTES_MAX,
            ..any
        },
    }
}

/// Merges what the phase asks for, relation by relation, until `is_over` says so between segments.
///
/// # Errors
/// [`crate::Error::Damaged`], [`crate::Error::Store`]; named segments stay.
pub fn merge(
    index: &mut Index,
    batch: &mut Batch,
    phase: Phase,
    is_over: &dyn Fn() -> bool,
) -> Result<()> {
    merge_relation::<CoinRow>(index, batch, phase, is_over)?;
    merge_relation::<FundingRow>(index, batch, phase, is_over)?;
    merge_relation::<SpendingRow>(index, batch, phase, is_over)?;
    merge_relation::<TxidRow>(index, batch, phase, is_over)
}

/// Finishes merges that were cut off.
///
/// # Errors
/// As [`merge`].
pub fn finish_unfinished(
    index: &mut Index,
    batch: &mut Batch,
    is_over: &dyn Fn() -> bool,
) -> Result<()> {
    for relation in Relation::ALL {
        if let Some(task) = Unfinished::load(index.store(), relation)? {
            match relation {
                Relation::Coins => run::<CoinRow>(index, batch, task, is_over)?,
                Relation::Funding => run::<FundingRow>(index, batch, task, is_over)?,
                Relation::Spending => run::<SpendingRow>(index, batch, task, is_over)?,
                Relation::Txids => run::<TxidRow>(index, batch, task, is_over)?,
            }
        }
    }
    Ok(())
}

fn merge_relation<R: Row>(
    index: &mut Index,
    batch: &mut Batch,
    phase: Phase,
    is_over: &dyn Fn() -> bool,
) -> Result<()> {
    let runs_max = fan_in(batch.for_merge::<R>().0.len()).min(RUNS_MAX);
    while !is_over() {
        let Some(task) = next_task::<R>(index, phase, runs_max) else {
            break;
        };
        run::<R>(index, batch, task, is_over)?;
    }
    Ok(())
}

/// The merge to do next, of at most `runs_max` runs.
fn next_task<R: Row>(index: &Index, phase: Phase, runs_max: usize) -> Option<Unfinished> {
    let settled = index.meta().settled.unwrap_or_default();
    let runs = index.catalogue().of(R::RELATION);
    let settled_runs: Vec<_> = runs.into_iter().filter(|run| run.to <= settled).collect();
    let generations = generations(&settled_runs);
    let mut first = first_to_merge(&generations, appetite(R::RELATION, phase, runs_max / 2))?;
    let count = |first: usize| {
        generations[first..]
            .iter()
            .map(|g| g.runs.len())
            .sum::<usize>()
    };
    while count(first) > runs_max && first + 1 < generations.len() {
        first += 1;
    }
    let heights: Vec<(Height, Height)> = generations[first..]
        .iter()
        .map(|g| (g.runs[0].from, g.runs[0].to))
        .collect();
    let (from, to) = (heights.first()?.0, heights.last()?.1);
    Some(Unfinished {
        relation: R::RELATION,
        heights: (from, to),
        key: 0,
        with_oldest: first == 0,
    })
}

fn run<R: Row>(
    index: &mut Index,
    batch: &mut Batch,
    task: Unfinished,
    is_over: &dyn Fn() -> bool,
) -> Result<()> {
    let positions_end = index.next_txo().0;
    let segment_bytes = batch.segment_bytes();
    let (buffer, staging) = batch.for_merge::<R>();
    let (store, catalogue) = index.for_merge();
    Merger {
        store,
        catalogue,
        staging,
        buffer,
        positions_end,
        segment_bytes,
    }
    .run(task, is_over)
}
