//! `blkdex import`: runs the import, shows how it goes, and sums it up.
//!
//! Invariant: signals only set a flag; the import ends itself, after a commit.

use super::progress::Reporter;
use super::signals::{self, INTERRUPTED};
use super::summary;
use crate::args::ImportArgs;
use anyhow::Result;
use bitcoin::hashes::Hash;
use blkdex::import::{Options, import};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Runs it.
pub fn run(args: &ImportArgs, index: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let options = Options {
        source: args.source.get(),
        index: index.to_owned(),
        memory_bytes: args.memory.bytes(),
        table_bytes: args.table,
        segment_bytes: args.segment.map(|bytes| bytes as u64),
        until: args.until,
        commit_every: args.commit_every,
        invalid: args
            .invalid
            .iter()
            .map(|hash| hash.to_byte_array())
            .collect(),
        checks_witness: args.check_witness,
    };
    let stop = signals::caught()?;
    let mut reporter = Reporter::new(args.quiet);
    let done = import(&options, &stop, &mut |event| reporter.hear(event));
    reporter.finish();
    let summary = done?;
    if json {
        writeln!(out, "{}", summary::to_json(&summary))?;
    } else {
        summary::show(&summary, out)?;
    }
    if summary.interrupted {
        eprintln!("blkdex: interrupted; all up to here is committed, the same command goes on");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::SUCCESS)
}
