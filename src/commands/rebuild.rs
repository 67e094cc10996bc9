//! `blkdex rebuild`: an import into a new file, its check, and the change of files.
//!
//! Invariant: the old index stays usable until the last moment.

use super::hearing::Heard;
use super::place;
use super::signals::{self, INTERRUPTED};
use super::{after, summary};
use crate::args::RebuildArgs;
use crate::commands::streams::{plain, say};
use anyhow::Result;
use blkdex::datadir::{Location, Source};
use blkdex::import::{Summary, Watch};
use blkdex::index::remembered;
use blkdex::rebuild::{Old, Rebuilt, new_path, rebuild};
use blkdex::verify::Verified;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Runs it.
pub fn run(args: &RebuildArgs, index: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let source = match args.source() {
        Some(source) => source,
        None => remembered_source(args, index)?,
    };
    place::say_of_source(&source);
    let options = args.how.options(source, index, args.force);
    let old = match args.force {
        true => None,
        false => Old::look(index)?,
    };
    let heard = Heard {
        how: &args.how,
        index,
        source: &options.source,
        stop: &*signals::caught()?,
    };
    let work = |watch: &mut Watch<'_>| rebuild(&options, old.as_ref(), watch);
    let (rebuilt, scribe) = heard.run(&mut |_| {}, work)?;
    let code = show(&rebuilt, index, json, out)?;
    scribe.finish().map(|()| code)
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
    let Some(verified) = &rebuilt.verified else {
        say(&format!(
            "blkdex: interrupted; the old index is as it was, and the same command goes on with {}",
            new_path(index).display()
        ));
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let told = tell(&rebuilt.summary, verified, index, json, out);
    after(ExitCode::SUCCESS, told)
}

fn tell(
    summary: &Summary,
    verified: &Verified,
    index: &Path,
    json: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let muhash = verified.stats.muhash.map(|hash| hash.to_string());
    if json {
        let mut answer = summary::to_json(summary);
        answer["muhash"] = muhash.into();
        return writeln!(out, "{answer}");
    }
    summary::show(summary, out)?;
    writeln!(
        out,
        "checked: {} coins, muhash {}; {} is the new index",
        verified.stats.txouts,
        muhash.unwrap_or_default(),
        plain(&index.to_string_lossy())
    )
}
