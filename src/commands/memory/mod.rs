//! `blkdex memory`: what a memory log says.
//!
//! Invariant: a log that was cut short is read up to there, and that is said on stderr.

mod diff;
mod show;

use super::words::grouped;
use crate::args::{MemoryReportArgs, MemoryWhat};
use crate::commands::streams::say;
use anyhow::Result;
use blkdex::export::Destination;
use blkdex::import::Stage;
use blkdex::ledger::numbers::counted;
use blkdex::ledger::{diff, find, report};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Runs it.
pub fn run(what: &MemoryWhat, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    match what {
        MemoryWhat::Diff(args) => {
            let (diff, cut) = diff(&args.log, args.from, args.to)?;
            say_cut(&args.log, &cut);
            match json {
                true => writeln!(out, "{}", serde_json::to_string(&diff)?)?,
                false => diff::show(&diff, out)?,
            }
        }
        MemoryWhat::Show(args) => {
            let answers = find(&args.log, &[args.at])?;
            say_cut(&args.log, &answers.cut);
            match json {
                true => writeln!(out, "{}", show::to_json(&answers))?,
                false => show::show(&answers, out)?,
            }
        }
        MemoryWhat::Report(args) => draw(args, json, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn draw(args: &MemoryReportArgs, json: bool, out: &mut impl Write) -> Result<()> {
    let to = args.destination();
    let stages = Stage::NAMES.map(|(_, name)| name);
    let drawn = report(&args.log, &stages, args.output.format, &to)?;
    say_cut(&args.log, &drawn.cut);
    let (height, runs, commits) = (drawn.height, drawn.runs, drawn.commits);
    let said = match json {
        true => json!({"height": height, "runs": runs, "commits": commits}).to_string(),
        false => format!(
            "{}, {}, up to height {}",
            counted(runs, "run", "runs"),
            counted(commits, "commit", "commits"),
            height.map_or_else(String::new, |height| grouped(height.0.into()))
        ),
    };
    match to {
        Destination::Stdout => say(&said),
        Destination::File { .. } => writeln!(out, "{said}")?,
    }
    Ok(())
}

/// Says which lines a killed process did not end.
fn say_cut(log: &Path, lines: &[u64]) {
    let numbers: Vec<String> = lines.iter().map(u64::to_string).collect();
    let said = match lines {
        [] => return,
        [line] => format!("line {line} was cut short, by the end of an import"),
        _ => format!(
            "lines {} were cut short, by the end of imports",
            numbers.join(", ")
        ),
    };
    say(&format!("blkdex: {}: {said}: left out", log.display()));
}
