//! How far a long reading is.
//!
//! Invariant: told at least once a block.

use crate::error::Topic;
use crate::primitives::position::Height;

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

/// Long work that is told by [`Progress`].
pub enum Reading {}

impl Topic for Reading {
    type News<'n> = &'n Progress;
}

/// Who waits for it.
pub type Watch<'a> = crate::error::Watch<'a, Reading>;
