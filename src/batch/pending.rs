//! Spends that missed the table, until the commit looks them up.
//!
//! Invariant: they are handed out in order.
//!
//! As rows do, they wait in a buffer, and a full buffer is written as a run, which nothing ever names.
//! So how often all coins on disk are read depends on how many there are, and not on the buffer.

use super::resolve::{BadSpend, SpendFault};
use super::spill::new_run;
use crate::Result;
use crate::index::Index;
use crate::limits::{COIN_CHANGES_MAX, PENDING_SPILLS_MAX};
use crate::memory::part::Part;
use crate::memory::region::Buffer;
use crate::primitives::position::Txo;
use crate::runs::catalogue::Run;
use crate::runs::gather::{Gather, buffer_for};
use crate::runs::page::NO_NEXT;
use crate::runs::read::RunPages;
use crate::runs::row::{CoinRow, Relation, Row};
use crate::runs::sort::sort_rows;
use crate::runs::write::Staging;
use crate::store::Store;
use bytemuck::{Pod, Zeroable};

/// They are looked up once there are as many as a fourth of the coins: finding one then costs as much as
/// passing four coins on disk.
const COINS_A_SPEND: u64 = 4;

/// Of an outpoint a fingerprint of 88 bits, 39 bits: the spender, 1 bit: probe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub struct PendingRow(u128);

impl PendingRow {
    /// The transaction `spender` spends the outpoint with this fingerprint.
    #[inline(always)]
    pub fn spend(fingerprint: u128, spender: Txo) -> PendingRow {
        PendingRow(CoinRow::put(fingerprint, spender).0)
    }

    /// An output of `coinbase` that may overwrite an older coin of the same outpoint (BIP 30), and need
    /// not find one.
    pub fn probe(fingerprint: u128, coinbase: Txo) -> PendingRow {
        PendingRow(CoinRow::delete(fingerprint, coinbase).0)
    }

    /// The outpoint's fingerprint.
    pub fn fingerprint(self) -> u128 {
        CoinRow(self.0).fingerprint()
    }

    /// The transaction that spends it, or overwrites it.
    pub fn spender(self) -> Txo {
        CoinRow(self.0).txo()
    }

    /// Whether it need not find a coin.
    pub fn is_probe(self) -> bool {
        CoinRow(self.0).is_delete()
    }
}

/// Its pages are like those of coins.
impl Row for PendingRow {
    const RELATION: Relation = Relation::Coins;

    #[inline(always)]
    fn key(self) -> u128 {
        self.0
    }

    fn value(self) -> u64 {
        0
    }

    #[inline(always)]
    fn from_parts(key: u128, _value: u64) -> PendingRow {
        PendingRow(key)
    }
}

/// See the module documentation.
pub struct Pending {
    rows: Buffer<PendingRow>,
    spills: Vec<Run>,
}

impl Pending {
    /// The smallest buffer: it takes two of the largest blocks, and what it has spilled can be gathered
    /// in it.
    pub const ROWS_MIN: usize = 2 * COIN_CHANGES_MAX;

    /// Its bytes.
    pub const BYTES_MIN: usize = Pending::ROWS_MIN * size_of::<PendingRow>();

    /// With room for as many rows as `bytes` hold, at least [`Pending::ROWS_MIN`].
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new(bytes: usize) -> Result<Pending> {
        const _: () = assert!(buffer_for::<PendingRow>(PENDING_SPILLS_MAX) <= Pending::ROWS_MIN);
        Ok(Pending {
            rows: Buffer::new(Part::Pending, bytes / size_of::<PendingRow>())?,
            spills: Vec::with_capacity(PENDING_SPILLS_MAX),
        })
    }

    /// Appends; there must be room.
    #[inline(always)]
    pub fn push(&mut self, row: PendingRow) {
        self.rows.push(row);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.spills.is_empty()
    }

    /// Whether they must be looked up before another block.
    pub fn is_full(&self) -> bool {
        self.rows.room() < COIN_CHANGES_MAX
    }

    /// Notes that what waits in the buffer is in use.
    pub fn note_in_use(&mut self) {
        self.rows.note_in_use();
    }

    /// Writes a full buffer as a run, unless it is better to look them all up, which is to be done if it
    /// is still full afterwards. `coins`: how many there are.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub fn make_room(
        &mut self,
        index: &mut Index,
        staging: &mut Staging,
        positions_end: Txo,
        coins: u64,
    ) -> Result<()> {
        let spilled: u64 = self.spills.iter().map(|run| run.rows).sum();
        let is_worth_it = (spilled + self.rows.len() as u64) * COINS_A_SPEND >= coins;
        // One place is for what is left at the commit.
        if !self.is_full() || is_worth_it || self.spills.len() + 1 >= PENDING_SPILLS_MAX {
            return Ok(());
        }
        // What spends an outpoint twice stays, to be found out.
        self.spill(index, staging, positions_end).map(drop)
    }

    /// Writes the buffer as a run, unless a transaction spends an outpoint twice: then it is returned.
    fn spill(
        &mut self,
        index: &mut Index,
        staging: &mut Staging,
        positions_end: Txo,
    ) -> Result<Option<BadSpend>> {
        sort_rows(&mut self.rows);
        if let Some(twice) = self.rows.windows(2).find(|pair| pair[0] == pair[1]) {
            return Ok(Some(BadSpend {
                pending: twice[0],
                fault: SpendFault::Spent,
            }));
        }
        let id = index.new_run_id();
        let mut writer = new_run::<PendingRow>(index, staging, id, positions_end);
        writer.extend(&self.rows)?;
        self.spills.extend(writer.finish()?);
        self.rows.clear();
        Ok(None)
    }

    /// All of them in order, or one that spends an outpoint for the second time.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn sorted(
        &mut self,
        index: &mut Index,
        staging: &mut Staging,
        positions_end: Txo,
    ) -> Result<std::result::Result<SortedPending<'_>, BadSpend>> {
        let source = if self.spills.is_empty() {
            sort_rows(&mut self.rows);
            Source::InMemory(&self.rows)
        } else {
            if let Some(bad) = self.spill(index, staging, positions_end)? {
                return Ok(Err(bad));
            }
            Source::Spilled(
                Gather::new(self.spills.clone(), false, self.rows.whole()),
                Vec::new(),
            )
        };
        Ok(Ok(SortedPending {
            source,
            at: 0,
            is_last: false,
        }))
    }

    /// Forgets them, of which so many were in the buffer at once; their runs leave the file.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub fn clear(&mut self, store: &Store, most_held: usize) -> Result<()> {
        self.rows.clear();
        self.rows.note_used(most_held);
        if self.spills.is_empty() {
            return Ok(());
        }
        store.volatile(|transaction| {
            for run in &self.spills {
                transaction.delete_table(&run.table_name())?;
            }
            Ok(())
        })?;
        self.spills.clear();
        Ok(())
    }
}

/// Pending rows in order, one after the other.
pub struct SortedPending<'a> {
    source: Source<'a>,
    at: usize,
    is_last: bool,
}

enum Source<'a> {
    InMemory(&'a [PendingRow]),
    Spilled(Gather<'a, PendingRow>, Vec<RunPages>),
}

impl SortedPending<'_> {
    /// Opens its runs, for [`SortedPending::row`].
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn open(&mut self, store: &Store) -> Result<()> {
        if let Source::Spilled(gather, pages) = &mut self.source {
            *pages = gather.open(store)?;
        }
        Ok(())
    }

    /// Closes its runs.
    pub fn close(&mut self) {
        if let Source::Spilled(_, pages) = &mut self.source {
            pages.clear();
        }
    }

    /// The row it stands at; `None` behind the last. Its runs must be open.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    #[inline]
    pub fn row(&mut self) -> Result<Option<PendingRow>> {
        loop {
            let rows = match &self.source {
                Source::InMemory(rows) => rows,
                Source::Spilled(gather, _) => gather.rows(),
            };
            if let Some(row) = rows.get(self.at) {
                return Ok(Some(*row));
            }
            if !self.fetch()? {
                return Ok(None);
            }
        }
    }

    /// Gathers more rows, if there are any. A function of its own: sorting takes a frame of many pages,
    /// and to enter it for every row cost 1.3 s of 8 GB at 128 MiB.
    #[inline(never)]
    fn fetch(&mut self) -> Result<bool> {
        match &mut self.source {
            Source::Spilled(gather, pages) if !self.is_last => {
                let (_, end) = gather.next(pages)?;
                (self.at, self.is_last) = (0, end == NO_NEXT);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The most rows of the buffer that were in use to gather them.
    pub fn most_held(&self) -> usize {
        match &self.source {
            Source::InMemory(rows) => rows.len(),
            Source::Spilled(gather, _) => gather.most_held(),
        }
    }

    /// Goes to the next row.
    #[inline]
    pub fn advance(&mut self) {
        self.at += 1;
    }
}
