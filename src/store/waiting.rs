//! A transaction that stays open from one piece of work to the next, so that they cost one commit.
//!
//! Invariant: who reads sees all earlier work, for it is committed before. Of a transaction in which work
//! failed nothing is committed, and nothing that was built on it.

use super::writing::Writing;
use std::mem::take;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Pieces of work that become one commit at most: to redb a large transaction costs more than two small ones.
/// A block at the tip takes fewer.
const WORKS_MAX: u32 = 16;

/// See the module documentation.
#[derive(Default)]
pub(super) struct Waiting(Mutex<State>);

#[derive(Default)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, and it hardly ever moves"
)]
enum State {
    #[default]
    Nothing,
    Works(Works),
    /// They were dropped with one that failed.
    Lost,
}

/// A transaction, and how many pieces of work were done in it.
pub(super) struct Works {
    pub(super) writing: Writing,
    pub(super) count: u32,
}

impl Works {
    pub(super) fn are_many(&self) -> bool {
        self.count >= WORKS_MAX
    }
}

impl Waiting {
    /// Whether nothing waits, and nothing is lost.
    pub(super) fn is_empty(&self) -> bool {
        matches!(*self.state(), State::Nothing)
    }

    /// What waits, if anything does; it waits no more.
    ///
    /// # Errors
    /// [`redb::Error::PreviousIo`] if work that waited is lost.
    pub(super) fn take(&self) -> Result<Option<Works>, redb::Error> {
        let mut state = self.state();
        match take(&mut *state) {
            State::Nothing => Ok(None),
            State::Works(works) => Ok(Some(works)),
            State::Lost => {
                *state = State::Lost;
                Err(redb::Error::PreviousIo)
            }
        }
    }

    /// Has it wait for more.
    pub(super) fn put(&self, works: Works) {
        *self.state() = State::Works(works);
    }

    /// Notes that earlier work, which somebody believes to be done, was dropped.
    pub(super) fn lose(&self) {
        *self.state() = State::Lost;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No step leaves a state that is not whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
