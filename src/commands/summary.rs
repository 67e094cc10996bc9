//! The closing summary of an import, for people and as JSON.
//!
//! Invariant: both show the same numbers.

use super::columns::Align::{Left, Right};
use super::columns::{print, print_fields};
use super::words::grouped;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use blkdex::import::{Effort, Stage, Summary};
use serde_json::{Map, Value, json};
use std::io::{Result, Write};

/// What is said of an import that was interrupted.
pub const INTERRUPTED: &str =
    "blkdex: interrupted; all up to here is committed, the same command goes on";

/// As JSON, or for people.
pub fn tell(summary: &Summary, json: bool, out: &mut impl Write) -> Result<()> {
    match json {
        true => writeln!(out, "{}", to_json(summary)),
        false => show(summary, out),
    }
}

/// As JSON.
pub fn to_json(summary: &Summary) -> Value {
    let stage = |(stage, name): &(Stage, &str)| {
        (
            name.to_string(),
            json!(summary.clock.spent(*stage).as_secs_f64()),
        )
    };
    let stages: Map<String, Value> = Stage::NAMES.iter().map(stage).collect();
    let memory: Vec<Value> = summary
        .parts
        .iter()
        .map(|(planned, used)| json!({"part": planned.part, "planned_bytes": planned.bytes, "used_bytes": used}))
        .collect();
    json!({
        "height": summary.tip.map(|(height, _)| height.0),
        "hash": summary.tip.map(|(_, hash)| BlockHash::from_byte_array(hash).to_string()),
        "blocks": summary.totals.blocks,
        "txs": summary.totals.txs,
        "inputs": summary.totals.inputs,
        "outputs": summary.totals.outputs,
        "coins": summary.coins,
        "imported": {
            "blocks": summary.imported.blocks,
            "txs": summary.imported.txs,
            "inputs": summary.imported.inputs,
            "outputs": summary.imported.outputs,
        },
        "seconds": summary.seconds,
        "index_bytes": summary.index_bytes,
        "runs_bytes": summary.runs_bytes,
        "peak_memory_bytes": summary.peak_memory_bytes,
        "memory_budget_bytes": summary.memory_budget_bytes,
        "memory": memory,
        "stages": stages,
        "table": {
            "capacity": summary.table_capacity,
            "hits": summary.table.hits,
            "misses": summary.table.misses,
            "evictions": summary.table.evictions,
        },
        "effort": effort(&summary.effort),
        "interrupted": summary.interrupted,
        "chain": summary.chain_end,
        "left_out": summary.left_out,
        "tip_connected": summary.tip_connected,
    })
}

/// What was merged and passed.
fn effort(effort: &Effort) -> Value {
    let by_relation = |counts: [u64; 4]| -> Map<String, Value> {
        let counts = Effort::relations().into_iter().zip(counts);
        counts
            .map(|(name, count)| (name.to_owned(), count.into()))
            .collect()
    };
    json!({
        "commits": effort.commits,
        "spills": by_relation(effort.spills),
        "merged_rows": by_relation(effort.merged_rows),
        "joined_rows": effort.joined_rows,
        "passed_rows": effort.passed_rows,
        "passed_bytes": effort.passed_bytes,
    })
}

/// For people.
pub fn show(summary: &Summary, out: &mut impl Write) -> Result<()> {
    let Some((height, hash)) = summary.tip else {
        return writeln!(out, "no block was imported");
    };
    if summary.imported.blocks == 0 {
        let hash = BlockHash::from_byte_array(hash);
        return writeln!(
            out,
            "nothing to do: the index is at height {height} ({hash})"
        );
    }
    let imported = &summary.imported;
    let lookups = summary.table.hits + summary.table.misses;
    let per_output = summary.index_bytes as f64 / summary.totals.outputs.max(1) as f64;
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    print_fields(
        out,
        &[
            (
                "height",
                format!(
                    "{} ({})",
                    grouped(height.0.into()),
                    BlockHash::from_byte_array(hash)
                ),
            ),
            (
                "imported",
                format!(
                    "{} blocks, {} transactions, {} inputs, {} outputs in {:.1} s",
                    grouped(imported.blocks),
                    grouped(imported.txs),
                    grouped(imported.inputs),
                    grouped(imported.outputs),
                    summary.seconds
                ),
            ),
            ("coins", grouped(summary.coins)),
            (
                "index",
                format!(
                    "{} ({per_output:.1} bytes an output)",
                    mib(summary.index_bytes)
                ),
            ),
            (
                "table",
                format!(
                    "{:.1} % of {} lookups hit, {} coins dropped",
                    summary.table.hits as f64 * 100.0 / lookups.max(1) as f64,
                    grouped(lookups),
                    grouped(summary.table.evictions)
                ),
            ),
            (
                "memory",
                format!(
                    "{} at most of {}",
                    mib(summary.peak_memory_bytes),
                    mib(summary.memory_budget_bytes)
                ),
            ),
        ],
    )?;
    writeln!(out)?;
    show_parts(summary, out)?;
    writeln!(out)?;
    show_stages(summary, out)
}

/// Planned and used memory, part by part.
fn show_parts(summary: &Summary, out: &mut impl Write) -> Result<()> {
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    let mut rows = vec![["part", "planned MiB", "used MiB"].map(String::from)];
    for (planned, used) in &summary.parts {
        let used = used.map_or_else(|| "-".to_owned(), mib);
        rows.push([planned.part.to_string(), mib(planned.bytes as u64), used]);
    }
    print(out, [Left, Right, Right], &rows)
}

/// Seconds, stage by stage.
fn show_stages(summary: &Summary, out: &mut impl Write) -> Result<()> {
    let mut rows = vec![["stage", "seconds", "%"].map(String::from)];
    for (stage, name) in Stage::NAMES {
        let seconds = summary.clock.spent(stage).as_secs_f64();
        let percent = seconds * 100.0 / summary.seconds.max(1e-9);
        rows.push([
            name.replace('_', " "),
            format!("{seconds:.3}"),
            format!("{percent:.0}"),
        ]);
    }
    print(out, [Left, Right, Right], &rows)
}
