//! The lines of a memory log, as `--memory-log` writes and `blkdex memory` reads them.
//!
//! Invariant: sums and peaks count from the start of the run; everything else is as of the moment.
//! Bytes are bytes, times milliseconds, whatever a reader makes of them for people.

use super::part_name::PartName;
use crate::primitives::position::Height;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What [`Head::log`] says, so that another JSON file is not taken for a log.
pub const LOG_NAME: &str = "blkdex memory";

/// What [`Head::version`] says; another one is refused.
pub const LOG_VERSION: u32 = 1;

/// A line: which of both it is shows by its fields.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// A run begins.
    Head(Head),
    /// It went on.
    Record(Box<Record>),
}

/// The first line of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// [`LOG_NAME`].
    pub log: String,
    /// [`LOG_VERSION`].
    pub version: u32,
    /// Version of blkdex.
    pub blkdex: String,
    /// When the run began, in seconds since 1970.
    pub time: u64,
    /// The one number.
    pub budget_bytes: u64,
    /// The parts of the plan, which add up to it.
    pub parts: Vec<PlannedPart>,
}

/// A part of the plan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlannedPart {
    /// Its name.
    #[serde(rename = "name")]
    pub part: PartName,
    /// How much it may take.
    pub planned_bytes: u64,
    /// What for.
    pub why: String,
}

/// Why a record was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// A batch was committed.
    Commit,
    /// A merge is about to begin.
    BeforeMerge,
    /// A merge has ended, or was interrupted.
    AfterMerge,
}

/// What there was at one moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Why it was made.
    pub moment: Moment,
    /// The relation that is merged; `None` at a commit.
    pub relation: Option<String>,
    /// The last committed block.
    pub height: Height,
    /// Since the run began.
    pub elapsed_ms: u64,
    /// Blocks imported by this run...
    pub blocks: u64,
    /// ...and their bytes.
    pub block_bytes: u64,
    /// The parts of the plan, in its order.
    pub parts: Vec<PartUse>,
    /// What the allocator gave out.
    pub heap: Heap,
    /// What the kernel says of this process.
    pub process: Process,
    /// The control group that limits it, where there is one.
    pub cgroup: Option<Cgroup>,
    /// The UTXO table.
    pub table: TableUse,
    /// Relation by relation.
    pub relations: Vec<RelationUse>,
    /// Bytes of the index on disk.
    pub index_bytes: u64,
    /// Milliseconds spent in each stage, by its name.
    pub stages_ms: BTreeMap<String, u64>,
}

#[cfg(test)]
impl Record {
    /// Of a moment at which there was nothing.
    pub(super) fn empty(moment: Moment) -> Record {
        Record {
            moment,
            relation: None,
            height: Height(0),
            elapsed_ms: 0,
            blocks: 0,
            block_bytes: 0,
            parts: Vec::new(),
            heap: Heap::default(),
            process: Process::default(),
            cgroup: None,
            table: TableUse::default(),
            relations: Vec::new(),
            index_bytes: 0,
            stages_ms: BTreeMap::new(),
        }
    }
}

/// How much of a part is used.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartUse {
    /// Its name in the plan.
    #[serde(rename = "name")]
    pub part: PartName,
    /// Bytes it was made with; it cannot take more. For a part that is not of fixed size, the plan's.
    pub capacity_bytes: u64,
    /// Bytes in use, where that is known.
    pub in_use_bytes: Option<u64>,
    /// The most that were in use, where that is known.
    pub most_bytes: Option<u64>,
}

/// What the allocator gave out. Our own maps (table, rows, ...) are not in it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Heap {
    /// Bytes given out and not given back.
    pub live_bytes: u64,
    /// Of these, what redb holds: its cache, and what it remembers of pages.
    pub redb_bytes: u64,
    /// All bytes ever given out.
    pub allocated_bytes: u64,
    /// How often bytes were given out.
    pub allocations: u64,
    /// Bytes that the allocator has taken from the system, with the program's own data.
    pub committed_bytes: u64,
}

impl Heap {
    /// Live bytes that no part of the plan explains: they must stay what they are.
    pub fn outside_bytes(&self) -> u64 {
        self.live_bytes.saturating_sub(self.redb_bytes)
    }
}

/// What the kernel says of this process.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Private, anonymous bytes that are resident.
    pub private_bytes: u64,
    /// The most there were.
    pub peak_private_bytes: u64,
    /// Resident bytes of mapped files.
    pub file_bytes: u64,
    /// Page faults that needed no disk...
    pub minor_faults: u64,
    /// ...and that did.
    pub major_faults: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// Memory mappings.
    pub mappings: u64,
}

/// What the control group says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cgroup {
    /// Bytes charged to it, the page cache of files included.
    pub usage_bytes: u64,
    /// Bytes it may have; `None` without a limit.
    pub limit_bytes: Option<u64>,
}

/// The UTXO table.
#[derive(Clone, Copy, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct TableUse {
    /// Home slots at full size.
    pub slots: u64,
    /// Home slots in use now: the table grows inside its map.
    pub homes: u64,
    /// Coins in it.
    pub coins: u64,
    /// Spends that found their coin in it.
    pub hits: u64,
    /// Spends that did not.
    pub misses: u64,
    /// Coins dropped to make room.
    pub evictions: u64,
    /// Slots between a coin's home and its place, on average.
    pub probe_slots: f64,
    /// ...and at most.
    pub probe_slots_max: u64,
}

/// One relation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RelationUse {
    /// Its name.
    pub name: String,
    /// Rows in its runs.
    pub rows: u64,
    /// Its runs.
    pub runs: u64,
    /// Bytes of their pages.
    pub bytes: u64,
}
