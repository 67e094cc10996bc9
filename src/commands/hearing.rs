//! An import, heard: what happens goes into the memory log, and is said.
//!
//! Invariant: the log hears of it first, so that what is said of the log comes before what happened.

use super::ledger::Scribe;
use super::progress::Reporter;
use super::signals;
use crate::args::HowArgs;
use anyhow::Result;
use blkdex::datadir::Source;
use blkdex::import::Watch;
use std::path::Path;

/// Does `work`, until a signal ends it; returns what it came to, when all of that is said.
pub fn heard<T>(
    how: &HowArgs,
    index: &Path,
    source: &Source,
    work: impl FnOnce(&mut Watch<'_>) -> blkdex::Result<T>,
) -> Result<(T, Scribe)> {
    let stop = signals::caught()?;
    let mut scribe = Scribe::new(how, index, source)?;
    let mut reporter = Reporter::new(how.quiet);
    let mut watch = Watch {
        stop: &stop,
        tell: &mut |event| {
            if let Some(words) = scribe.hear(&event) {
                reporter.say(&words);
            }
            reporter.hear(event);
        },
    };
    let done = work(&mut watch);
    reporter.finish();
    Ok((done?, scribe))
}
