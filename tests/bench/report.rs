//! The table that the bench prints.

use serde_json::Value;

use super::jobs::{Job, json};
use super::measure::Measured;

const HEADINGS: [&str; 14] = [
    "job",
    "seconds",
    "CPU s",
    "MB/s",
    "blocks/s",
    "x stream",
    "x floor",
    "private MB",
    "budget MB",
    "index MB",
    "peak MB",
    "B/output",
    "x runs",
    "written x",
];

/// One job's median run, or why there is none.
pub struct Row {
    /// What ran.
    pub job: Job,
    /// Its median run.
    pub outcome: Result<Measured, String>,
}

/// The run of median length.
pub fn median(mut runs: Vec<Measured>) -> Measured {
    runs.sort_by(|left, right| left.seconds.total_cmp(&right.seconds));
    let middle = runs.len() / 2;
    runs.swap_remove(middle)
}

/// Prints the rows, then what they have to say beside numbers.
pub fn print(rows: &[Row], facts: &Value) {
    let seconds_of = |job: Job| {
        let row = rows.iter().find(|row| row.job == job);
        let run = row.and_then(|row| row.outcome.as_ref().ok());
        run.map(|run| run.seconds)
    };
    let yardsticks = [Job::Stream, Job::Floor].map(seconds_of);
    let mut lines = vec![HEADINGS.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| cells(row, facts, yardsticks)));
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].len())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    for (number, line) in lines.iter().enumerate() {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:>width$}"));
        println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
        if number == 0 {
            let rules = widths
                .iter()
                .map(|&width| format!("{}:", "-".repeat(width - 1)));
            println!("| {} |", rules.collect::<Vec<_>>().join(" | "));
        }
    }
    println!();
    rows.iter().for_each(notes);
}

/// `yardsticks`: the seconds that others are told as multiples of.
fn cells(row: &Row, facts: &Value, yardsticks: [Option<f64>; 2]) -> Vec<String> {
    let mut cells = vec![row.job.name().to_owned()];
    let Ok(run) = &row.outcome else {
        cells.resize(HEADINGS.len(), "n/a".to_owned());
        return cells;
    };
    let answer = json(&run.stdout);
    let is_import = matches!(row.job, Job::Import | Job::Eighth);
    let fact = |name: &str| facts[name].as_f64().unwrap_or(f64::NAN);
    let rate = |amount: f64| row.job.reads_all().then(|| amount / run.seconds);
    let index = |value: f64| is_import.then_some(value);
    let [to_stream, to_floor] = yardsticks.map(|seconds| {
        let seconds = seconds.filter(|_| row.job.reads_all() || row.job == Job::Verify);
        number(seconds.map(|seconds| run.seconds / seconds), 2)
    });
    let decimals = if run.seconds < 1.0 { 3 } else { 2 };
    cells.extend([
        format!("{:.decimals$}", run.seconds),
        format!("{:.decimals$}", run.cpu_seconds),
        number(rate(fact("bytes") / 1e6), 0),
        number(rate(fact("blocks")), 0),
        to_stream,
        to_floor,
        number(
            answer["peak_memory_bytes"]
                .as_f64()
                .map(|bytes| bytes / 1e6),
            0,
        ),
        number(
            answer["memory_budget_bytes"]
                .as_f64()
                .map(|bytes| bytes / 1e6),
            0,
        ),
        number(index(run.index_bytes as f64 / 1e6), 0),
        number(index(run.peaks.index_bytes as f64 / 1e6), 0),
        number(index(run.index_bytes as f64 / fact("outputs")), 1),
        number(
            answer["runs_bytes"]
                .as_f64()
                .map(|bytes| run.index_bytes as f64 / bytes),
            2,
        ),
        number(index(run.written_bytes as f64 / run.index_bytes as f64), 2),
    ]);
    cells
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or(String::new(), |value| format!("{value:.decimals$}"))
}

/// Hit rate and stages of an import, rows of a set, resident memory, or why the job did not run.
fn notes(row: &Row) {
    let name = row.job.name();
    let run = match &row.outcome {
        Ok(run) => run,
        Err(words) => return println!("{name}: n/a, {words}"),
    };
    let answer = json(&run.stdout);
    let mut words = vec![
        format!(
            "seen resident {:.0} MB",
            run.peaks.resident_bytes as f64 / 1e6
        ),
        format!("private {:.0} MB", run.peaks.anonymous_bytes as f64 / 1e6),
    ];
    let table = &answer["table"];
    if let (Some(hits), Some(misses)) = (table["hits"].as_f64(), table["misses"].as_f64()) {
        words.push(format!("hit rate {:.2} %", 100.0 * hits / (hits + misses)));
        words.push(format!("table of {} slots", table["capacity"]));
    }
    if let Some(stages) = answer["stages"].as_object() {
        let stage = |(name, seconds): (&String, &Value)| match seconds.as_f64() {
            Some(seconds) => format!("{name} {seconds:.2} s"),
            None => format!("{name} {seconds}"),
        };
        words.extend(stages.iter().map(stage));
    }
    if let Some(events) = answer["events"].as_u64() {
        words.push(format!("{events} events"));
    }
    if let (Some(rows), Some(tables)) = (answer["rows"].as_f64(), answer["tables"].as_array()) {
        words.push(format!("{:.2} M rows/s", rows / 1e6 / run.seconds));
        let per_row = |table: &Value| {
            let (bytes, rows) = (table["bytes"].as_f64()?, table["rows"].as_f64()?);
            Some(format!(
                "{} {:.1} B/row",
                table["table"].as_str()?,
                bytes / rows
            ))
        };
        words.extend(tables.iter().filter_map(per_row));
    }
    println!("{name}: {}", words.join(", "));
}
