//! Lines of logs for tests.
//!
//! Invariant: what a test does not ask for is zero.

use super::record::{
    Head, Heap, LOG_NAME, LOG_VERSION, Line, Moment, PartUse, PlannedPart, Process, Record,
    TableUse,
};
use crate::primitives::position::Height;
use std::collections::BTreeMap;
use std::io::Write;

/// Names of stages.
pub const STAGES: [&str; 2] = ["scan", "merge"];

/// A log as a file.
pub fn log(lines: &[Line]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    for line in lines {
        let json = serde_json::to_string(line).expect("is JSON");
        writeln!(file, "{json}").expect("writes");
    }
    file
}

/// A run with parts `a` and `b`, of 100 and 50 bytes.
pub fn head() -> Line {
    let part = |(name, planned_bytes): (&str, u64)| PlannedPart {
        part: name.into(),
        planned_bytes,
        why: String::new(),
    };
    Line::Head(Head {
        log: LOG_NAME.into(),
        version: LOG_VERSION,
        blkdex: "0".into(),
        time: 0,
        budget_bytes: 150,
        parts: [("a", 100), ("b", 50)].map(part).into(),
    })
}

/// A commit at `height`, `blocks` after the start of the run.
pub fn commit(height: u32, blocks: u64) -> Record {
    Record {
        moment: Moment::Commit,
        relation: None,
        height: Height(height),
        elapsed_ms: blocks * 10,
        blocks,
        block_bytes: blocks * 1000,
        parts: vec![part("a", Some(0)), part("b", None)],
        heap: Heap::default(),
        process: Process::default(),
        cgroup: None,
        table: TableUse::default(),
        relations: Vec::new(),
        index_bytes: 0,
        stages_ms: BTreeMap::new(),
    }
}

/// The use of a part.
pub fn part(name: &str, in_use_bytes: Option<u64>) -> PartUse {
    PartUse {
        part: name.into(),
        capacity_bytes: 40,
        in_use_bytes,
        most_bytes: in_use_bytes,
    }
}

/// A record as a line.
pub fn line(record: Record) -> Line {
    Line::Record(Box::new(record))
}
