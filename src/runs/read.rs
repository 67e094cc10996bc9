//! Reading runs: pages that are checked, rows from a key on.
//!
//! Invariant: a row is handed out only from a page whose checksum, run and key are right, and pages
//! follow each other as each one says of the next.

use super::catalogue::Run;
use super::page::{NO_NEXT, PageHead, PageRows, RowCursor};
use super::row::Row;
use super::{page_rows_max, table_of};
use crate::runs::{Damage, Fault};
use crate::store::reading::{ReadTable, Reading};
use crate::store::{PageGuard, Store};
use crate::{Error, Result};
use std::ops::Range;
use std::path::PathBuf;

/// The positions in the keys of these runs.
///
/// # Errors
/// As [`RunPages::page`].
pub fn positions_of(store: &Store, runs: &[Run]) -> Result<Range<u64>> {
    let snapshot = store.read()?;
    let mut all: Option<Range<u64>> = None;
    for run in runs {
        let pages = RunPages::open(store, &snapshot, *run)?;
        let positions = pages.page_for(run.low_key)?.head.positions();
        all = Some(match all {
            Some(all) => all.start.min(positions.start)..all.end.max(positions.end),
            None => positions,
        });
    }
    Ok(all.unwrap_or(0..0))
}

/// A page that was checked.
pub struct Page {
    /// Its head.
    pub head: PageHead,
    guard: PageGuard,
}

impl Page {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.guard.value()
    }
}

/// The pages of one run, in a snapshot.
pub struct RunPages {
    run: Run,
    table: ReadTable<u128, &'static [u8]>,
    path: PathBuf,
}

impl RunPages {
    /// Opens the run's table in `snapshot`.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`] if the table is not there, [`crate::store::Fault::Store`].
    pub fn open(store: &Store, snapshot: &Reading, run: Run) -> Result<RunPages> {
        let path = store.path().to_owned();
        match snapshot.find_table(table_of(&run.table_name()))? {
            Some(table) => Ok(RunPages { run, table, path }),
            None => Err(damaged(path, &run, run.low_key, Damage::PageMissing)),
        }
    }

    /// The run.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The error for damage seen in the page under `key`.
    pub fn damaged(&self, key: u128, damage: Damage) -> Error {
        damaged(self.path.clone(), &self.run, key, damage)
    }

    /// The page that begins with `first_key`.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn page(&self, first_key: u128) -> Result<Page> {
        let page = self.page_for(first_key)?;
        match page.head.first_key == first_key {
            true => Ok(page),
            false => Err(self.damaged(first_key, Damage::PageMissing)),
        }
    }

    /// The page in which a row with `key` would be: the last that begins at or below it, else the first.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn page_for(&self, key: u128) -> Result<Page> {
        let entry = match self.run.is_old {
            true => match self.table.range(..=key)?.next_back() {
                Some(last) => Some(last),
                None => self.table.range::<u128>(..)?.next(),
            },
            false => self.table.range(key..)?.next(),
        };
        let Some(entry) = entry else {
            return Err(self.damaged(key, Damage::PageMissing));
        };
        let (kept_under, guard) = entry?;
        let page = self.checked(kept_under.value(), guard)?;
        // A merge that frees pages leaves one that begins at or below what is left.
        if page.head.first_key > key && page.head.ordinal > 0 {
            return Err(self.damaged(key, Damage::PageMissing));
        }
        Ok(page)
    }

    /// The rows of a page.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`].
    pub fn rows_of(&self, page: &Page) -> Result<PageRows> {
        let rows = page.head.rows_of(page.bytes());
        rows.map_err(|damage| self.damaged(page.head.first_key, damage))
    }

    fn checked(&self, key: u128, guard: PageGuard) -> Result<Page> {
        let head = PageHead::read(guard.value(), self.run.id, key)
            .map_err(|damage| self.damaged(key, damage))?;
        if head.rows() > page_rows_max(self.run.relation) {
            return Err(self.damaged(key, Damage::PageHead));
        }
        Ok(Page { head, guard })
    }
}

fn damaged(path: PathBuf, run: &Run, key: u128, damage: Damage) -> Error {
    Fault::Damaged {
        path,
        relation: run.relation.name(),
        run: run.id,
        key,
        damage,
    }
    .into()
}

/// Walks one run forwards: to the first row at or above a key, then row by row.
pub struct Walk<R> {
    pages: RunPages,
    page: Page,
    rows: PageRows,
    cursor: RowCursor,
    row: Option<R>,
}

impl<R: Row> Walk<R> {
    /// A walk that stands at the run's first row with a key of at least `key`.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn new(store: &Store, snapshot: &Reading, run: Run, key: u128) -> Result<Walk<R>> {
        let key = key.max(run.low_key);
        let pages = RunPages::open(store, snapshot, run)?;
        let page = pages.page_for(key)?;
        let rows = pages.rows_of(&page)?;
        let mut walk = Walk {
            cursor: rows.cursor(),
            pages,
            page,
            rows,
            row: None,
        };
        walk.advance()?;
        walk.seek(key)?;
        Ok(walk)
    }

    /// The run.
    pub fn run(&self) -> &Run {
        self.pages.run()
    }

    /// The row it stands at; `None` behind the last.
    #[inline]
    pub fn row(&self) -> Option<R> {
        self.row
    }

    /// Goes to the next row.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    #[inline]
    pub fn advance(&mut self) -> Result<()> {
        self.row = match self.rows.next(&mut self.cursor, self.page.bytes()) {
            Ok(Some(row)) => Some(row),
            Ok(None) if self.page.head.next_key == NO_NEXT => None,
            Ok(None) => {
                self.enter(self.pages.page(self.page.head.next_key)?)?;
                return Ok(());
            }
            Err(damage) => return Err(self.pages.damaged(self.pages.run.low_key, damage)),
        };
        Ok(())
    }

    fn enter(&mut self, page: Page) -> Result<()> {
        self.rows = self.pages.rows_of(&page)?;
        self.cursor = self.rows.cursor();
        self.page = page;
        self.row = self
            .rows
            .next(&mut self.cursor, self.page.bytes())
            .map_err(|damage| self.pages.damaged(self.pages.run.low_key, damage))?;
        Ok(())
    }

    /// Goes forward to the first row with a key of at least `key`; pages between are not read.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    #[inline]
    pub fn seek(&mut self, key: u128) -> Result<()> {
        let stands_before = |row: Option<R>| row.is_some_and(|row| row.key() < key);
        if stands_before(self.row) && self.page.head.next_key <= key {
            let page = self.pages.page_for(key)?;
            self.enter(page)?;
        }
        while stands_before(self.row) {
            self.seek_in_page(key)?;
            if self.row.is_none() {
                self.advance()?;
            }
        }
        Ok(())
    }

    /// Goes forward to the first row of the page with a key of at least `key`, or behind its last. A
    /// commit passes nearly every row of `coins` here, so the cursor is a local one.
    fn seek_in_page(&mut self, key: u128) -> Result<()> {
        let (bytes, mut cursor) = (self.page.bytes(), self.cursor);
        let row = loop {
            match self.rows.next::<R>(&mut cursor, bytes) {
                Ok(Some(row)) if row.key() < key => {}
                Ok(row) => break row,
                Err(damage) => return Err(self.pages.damaged(self.pages.run.low_key, damage)),
            }
        };
        (self.row, self.cursor) = (row, cursor);
        Ok(())
    }
}
