//! A log as numbers over height, for plots.
//!
//! Invariant: heights never fall. Where they fall in the log (a reorganisation, an import begun
//! anew), what was noted above is dropped, and the fall is noted. Peaks count everything.

use super::Fault;
use super::part_name::PartName;
use super::read::read;
use super::record::{Head, Line, Moment, Record};
use super::step::{Step, Totals};
use crate::Result;
use crate::primitives::position::Height;
use std::path::Path;

/// See the module documentation.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct History {
    /// The runs, in order.
    pub heads: Vec<Head>,
    /// The parts, in the order of the plans.
    pub parts: Vec<PartName>,
    /// Names of stages, in the order of their work; the first is the scan.
    pub stages: Vec<String>,
    /// A point for each record.
    pub points: Vec<Point>,
    /// A step for each commit.
    pub steps: Vec<Step>,
    /// Heights at which a merge began.
    pub merges: Vec<Height>,
    /// Falls of height, from where to where.
    pub falls: Vec<(Height, Height)>,
    /// The most that each part used, as far as it is known.
    pub most_bytes: Vec<Option<u64>>,
    /// The most private memory there was.
    pub peak_private_bytes: u64,
    /// The last record.
    pub last: Option<Record>,
    /// Lines that were cut short.
    pub cut: Vec<u64>,
    begun: Totals,
}

/// Memory at a moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Point {
    /// The run, from 0 on.
    pub run: usize,
    /// Height.
    pub height: Height,
    /// The most that was in use so far in the run, part by part: a buffer that is empty at a commit
    /// keeps what it has touched. Nothing where that is not known.
    pub most_bytes: Vec<u64>,
    /// Heap outside of the plan.
    pub outside_bytes: u64,
    /// Private memory of the process.
    pub private_bytes: u64,
    /// Load of the table: coins to a home slot.
    pub table_load: f64,
}

impl History {
    /// Of the log at `path`. `stages`: names of stages in the order of their work, the scan first.
    ///
    /// # Errors
    /// Those of [`read`]; [`crate::ledger::Fault::NoRecords`].
    pub fn of(path: &Path, stages: &[&str]) -> Result<History> {
        let mut history = History {
            stages: stages.iter().map(|name| (*name).to_owned()).collect(),
            ..History::default()
        };
        history.cut = read(path, |line| match line {
            Line::Head(head) => history.begin(head),
            Line::Record(record) => history.add(*record),
        })?;
        match history.last {
            Some(_) => Ok(history),
            None => Err(Fault::NoRecords {
                path: path.to_owned(),
            }
            .into()),
        }
    }

    fn begin(&mut self, head: Head) {
        for part in &head.parts {
            index_of(&mut self.parts, &part.part);
        }
        self.heads.push(head);
        self.begun = Totals::default();
    }

    fn add(&mut self, record: Record) {
        self.fall(self.begin_of(&record));
        self.note_peaks(&record);
        let point = self.point(&record);
        self.points.push(point);
        match record.moment {
            Moment::BeforeMerge => self.merges.push(record.height),
            Moment::Commit => self.step(&record),
            Moment::AfterMerge => self.prolong(&record),
        }
        self.last = Some(record);
    }

    /// Height above which the blocks since the last commit lie.
    fn begin_of(&self, record: &Record) -> Height {
        let blocks = record.blocks.saturating_sub(self.begun.blocks);
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        Height(record.height.0.saturating_sub(blocks))
    }

    /// Drops what is above `height`, because other blocks came there.
    fn fall(&mut self, height: Height) {
        let Some(above) = self.points.last().map(|point| point.height) else {
            return;
        };
        if above > height {
            self.falls.push((above, height));
        }
        while self.points.pop_if(|point| point.height > height).is_some() {}
        while self.steps.pop_if(|step| step.to > height).is_some() {}
        while self.merges.pop_if(|merge| *merge > height).is_some() {}
    }

    fn note_peaks(&mut self, record: &Record) {
        let peak = record.process.peak_private_bytes;
        let peak = peak.max(record.process.private_bytes);
        self.peak_private_bytes = self.peak_private_bytes.max(peak);
        for part in &record.parts {
            let index = index_of(&mut self.parts, &part.part);
            self.most_bytes.resize(self.parts.len(), None);
            // `None` is below every `Some`.
            let most = part.most_bytes.max(part.in_use_bytes);
            self.most_bytes[index] = self.most_bytes[index].max(most);
        }
    }

    fn point(&mut self, record: &Record) -> Point {
        let mut most_bytes = vec![0; self.parts.len()];
        for part in &record.parts {
            let index = index_of(&mut self.parts, &part.part);
            most_bytes[index] = part.most_bytes.max(part.in_use_bytes).unwrap_or(0);
        }
        Point {
            run: self.heads.len() - 1,
            height: record.height,
            most_bytes,
            outside_bytes: record.heap.outside_bytes(),
            private_bytes: record.process.private_bytes,
            table_load: record.table.coins as f64 / record.table.homes.max(1) as f64,
        }
    }

    fn step(&mut self, record: &Record) {
        let from = self.begin_of(record);
        let totals = self.totals(record);
        let done = totals.since(&self.begun);
        self.begun = totals;
        self.steps.push(Step {
            from,
            to: record.height,
            commits: 1,
            done,
        });
    }

    /// Counts a merge to the commit that it followed.
    fn prolong(&mut self, record: &Record) {
        let totals = self.totals(record);
        if let Some(step) = self.steps.last_mut()
            && self.begun != Totals::default()
        {
            let done = totals.since(&self.begun);
            step.done = step.done.plus(&done);
            self.begun = totals;
        }
    }

    fn totals(&mut self, record: &Record) -> Totals {
        let mut stages_ms = vec![0; self.stages.len()];
        for (name, ms) in &record.stages_ms {
            let index = index_of(&mut self.stages, name);
            stages_ms.resize(self.stages.len(), 0);
            stages_ms[index] = *ms;
        }
        Totals {
            blocks: record.blocks,
            block_bytes: record.block_bytes,
            hits: record.table.hits,
            misses: record.table.misses,
            elapsed_ms: record.elapsed_ms,
            stages_ms,
        }
    }
}

/// Where `wanted` is among the known; it is added if it is new.
fn index_of<T: PartialEq + Clone>(known: &mut Vec<T>, wanted: &T) -> usize {
    let found = known.iter().position(|known| known == wanted);
    found.unwrap_or_else(|| {
        known.push(wanted.clone());
        known.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{STAGES, commit, head, line, log};
    use super::*;

    fn history(lines: &[Line]) -> History {
        History::of(log(lines).path(), &STAGES).expect("reads")
    }

    fn commits(heights: &[(u32, u64)]) -> Vec<Line> {
        let commits = heights
            .iter()
            .map(|(height, blocks)| line(commit(*height, *blocks)));
        std::iter::once(head()).chain(commits).collect()
    }

    fn steps(history: &History) -> Vec<(u32, u32)> {
        let ends = |step: &Step| (step.from.0, step.to.0);
        history.steps.iter().map(ends).collect()
    }

    #[test]
    fn each_run_counts_from_its_own_start() {
        let mut lines = commits(&[(10, 10), (30, 30)]);
        lines.extend(commits(&[(35, 5), (50, 20)]));
        let history = history(&lines);
        assert_eq!(steps(&history), [(0, 10), (10, 30), (30, 35), (35, 50)]);
        let done: Vec<u64> = history.steps.iter().map(|step| step.done.blocks).collect();
        assert_eq!(done, [10, 20, 5, 15]);
        assert_eq!(history.steps[2].done.per_second(5), 100.0);
        assert!(history.falls.is_empty());
    }

    #[test]
    fn what_was_replaced_is_dropped_and_its_peak_stays() {
        let mut lines = commits(&[(10, 10), (20, 20), (30, 30)]);
        let Some(Line::Record(last)) = lines.last_mut() else {
            panic!("a commit");
        };
        last.process.private_bytes = 99;
        last.parts[0].in_use_bytes = Some(77);
        lines.extend(commits(&[(25, 10), (40, 25)]));
        let history = history(&lines);
        assert_eq!(steps(&history), [(0, 10), (15, 25), (25, 40)]);
        let heights: Vec<u32> = history.points.iter().map(|point| point.height.0).collect();
        assert_eq!(heights, [10, 25, 40]);
        assert_eq!(history.falls, [(Height(30), Height(15))]);
        assert_eq!(history.peak_private_bytes, 99);
        assert_eq!(history.most_bytes, [Some(77), None]);
    }

    #[test]
    fn a_merge_belongs_to_the_commit_before_it() {
        let around = |moment, elapsed_ms| {
            let mut record = commit(10, 10);
            (record.moment, record.elapsed_ms) = (moment, elapsed_ms);
            record.stages_ms.insert(STAGES[1].into(), elapsed_ms - 100);
            line(record)
        };
        let mut lines = commits(&[(10, 10)]);
        lines.push(around(Moment::BeforeMerge, 100));
        lines.push(around(Moment::AfterMerge, 700));
        lines.push(line(commit(20, 20)));
        let history = history(&lines);
        assert_eq!(history.merges, [Height(10)]);
        assert_eq!(steps(&history), [(0, 10), (10, 20)]);
        assert_eq!(history.steps[0].done.elapsed_ms, 700);
        assert_eq!(history.steps[0].done.stages_ms[1], 600);
        assert_eq!(history.points.len(), 4);
    }
}
