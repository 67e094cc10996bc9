//! Which outputs are gone at a height, in the order of their positions.
//!
//! Invariant: only spenders at or below the height count, so the answer is that of an index whose tip
//! it is.
//!
//! Memory: none of its own; the buffer is lent.

use crate::Result;
use crate::index::snapshot::Snapshot;
use crate::primitives::position::{Height, TxNum, Txo};
use crate::runs::catalogue::Run;
use crate::runs::policy::overlap;
use crate::runs::row::{Relation, SpendingRow};
use crate::runs::stream::{Stream, buffer_for};

/// The outputs that were spent or overwritten up to a height.
pub struct Spent<'b> {
    rows: Stream<'b, SpendingRow>,
    end: Txo,
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
        Spent::open_from(snapshot, Txo(0), height, end, buffer)
    }

    /// The same of outputs from `first` on; the runs are read from there.
    ///
    /// # Errors
    /// As [`Spent::open`].
    pub fn open_from(
        snapshot: &Snapshot<'_>,
        first: Txo,
        height: Height,
        end: Txo,
        buffer: &'b mut [SpendingRow],
    ) -> Result<Spent<'b>> {
        let runs = runs_below(snapshot, height).into_iter();
        let runs = runs.filter_map(|run| run.above(u128::from(first.0)));
        let mut rows = Stream::of_runs(runs.collect(), true, buffer);
        rows.open(snapshot.index().store())?;
        Ok(Spent { rows, end })
    }

    /// The spender of `txo`, if it has one. Positions are asked for in order.
    ///
    /// # Errors
    /// As [`Spent::open`].
    #[inline(always)]
    pub fn take(&mut self, txo: Txo) -> Result<Option<TxNum>> {
        while let Some(row) = self.rows.peek()?.filter(|row| row.txo() <= txo) {
            self.rows.advance();
            if row.txo() == txo && row.spender().is_below(self.end) {
                return Ok(Some(row.spender()));
            }
        }
        Ok(None)
    }

    /// The next output that is gone, and its spender.
    ///
    /// # Errors
    /// As [`Spent::open`].
    pub fn next_gone(&mut self) -> Result<Option<(Txo, TxNum)>> {
        while let Some(row) = self.rows.peek()? {
            self.rows.advance();
            if row.spender().is_below(self.end) {
                return Ok(Some((row.txo(), row.spender())));
            }
        }
        Ok(None)
    }
}
