//! The plots of work: speed, the table, time.
//!
//! Invariant: what is drawn between two commits is what happened between them, not since the start.

use super::colours::series;
use super::figures::{Detail, Figure, Line, Stack, by_point, by_step, figure};
use super::thin::joined;
use crate::ledger::history::History;
use crate::ledger::step::Step;

/// MB/s are decimal, as disks have it.
const MB: f64 = 1e6;

fn rate(
    history: &History,
    detail: Detail,
    title: &'static str,
    label: &str,
    value: impl Fn(&Step) -> f64,
) -> Figure {
    let line = Line {
        label: label.to_owned(),
        colour: series(0),
        is_bound: false,
        stretches: by_step(history, detail, |step| Some(value(step))),
    };
    figure(title, format!("{label} over height")).with_lines(vec![line])
}

/// Blocks a second.
pub(super) fn blocks(history: &History, detail: Detail) -> Figure {
    rate(history, detail, "Blocks", "blocks/s", |step| {
        step.done.per_second(step.done.blocks)
    })
}

/// Bytes of blocks a second.
pub(super) fn bytes(history: &History, detail: Detail) -> Figure {
    rate(history, detail, "Bytes of blocks", "MB/s", |step| {
        step.done.per_second(step.done.block_bytes) / MB
    })
}

/// How the table served, and how full it was.
pub(super) fn table(history: &History, detail: Detail) -> Figure {
    let hits = Line {
        label: "spends that hit".to_owned(),
        colour: series(1),
        is_bound: false,
        stretches: by_step(history, detail, |step| {
            step.done.hit_rate().map(|rate| rate * 100.0)
        }),
    };
    let load = Line {
        label: "load".to_owned(),
        colour: series(3),
        is_bound: false,
        stretches: by_point(history, detail, |point| point.table_load * 100.0),
    };
    let figure = figure("UTXO table", "% over height").with_lines(vec![hits, load]);
    let most = figure.most.max(104.0);
    Figure { most, ..figure }
}

/// Where the time went.
pub(super) fn stages(history: &History, detail: Detail) -> Figure {
    let steps = joined(&history.steps, detail.bars);
    let ms = |step: &Step, at: usize| step.done.stages_ms.get(at).copied().unwrap_or(0);
    let used = 0..history.stages.len();
    let used: Vec<usize> = used
        .filter(|at| steps.iter().any(|step| ms(step, *at) > 0))
        .collect();
    let words = |at: &usize| (history.stages[*at].replace('_', " "), series(*at));
    let column = |step: &Step| {
        let seconds = used.iter().map(|at| ms(step, *at) as f64 / 1000.0);
        (
            [step.from, step.to].map(|h| f64::from(h.0)),
            seconds.collect(),
        )
    };
    let note = match steps.iter().map(|step| step.commits).max() {
        Some(commits) if commits > 1 => format!("seconds over height, {commits} commits a bar"),
        _ => "seconds over height, a bar for each commit".to_owned(),
    };
    let mut figure = figure("Time by stage", note);
    figure.stack = Some(Stack {
        layers: used.iter().map(words).collect(),
        columns: steps.iter().map(column).collect(),
        is_bars: true,
    });
    figure.with_lines(Vec::new())
}
