//! The ledger of an import, written where the user asked for it.
//!
//! Invariant: a log that cannot be written does not stop the import; it is an error when that is over.

use crate::args::HowArgs;
use anyhow::Result;
use blkdex::Error;
use blkdex::datadir::Source;
use blkdex::import::Event;
use blkdex::ledger::Log;
use blkdex::os::Kept;
use blkdex::rebuild::new_path;
use std::path::Path;

/// Hears what happens and writes what is for the log.
pub struct Scribe {
    log: Option<Log>,
    failed: Option<Error>,
    #[cfg(feature = "heap-profile")]
    profile: super::heap_profile::Profile,
}

impl Scribe {
    /// Opens what was asked for, if that replaces neither the index nor what is read.
    pub fn new(how: &HowArgs, index: &Path, source: &Source) -> Result<Scribe> {
        let log = how.memory_log.as_deref();
        let open = |path| {
            Kept::new()
                .and_file(index, "the index")
                .and_file(&new_path(index), "the new index")
                .and_blocks(&source.blocks_dir()?)
                .check(path)?;
            Log::open(path)
        };
        Ok(Scribe {
            log: log.map(open).transpose()?,
            failed: None,
            #[cfg(feature = "heap-profile")]
            profile: super::heap_profile::Profile::new(&how.heap_profile_at),
        })
    }

    /// Writes it, if it is for the log; returns what is to be said, if that fails.
    pub fn hear(&mut self, event: &Event<'_>) -> Option<String> {
        #[cfg(feature = "heap-profile")]
        self.profile.hear(event);
        let log = self.log.as_mut()?;
        let written = match event {
            Event::Plan(plan) => log.begin(plan),
            Event::Ledger(record) => log.add(record),
            _ => return None,
        };
        let error = written.err()?;
        let words = format!("warning: {error}: the import goes on without the memory log");
        (self.failed, self.log) = (Some(error), None);
        Some(words)
    }

    /// The import is over.
    pub fn finish(self) -> Result<()> {
        self.failed.map_or(Ok(()), |error| Err(error.into()))
    }
}
