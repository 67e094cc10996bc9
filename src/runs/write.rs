//! Writing a run: rows in ascending order become pages, pages go to redb a few megabytes at a time.
//!
//! Invariant: what is written is a run only once the catalogue names it.
//!
//! Memory: the [`Staging`] area, made once and lent to one writer after the other.

use super::catalogue::Run;
use super::page::{NO_NEXT, PageWriter, kept_under};
use super::read::RunPages;
use super::row::Row;
use super::table_of;
use crate::Result;
use crate::limits::{PAGE_BYTES, STAGING_BYTES};
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::primitives::position::Height;
use crate::store::Store;
use std::ops::Range;

/// Pages on their way to redb.
pub struct Staging {
    bytes: Region<u8>,
    keys: Vec<u128>,
}

impl Staging {
    /// Bytes of memory it takes.
    pub const BYTES: usize = STAGING_BYTES;

    /// The area, empty.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new() -> Result<Staging> {
        let keys = Vec::with_capacity(STAGING_BYTES / PAGE_BYTES);
        Ok(Staging {
            bytes: Region::new(Part::Pages, STAGING_BYTES)?,
            keys,
        })
    }
}

/// Writes one run. Rows must come in strictly ascending order of their keys.
pub struct RunWriter<'a> {
    store: &'a Store,
    staging: &'a mut Staging,
    packer: PageWriter,
    run: Run,
}

impl<'a> RunWriter<'a> {
    /// Begins the run `id` of relation `R` for the heights `from..=to`, in whose keys these positions are.
    pub fn new<R: Row>(
        store: &'a Store,
        staging: &'a mut Staging,
        id: u32,
        heights: (Height, Height),
        positions: Range<u64>,
    ) -> RunWriter<'a> {
        staging.keys.clear();
        let run = Run {
            relation: R::RELATION,
            id,
            from: heights.0,
            to: heights.1,
            low_key: 0,
            end_key: NO_NEXT,
            rows: 0,
            pages: 0,
            is_old: false,
            is_apart: false,
        };
        let packer = PageWriter::new(id, positions);
        RunWriter {
            store,
            staging,
            packer,
            run,
        }
    }

    /// Goes on with `run`, which nothing names yet, behind its last row. Its last page, which is hardly ever
    /// full, is written again. Of `positions`, it may know more than its first pages did, so it is to be apart:
    /// a merge asks one page of each input for them.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn go_on<R: Row>(
        store: &'a Store,
        staging: &'a mut Staging,
        run: Run,
        positions: Range<u64>,
    ) -> Result<RunWriter<'a>> {
        assert!(run.is_apart, "no merge reads it");
        staging.keys.clear();
        let snapshot = store.read()?;
        let pages = RunPages::open(store, &snapshot, run)?;
        let key = kept_under(NO_NEXT);
        let last = pages.page_for(key)?;
        let damaged = |damage| pages.damaged(key, damage);
        let packer = PageWriter::again(&last.head, last.bytes(), positions).map_err(damaged)?;
        let mut writer = RunWriter {
            store,
            staging,
            packer,
            run: Run {
                rows: run.rows - last.head.rows() as u64,
                pages: run.pages - 1,
                ..run
            },
        };
        let rows = last.head.rows_of(last.bytes()).map_err(damaged)?;
        let mut cursor = rows.cursor();
        while let Some(row) = rows.next::<R>(&mut cursor, last.bytes()).map_err(damaged)? {
            writer.push(row)?;
        }
        drop((last, pages, snapshot));
        let name = run.table_name();
        store.volatile(|transaction| transaction.open_table(table_of(&name))?.remove(key))?;
        Ok(writer)
    }

    /// Appends a row.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`] if redb cannot write.
    #[inline]
    pub fn push<R: Row>(&mut self, row: R) -> Result<()> {
        self.extend(&[row])
    }

    /// Appends rows.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`] if redb cannot write.
    pub fn extend<R: Row>(&mut self, rows: &[R]) -> Result<()> {
        debug_assert_eq!(R::RELATION, self.run.relation);
        self.run.rows += rows.len() as u64;
        let mut rest = rows;
        while !rest.is_empty() {
            let start = self.staging.keys.len() * PAGE_BYTES;
            let page = &mut self.staging.bytes[start..start + PAGE_BYTES];
            rest = &rest[self.packer.fill(page, rest)..];
            if let Some(next) = rest.first() {
                self.finish_page(next.key())?;
            }
        }
        Ok(())
    }

    fn finish_page(&mut self, next_key: u128) -> Result<()> {
        let start = self.staging.keys.len() * PAGE_BYTES;
        let page = &mut self.staging.bytes[start..start + PAGE_BYTES];
        self.staging.keys.push(self.packer.finish(page, next_key));
        self.run.pages += 1;
        let room = STAGING_BYTES / PAGE_BYTES;
        if self.staging.keys.len() == room || next_key == NO_NEXT {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<()> {
        let (store, staging) = (self.store, &mut *self.staging);
        let bytes = staging.keys.len() * PAGE_BYTES;
        staging.bytes.note_used(bytes);
        let name = self.run.table_name();
        store.volatile(|transaction| {
            let mut table = transaction.open_table(table_of(&name))?;
            let pages = staging.bytes.chunks(PAGE_BYTES);
            table.append(staging.keys.iter().copied().zip(pages))
        })?;
        staging.keys.clear();
        Ok(())
    }

    /// Bytes of the pages that are complete.
    pub fn bytes(&self) -> u64 {
        self.run.bytes()
    }

    /// Completes the run; `None` if it got no row. It is not named yet.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`] if redb cannot write.
    pub fn finish(mut self) -> Result<Option<Run>> {
        if self.packer.has_rows() {
            self.finish_page(NO_NEXT)?;
        }
        Ok((self.run.rows > 0).then_some(self.run))
    }
}
