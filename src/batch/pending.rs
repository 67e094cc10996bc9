//! Spends that missed the table, until the commit looks them up.
//!
//! Invariant: they are handed out in order.
//!
//! As rows do, they wait in a buffer, and a full buffer is written as a run, which nothing ever names.
//! So how often all coins on disk are read depends on how many there are, and not on the buffer.

use super::COIN_CHANGES_MAX;
use super::bad_block::{BadSpend, Failure, SpendFault};
use super::spill::new_run;
use crate::index::Index;
use crate::memory::part::Part;
use crate::memory::region::Buffer;
use crate::primitives::position::{TxNum, Txo};
use crate::runs::catalogue::Run;
use crate::runs::row::{CoinRow, Relation, Row};
use crate::runs::sort::SortArea;
use crate::runs::stream::{Stream, buffer_for};
use crate::runs::write::Staging;
use crate::store::Store;
use bytemuck::{Pod, Zeroable};

/// Runs of pending spends that a batch may spill before it commits: as many as the smallest buffer gathers.
pub const PENDING_SPILLS_MAX: usize = 64;

/// They are looked up once a buffer was full and there are as many as a fourth of the coins: finding one then
/// costs as much as passing four coins on disk. (Measured, 30 GB at 64 MiB: with a half it takes 2 s less of
/// 105, but the file gets 8 % larger, since what waits for the commit is in it.)
pub const COINS_A_SPEND: u64 = 4;

/// Of an outpoint a fingerprint of 88 bits, 39 bits: the spender, 1 bit: probe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub struct PendingRow(u128);

impl PendingRow {
    /// The transaction `spender` spends the outpoint with this fingerprint.
    #[inline(always)]
    pub fn spend(fingerprint: u128, spender: TxNum) -> PendingRow {
        PendingRow(CoinRow::put(fingerprint, spender.first_output()).0)
    }

    /// An output of `coinbase` that may overwrite an older coin of the same outpoint (BIP 30), and need
    /// not find one.
    pub fn probe(fingerprint: u128, coinbase: TxNum) -> PendingRow {
        PendingRow(CoinRow::delete(fingerprint, coinbase.first_output()).0)
    }

    /// The outpoint's fingerprint.
    pub fn fingerprint(self) -> u128 {
        CoinRow(self.0).fingerprint()
    }

    /// The transaction that spends it, or overwrites it.
    pub fn spender(self) -> TxNum {
        TxNum::of_first(CoinRow(self.0).txo())
    }

    /// Whether it need not find a coin.
    pub fn is_probe(self) -> bool {
        CoinRow(self.0).is_delete()
    }
}

/// Its pages are like those of coins.
impl Row for PendingRow {
    const RELATION: Relation = Relation::Coins;
    const HAS_VALUE: bool = false;
    const FLAG_BITS: u32 = 1;

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
    pub fn new(bytes: usize) -> crate::Result<Pending> {
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

    /// Whether they must be looked up before another block, or it is time to: there are so many `coins`.
    pub fn is_due(&self, coins: u64) -> bool {
        let spilled: u64 = self.spills.iter().map(|run| run.rows).sum();
        let all = spilled + self.rows.len() as u64;
        // One may be spilled by the next block, and one is for what is left at the commit.
        let is_full = self.spills.len() + 2 >= PENDING_SPILLS_MAX;
        is_full || !self.spills.is_empty() && all * COINS_A_SPEND >= coins
    }

    /// Notes that what waits in the buffer is in use.
    pub fn note_in_use(&mut self) {
        self.rows.note_in_use();
    }

    /// Writes the buffer as a run if it does not take so many more.
    ///
    /// # Errors
    /// A transaction that spends an outpoint twice, if it is seen here already;
    /// [`crate::store::Fault::Store`].
    pub fn make_room(
        &mut self,
        index: &mut Index,
        staging: &mut Staging,
        sort_area: &mut SortArea,
        end: Txo,
        more: u64,
    ) -> Result<(), Failure> {
        if self.rows.room() as u64 >= more {
            return Ok(());
        }
        sort_area.sorter().sort(&mut self.rows);
        if let Some(bad) = self.spent_twice() {
            return Err(bad.into());
        }
        Ok(self.spill(index, staging, end)?)
    }

    /// A transaction that spends an outpoint twice, of sorted rows.
    fn spent_twice(&self) -> Option<BadSpend> {
        let twice = self.rows.windows(2).find(|pair| pair[0] == pair[1])?;
        Some(BadSpend {
            pending: twice[0],
            fault: SpendFault::Spent,
        })
    }

    /// Writes the buffer, which is sorted, as a run.
    fn spill(&mut self, index: &mut Index, staging: &mut Staging, end: Txo) -> crate::Result<()> {
        let id = index.new_run_id();
        let mut writer = new_run::<PendingRow>(index, staging, id, end);
        writer.extend(&self.rows)?;
        self.spills.extend(writer.finish()?);
        self.rows.clear();
        Ok(())
    }

    /// All of them in order.
    ///
    /// # Errors
    /// A transaction that spends an outpoint twice, if it is seen here already;
    /// [`crate::store::Fault::Store`].
    pub fn sorted(
        &mut self,
        index: &mut Index,
        staging: &mut Staging,
        sort_area: &mut SortArea,
        end: Txo,
    ) -> Result<Stream<'_, PendingRow>, Failure> {
        sort_area.sorter().sort(&mut self.rows);
        if self.spills.is_empty() {
            return Ok(Stream::of_rows(&mut self.rows));
        }
        if let Some(bad) = self.spent_twice() {
            return Err(bad.into());
        }
        self.spill(index, staging, end)?;
        let spills = self.spills.clone();
        Ok(Stream::of_runs(spills, false, self.rows.whole()))
    }

    /// Forgets them, of which so many were in the buffer at once; their runs leave the file.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub fn clear(&mut self, store: &Store, most_held: usize) -> crate::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::bad_block::BadBlock;
    use crate::batch::spill::tests::index;

    const END: Txo = Txo(1 << 30);

    fn row(at: u64) -> PendingRow {
        let fingerprint = u128::from(at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060) >> 8;
        PendingRow::spend(fingerprint & ((1 << 88) - 1), TxNum::of_first(Txo(at + 1)))
    }

    /// All that is pending after so many rows in each of some spills, and `last` rows more.
    fn sorted(spills: &[u64], last: &[u64]) -> Result<Vec<PendingRow>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let mut index = index(folder.path());
        let (mut staging, mut area) = (Staging::new().unwrap(), SortArea::new().unwrap());
        let mut pending = Pending::new(Pending::BYTES_MIN).unwrap();
        let mut at = 0;
        for count in spills {
            (0..*count).for_each(|more| pending.push(row(at + more)));
            at += count;
            area.sorter().sort(&mut pending.rows);
            pending.spill(&mut index, &mut staging, END)?;
        }
        last.iter().for_each(|at| pending.push(row(*at)));
        let mut stream = pending.sorted(&mut index, &mut staging, &mut area, END)?;
        stream.open(index.store())?;
        let mut all = Vec::new();
        while let Some(row) = stream.peek()? {
            all.push(row);
            stream.advance();
        }
        Ok(all)
    }

    #[test]
    fn they_come_in_order_wherever_they_wait() {
        for (spills, last) in [
            (&[][..], 0..30_000),
            (&[20_000, 3, 30_000], 50_003..60_000),
            (&[5], 5..5),
        ] {
            let mut expected: Vec<_> = (0..last.end).map(row).collect();
            expected.sort();
            let found = sorted(spills, &Vec::from_iter(last)).unwrap();
            assert!(found == expected, "{spills:?}: {} rows", found.len());
        }
    }

    #[test]
    fn a_transaction_that_spends_an_outpoint_twice_is_named_before_a_run_has_both() {
        let Err(Failure::Rule(BadBlock::Spend(bad))) = sorted(&[10], &[12, 11, 12]) else {
            panic!("a run has both");
        };
        assert_eq!((bad.pending, bad.fault), (row(12), SpendFault::Spent));
    }
}
