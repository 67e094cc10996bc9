//! An import, heard: what happens goes into the memory log, is said, and is told to whoever else listens.
//!
//! Invariant: the log hears of it first, so that what is said of the log comes before what happened; what is
//! drawn is taken away before anything else is written.

use super::ledger::Scribe;
use super::progress::Reporter;
use crate::args::HowArgs;
use anyhow::Result;
use blkdex::datadir::Source;
use blkdex::import::{Event, Watch};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// An import, and where it goes.
pub struct Heard<'a> {
    /// How to import.
    pub how: &'a HowArgs,
    /// The index.
    pub index: &'a Path,
    /// What is read.
    pub source: &'a Source,
    /// Ends it.
    pub stop: &'a AtomicBool,
}

impl Heard<'_> {
    /// Does `work`; returns what it came to, when all of that is said. `listener` hears it too.
    pub fn run<T>(
        &self,
        listener: &mut dyn FnMut(&Event<'_>),
        work: impl FnOnce(&mut Watch<'_>) -> blkdex::Result<T>,
    ) -> Result<(T, Scribe)> {
        let mut scribe = Scribe::new(self.how, self.index, self.source)?;
        let mut reporter = Reporter::new(self.how.quiet);
        let mut watch = Watch {
            stop: self.stop,
            tell: &mut |event| {
                if let Some(words) = scribe.hear(&event) {
                    reporter.say(&words);
                }
                reporter.hear(&event);
                listener(&event);
            },
        };
        let done = work(&mut watch);
        reporter.finish();
        Ok((done?, scribe))
    }
}
