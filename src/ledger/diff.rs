//! What grew between two heights, and how much of that the plan explains.
//!
//! Invariant: growth is explained as far as it stays inside what its part was planned to take. What
//! the heap holds outside of the plan's parts is never explained.

use super::Fault;
use super::find::{Answers, Found, find, planned_bytes};
use super::record::{Moment, Record, RelationUse};
use crate::Result;
use crate::primitives::position::Height;
use serde::Serialize;
use std::path::Path;

/// How heap that is in no part is called.
pub const OUTSIDE: &str = "heap outside the plan";

/// What grew.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Diff {
    /// Where it was measured from...
    pub from: Side,
    /// ...and to.
    pub to: Side,
    /// Blocks between both.
    pub blocks: u32,
    /// Seconds between both, if one run made both.
    pub seconds: Option<f64>,
    /// The parts of the plan and the heap outside of it, the most grown first.
    pub parts: Vec<Growth>,
    /// Bytes by which these grew, shrinking ones not counted.
    pub grown_bytes: u64,
    /// Of them, those that the plan explains.
    pub explained_bytes: u64,
    /// Everything else that is counted.
    pub measures: Vec<Measure>,
    /// Relation by relation.
    pub relations: Vec<RelationGrowth>,
}

/// One of both records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Side {
    /// Its height.
    pub height: Height,
    /// Why it was made.
    pub moment: Moment,
    /// The run that made it, from 1 on.
    pub run: u64,
    /// That run's budget.
    pub budget_bytes: u64,
}

/// How a part grew.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Growth {
    /// Its name.
    pub name: String,
    /// What it may take; `None` for what is outside the plan.
    pub planned_bytes: Option<u64>,
    /// In use before...
    pub from_bytes: u64,
    /// ...and after.
    pub to_bytes: u64,
    /// Bytes by which it grew, or shrank.
    pub grown_bytes: i64,
    /// The same a block.
    pub grown_per_block: f64,
    /// Of the growth, what the plan explains.
    pub explained_bytes: u64,
}

/// Something that is counted.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Measure {
    /// What it is called.
    pub name: &'static str,
    /// Whether it counts bytes.
    pub is_bytes: bool,
    /// Before.
    pub from: u64,
    /// After.
    pub to: u64,
    /// By how much it grew a block.
    pub grown_per_block: f64,
}

/// How a relation grew.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RelationGrowth {
    /// Its name.
    pub name: String,
    /// Rows before, after.
    pub rows: [u64; 2],
    /// Runs before, after.
    pub runs: [u64; 2],
    /// Bytes of its pages before, after.
    pub bytes: [u64; 2],
}

/// What grew between two heights of a log, and its lines that were cut short.
///
/// # Errors
/// Those of [`find`]; [`crate::ledger::Fault::FromAboveTo`], [`crate::ledger::Fault::SameRecord`].
pub fn diff(path: &Path, from: Height, to: Height) -> Result<(Diff, Vec<u64>)> {
    if from > to {
        return Err(Fault::FromAboveTo { from, to }.into());
    }
    let Answers { found, cut, .. } = find(path, &[Some(from), Some(to)])?;
    let [first, last] = &found[..] else {
        unreachable!("two heights were asked for");
    };
    if first.index == last.index {
        let (path, height) = (path.to_owned(), first.record.height);
        return Err(Fault::SameRecord {
            path,
            from,
            to,
            height,
        }
        .into());
    }
    Ok((between(first, last), cut))
}

/// What grew between two records.
fn between(from: &Found, to: &Found) -> Diff {
    let (before, after) = (&from.record, &to.record);
    let blocks = after.height.0.saturating_sub(before.height.0);
    let elapsed_ms = after.elapsed_ms.saturating_sub(before.elapsed_ms);
    let mut parts = parts(from, to, blocks);
    parts.sort_by_key(|part| std::cmp::Reverse(part.grown_bytes));
    let grown = parts.iter().map(|part| part.grown_bytes.max(0) as u64);
    Diff {
        from: side(from),
        to: side(to),
        blocks,
        seconds: (from.run == to.run).then_some(elapsed_ms as f64 / 1000.0),
        grown_bytes: grown.fold(0, u64::saturating_add),
        explained_bytes: parts
            .iter()
            .map(|part| part.explained_bytes)
            .fold(0, u64::saturating_add),
        parts,
        measures: measures(before, after, blocks),
        relations: relations(before, after),
    }
}

fn side(found: &Found) -> Side {
    Side {
        height: found.record.height,
        moment: found.record.moment,
        run: found.run,
        budget_bytes: found.head.budget_bytes,
    }
}

/// Parts whose use is known at both ends, and the heap outside of them.
fn parts(from: &Found, to: &Found, blocks: u32) -> Vec<Growth> {
    let mut parts = Vec::new();
    for part in &to.record.parts {
        let mut earlier = from.record.parts.iter();
        let earlier = earlier.find(|earlier| earlier.part == part.part);
        let before = earlier.and_then(|earlier| earlier.in_use_bytes);
        if let (Some(before), Some(after)) = (before, part.in_use_bytes) {
            let planned = planned_bytes(&to.head, part);
            let name = part.part.to_string();
            parts.push(growth(name, Some(planned), before, after, blocks));
        }
    }
    let outside = [from, to].map(|found| found.record.heap.outside_bytes());
    let name = OUTSIDE.to_owned();
    parts.push(growth(name, None, outside[0], outside[1], blocks));
    parts
}

fn growth(name: String, planned: Option<u64>, before: u64, after: u64, blocks: u32) -> Growth {
    let inside = |bytes: u64| bytes.min(planned.unwrap_or(0));
    Growth {
        name,
        planned_bytes: planned,
        from_bytes: before,
        to_bytes: after,
        grown_bytes: signed(before, after),
        grown_per_block: per_block(before, after, blocks),
        explained_bytes: inside(after).saturating_sub(inside(before)),
    }
}

/// `after - before`.
fn signed(before: u64, after: u64) -> i64 {
    let difference = i128::from(after) - i128::from(before);
    difference.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

fn per_block(before: u64, after: u64, blocks: u32) -> f64 {
    signed(before, after) as f64 / f64::from(blocks.max(1))
}

fn measures(before: &Record, after: &Record, blocks: u32) -> Vec<Measure> {
    type Get = fn(&Record) -> Option<u64>;
    let all: [(&'static str, bool, Get); 11] = [
        ("heap", true, |r| Some(r.heap.live_bytes)),
        ("heap of redb", true, |r| Some(r.heap.redb_bytes)),
        ("heap from the system", true, |r| {
            Some(r.heap.committed_bytes)
        }),
        ("private memory", true, |r| Some(r.process.private_bytes)),
        ("most private memory", true, |r| {
            Some(r.process.peak_private_bytes)
        }),
        ("mapped files", true, |r| Some(r.process.file_bytes)),
        ("control group", true, |r| {
            r.cgroup.map(|cgroup| cgroup.usage_bytes)
        }),
        ("index", true, |r| Some(r.index_bytes)),
        ("open files", false, |r| Some(r.process.open_files)),
        ("mappings", false, |r| Some(r.process.mappings)),
        ("coins in the table", false, |r| Some(r.table.coins)),
    ];
    let measure = |(name, is_bytes, get): (&'static str, bool, Get)| {
        let (from, to) = (get(before)?, get(after)?);
        let grown_per_block = per_block(from, to, blocks);
        Some(Measure {
            name,
            is_bytes,
            from,
            to,
            grown_per_block,
        })
    };
    all.into_iter().filter_map(measure).collect()
}

fn relations(before: &Record, after: &Record) -> Vec<RelationGrowth> {
    let pair = |now: &RelationUse| {
        let mut earlier = before.relations.iter();
        let earlier = earlier.find(|earlier| earlier.name == now.name);
        let was = |get: fn(&RelationUse) -> u64| [earlier.map_or(0, get), get(now)];
        RelationGrowth {
            name: now.name.clone(),
            rows: was(|relation| relation.rows),
            runs: was(|relation| relation.runs),
            bytes: was(|relation| relation.bytes),
        }
    };
    after.relations.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{commit, head, line, log, part};
    use super::*;

    fn grown(name: &str, planned: Option<u64>, before: u64, after: u64) -> (i64, u64) {
        let growth = growth(name.to_owned(), planned, before, after, 10);
        (growth.grown_bytes, growth.explained_bytes)
    }

    #[test]
    fn growth_is_explained_up_to_what_was_planned() {
        assert_eq!(grown("a", Some(100), 10, 100), (90, 90));
        assert_eq!(grown("a", Some(100), 10, 101), (91, 90));
        assert_eq!(grown("a", Some(100), 150, 160), (10, 0));
        assert_eq!(grown("a", Some(100), 100, 10), (-90, 0));
        assert_eq!(grown("outside", None, 0, 90), (90, 0));
        assert_eq!(
            grown("a", Some(u64::MAX), 0, u64::MAX),
            (i64::MAX, u64::MAX)
        );
    }

    #[test]
    fn what_shrank_hides_nothing_that_grew() {
        let (mut first, mut last) = (commit(10, 10), commit(20, 20));
        first.parts = vec![part("a", Some(90)), part("b", None), part("c", Some(1))];
        last.parts = vec![part("a", Some(10)), part("b", Some(5)), part("c", Some(41))];
        (first.heap.live_bytes, last.heap.live_bytes) = (7, 37);
        let log = log(&[head(), line(first), line(last)]);
        let (diff, _) = diff(log.path(), Height(10), Height(20)).expect("reads");
        let names: Vec<&str> = diff.parts.iter().map(|part| &part.name[..]).collect();
        assert_eq!(
            names,
            ["c", OUTSIDE, "a"],
            "the use of b is not known before"
        );
        assert_eq!(
            diff.parts[0].planned_bytes,
            Some(40),
            "what it was made with"
        );
        assert_eq!((diff.grown_bytes, diff.explained_bytes), (40 + 30, 39));
        assert_eq!(diff.parts[1].grown_per_block, 3.0);
        assert_eq!((diff.blocks, diff.seconds), (10, Some(0.1)));
    }

    #[test]
    fn heights_must_have_records_between_them() {
        let log = log(&[head(), line(commit(10, 10)), line(commit(20, 20))]);
        let fault = |from, to| match diff(log.path(), Height(from), Height(to)) {
            Err(error) => error,
            other => panic!("{other:?}"),
        };
        assert!(matches!(
            fault(20, 10).fault(),
            Some(Fault::FromAboveTo { .. })
        ));
        assert!(matches!(
            fault(10, 19).fault(),
            Some(Fault::SameRecord { .. })
        ));
        assert!(matches!(
            fault(9, 20).fault(),
            Some(Fault::NoSuchHeight { .. })
        ));
        assert!(matches!(
            fault(10, 21).fault(),
            Some(Fault::NoSuchHeight { .. })
        ));
        assert!(diff(log.path(), Height(19), Height(20)).is_ok());
    }
}
