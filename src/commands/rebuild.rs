//! `blkdex rebuild`: an import into a new file, its check, and the change of files.
//!
//! Invariant: the old index stays usable until the last moment.

use super::ledger::Scribe;
use super::progress::Reporter;
use super::signals::{self, INTERRUPTED};
use super::summary;
use crate::args::RebuildArgs;
use crate::guard::guarded;
use crate::streams::say;
use anyhow::{Context, Result};
use blkdex::datadir::{Location, Source};
use blkdex::index::Index;
use blkdex::query::QUERY_CACHE_BYTES;
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
        None => guarded(index, || remembered(args, index))
            .context("the index does not say where the block files are: give --datadir")?,
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
fn remembered(args: &RebuildArgs, index: &Path) -> Result<Source> {
    let index = Index::open(index, QUERY_CACHE_BYTES)?;
    let meta = index.meta();
    Ok(Source {
        location: Location::BlocksDir(meta.blocks_dir.clone()),
        network: Some(meta.network.parse()?),
        signet_challenge: args.signet_challenge(),
    })
}

fn show(rebuilt: &Rebuilt, index: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let summary = &rebuilt.summary;
    let Some(verified) = &rebuilt.verified else {
        say(&format!(
            "blkdex: interrupted; the old index is as it was, and the same command goes on with {}",
            new_path(index).display()
        ));
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
