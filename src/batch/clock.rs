//! The clock: where an import's time goes, stage by stage.
//!
//! Invariant: every moment belongs to exactly one stage, so the stages add up to the whole.

use std::time::{Duration, Instant};

/// A stage of the import.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Stage {
    /// Finding the blocks and their best chain.
    Scan,
    /// Getting a block's bytes, un-XORed.
    Read,
    /// Parsing, txids, merkle root, fingerprints.
    ParseAndHash,
    /// Coins into and out of the table.
    Table,
    /// Looking up spends that missed the table, while the batch's runs of coins become one.
    Resolve,
    /// Sorting rows.
    Sort,
    /// Packing rows into pages and giving them to redb.
    Write,
    /// Merging runs.
    Merge,
    /// Making a batch durable.
    Commit,
    /// All else: opening, progress, closing.
    Other,
}

impl Stage {
    /// All stages with the names that answers use.
    pub const NAMES: [(Stage, &'static str); 10] = [
        (Stage::Scan, "scan"),
        (Stage::Read, "read"),
        (Stage::ParseAndHash, "parse_and_hash"),
        (Stage::Table, "table"),
        (Stage::Resolve, "resolve"),
        (Stage::Sort, "sort"),
        (Stage::Write, "write"),
        (Stage::Merge, "merge"),
        (Stage::Commit, "commit"),
        (Stage::Other, "other"),
    ];
}

/// Time per stage.
#[derive(Clone, Debug)]
pub struct Clock {
    spent: [Duration; Stage::NAMES.len()],
    stage: Stage,
    since: Instant,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock {
            spent: Default::default(),
            stage: Stage::Other,
            since: Instant::now(),
        }
    }
}

impl Clock {
    /// From now on time belongs to `stage`.
    pub fn enter(&mut self, stage: Stage) {
        let now = Instant::now();
        self.spent[self.stage as usize] += now - self.since;
        (self.stage, self.since) = (stage, now);
    }

    /// Counts the time of the current stage up to now.
    pub fn catch_up(&mut self) {
        self.enter(self.stage);
    }

    /// Time spent in `stage`, as far as it has been left.
    pub fn spent(&self, stage: Stage) -> Duration {
        self.spent[stage as usize]
    }
}
