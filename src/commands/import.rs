//! `blkdex import`: runs the import, shows how it goes, and sums it up.
//!
//! Invariant: signals only set a flag; the import ends itself, after a commit.

use super::after;
use super::hearing::heard;
use super::place;
use super::signals::INTERRUPTED;
use super::summary;
use crate::args::ImportArgs;
use crate::commands::streams::say;
use anyhow::Result;
use blkdex::import::{Watch, import};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Runs it.
pub fn run(args: &ImportArgs, index: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let source = args.source.get();
    place::say_of_source(&source);
    let options = args.how.options(source, index, args.force);
    let work = |watch: &mut Watch<'_>| import(&options, watch);
    let (summary, scribe) = heard(&args.how, index, &options.source, work)?;
    let told = match json {
        true => writeln!(out, "{}", summary::to_json(&summary)),
        false => summary::show(&summary, out),
    };
    if summary.interrupted {
        say("blkdex: interrupted; all up to here is committed, the same command goes on");
    }
    let code = match summary.interrupted {
        true => ExitCode::from(INTERRUPTED),
        false => ExitCode::SUCCESS,
    };
    let code = after(code, told)?;
    scribe.finish().map(|()| code)
}
