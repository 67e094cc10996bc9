//! `blkdex doctor`: looks, and says what it found.
//!
//! Invariant: exit code 0 only where an import would work.

use super::after;
use super::columns::print_fields;
use super::notices::oversize;
use super::place;
use super::progress::Reporter;
use super::words::grouped;
use crate::args::DoctorArgs;
use crate::commands::streams::plain;
use anyhow::Result;
use blkdex::datadir::Spot;
use blkdex::doctor::{ChainFound, Deep, FilesFound, Findings, Options, State, examine};
use blkdex::import::{Needs, Watch};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

/// Runs it. `complete` makes the commands work that the lines name.
pub fn run(
    args: &DoctorArgs,
    (index, complete): (&Path, &dyn Fn(&str) -> String),
    json: bool,
    out: &mut impl Write,
) -> Result<ExitCode> {
    let source = args.source.get();
    place::say_of_source(&source);
    let options = Options {
        source,
        index: index.to_owned(),
        memory_bytes: args.memory.bytes(),
        keeps_txids: args.keep_txids,
        deep: args.deep,
        checks_witness: args.check_witness,
    };
    let mut reporter = Reporter::new(args.quiet);
    let mut watch = Watch {
        // Ctrl-C ends it at once: it changes nothing.
        stop: &AtomicBool::new(false),
        tell: &mut |event| reporter.hear(&event),
    };
    let found = examine(&options, &mut watch);
    reporter.finish();
    let mut findings = found?;
    for line in findings.problems.iter_mut().chain(&mut findings.warnings) {
        *line = complete(line);
    }
    let told = match json {
        true => writeln!(out, "{}", serde_json::to_string(&findings)?),
        false => show(&findings, out),
    };
    let code = match findings.works {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    };
    after(code, told)
}

fn show(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    let mut fields = Vec::new();
    fields.extend(findings.network.clone().map(|name| ("network", name)));
    findings
        .files
        .iter()
        .for_each(|files| show_files(files, &mut fields));
    findings
        .chain
        .iter()
        .for_each(|chain| show_chain(chain, &mut fields));
    if let Some(index) = &findings.index {
        let state = match index.height {
            Some(height) => format!("at height {}", grouped(height.0.into())),
            None if index.exists => "without blocks".into(),
            None => "not there yet".into(),
        };
        let kept = if index.keeps_txids {
            ", keeps txids"
        } else {
            ""
        };
        fields.push(("index", format!("{}, {state}{kept}", index.path.display())));
    }
    fields.push(("sha-256", findings.sha256.clone()));
    findings
        .needs
        .iter()
        .for_each(|needs| show_needs(needs, &mut fields));
    findings
        .deep
        .iter()
        .for_each(|deep| fields.push(("deep", deep_line(deep))));
    print_fields(out, &fields)?;
    for (word, lines) in [
        ("warning", &findings.warnings),
        ("problem", &findings.problems),
    ] {
        for line in lines {
            writeln!(out, "{word}: {}", plain(line))?;
        }
    }
    match findings.works {
        true => writeln!(out, "an import would work"),
        false => writeln!(out, "an import would not work"),
    }
}

type Fields = Vec<(&'static str, String)>;

fn show_files(files: &FilesFound, fields: &mut Fields) {
    let key = match files.obfuscated {
        true => "obfuscated",
        false => "not obfuscated",
    };
    fields.push((
        "files",
        format!(
            "{} in {} (blk{:05} to blk{:05}), {}, {key}",
            grouped(files.count),
            files.dir.display(),
            files.first,
            files.last,
            megabytes(files.bytes)
        ),
    ));
    let mut records = grouped(files.records);
    for (count, what) in [
        (files.duplicates, "duplicates"),
        (files.out_of_order, "out of order"),
        (files.zero_gaps, "gaps of zeros"),
        (files.allocated_ahead_bytes, "bytes allocated ahead"),
    ] {
        if count > 0 {
            records += &format!(", {} {what}", grouped(count));
        }
    }
    fields.push(("records", records));
    if files.junk_bytes > 0 {
        let bytes = grouped(files.junk_bytes);
        fields.push((
            "junk",
            format!("{bytes} bytes, from {}", spots(&files.junk)),
        ));
    }
    if files.cut_records > 0 {
        fields.push((
            "cut",
            format!("{} at {}", grouped(files.cut_records), spots(&files.cut)),
        ));
    }
    for found in &files.oversize {
        let (file, offset) = (found.file, found.offset_bytes);
        let fault = oversize(found.bytes);
        fields.push((
            "oversize",
            format!("blk{file:05}.dat at byte {offset}: {fault}"),
        ));
    }
}

fn spots(spots: &[Spot]) -> String {
    let spot = |spot: &Spot| format!("blk{:05}.dat at byte {}", spot.file, spot.offset_bytes);
    spots.iter().map(spot).collect::<Vec<_>>().join(", ")
}

fn show_chain(chain: &ChainFound, fields: &mut Fields) {
    let state = match chain.state {
        State::Complete => "complete",
        State::Pruned => "pruned: the oldest blocks are gone",
        State::Assumeutxo => "begun at a snapshot (assumeutxo), older blocks still to come",
        State::BeingWritten => "still being written",
        State::Gap => "with a gap",
    };
    let mut range = match (chain.reach.height, chain.first) {
        (Some(height), Some(first)) => {
            format!(
                "{} to {}",
                grouped(first.0.into()),
                grouped(height.0.into())
            )
        }
        _ => "none from 0 on".into(),
    };
    if chain.reach.orphans > 0 {
        range += &format!(
            ", and {} that lack an ancestor",
            grouped(chain.reach.orphans.into())
        );
        if let Some(height) = chain.goes_on_at {
            range += &format!(", the first at {}", grouped(height.0.into()));
        }
    }
    fields.push(("chain", state.into()));
    fields.push(("heights", range));
    fields.extend(chain.hash.map(|hash| ("tip", hash.to_string())));
    if chain.stale > 0 {
        fields.push(("stale", grouped(chain.stale.into())));
    }
}

fn show_needs(needs: &Needs, fields: &mut Fields) {
    let free = needs.free_disk_bytes.map_or("unknown".into(), megabytes);
    let available = needs
        .memory_available_bytes
        .map_or("unknown".into(), megabytes);
    fields.push((
        "to import",
        format!(
            "{} blocks, {}",
            grouped(needs.blocks),
            megabytes(needs.bytes)
        ),
    ));
    fields.push((
        "disk",
        format!(
            "about {} more (index: {}), free: {free}",
            megabytes(needs.disk_bytes),
            megabytes(needs.index_bytes)
        ),
    ));
    fields.push((
        "memory",
        format!(
            "--memory {}M advised, available: {available}",
            needs.memory_advised_bytes >> 20
        ),
    ));
    fields.push(("time", format!("about {:.0} s", needs.seconds.ceil())));
}

fn deep_line(deep: &Deep) -> String {
    format!(
        "{} blocks, {}, {} transactions in {:.2} s; {} wrong",
        grouped(deep.tally.blocks),
        megabytes(deep.tally.bytes),
        grouped(deep.tally.txs),
        deep.seconds,
        grouped(deep.wrong_blocks)
    )
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
