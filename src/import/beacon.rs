//! What an import that is alone with the index tells those who want it: how far it is.
//!
//! Invariant: nothing depends on it. Where the file system keeps no such notes, none is there.

use super::events::Progress;
use crate::index::Index;
use crate::store::Sharing;
use crate::store::contention::{Note, now_seconds};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const NOTE_EVERY: Duration = Duration::from_secs(2);

/// See the module documentation.
pub(super) struct Beacon {
    /// The index; `None` where nobody is to be told, or can be.
    path: Option<PathBuf>,
    began: Instant,
    noted: Option<Instant>,
}

impl Beacon {
    pub(super) fn new(index: &Index) -> Beacon {
        let is_alone = index.store().sharing() == Sharing::Alone;
        Beacon {
            path: is_alone.then(|| index.store().path().to_owned()),
            began: Instant::now(),
            noted: None,
        }
    }

    /// Notes it, if that was not done a moment ago.
    pub(super) fn show(&mut self, progress: &Progress) {
        let Some(path) = &self.path else { return };
        if self.noted.is_some_and(|noted| noted.elapsed() < NOTE_EVERY) {
            return;
        }
        self.noted = Some(Instant::now());
        let note = Note {
            height: progress.height.0,
            end: progress.end.0,
            bytes_done: progress.bytes_done,
            bytes: progress.bytes,
            seconds: self.began.elapsed().as_secs_f64(),
            at: now_seconds(),
        };
        if !note.keep(path) {
            self.path = None;
        }
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        if let Some(path) = self.path.take().filter(|_| self.noted.is_some()) {
            Note::remove(&path);
        }
    }
}
