//! `blkdex import`: runs the import, shows how it goes, and sums it up.
//!
//! Invariant: signals only set a flag; the import ends itself, after a commit.

use super::after;
use super::follow;
use super::hearing::Heard;
use super::place;
use super::signals::{self, INTERRUPTED};
use super::summary;
use crate::args::ImportArgs;
use crate::commands::streams::say;
use anyhow::Result;
use blkdex::import::import;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Runs it.
pub fn run(args: &ImportArgs, index: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let source = args.source.get();
    place::say_of_source(&source);
    let options = args.how.options(source, index, args.force);
    let heard = Heard {
        how: &args.how,
        index,
        source: &options.source,
        stop: &*signals::caught()?,
    };
    if args.follow {
        return follow::run(&heard, &options, json, out);
    }
    let (summary, scribe) = heard.run(&mut |_| {}, |watch| import(&options, watch))?;
    // Who runs it quietly every few minutes hears of blocks, and not of none.
    let is_news = summary.imported.blocks > 0 || summary.tip.is_none() || summary.interrupted;
    let told = match is_news || json || !args.how.quiet {
        true => summary::tell(&summary, json, out),
        false => Ok(()),
    };
    if summary.interrupted {
        say(summary::INTERRUPTED);
    }
    let code = match summary.interrupted {
        true => ExitCode::from(INTERRUPTED),
        false => ExitCode::SUCCESS,
    };
    let code = after(code, told)?;
    scribe.finish().map(|()| code)
}
