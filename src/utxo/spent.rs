//! Which outputs are gone at a height, in the order of their positions.
//!
//! Invariant: only spenders at or below the height count, so the answer is that of an index whose tip
//! it is.
//!
//! Memory: none of its own; the buffer is lent.

use crate::Result;
use crate::index::snapshot::Snapshot;
use crate::primitives::position::{Height, Txo};
use crate::runs::catalogue::Run;
use crate::runs::gather::{Gather, buffer_for};
use crate::runs::page::NO_NEXT;
use crate::runs::policy::overlap;
use crate::runs::read::RunPages;
use crate::runs::row::{Relation, SpendingRow};

/// The outputs that were spent or overwritten up to a height.
pub struct Spent<'b> {
    gather: Gather<'b, SpendingRow>,
    pages: Vec<RunPages>,
    at: usize,
    is_last: bool,
    end: Txo,
    /// The next that is gone; behind the last, a position that no output has.
    next: Txo,
    spender: Txo,
}

/// The runs that may name a spender at or below `height`.
fn runs_below(snapshot: &Snapshot<'_>, height: Height) -> Vec<Run> {
    let runs = snapshot.index().catalogue().of(Relation::Spending);
    runs.into_iter().filter(|run| run.from <= height).collect()
}

/// How many rows the buffer must have for [`Spent::open`].
pub fn spent_rows(snapshot: &Snapshot<'_>, height: Height) -> usize {
    buffer_for::<SpendingRow>(overlap(&runs_below(snapshot, height)))
}

impl<'b> Spent<'b> {
    /// Stands at the first; `end` is the position behind the last output at `height`.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn open(
        snapshot: &Snapshot<'_>,
        height: Height,
        end: Txo,
        buffer: &'b mut [SpendingRow],
    ) -> Result<Spent<'b>> {
        let gather = Gather::new(runs_below(snapshot, height), true, buffer);
        let mut spent = Spent {
            pages: gather.open(snapshot.index().store())?,
            gather,
            at: 0,
            is_last: false,
            end,
            next: Txo(0),
            spender: Txo(0),
        };
        spent.advance()?;
        Ok(spent)
    }

    /// The spender of `txo`, if it has one. Positions are asked for in order, none is left out.
    ///
    /// # Errors
    /// As [`Spent::open`].
    #[inline(always)]
    pub fn take(&mut self, txo: Txo) -> Result<Option<Txo>> {
        debug_assert!(txo <= self.next);
        if txo < self.next {
            return Ok(None);
        }
        let spender = self.spender;
        self.advance()?;
        Ok(Some(spender))
    }

    /// The next output that is gone, and its spender.
    ///
    /// # Errors
    /// As [`Spent::open`].
    pub fn next_gone(&mut self) -> Result<Option<(Txo, Txo)>> {
        let next = (self.next, self.spender);
        if next.0 >= self.end {
            return Ok(None);
        }
        self.advance()?;
        Ok(Some(next))
    }

    fn advance(&mut self) -> Result<()> {
        loop {
            if let Some(row) = self.gather.rows().get(self.at) {
                self.at += 1;
                if row.spender() < self.end {
                    (self.next, self.spender) = (row.txo(), row.spender());
                    return Ok(());
                }
            } else if self.is_last {
                self.next = Txo(u64::MAX);
                return Ok(());
            } else {
                let (_, end) = self.gather.next(&self.pages)?;
                self.is_last = end == NO_NEXT;
                self.at = 0;
            }
        }
    }
}
