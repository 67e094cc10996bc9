//! What somebody who waits for a long reading is told, and how they say that they wait no more.
//!
//! Invariant: asked at least once a block, so a wish to stop is heard soon.

use crate::Result;
use crate::error::Interrupted;
use crate::primitives::position::Height;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is being done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Coins are read from the block files.
    Coins,
    /// Coins, or balances, are merged into another order.
    Sorting,
    /// Undo files are compared.
    Undo,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// What is being done.
    pub work: Work,
    /// Height reached, as far as the work goes by height.
    pub height: Height,
    /// Height wanted.
    pub last: Height,
    /// Things done, in a unit that takes about the same time each...
    pub done: u64,
    /// ...and things to do.
    pub all: u64,
}

/// Both directions.
pub struct Watch<'a> {
    /// Ends the work when it becomes true.
    pub stop: &'a AtomicBool,
    /// Hears how far it is.
    pub tell: &'a mut dyn FnMut(&Progress),
}

impl Watch<'_> {
    /// Tells, and looks whether to stop.
    ///
    /// # Errors
    /// [`crate::error::Interrupted`].
    pub fn went_on(&mut self, progress: &Progress) -> Result<()> {
        (self.tell)(progress);
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Interrupted.into()),
            false => Ok(()),
        }
    }
}
