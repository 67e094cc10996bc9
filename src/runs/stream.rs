//! One sorted stream: the rows of many runs, or rows in memory.
//!
//! Invariant: each row is handed out once, in order: one by one, or as a slice of all that the buffer has
//! below a key. What is handed out was checked and reconciled with all rows that it belongs with.
//!
//! A stream may be closed and opened again wherever it stands: an open one keeps redb from using freed
//! pages again. While it is closed, its runs may lose what was handed out.
//!
//! Memory: none of its own, but for the runs' names; the buffer is lent, [`buffer_for`] so many runs.

use super::catalogue::Run;
use super::gather::Gather;
pub use super::gather::{buffer_for, fan_in};
use super::page::NO_NEXT;
use super::row::Row;
use crate::Result;
use crate::store::Store;
use std::ops::Range;

/// See the module documentation.
pub struct Stream<'b, R> {
    buffer: &'b mut [R],
    /// The rows in the buffer that come next.
    rows: Range<usize>,
    /// All rows below it are in the buffer, or were handed out.
    end: u128,
    /// `None`: all rows were in the buffer from the start.
    gather: Option<Gather<R>>,
}

impl<'b, R: Row> Stream<'b, R> {
    /// Of `runs`, among which is the oldest of the relation or not. No more of them cover the same key
    /// than the [`fan_in`] of the buffer. It is to be opened.
    pub fn of_runs(runs: Vec<Run>, with_oldest: bool, buffer: &'b mut [R]) -> Stream<'b, R> {
        let gather = Gather::new(runs, with_oldest, buffer.len());
        Stream {
            buffer,
            rows: 0..0,
            end: 0,
            gather: Some(gather),
        }
    }

    /// Of rows in order.
    pub fn of_rows(rows: &'b mut [R]) -> Stream<'b, R> {
        Stream {
            rows: 0..rows.len(),
            buffer: rows,
            end: NO_NEXT,
            gather: None,
        }
    }

    /// Opens its runs, in a new snapshot.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn open(&mut self, store: &Store) -> Result<()> {
        match &mut self.gather {
            Some(gather) => gather.open(store, &store.read()?),
            None => Ok(()),
        }
    }

    /// Closes its runs.
    pub fn close(&mut self) {
        if let Some(gather) = &mut self.gather {
            gather.close();
        }
    }

    /// The row it stands at; `None` behind the last.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    #[inline(always)]
    pub fn peek(&mut self) -> Result<Option<R>> {
        if self.rows.is_empty() && self.end < NO_NEXT {
            self.gather_to(NO_NEXT)?;
        }
        Ok((!self.rows.is_empty()).then(|| self.buffer[self.rows.start]))
    }

    /// Goes to the next row, from one that [`Stream::peek`] found.
    #[inline(always)]
    pub fn advance(&mut self) {
        debug_assert!(!self.rows.is_empty());
        self.rows.start += 1;
    }

    /// Some rows, as many as there are in the buffer; `None` behind the last.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn next_chunk(&mut self) -> Result<Option<&[R]>> {
        self.next_below(NO_NEXT)
    }

    /// The same, of those below `key`; `None` if there are no more of these.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    #[inline]
    pub fn next_below(&mut self, key: u128) -> Result<Option<&[R]>> {
        if self.rows.is_empty() && self.end < key {
            self.gather_to(key)?;
        }
        let rows = &self.buffer[self.rows.clone()];
        let count = match key < self.end {
            true => rows.iter().take_while(|row| row.key() < key).count(),
            false => rows.len(),
        };
        self.rows.start += count;
        Ok((count > 0).then(|| &rows[..count]))
    }

    /// Gathers rows, until there are some or all below `key` were gathered. A function of its own, so that
    /// what is called for every row is short.
    #[inline(never)]
    fn gather_to(&mut self, key: u128) -> Result<()> {
        let Some(gather) = &mut self.gather else {
            return Ok(());
        };
        while self.rows.is_empty() && self.end < key {
            let next = gather.next(self.buffer)?;
            (self.rows, self.end) = (next.rows, next.end);
        }
        Ok(())
    }

    /// A key at which the rows may be cut: all below it were handed out. So was none from it on, unless
    /// rows that belong together were taken one by one. [`NO_NEXT`] behind the last.
    pub fn position(&self) -> u128 {
        match self.buffer[self.rows.clone()].first() {
            Some(row) => R::cut_at(row.key()),
            None => self.end,
        }
    }

    /// The runs that it has still to read.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        let gather = self.gather.iter();
        gather.flat_map(|gather| gather.sources.iter().map(|source| &source.run))
    }

    /// Notes that its runs have lost all rows below `key`, which were handed out. It must be closed.
    pub fn forget_below(&mut self, key: u128) {
        assert!(key <= self.position(), "only what was handed out is lost");
        if let Some(gather) = &mut self.gather {
            gather.forget_below(key);
        }
    }

    /// Rows of its runs that it has read.
    pub fn rows_read(&self) -> u64 {
        self.gather.as_ref().map_or(0, Gather::rows_read)
    }

    /// The most rows of the buffer that were in use.
    pub fn most_held(&self) -> usize {
        match &self.gather {
            Some(gather) => gather.most_held(),
            None => self.buffer.len(),
        }
    }
}
