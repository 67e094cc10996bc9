//! What the plots show, as numbers.
//!
//! Invariant: all values are finite and at least zero; of many points as many are kept as can be told
//! apart, peaks among them.

use super::colours::{ALARM, Colour, FAINT_INK, INK, series};
use crate::ledger::diff::OUTSIDE;
use crate::ledger::history::{History, Point, Step, joined, thinned};
use crate::ledger::numbers::{grouped, signed};

const MIB: f64 = (1 << 20) as f64;

/// MB/s are decimal, as disks have it.
const MB: f64 = 1e6;

/// A budget so many times over everything else would press that flat; it is named instead.
const BUDGET_SHOWN_TIMES: f64 = 3.0;

/// How much is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Detail {
    /// Points of a line.
    pub points: usize,
    /// Bars.
    pub bars: usize,
}

/// A plot.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// What it shows.
    pub title: &'static str,
    /// In which unit, and what else is to be known.
    pub note: String,
    /// Heights, from and to.
    pub heights: [f64; 2],
    /// The upper end of the values.
    pub most: f64,
    /// Areas or bars upon each other, if there are such.
    pub stack: Option<Stack>,
    /// Lines above them.
    pub lines: Vec<Line>,
    /// Heights of merges.
    pub merges: Vec<f64>,
}

/// Areas or bars upon each other.
#[derive(Clone, PartialEq, Debug)]
pub struct Stack {
    /// What they are, from below.
    pub layers: Vec<(String, Colour)>,
    /// Stretches of height, with a value for each layer.
    pub columns: Vec<([f64; 2], Vec<f64>)>,
    /// Whether a column is a bar, and not a point of areas.
    pub is_bars: bool,
}

/// A line, broken where a run ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// What it is.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// Whether it is a bound, and not a measurement.
    pub is_bound: bool,
    /// Its stretches, each as points of height and value.
    pub stretches: Vec<Vec<(f64, f64)>>,
}

/// All plots of a history.
pub fn figures(history: &History, detail: Detail) -> Vec<Figure> {
    let all = [memory, outside, blocks, bytes, table, stages];
    let mut figures: Vec<Figure> = all.map(|figure| figure(history, detail)).into();
    let merges: Vec<f64> = history.merges.iter().map(|h| f64::from(h.0)).collect();
    let heights = heights(history);
    for figure in &mut figures {
        (figure.merges, figure.heights) = (merges.clone(), heights);
    }
    figures
}

/// From the first block of the first step on.
fn heights(history: &History) -> [f64; 2] {
    let steps = history.steps.iter().map(|step| step.from);
    let heights = steps.chain(history.points.iter().map(|point| point.height));
    let first = heights.map(|height| height.0).min().unwrap_or(0);
    let last = history.points.last().map_or(0, |point| point.height.0);
    // One record alone still needs some width.
    [
        f64::from(first),
        f64::from(last).max(f64::from(first) + 1.0),
    ]
}

fn figure(title: &'static str, note: impl Into<String>) -> Figure {
    Figure {
        title,
        note: note.into(),
        heights: [0.0, 1.0],
        most: 1.0,
        stack: None,
        lines: Vec::new(),
        merges: Vec::new(),
    }
}

impl Figure {
    /// With room above the highest value.
    fn with_lines(mut self, lines: Vec<Line>) -> Figure {
        let values = lines
            .iter()
            .flat_map(|line| line.stretches.iter().flatten());
        let lines_most = values.map(|(_, value)| *value).fold(0.0, f64::max);
        let columns = self.stack.iter().flat_map(|stack| &stack.columns);
        let stack_most = columns.map(|(_, values)| values.iter().sum());
        let most = stack_most.fold(lines_most, f64::max);
        self.most = if most > 0.0 { most * 1.06 } else { 1.0 };
        self.lines = lines;
        self
    }
}

/// A line through `value` of the points, one stretch a run.
fn by_point(
    history: &History,
    detail: Detail,
    value: impl Fn(&Point) -> f64,
) -> Vec<Vec<(f64, f64)>> {
    let points = &history.points;
    let kept = thinned(points.len(), detail.points, |at| value(&points[at]));
    let kept: Vec<&Point> = kept.iter().map(|at| &points[*at]).collect();
    let stretch = |run: &[&Point]| {
        let pair = |point: &&Point| (f64::from(point.height.0), value(point));
        run.iter().map(pair).collect()
    };
    kept.chunk_by(|a, b| a.run == b.run).map(stretch).collect()
}

/// A line through `value` of the steps, where it is known.
fn by_step(
    history: &History,
    detail: Detail,
    value: impl Fn(&Step) -> Option<f64>,
) -> Vec<Vec<(f64, f64)>> {
    let pairs = history.steps.iter();
    let pairs = pairs.filter_map(|step| Some((f64::from(step.to.0), value(step)?)));
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let kept = thinned(pairs.len(), detail.points, |at| pairs[at].1);
    vec![kept.iter().map(|at| pairs[*at]).collect()]
}

fn memory(history: &History, detail: Detail) -> Figure {
    let known = history.most_bytes.iter().enumerate();
    let known: Vec<usize> = known.filter_map(|(at, most)| most.map(|_| at)).collect();
    let unknown = history.parts.iter().enumerate();
    let unknown = unknown.filter_map(|(at, name)| (!known.contains(&at)).then_some(&name[..]));
    let unknown: Vec<&str> = unknown.collect();
    let mut layers: Vec<(String, Colour)> = known
        .iter()
        .map(|at| (history.parts[*at].clone(), series(*at)))
        .collect();
    layers.push((OUTSIDE.to_owned(), ALARM));
    let values = |point: &Point| -> Vec<f64> {
        let part = |at: &usize| point.in_use_bytes.get(*at).copied().unwrap_or(0);
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
    let mut figure = figure("Memory by part", "MiB in use");
    if !unknown.is_empty() {
        figure.note += &format!("; not known: {}", unknown.join(", "));
    }
    figure.stack = Some(Stack {
        layers,
        columns: kept.iter().map(column).collect(),
        is_bars: false,
    });
    let private = Line {
        label: "private memory of the process".to_owned(),
        colour: INK,
        is_bound: false,
        stretches: by_point(history, detail, |point| point.private_bytes as f64 / MIB),
    };
    let figure = figure.with_lines(vec![private]);
    with_budget(figure, history)
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
    let most = stretches.iter().flatten().map(|(_, value)| *value);
    let most = most.fold(0.0, f64::max);
    let is_far = most > figure.most * BUDGET_SHOWN_TIMES;
    let words = grouped(most.round() as u64);
    let label = match is_far {
        true => format!("budget, {words} MiB: above the picture"),
        false => format!("budget, {words} MiB"),
    };
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

fn outside(history: &History, detail: Detail) -> Figure {
    let line = Line {
        label: OUTSIDE.to_owned(),
        colour: ALARM,
        is_bound: false,
        stretches: by_point(history, detail, |point| point.outside_bytes as f64 / MIB),
    };
    let note = match outside_growth(history) {
        Some(growth) => format!("MiB; {} bytes a block", signed(growth)),
        None => "MiB".to_owned(),
    };
    figure("Heap outside the plan", note).with_lines(vec![line])
}

/// Bytes a block by which the heap outside of the plan grew in the last run.
pub fn outside_growth(history: &History) -> Option<i64> {
    let last = history.points.last()?;
    let first = history.points.iter().find(|point| point.run == last.run)?;
    let blocks = f64::from(last.height.0.checked_sub(first.height.0)?);
    let grown = last.outside_bytes as f64 - first.outside_bytes as f64;
    (blocks > 0.0).then(|| (grown / blocks).round() as i64)
}

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
    figure(title, format!("{label}, from commit to commit")).with_lines(vec![line])
}

fn blocks(history: &History, detail: Detail) -> Figure {
    rate(history, detail, "Blocks", "blocks/s", |step| {
        step.done.per_second(step.done.blocks)
    })
}

fn bytes(history: &History, detail: Detail) -> Figure {
    rate(history, detail, "Bytes of blocks", "MB/s", |step| {
        step.done.per_second(step.done.block_bytes) / MB
    })
}

fn table(history: &History, detail: Detail) -> Figure {
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
    let figure = figure("UTXO table", "%, from commit to commit").with_lines(vec![hits, load]);
    let most = figure.most.max(104.0);
    Figure { most, ..figure }
}

fn stages(history: &History, detail: Detail) -> Figure {
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
        Some(commits) if commits > 1 => format!("seconds, {commits} commits a bar"),
        _ => "seconds of each commit".to_owned(),
    };
    let mut figure = figure("Time by stage", note);
    figure.stack = Some(Stack {
        layers: used.iter().map(words).collect(),
        columns: steps.iter().map(column).collect(),
        is_bars: true,
    });
    figure.with_lines(Vec::new())
}

/// The colour of what is said of merges.
pub const MERGE_COLOUR: Colour = FAINT_INK;
