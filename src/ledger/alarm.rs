//! The alarm: memory that grows from commit to commit, or is above its plan.
//!
//! Invariant: each alarm is raised once in a run. Records of which nothing was counted raise none.
//!
//! Between two commits everything of our own on the heap is given back, so that what is left is the
//! same at every commit ([`Record::heap`], `outside_bytes`). Its lowest level is remembered; it may
//! rise above that a few times, while files are opened for the first time, but not again and again.

use super::part_name::PartName;
use super::record::{Moment, Record};

/// Warn when the heap outside the plan has reached a new high at this many commits. Fewer are an ordinary
/// beginning: a file is opened, a line of progress gets longer.
const LEAK_COMMITS_MIN: u32 = 4;

/// ...and has grown by this many bytes. One small allocation kept at each commit is more in the end.
const LEAK_BYTES_MIN: u64 = 4096;

/// Memory that grows and should not.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Alarm {
    /// The heap outside the plan grows.
    #[error("heap outside the plan: it grew by {bytes} bytes at {commits} of the last commits, {} bytes a block, to {now_bytes}", bytes.div_ceil(*blocks.max(&1)))]
    Grows {
        /// By so much...
        bytes: u64,
        /// ...in so many blocks...
        blocks: u64,
        /// ...at so many commits.
        commits: u32,
        /// What it is now.
        now_bytes: u64,
    },
    /// A part takes more than was planned.
    #[error("{part}: {used_bytes} bytes are in use, {planned_bytes} are planned")]
    AbovePlan {
        /// The part.
        part: PartName,
        /// What it holds, or held.
        used_bytes: u64,
        /// What it may hold.
        planned_bytes: u64,
    },
}

/// Hears of every record.
#[derive(Default)]
pub struct Watcher {
    lowest: Option<Level>,
    highest_bytes: u64,
    rises: u32,
    has_warned_of_growth: bool,
    /// One bit for each part, in the plan's order.
    warned_of_parts: u64,
}

#[derive(Clone, Copy)]
struct Level {
    bytes: u64,
    blocks: u64,
}

impl Watcher {
    /// The alarm that this record raises.
    pub fn hear(&mut self, record: &Record) -> Option<Alarm> {
        let above = self.above_plan(record);
        match record.moment {
            Moment::Commit if above.is_none() => self.growth(record),
            _ => above,
        }
    }

    fn above_plan(&mut self, record: &Record) -> Option<Alarm> {
        for (index, part) in record.parts.iter().enumerate() {
            let used_bytes = part.in_use_bytes.max(part.most_bytes).unwrap_or(0);
            if used_bytes > part.capacity_bytes && self.warned_of_parts >> index & 1 == 0 {
                self.warned_of_parts |= 1 << index;
                return Some(Alarm::AbovePlan {
                    part: part.part.clone(),
                    used_bytes,
                    planned_bytes: part.capacity_bytes,
                });
            }
        }
        None
    }

    fn growth(&mut self, record: &Record) -> Option<Alarm> {
        let now = Level {
            bytes: record.heap.outside_bytes(),
            blocks: record.blocks,
        };
        let lowest = self.lowest.filter(|lowest| lowest.bytes < now.bytes);
        let Some(lowest) = lowest else {
            (self.lowest, self.highest_bytes, self.rises) = (Some(now), now.bytes, 0);
            return None;
        };
        if now.bytes > self.highest_bytes {
            (self.highest_bytes, self.rises) = (now.bytes, self.rises + 1);
        }
        let bytes = now.bytes - lowest.bytes;
        if self.has_warned_of_growth || self.rises < LEAK_COMMITS_MIN || bytes < LEAK_BYTES_MIN {
            return None;
        }
        self.has_warned_of_growth = true;
        Some(Alarm::Grows {
            bytes,
            blocks: now.blocks - lowest.blocks,
            commits: self.rises,
            now_bytes: now.bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::record::PartUse;
    use crate::memory::part::Part;

    fn commit(commit: u64, live_bytes: u64) -> Record {
        let mut record = Record::empty(Moment::Commit);
        record.blocks = commit * 100;
        record.heap.live_bytes = live_bytes;
        record
    }

    /// The commits, from 0, at which these levels raise an alarm.
    fn alarms(levels: &[u64]) -> Vec<(usize, Alarm)> {
        let mut watcher = Watcher::default();
        let records = levels.iter().enumerate();
        let heard = records.filter_map(|(at, level)| {
            let alarm = watcher.hear(&commit(at as u64, *level));
            alarm.map(|alarm| (at, alarm))
        });
        heard.collect()
    }

    #[test]
    fn the_fourth_rise_in_a_row_is_named_with_its_bytes_a_block() {
        let found = alarms(&[70_000, 72_000, 74_000, 76_000, 78_000, 80_000, 82_000]);
        let [(4, alarm)] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(
            alarm.to_string(),
            "heap outside the plan: it grew by 8000 bytes at 4 of the last commits, 20 bytes a block, to 78000"
        );
    }

    #[test]
    fn commits_that_leave_it_as_it_is_do_not_hide_a_leak() {
        let levels: Vec<u64> = (0..40).map(|at| 70_000 + at / 3 * 1000).collect();
        assert_eq!(alarms(&levels).len(), 1);
        // What redb holds is not counted.
        let mut watcher = Watcher::default();
        for (at, level) in levels.iter().enumerate() {
            let mut record = commit(at as u64, *level);
            record.heap.redb_bytes = level - 70_000;
            assert_eq!(watcher.hear(&record), None);
        }
    }

    #[test]
    fn what_levels_off_or_comes_and_goes_is_no_leak() {
        for quiet in [
            &[70_000; 9][..],
            &[70_000, 500_000, 500_000, 600_000, 600_000, 600_000, 600_000],
            &[70_000, 70_100, 70_200, 70_300, 70_400, 70_500, 70_600],
            &[
                70_000, 80_000, 90_000, 69_000, 80_000, 90_000, 69_000, 80_000,
            ],
            &[0; 9],
        ] {
            assert_eq!(alarms(quiet), [], "{quiet:?}");
        }
    }

    #[test]
    fn a_part_above_its_plan_is_named_once_at_any_moment() {
        let mut record = Record::empty(Moment::BeforeMerge);
        let part = |part: Part, most_bytes| PartUse {
            part: part.into(),
            capacity_bytes: 1000,
            in_use_bytes: Some(5),
            most_bytes,
        };
        record.parts = vec![part(Part::Rows, Some(1000)), part(Part::Redb, Some(1001))];
        let mut watcher = Watcher::default();
        assert_eq!(
            watcher.hear(&record).map(|alarm| alarm.to_string()),
            Some("redb: 1001 bytes are in use, 1000 are planned".into())
        );
        assert_eq!(watcher.hear(&record), None);
    }
}
