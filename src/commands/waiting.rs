//! Waits for an index that another process has to itself.
//!
//! Invariant: who waits holds nothing, and is told once what for; a signal ends it as it ends a question.

use super::advice::quoted;
use crate::args::{Args, Wait};
use crate::commands::streams::say;
use blkdex::Error;
use blkdex::error::Family;
use blkdex::store::contention::{Note, Use, is_in_use};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// See the module documentation.
pub struct Waiting<'a> {
    index: &'a Path,
    wanted: Use,
    /// `None`: for ever.
    end: Option<Instant>,
    is_said: bool,
}

impl<'a> Waiting<'a> {
    /// For the index of a call; `None` if the call does not want to wait, or has nothing to wait for.
    pub fn of(args: &'a Args) -> Option<Waiting<'a>> {
        let (wait, wanted) = args.wait.zip(args.wants())?;
        let end = match wait {
            Wait::Forever => None,
            // What lies behind the end of time is for ever.
            Wait::AtMost(time) => Instant::now().checked_add(time),
        };
        Some(Waiting {
            index: &args.index,
            wanted,
            end,
            is_said: false,
        })
    }

    /// Waits until the index can be had, or until the time is up.
    pub fn wait(&mut self) {
        // What cannot be asked for is for the command to say.
        while is_in_use(self.index, self.wanted).unwrap_or(false) && self.wait_a_moment() {}
    }

    /// Whether a command that failed so is to be tried again, which this has waited for.
    pub fn tries_again(&mut self, error: &anyhow::Error) -> bool {
        let family = error.downcast_ref().map(Error::family);
        family == Some(Family::Contention) && self.wait_a_moment()
    }

    fn wait_a_moment(&mut self) -> bool {
        let left = self
            .end
            .map(|end| end.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return false;
        }
        if !self.is_said {
            self.is_said = true;
            let who = Note::of(self.index).map_or(String::new(), |note| format!(", {note}"));
            let index = quoted(self.index);
            say(&format!(
                "blkdex: waits for the index {index}, in use by another blkdex{who}"
            ));
        }
        sleep(left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY)));
        true
    }
}
