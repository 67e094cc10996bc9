//! The richest so far, so that what cannot be among them is dropped before it is sorted.
//!
//! Invariant: never drops one of the N richest; among equals the one that received first is richer.
//!
//! Memory: 32 bytes for each of up to [`RANKED_MAX`] ranks; with more, nothing is dropped.

use crate::primitives::position::Txo;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Ranks up to which `export balances --top` drops what cannot be among the richest at once.
const RANKED_MAX: usize = 100_000;

/// See the module documentation.
pub(super) struct Ranking {
    ranks: usize,
    /// The poorest of the richest on top.
    richest: BinaryHeap<Reverse<(u128, Reverse<Txo>)>>,
}

impl Ranking {
    /// Of so many ranks; `None`: everybody has one.
    pub fn new(top: Option<u64>) -> Ranking {
        let ranks = top.map_or(usize::MAX, |top| usize::try_from(top).unwrap_or(usize::MAX));
        Ranking {
            ranks,
            richest: BinaryHeap::new(),
        }
    }

    /// Whether this one may be among the richest, as far as is known.
    pub fn may_be_ranked(&mut self, balance_sat: u128, first: Txo) -> bool {
        if self.ranks > RANKED_MAX {
            return true;
        }
        let new = Reverse((balance_sat, Reverse(first)));
        if self.richest.len() < self.ranks {
            self.richest.push(new);
            return true;
        }
        match self.richest.peek_mut() {
            Some(mut poorest) if new < *poorest => {
                *poorest = new;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_richest_are_always_ranked_and_ties_go_to_the_first() {
        let mut ranking = Ranking::new(Some(2));
        let may = [
            (5, 1),
            (7, 2),
            (5, 0),
            (5, 3),
            (4, 4),
            (9, 5),
            (7, 6),
            (7, 1),
        ]
        .map(|(sat, txo)| ranking.may_be_ranked(sat, Txo(txo)));
        assert_eq!(may, [true, true, true, false, false, true, false, true]);
        assert!(!Ranking::new(Some(0)).may_be_ranked(1, Txo(1)));
        assert!(Ranking::new(None).may_be_ranked(0, Txo(1)));
    }
}
