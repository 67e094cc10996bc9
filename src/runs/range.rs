//! The rows of a range of keys, of many runs, as one sorted stream.
//!
//! Invariant: every row of every run in the range is given once, in the order of keys.
//!
//! Memory: a page of each run that has such rows.

use super::catalogue::Run;
use super::read::Walk;
use super::row::Row;
use crate::Result;
use crate::store::Store;
use crate::store::reading::Reading;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::RangeInclusive;

/// See the module documentation.
pub struct RangeRows<R> {
    walks: Vec<Walk<R>>,
    /// Of each walk that has more rows the key of the next, and its place among `walks`.
    heads: BinaryHeap<Reverse<(u128, usize)>>,
    last_key: u128,
}

impl<R: Row> RangeRows<R> {
    /// The rows of `runs` with these keys.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn open(
        store: &Store,
        snapshot: &Reading,
        runs: Vec<Run>,
        keys: &RangeInclusive<u128>,
    ) -> Result<RangeRows<R>> {
        let mut rows: RangeRows<R> = RangeRows {
            walks: Vec::new(),
            heads: BinaryHeap::new(),
            last_key: *keys.end(),
        };
        let may_have_some = |run: &Run| run.low_key <= *keys.end() && *keys.start() < run.end_key;
        for run in runs.into_iter().filter(may_have_some) {
            let walk = Walk::new(store, snapshot, run, *keys.start())?;
            // The page of a run without such rows is let go.
            if let Some(row) = rows.row_of(&walk) {
                rows.heads.push(Reverse((row.key(), rows.walks.len())));
                rows.walks.push(walk);
            }
        }
        Ok(rows)
    }

    fn row_of(&self, walk: &Walk<R>) -> Option<R> {
        walk.row().filter(|row| row.key() <= self.last_key)
    }

    /// The next row.
    ///
    /// # Errors
    /// As [`RangeRows::open`].
    pub fn next(&mut self) -> Result<Option<R>> {
        let Some(mut head) = self.heads.peek_mut() else {
            return Ok(None);
        };
        let Reverse((_, number)) = *head;
        let walk = &mut self.walks[number];
        let row = walk.row();
        walk.advance()?;
        match walk.row().filter(|row| row.key() <= self.last_key) {
            Some(next) => head.0.0 = next.key(),
            None => {
                PeekMut::pop(head);
            }
        }
        Ok(row)
    }
}
