//! `blkdex export parquet`: writes the data set and says what is in it.
//!
//! Invariant: words and JSON say the same numbers.

use super::columns::Align::{Left, Right};
use super::columns::{print, print_fields};
use super::progress::Reporter;
use super::signals;
use super::words::grouped;
use crate::args::ExportParquetArgs;
use anyhow::Result;
use blkdex::dataset::{News, Options, Table, Until, UtxoSetThen, Watch, Written, export_parquet};
use blkdex::os::Resident;
use blkdex::primitives::{Height, bitcoins};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// `export parquet --json`.
#[derive(Serialize)]
struct Answer<'w> {
    first: Option<Height>,
    last: Option<Height>,
    until: Height,
    tables: Vec<TableAnswer>,
    rows: u64,
    bytes: u64,
    block_bytes: u64,
    redone: &'w [(Height, Height)],
    leftovers: u64,
    utxo_set: Option<&'w UtxoSetThen>,
    seconds: f64,
    peak_memory_bytes: u64,
}

#[derive(Serialize)]
struct TableAnswer {
    table: Table,
    files: u64,
    rows: u64,
    bytes: u64,
}

/// Runs it.
pub fn run(
    args: &ExportParquetArgs,
    index: &Path,
    json: bool,
    out: &mut impl Write,
) -> Result<ExitCode> {
    let stop = signals::caught()?;
    let mut reporter = Reporter::new(args.quiet);
    let began = Instant::now();
    let mut watch = Watch {
        stop: &stop,
        tell: &mut |news| match news {
            News::Progress(progress) => reporter.dataset(progress),
            News::Redone(first, last) => reporter.say(&format!(
                "blocks {first} to {last} have left the chain: their files are written anew"
            )),
            News::Leftovers(count) => reporter.say(&format!(
                "{} of earlier runs that were killed removed",
                files_word(count)
            )),
        },
    };
    let written = export_parquet(index, &options(args), &mut watch);
    reporter.finish();
    let written = written?;
    let peak = Resident::now().peak_private_bytes;
    let seconds = began.elapsed().as_secs_f64();
    match json {
        true => writeln!(
            out,
            "{}",
            serde_json::to_string(&answer(&written, seconds, peak))?
        )?,
        false => show(&written, seconds, peak, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn options(args: &ExportParquetArgs) -> Options {
    let all = Options::new(args.to.clone());
    Options {
        from: args.from,
        until: args.until.unwrap_or(Until::Settled),
        tables: match args.tables.is_empty() {
            true => all.tables.clone(),
            false => args.tables.clone(),
        },
        blocks_per_file: args.blocks_per_file,
        group_rows: args.row_group_rows as usize,
        hashes: args.hashes.get(),
        has_spent_coins: !args.without_spent_coins,
        location: args.location(),
        memory_bytes: args.memory.bytes(),
        ..all
    }
}

fn answer(written: &Written, seconds: f64, peak: u64) -> Answer<'_> {
    let tables = written.tables.iter().map(|table| TableAnswer {
        table: table.table,
        files: table.files,
        rows: table.rows,
        bytes: table.bytes,
    });
    Answer {
        first: written.blocks.map(|(first, _)| first),
        last: written.blocks.map(|(_, last)| last),
        until: written.until,
        tables: tables.collect(),
        rows: written.tables.iter().map(|table| table.rows).sum(),
        bytes: written.tables.iter().map(|table| table.bytes).sum(),
        block_bytes: written.block_bytes,
        redone: &written.redone,
        leftovers: written.leftovers,
        utxo_set: written.utxo_set.as_ref(),
        seconds,
        peak_memory_bytes: peak,
    }
}

fn show(written: &Written, seconds: f64, peak: u64, out: &mut impl Write) -> io::Result<()> {
    let Some((first, last)) = written.blocks else {
        let until = written.until;
        return writeln!(
            out,
            "nothing to do: the set has all blocks up to height {until}"
        );
    };
    let rows: u64 = written.tables.iter().map(|table| table.rows).sum();
    let rate = |amount: u64| amount as f64 / seconds.max(1e-6);
    let mut fields = vec![
        ("blocks", format!("{first} to {last}")),
        (
            "written",
            format!(
                "{} rows of {:.1} MB of blocks in {seconds:.1} s ({:.1} MB/s, {} rows/s)",
                grouped(rows),
                written.block_bytes as f64 / 1e6,
                rate(written.block_bytes) / 1e6,
                grouped(rate(rows) as u64)
            ),
        ),
        (
            "memory",
            format!("{:.1} MiB at most", peak as f64 / f64::from(1 << 20)),
        ),
    ];
    fields.extend(written.utxo_set.as_ref().map(|set| {
        let total = bitcoins(set.total_amount_sat);
        let (height, coins) = (set.height, grouped(set.txouts));
        let text = format!("{coins} coins, {total} BTC at height {height}, as the set adds up");
        ("utxo set", text)
    }));
    print_fields(out, &fields)?;
    writeln!(out)?;
    let mut lines = vec![["table", "files", "rows", "bytes", "bytes a row"].map(String::from)];
    for table in &written.tables {
        let per_row = table.bytes as f64 / table.rows.max(1) as f64;
        lines.push([
            table.table.to_string(),
            grouped(table.files),
            grouped(table.rows),
            grouped(table.bytes),
            format!("{per_row:.1}"),
        ]);
    }
    print(out, [Left, Right, Right, Right, Right], &lines)
}

fn files_word(count: u64) -> String {
    match count {
        1 => "1 file".to_owned(),
        _ => format!("{count} files"),
    }
}
