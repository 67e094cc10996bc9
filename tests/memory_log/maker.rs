//! Makes memory logs, with the types that the import writes them with: a plausible import of a small
//! budget, whose merges, misses and slow commits come where they would.

use blkdex::ledger::{
    Cgroup, Head, Heap, LOG_NAME, LOG_VERSION, Line, Moment, PartUse, PlannedPart, Process, Record,
    RelationUse, TableUse,
};
use blkdex::primitives::Height;

const MIB: u64 = 1 << 20;

/// Names, planned MiB, and what for.
const PARTS: [(&str, u64, &str); 8] = [
    (
        "table",
        204,
        "coins by outpoint; before that, headers while scanning",
    ),
    (
        "rows",
        150,
        "rows waiting to be written; the buffer of merges",
    ),
    (
        "pending",
        42,
        "spends that missed the table, until the next commit",
    ),
    ("deletes", 21, "ends of coins that are on disk already"),
    (
        "redb",
        70,
        "redb's cache and heap, and what the allocator keeps mapped",
    ),
    ("block", 7, "one block, and what it comes down to"),
    ("pages", 4, "pages being written and read"),
    ("process", 14, "program, stack, allocator"),
];

const RELATIONS: [(&str, u64); 4] = [
    ("coins", 17),
    ("funding", 9),
    ("spending", 8),
    ("txids", 10),
];

/// What is special about a log.
#[derive(Clone, Copy)]
pub struct Maker {
    /// Blocks between two commits.
    pub commit_every: u32,
    /// Bytes of heap that every block leaves behind.
    pub leak_bytes: u64,
}

impl Default for Maker {
    fn default() -> Maker {
        Maker {
            commit_every: 100,
            leak_bytes: 0,
        }
    }
}

impl Maker {
    /// A log of one run with a commit at each of so many heights.
    pub fn run(self, commits: u32) -> Vec<Line> {
        let mut lines = vec![Line::Head(head())];
        lines.extend(self.records(0, commits));
        lines
    }

    /// The records of commits number `begun + 1` to `begun + commits`, with the merges between them.
    pub fn records(self, begun: u32, commits: u32) -> Vec<Line> {
        let mut lines = Vec::new();
        for number in 1..=commits {
            let record = self.record(begun, number, commits);
            let is_merge = number % 10 == 0;
            lines.push(record.clone());
            for moment in [Moment::BeforeMerge, Moment::AfterMerge] {
                if is_merge {
                    let mut around = record.clone();
                    around.moment = moment;
                    around.relation = Some("coins".into());
                    let took_ms = if moment == Moment::AfterMerge { 900 } else { 0 };
                    around.elapsed_ms += took_ms;
                    *around.stages_ms.get_mut("merge").unwrap() += took_ms;
                    lines.push(around);
                }
            }
        }
        lines
            .into_iter()
            .map(|record| Line::Record(Box::new(record)))
            .collect()
    }

    /// The record of commit `number` of a run that began after `begun` commits.
    pub fn record(self, begun: u32, number: u32, commits: u32) -> Record {
        let blocks = u64::from(number * self.commit_every);
        let height = (begun + number) * self.commit_every;
        let part = f64::from(begun + number) / f64::from(begun + commits);
        // Something that looks like noise and is the same each time.
        let noise = f64::from(number.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
        let outputs = (6e6 * part * part) as u64 + 1;
        let misses = (1.2e6 * (part - 0.4).max(0.0)) as u64;
        let merges_ms = u64::from((number - 1) / 10) * 900;
        let stages = [
            ("scan", 400),
            ("read", blocks / 8),
            ("parse_and_hash", (blocks as f64 * (0.4 + part)) as u64),
            ("table", (blocks as f64 * 0.5 * part) as u64),
            ("resolve", misses / 900),
            ("sort", (blocks as f64 * 0.5 * part) as u64),
            ("write", blocks / 6),
            ("merge", merges_ms),
            ("commit", u64::from(number) * 9),
            ("other", 100),
        ];
        let private = 120.0 + 290.0 * part + 18.0 * noise;
        Record {
            moment: Moment::Commit,
            relation: None,
            height: Height(height - 1),
            elapsed_ms: stages.iter().map(|(_, ms)| ms).sum(),
            blocks,
            block_bytes: (blocks as f64 * 1.05e6 * (0.2 + 0.8 * part)) as u64,
            parts: parts(part, noise),
            heap: Heap {
                live_bytes: redb_bytes(part) + 3 * MIB + self.leak_bytes * blocks,
                redb_bytes: redb_bytes(part),
                allocated_bytes: blocks * 900_000,
                allocations: blocks * 700,
                committed_bytes: redb_bytes(part) + 11 * MIB,
            },
            process: Process {
                private_bytes: (private * MIB as f64) as u64,
                peak_private_bytes: ((private + 20.0) * MIB as f64) as u64,
                file_bytes: 9 * MIB,
                minor_faults: blocks * 30,
                major_faults: blocks / 50,
                open_files: 9,
                mappings: 61,
            },
            cgroup: Some(Cgroup {
                usage_bytes: 700 * MIB,
                limit_bytes: Some(1024 * MIB),
            }),
            table: table(outputs, misses),
            relations: relations(outputs, u64::from(number)),
            index_bytes: outputs * 44,
            stages_ms: stages
                .into_iter()
                .map(|(name, ms)| (name.into(), ms))
                .collect(),
        }
    }
}

/// Of a budget of 512 MiB.
pub fn head() -> Head {
    let part = |(name, mib, why): (&str, u64, &str)| PlannedPart {
        part: name.into(),
        planned_bytes: mib * MIB,
        why: why.into(),
    };
    Head {
        log: LOG_NAME.into(),
        version: LOG_VERSION,
        blkdex: "0.1.0".into(),
        time: 1_790_000_000,
        budget_bytes: 512 * MIB,
        parts: PARTS.map(part).into(),
    }
}

fn parts(part: f64, noise: f64) -> Vec<PartUse> {
    let used = |name: &str, mib: f64| match name {
        "table" => Some((mib * (part * 1.8).min(0.97), mib * (part * 1.8).min(1.0))),
        "rows" => Some((mib * (0.1 + 0.5 * noise), mib * 0.98)),
        "pending" => Some((
            mib * (part - 0.4).max(0.0) * noise,
            mib * (part - 0.4).max(0.0),
        )),
        "deletes" => Some((mib * 0.3 * part * noise, mib * 0.3 * part)),
        "redb" => Some((redb_bytes(part) as f64 / MIB as f64, mib * 0.7)),
        "process" => None,
        _ => Some((mib, mib)),
    };
    let bytes = |mib: f64| (mib * MIB as f64) as u64;
    let made = PARTS.into_iter().map(|(name, mib, _)| PartUse {
        part: name.into(),
        capacity_bytes: mib * MIB,
        in_use_bytes: used(name, mib as f64).map(|(now, _)| bytes(now)),
        most_bytes: used(name, mib as f64).map(|(_, most)| bytes(most)),
    });
    made.collect()
}

fn redb_bytes(part: f64) -> u64 {
    ((22.0 + 18.0 * part) * MIB as f64) as u64
}

fn table(outputs: u64, misses: u64) -> TableUse {
    let coins = outputs / 3;
    let homes = (coins * 2).next_power_of_two().clamp(1 << 16, 1 << 23);
    TableUse {
        slots: 1 << 23,
        homes,
        coins,
        hits: outputs / 2,
        misses,
        evictions: misses * 2,
        probe_slots: 0.31,
        probe_slots_max: 14,
    }
}

fn relations(outputs: u64, commits: u64) -> Vec<RelationUse> {
    let relation = |(name, bytes): (&str, u64)| RelationUse {
        name: name.into(),
        rows: outputs,
        runs: commits,
        bytes: outputs * bytes,
    };
    RELATIONS.map(relation).into()
}

/// Lines as a log has them.
pub fn text(lines: &[Line]) -> String {
    let line = |line: &Line| serde_json::to_string(line).unwrap() + "\n";
    lines.iter().map(line).collect()
}
