//! `blkdex memory show`, for people and as JSON.
//!
//! Invariant: both show the same record.

use super::super::columns::Align::{Left, Right};
use super::super::columns::{print, print_fields};
use super::super::words::grouped;
use blkdex::import::Stage;
use blkdex::ledger::numbers::{mib, percent};
use blkdex::ledger::{Answers, Found, Moment, Record, RelationUse, planned_bytes};
use serde_json::{Value, json};
use std::io::{Result, Write};

/// As JSON.
pub fn to_json(answers: &Answers) -> Value {
    let found = only(answers);
    json!({
        "run": found.run,
        "runs": answers.runs,
        "head": &*found.head,
        "record": &*found.record,
    })
}

fn only(answers: &Answers) -> &Found {
    answers.found.first().expect("one height was asked for")
}

/// For people.
pub fn show(answers: &Answers, out: &mut impl Write) -> Result<()> {
    let found = only(answers);
    print_fields(out, &fields(found, answers.runs))?;
    writeln!(out)?;
    show_parts(found, out)?;
    if !found.record.relations.is_empty() {
        writeln!(out)?;
        show_relations(&found.record.relations, out)?;
    }
    writeln!(out)?;
    show_stages(&found.record, out)
}

type Fields = Vec<(&'static str, String)>;

fn fields(found: &Found, runs: u64) -> Fields {
    let record = &found.record;
    let relation = record.relation.as_deref().unwrap_or("a relation");
    let moment = match record.moment {
        Moment::Commit => "after a commit".to_owned(),
        Moment::BeforeMerge => format!("before a merge of {relation}"),
        Moment::AfterMerge => format!("after a merge of {relation}"),
    };
    let seconds = record.elapsed_ms as f64 / 1000.0;
    let per_second = |amount: u64| amount as f64 / seconds.max(0.001);
    let mut fields = vec![
        (
            "height",
            format!("{}, {moment}", grouped(record.height.0.into())),
        ),
        (
            "run",
            format!("{} of {runs}, {seconds:.1} s after it began", found.run),
        ),
        (
            "imported",
            format!(
                "{} blocks, {} MB: {:.1} blocks/s, {:.1} MB/s",
                grouped(record.blocks),
                grouped(record.block_bytes / 1_000_000),
                per_second(record.blocks),
                per_second(record.block_bytes) / 1e6
            ),
        ),
    ];
    fields.extend(memory_fields(record));
    fields.extend(table_fields(record));
    fields.push(("index", format!("{} MiB", mib(record.index_bytes))));
    fields
}

fn memory_fields(record: &Record) -> Fields {
    let (heap, process) = (&record.heap, &record.process);
    let mut fields = vec![
        (
            "heap",
            format!(
                "{} MiB: {} redb, {} outside the plan; {} from the system",
                mib(heap.live_bytes),
                mib(heap.redb_bytes),
                mib(heap.outside_bytes()),
                mib(heap.committed_bytes)
            ),
        ),
        (
            "allocations",
            format!(
                "{}, {} MiB in all",
                grouped(heap.allocations),
                mib(heap.allocated_bytes)
            ),
        ),
        (
            "process",
            format!(
                "{} MiB private, {} at most; {} of mapped files",
                mib(process.private_bytes),
                mib(process.peak_private_bytes),
                mib(process.file_bytes)
            ),
        ),
        (
            "",
            format!(
                "{} open files, {} mappings, {} page faults, {} of them from disk",
                grouped(process.open_files),
                grouped(process.mappings),
                grouped(process.minor_faults.saturating_add(process.major_faults)),
                grouped(process.major_faults)
            ),
        ),
    ];
    if let Some(cgroup) = record.cgroup {
        let limit = cgroup.limit_bytes.map_or("no limit".to_owned(), |bytes| {
            format!("limit {} MiB", mib(bytes))
        });
        let usage = mib(cgroup.usage_bytes);
        fields.push((
            "control group",
            format!("{usage} MiB with the page cache, {limit}"),
        ));
    }
    fields
}

fn table_fields(record: &Record) -> Fields {
    let table = &record.table;
    let lookups = table.hits.saturating_add(table.misses);
    vec![
        (
            "table",
            format!(
                "{} coins, load {} of {} slots ({} at full size)",
                grouped(table.coins),
                percent(table.coins, table.homes),
                grouped(table.homes),
                grouped(table.slots)
            ),
        ),
        (
            "",
            format!(
                "{} of {} lookups hit, {} coins dropped, probes of {:.2} slots, {} at most",
                percent(table.hits, lookups),
                grouped(lookups),
                grouped(table.evictions),
                table.probe_slots,
                grouped(table.probe_slots_max)
            ),
        ),
    ]
}

/// The plan beside what was used.
fn show_parts(found: &Found, out: &mut impl Write) -> Result<()> {
    let known = |bytes: Option<u64>| bytes.map_or("-".to_owned(), mib);
    let titles = ["MiB", "planned", "made with", "in use", "most"];
    let mut rows = vec![titles.map(String::from)];
    let (mut made, mut used) = (0_u64, 0_u64);
    for part in &found.record.parts {
        made = made.saturating_add(part.capacity_bytes);
        used = used.saturating_add(part.in_use_bytes.unwrap_or(0));
        rows.push([
            part.part.to_string(),
            mib(planned_bytes(&found.head, part)),
            mib(part.capacity_bytes),
            known(part.in_use_bytes),
            known(part.most_bytes),
        ]);
    }
    let budget = mib(found.head.budget_bytes);
    rows.push([
        "together".to_owned(),
        budget,
        mib(made),
        mib(used),
        String::new(),
    ]);
    print(out, [Left, Right, Right, Right, Right], &rows)
}

fn show_relations(relations: &[RelationUse], out: &mut impl Write) -> Result<()> {
    let mut rows = vec![["relation", "rows", "runs", "MiB"].map(String::from)];
    rows.extend(relations.iter().map(|relation| {
        [
            relation.name.clone(),
            grouped(relation.rows),
            grouped(relation.runs),
            mib(relation.bytes),
        ]
    }));
    print(out, [Left, Right, Right, Right], &rows)
}

/// Stages in the order of their work; those of other names behind.
fn show_stages(record: &Record, out: &mut impl Write) -> Result<()> {
    let place = |name: &str| Stage::NAMES.iter().position(|(_, known)| *known == name);
    let mut stages: Vec<(&String, &u64)> = record.stages_ms.iter().collect();
    stages.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
    let mut rows = vec![["stage", "seconds", "%"].map(String::from)];
    rows.extend(stages.into_iter().map(|(name, ms)| {
        let percent = *ms as f64 * 100.0 / record.elapsed_ms.max(1) as f64;
        [
            name.replace('_', " "),
            format!("{:.3}", *ms as f64 / 1000.0),
            format!("{percent:.0}"),
        ]
    }));
    print(out, [Left, Right, Right], &rows)
}
