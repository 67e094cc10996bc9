//! `blkdex rebuild`: an import into a new file, its check, and the change of files.
//!
//! Invariant: the old index stays usable until the last moment.

use super::ledger::Scribe;
use super::progress::Reporter;
use super::signals::{self, INTERRUPTED};
use super::summary;
use crate::args::RebuildArgs;
use anyhow::Result;
use blkdex::datadir::{Location, Source};
use blkdex::index::remembered::remembered;
use blkdex::rebuild::{Rebuilt, new_path, rebuild};
use blkdex::utxo::Watch;
use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Runs it.
pub fn run(args: &RebuildArgs, index: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let source = match args.source() {
        Some(source) => source,
        None => remembered_source(args, index)?,
    };
    let options = args.how.options(source, index);
    let stop = signals::caught()?;
    let mut scribe = Scribe::new(&args.how, &stop)?;
    let reporter = RefCell::new(Reporter::new(args.how.quiet));
    let mut watch = Watch {
        stop: &stop,
        tell: &mut |progress| reporter.borrow_mut().reading(progress),
    };
    let done = rebuild(
        &options,
        &stop,
        &mut |event| {
            scribe.hear(&event);
            reporter.borrow_mut().hear(event);
        },
        &mut watch,
    );
    reporter.borrow_mut().finish();
    scribe.finish()?;
    show(&done?, index, json, out)
}

/// The block files as the old index remembers them.
fn remembered_source(args: &RebuildArgs, index: &Path) -> Result<Source> {
    let found = remembered(index)?;
    Ok(Source {
        location: Location::BlocksDir(found.blocks_dir),
        network: Some(found.network.parse()?),
        signet_challenge: args.signet_challenge(),
    })
}

fn show(rebuilt: &Rebuilt, index: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let summary = &rebuilt.summary;
    let Some(verified) = &rebuilt.verified else {
        eprintln!(
            "blkdex: interrupted; the old index is as it was, and the same command goes on with {}",
            new_path(index).display()
        );
        return Ok(ExitCode::from(INTERRUPTED));
    };
    if json {
        let mut answer = summary::to_json(summary);
        answer["muhash"] = verified.stats.muhash.map(|hash| hash.to_string()).into();
        writeln!(out, "{answer}")?;
        return Ok(ExitCode::SUCCESS);
    }
    summary::show(summary, out)?;
    let muhash = verified.stats.muhash.map(|hash| hash.to_string());
    writeln!(
        out,
        "checked: {} coins, muhash {}; {} is the new index",
        verified.stats.txouts,
        muhash.unwrap_or_default(),
        index.display()
    )?;
    Ok(ExitCode::SUCCESS)
}
