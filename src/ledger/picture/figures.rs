//! What the plots show, as numbers.
//!
//! Invariant: all values are finite and at least zero; of many points as many are kept as can be told
//! apart, peaks among them.

use super::colours::{Colour, INK};
use super::thin::thinned;
use super::{of_memory, of_work};
use crate::ledger::history::{History, Point};
use crate::ledger::step::Step;

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
    let all = [
        of_memory::parts,
        of_memory::outside,
        of_work::blocks,
        of_work::bytes,
        of_work::table,
        of_work::stages,
    ];
    let mut figures: Vec<Figure> = all.map(|figure| figure(history, detail)).into();
    let merges: Vec<f64> = history.merges.iter().map(|h| f64::from(h.0)).collect();
    let heights = heights(history);
    for figure in &mut figures {
        (figure.merges, figure.heights) = (merges.clone(), heights);
    }
    figures
}

/// The heights that all plots show: from the first block of the first step on.
pub(super) fn heights(history: &History) -> [f64; 2] {
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

/// A plot of nothing yet.
pub(super) fn figure(title: &'static str, note: impl Into<String>) -> Figure {
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
    pub(super) fn with_lines(mut self, lines: Vec<Line>) -> Figure {
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
pub(super) fn by_point(
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
pub(super) fn by_step(
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

/// The colour of what is said of merges.
pub const MERGE_COLOUR: Colour = INK;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::record::Line as LogLine;
    use crate::ledger::testing::{STAGES, commit, head, line, log};

    const DETAIL: Detail = Detail {
        points: 100,
        bars: 10,
    };

    fn drawn(lines: &[LogLine]) -> Vec<Figure> {
        let history = History::of(log(lines).path(), &STAGES).expect("reads");
        figures(&history, DETAIL)
    }

    #[test]
    fn all_plots_show_the_same_heights_and_room_above() {
        let lines = [head(), line(commit(10, 5)), line(commit(30, 25))];
        for figure in drawn(&lines) {
            assert_eq!(figure.heights, [5.0, 30.0]);
            assert!(figure.most > 0.0 && figure.most.is_finite());
            let values = figure
                .lines
                .iter()
                .flat_map(|line| line.stretches.iter().flatten());
            for (height, value) in values {
                assert!((5.0..=30.0).contains(height), "{}", figure.title);
                assert!((0.0..=figure.most).contains(value), "{}", figure.title);
            }
        }
    }

    #[test]
    fn a_peak_of_one_record_is_drawn_whatever_the_length() {
        let record = |number: u32| {
            let mut record = commit(number, number.into());
            record.heap.live_bytes = 1 << 20;
            if number == 7000 {
                record.heap.live_bytes = 50 << 20;
            }
            line(record)
        };
        let mut lines = vec![head()];
        lines.extend((1..=10_000).map(record));
        let figures = drawn(&lines);
        let outside = &figures[1].lines[0].stretches[0];
        assert!(outside.contains(&(7000.0, 50.0)));
        assert!(outside.len() <= 110, "{}", outside.len());
        let bars = figures[5].stack.as_ref().expect("bars");
        assert_eq!(bars.columns.len(), 10);
    }

    #[test]
    fn a_budget_far_above_is_named_and_not_drawn() {
        let mut lines = vec![head(), line(commit(10, 5)), line(commit(30, 25))];
        let budget = |lines: &[LogLine]| drawn(lines)[0].lines[1].clone();
        let LogLine::Head(head) = &mut lines[0] else {
            panic!("a head");
        };
        head.budget_bytes = 2 << 20;
        let near = budget(&lines);
        assert_eq!(near.label, "budget, 2 MiB");
        assert_eq!(near.stretches, [[(5.0, 2.0), (30.0, 2.0)]]);
        let LogLine::Head(head) = &mut lines[0] else {
            panic!("a head");
        };
        head.budget_bytes = 2 << 40;
        let far = budget(&lines);
        assert_eq!(far.label, "budget, 2,097,152 MiB: above the picture");
        assert!(far.stretches.is_empty());
    }
}
