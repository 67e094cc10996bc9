//! The plots of memory: its parts, and what is outside of them.
//!
//! Invariant: a part whose use is not known is named, not drawn.

use super::colours::{ALARM, INK, series};
use super::figures::{Detail, Figure, Line, Stack, by_point, figure, heights};
use super::thin::thinned;
use crate::ledger::diff::OUTSIDE;
use crate::ledger::history::{History, Point};
use crate::ledger::numbers::{grouped, signed};

const MIB: f64 = (1 << 20) as f64;

/// A budget so many times over everything else would press that flat; it is named instead.
const BUDGET_SHOWN_TIMES: f64 = 3.0;

/// What the parts use, and the heap outside of them, below the budget.
pub(super) fn parts(history: &History, detail: Detail) -> Figure {
    let is_known = |at: &usize| history.most_bytes.get(*at).is_some_and(Option::is_some);
    let (known, unknown): (Vec<usize>, Vec<usize>) =
        (0..history.parts.len()).partition(|at| is_known(at));
    let mut figure = figure("Memory by part", "MiB, the most so far, over height");
    if !unknown.is_empty() {
        let names = unknown.iter().map(|at| history.parts[*at].to_string());
        let names: Vec<String> = names.collect();
        figure.note += &format!("; not known: {}", names.join(", "));
    }
    figure.stack = Some(stack(history, detail, &known));
    let private = Line {
        label: "private memory of the process".to_owned(),
        colour: INK,
        is_bound: false,
        stretches: by_point(history, detail, |point| point.private_bytes as f64 / MIB),
    };
    with_budget(figure.with_lines(vec![private]), history)
}

/// The parts `known` upon each other, and on top what is outside of all.
fn stack(history: &History, detail: Detail, known: &[usize]) -> Stack {
    let values = |point: &Point| -> Vec<f64> {
        let part = |at: &usize| point.most_bytes.get(*at).copied().unwrap_or(0);
        let parts = known.iter().map(part).chain([point.outside_bytes]);
        parts.map(|bytes| bytes as f64 / MIB).collect()
    };
    let points = &history.points;
    let kept = thinned(points.len(), detail.points, |at| {
        values(&points[at]).iter().sum()
    });
    let column = |at: &usize| {
        let height = f64::from(points[*at].height.0);
        ([height; 2], values(&points[*at]))
    };
    let mut columns: Vec<([f64; 2], Vec<f64>)> = kept.iter().map(column).collect();
    if let [(_, values)] = &columns[..] {
        // One record alone has no width: it stands for the blocks before it.
        let before = ([heights(history)[0]; 2], values.clone());
        columns.insert(0, before);
    }
    let layer = |at: &usize| (history.parts[*at].to_string(), series(*at));
    let outside = (OUTSIDE.to_owned(), ALARM);
    Stack {
        layers: known.iter().map(layer).chain([outside]).collect(),
        columns,
        is_bars: false,
    }
}

/// The budget of each run, as a line; where it is far above everything, in words.
fn with_budget(mut figure: Figure, history: &History) -> Figure {
    let budget = |point: &Point| history.heads[point.run].budget_bytes as f64 / MIB;
    let runs = history.points.chunk_by(|a, b| a.run == b.run);
    let mut stretches: Vec<Vec<(f64, f64)>> = runs
        .map(|run| {
            let ends = [run.first(), run.last()].into_iter().flatten();
            ends.map(|point| (f64::from(point.height.0), budget(point)))
                .collect()
        })
        .collect();
    if let Some((height, _)) = stretches.first_mut().and_then(|first| first.first_mut()) {
        *height = heights(history)[0];
    }
    let budgets = history.heads.iter().map(|head| head.budget_bytes);
    let most = budgets.clone().max().unwrap_or(0);
    let is_far = most as f64 / MIB > figure.most * BUDGET_SHOWN_TIMES;
    let mut label = format!("budget, {} MiB", grouped(most >> 20));
    if budgets.clone().min() != Some(most) {
        label += " at most";
    }
    if is_far {
        label += ": above the picture";
    }
    let line = Line {
        label,
        colour: INK,
        is_bound: true,
        stretches: if is_far { Vec::new() } else { stretches },
    };
    let mut lines = std::mem::take(&mut figure.lines);
    lines.push(line);
    figure.with_lines(lines)
}

/// What should stay what it is.
pub(super) fn outside(history: &History, detail: Detail) -> Figure {
    let line = Line {
        label: OUTSIDE.to_owned(),
        colour: ALARM,
        is_bound: false,
        stretches: by_point(history, detail, |point| point.outside_bytes as f64 / MIB),
    };
    let note = match outside_growth(history) {
        Some(growth) => format!("MiB over height; {} bytes a block", signed(growth)),
        None => "MiB over height".to_owned(),
    };
    figure("Heap outside the plan", note).with_lines(vec![line])
}

/// Bytes a block by which the heap outside of the plan grew in the last run.
pub(super) fn outside_growth(history: &History) -> Option<i64> {
    let last = history.points.last()?;
    let first = history.points.iter().find(|point| point.run == last.run)?;
    let blocks = f64::from(last.height.0.checked_sub(first.height.0)?);
    let grown = last.outside_bytes as f64 - first.outside_bytes as f64;
    (blocks > 0.0).then(|| (grown / blocks).round() as i64)
}
