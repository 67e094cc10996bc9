//! The ledger of an import, written where the user asked for it.
//!
//! Invariant: a log that cannot be written ends the import, after a commit, and is an error.

use crate::args::HowArgs;
use anyhow::Result;
use blkdex::Error;
use blkdex::ledger::log::Log;
use blkdex::report::Event;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Hears what happens and writes what is for the log.
pub struct Scribe {
    log: Option<Log>,
    failed: Option<Error>,
    stop: Arc<AtomicBool>,
    #[cfg(feature = "heap-profile")]
    profile: super::heap_profile::Profile,
}

impl Scribe {
    /// Opens what was asked for. `stop` ends the import.
    pub fn new(how: &HowArgs, stop: &Arc<AtomicBool>) -> Result<Scribe> {
        Ok(Scribe {
            log: how.memory_log.as_deref().map(Log::open).transpose()?,
            failed: None,
            stop: Arc::clone(stop),
            #[cfg(feature = "heap-profile")]
            profile: super::heap_profile::Profile::new(&how.heap_profile_at),
        })
    }

    /// Writes it, if it is for the log.
    pub fn hear(&mut self, event: &Event<'_>) {
        #[cfg(feature = "heap-profile")]
        self.profile.hear(event);
        let Some(log) = &mut self.log else { return };
        let written = match event {
            Event::Plan(plan) => log.begin(plan),
            Event::Ledger(record) => log.add(record),
            _ => return,
        };
        if let Err(error) = written {
            (self.failed, self.log) = (Some(error), None);
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// The import is over.
    pub fn finish(self) -> Result<()> {
        self.failed.map_or(Ok(()), |error| Err(error.into()))
    }
}
