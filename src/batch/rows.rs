//! The rows of `funding`, `spending` and `txids` that wait to be written, in one region.
//!
//! Invariant: each relation has a fixed share of the region. Between two batches all shares are
//! empty, and the whole region may serve a merge.
//!
//! Of a large region only the first part of each share is in use at first, and more after every few
//! spills: memory that was touched before is faster, and a short chain has few spills anyway.
//!
//! `spending` waits in two places. Most spends are of outputs made a short while before: those made
//! since the last spill stand in a list, four bytes each, with who spent them, and need no row and no
//! sorting. Spends of older outputs are rows. (Measured: 3 GB in one spill, 15.0 M spends, 0.3 s less
//! sorting and 146 MB less memory than rows for all.)

use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::primitives::position::{TxNum, Txo};
use crate::runs::row::{FundingRow, Row, SpendingRow, TxidRow};
use bytemuck::Pod;
use std::ops::Range;

/// Parts of the region, in percent: a transaction of 2026 has 3.4 outputs, of 24 bytes a row of
/// `funding` and 4 as a recent output, and 2.7 inputs, of which a third spends an older output and
/// takes a row of 16 bytes. The rest is for `txids`.
const FUNDING_PERCENT: usize = 65;
const RECENT_PERCENT: usize = 11;
const SPENDING_PERCENT: usize = 11;

/// Bytes in use at first. 3 GB make seven runs, which need no merge, and the longest chain a dozen more
/// than with all in use. (Measured, 3 GB at 4 GiB, 413 MiB of rows: 8.0 s with all in use, 7.2 with
/// this; 519 and 271 MiB private.)
const BYTES_FIRST: usize = 64 << 20;

/// After every 3 spills of `funding`, twice as much of the region is used.
const SPILLS_TO_DOUBLE: usize = 3;

/// See the module documentation.
pub struct RowBuffers {
    region: Region<u8>,
    bytes_in_use: usize,
    funding_spills: usize,
    funding_bytes: usize,
    recent_bytes: usize,
    spending_bytes: usize,
    recent_from: Txo,
    counts: Counts,
}

/// How many rows each share holds.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Rows of `funding`.
    pub funding: usize,
    /// Outputs whose spender has its slot in `spending`.
    pub recent: usize,
    /// Rows of `spending`.
    pub spending: usize,
    /// Rows of `txids`.
    pub txids: usize,
}

/// One share, open for appending.
pub struct Share<'a, R> {
    rows: &'a mut [R],
    count: &'a mut usize,
}

impl<R: Copy> Share<'_, R> {
    /// Appends; there must be room.
    #[inline(always)]
    pub fn push(&mut self, row: R) {
        self.rows[*self.count] = row;
        *self.count += 1;
    }

    /// How many more rows it takes.
    pub fn room(&self) -> usize {
        self.rows.len() - *self.count
    }

    /// The rows in it.
    pub fn filled(&mut self) -> &mut [R] {
        &mut self.rows[..*self.count]
    }

    /// Empties it.
    pub fn clear(&mut self) {
        *self.count = 0;
    }
}

/// The share of `spending`.
pub struct Spends<'a> {
    /// Spends of older outputs.
    older: Share<'a, SpendingRow>,
    /// For each output from `from` on: how far behind `from` its spender is, plus one; 0: unspent.
    recent: Share<'a, u32>,
    from: &'a mut Txo,
}

impl Spends<'_> {
    /// Whether it takes so many spends, and the spenders of so many new outputs.
    pub fn has_room(&self, spends: u64, outputs: u64) -> bool {
        self.older.room() as u64 >= spends && self.recent.room() as u64 >= outputs
    }

    /// How many more spends it takes, of whatever outputs that were added.
    pub fn room(&self) -> usize {
        self.older.room()
    }

    /// Makes room for the spenders of the next `outputs` outputs; there must be room.
    pub fn add_outputs(&mut self, outputs: u64) {
        let start = *self.recent.count;
        *self.recent.count += outputs as usize;
        self.recent.filled()[start..].fill(0);
    }

    /// `txo` is spent by `spender`, which follows it; there must be room.
    #[inline(always)]
    pub fn push(&mut self, txo: Txo, spender: TxNum) {
        match txo.0.checked_sub(self.from.0) {
            Some(at) => {
                self.recent.rows[at as usize] = (spender.first_output().0 - self.from.0) as u32 + 1;
            }
            None => self.older.push(SpendingRow::new(txo, spender)),
        }
    }

    /// The first of the recent outputs, and the one behind the last.
    pub fn recent_outputs(&self) -> Range<Txo> {
        *self.from..Txo(self.from.0 + *self.recent.count as u64)
    }

    /// The spends of older outputs.
    pub fn older(&mut self) -> &mut [SpendingRow] {
        self.older.filled()
    }

    /// The spends of recent outputs, in order.
    pub fn recent(&self) -> impl Iterator<Item = SpendingRow> + '_ {
        let recent = &self.recent.rows[..*self.recent.count];
        (self.from.0..).zip(recent).filter_map(|(txo, spender)| {
            let behind = spender.checked_sub(1)?;
            let first = Txo(self.from.0 + u64::from(behind));
            Some(SpendingRow::new(Txo(txo), TxNum::of_first(first)))
        })
    }

    /// Empties it: the outputs that follow are the recent ones.
    pub fn clear(&mut self) {
        self.from.0 += *self.recent.count as u64;
        self.older.clear();
        self.recent.clear();
    }
}

/// All shares, open for appending.
pub struct Shares<'a> {
    /// Of `funding`.
    pub funding: Share<'a, FundingRow>,
    /// Of `spending`.
    pub spending: Spends<'a>,
    /// Of `txids`.
    pub txids: Share<'a, TxidRow>,
}

/// As many rows as fit into these bytes, which start at a page.
fn rows_in<R: Pod>(bytes: &mut [u8]) -> &mut [R] {
    let whole = bytes.len() / size_of::<R>() * size_of::<R>();
    bytemuck::cast_slice_mut(&mut bytes[..whole])
}

/// The first part of a share: as much of it as `in_use` bytes of all are.
fn first_of(share: &mut [u8], (in_use, all): (usize, usize)) -> &mut [u8] {
    let bytes = share.len() as u64 * in_use as u64 / all as u64;
    &mut share[..bytes as usize]
}

fn percent(bytes: usize, percent: usize) -> usize {
    bytes / 100 * percent / 4096 * 4096
}

impl RowBuffers {
    /// More than this is of more use as table: with so many rows waiting, mainnet's 4.4 G outputs are under
    /// 400 runs, which merge in one pass.
    pub const BYTES_MAX: usize = 413 << 20;

    /// How many rows the shares of a region of `bytes` take, once all of it is in use.
    pub fn room_of(bytes: usize) -> Counts {
        Counts {
            funding: percent(bytes, FUNDING_PERCENT) / size_of::<FundingRow>(),
            recent: percent(bytes, RECENT_PERCENT) / size_of::<u32>(),
            spending: percent(bytes, SPENDING_PERCENT) / size_of::<SpendingRow>(),
            txids: bytes
                .saturating_sub(percent(bytes, FUNDING_PERCENT))
                .saturating_sub(percent(bytes, RECENT_PERCENT))
                .saturating_sub(percent(bytes, SPENDING_PERCENT))
                / size_of::<TxidRow>(),
        }
    }

    /// How many bytes of a region are in use after so many spills of `funding`.
    pub fn in_use_after(bytes: usize, spills: u64) -> usize {
        let doublings = (spills / SPILLS_TO_DOUBLE as u64).min(32) as u32;
        bytes.min(BYTES_FIRST.saturating_mul(1 << doublings))
    }

    /// A region of `bytes`.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new(bytes: usize) -> crate::Result<RowBuffers> {
        assert!(
            bytes <= u32::MAX as usize,
            "a spender is at most so far behind"
        );
        Ok(RowBuffers {
            region: Region::new(Part::Rows, bytes)?,
            bytes_in_use: bytes.min(BYTES_FIRST),
            funding_spills: 0,
            funding_bytes: percent(bytes, FUNDING_PERCENT),
            recent_bytes: percent(bytes, RECENT_PERCENT),
            spending_bytes: percent(bytes, SPENDING_PERCENT),
            recent_from: Txo(0),
            counts: Counts::default(),
        })
    }

    /// The shares.
    pub fn shares(&mut self) -> Shares<'_> {
        let bytes = self.region.len();
        let (funding, rest) = self.region.split_at_mut(self.funding_bytes);
        let (recent, rest) = rest.split_at_mut(self.recent_bytes);
        let (spending, txids) = rest.split_at_mut(self.spending_bytes);
        let in_use = (self.bytes_in_use, bytes);
        Shares {
            funding: Share {
                rows: rows_in(first_of(funding, in_use)),
                count: &mut self.counts.funding,
            },
            spending: Spends {
                older: Share {
                    rows: rows_in(first_of(spending, in_use)),
                    count: &mut self.counts.spending,
                },
                recent: Share {
                    rows: rows_in(first_of(recent, in_use)),
                    count: &mut self.counts.recent,
                },
                from: &mut self.recent_from,
            },
            txids: Share {
                rows: rows_in(first_of(txids, in_use)),
                count: &mut self.counts.txids,
            },
        }
    }

    /// Outputs from `from` on are recent, from now on: `spending` must be empty.
    pub fn begin_recent(&mut self, from: Txo) {
        assert_eq!(self.counts.recent, 0, "their spends are written first");
        self.recent_from = from;
    }

    /// `funding` was full and has been spilled; after a few times more of the region is in use.
    pub fn note_full(&mut self) {
        self.funding_spills += 1;
        if self.funding_spills.is_multiple_of(SPILLS_TO_DOUBLE) {
            self.bytes_in_use = self.region.len().min(2 * self.bytes_in_use);
        }
    }

    /// How many rows there are, to go back to with [`RowBuffers::truncate`].
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Forgets the rows that were added since `counts` were taken.
    pub fn truncate(&mut self, counts: Counts) {
        self.counts = counts;
    }

    /// The whole region for a merge.
    pub fn whole<R: Row>(&mut self) -> &mut [R] {
        assert_eq!(
            self.counts,
            Counts::default(),
            "merges come between batches"
        );
        rows_in(&mut self.region)
    }

    /// Notes that a merge held so many bytes in the whole region.
    pub fn note_merge(&mut self, bytes: usize) {
        self.region.note_used(bytes);
    }

    /// Notes that the rows it holds are in use.
    pub fn note_in_use(&mut self) {
        self.region.note_in_use(self.held_bytes());
    }

    fn held_bytes(&self) -> usize {
        self.counts.funding * size_of::<FundingRow>()
            + self.counts.recent * size_of::<u32>()
            + self.counts.spending * size_of::<SpendingRow>()
            + self.counts.txids * size_of::<TxidRow>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tx(first: u64) -> TxNum {
        TxNum::of_first(Txo(first))
    }

    #[test]
    fn recent_spends_come_back_in_order_and_older_ones_as_they_came() {
        let mut rows = RowBuffers::new(32 << 20).unwrap();
        // What a merge leaves in the region is no spend.
        rows.whole::<SpendingRow>()
            .fill(SpendingRow::new(Txo(7), tx(9)));
        rows.begin_recent(Txo(100));
        let mut spends = rows.shares().spending;
        assert!(spends.has_room(4, 8));
        spends.add_outputs(3);
        spends.add_outputs(5);
        spends.push(Txo(107), tx(108));
        spends.push(Txo(99), tx(105));
        spends.push(Txo(100), tx(103));
        spends.push(Txo(3), tx(105));
        let recent: Vec<_> = spends.recent().collect();
        let spend = |txo, spender| SpendingRow::new(Txo(txo), tx(spender));
        assert_eq!(recent, [spend(100, 103), spend(107, 108)]);
        assert_eq!(spends.older(), [spend(99, 105), spend(3, 105)]);
        spends.clear();
        spends.add_outputs(8);
        assert_eq!(spends.recent().count(), 0);
        spends.push(Txo(108), tx(110));
        spends.push(Txo(107), tx(110));
        assert_eq!(spends.recent().collect::<Vec<_>>(), [spend(108, 110)]);
        assert_eq!(spends.older(), [spend(107, 110)]);
    }

    #[test]
    fn more_of_a_large_region_is_in_use_after_a_few_spills_and_never_more_than_all() {
        let mut rows = RowBuffers::new(3 * BYTES_FIRST).unwrap();
        let room = |rows: &mut RowBuffers| {
            let shares = rows.shares();
            let recent = shares.spending.recent.room();
            (shares.funding.room(), recent, shares.txids.room())
        };
        let first = room(&mut rows);
        let bytes = first.0 * 24 + first.1 * 4 + first.2 * 16;
        assert!((BYTES_FIRST / 100 * 80..BYTES_FIRST).contains(&bytes));
        // What waits stays where it is.
        rows.shares().txids.push(TxidRow::new(&[7; 32], tx(1)));
        for _ in 0..SPILLS_TO_DOUBLE {
            assert_eq!(room(&mut rows).0, first.0);
            rows.note_full();
        }
        let second = room(&mut rows);
        assert!(second.0.abs_diff(2 * first.0) <= 1 && second.1.abs_diff(2 * first.1) <= 1);
        assert_eq!(
            rows.shares().txids.filled(),
            [TxidRow::new(&[7; 32], tx(1))]
        );
        for _ in 0..2 * SPILLS_TO_DOUBLE {
            rows.note_full();
        }
        let all = room(&mut rows);
        assert!(all.0.abs_diff(3 * first.0) <= 2 && all.2 > second.2);
    }

    #[test]
    fn a_full_list_of_recent_outputs_has_no_room() {
        let mut rows = RowBuffers::new(32 << 20).unwrap();
        let mut spends = rows.shares().spending;
        let room = spends.recent.room();
        assert!(spends.has_room(1, room as u64));
        spends.add_outputs(room as u64 - 7);
        assert!(spends.has_room(1, 7) && !spends.has_room(1, 8));
        spends.add_outputs(7);
        assert!(spends.has_room(1, 0) && !spends.has_room(1, 1));
    }

    #[test]
    fn spends_have_room_for_as_many_rows_as_fit_and_no_more() {
        let mut rows = RowBuffers::new(1 << 20).unwrap();
        rows.begin_recent(Txo(100));
        let mut spends = rows.shares().spending;
        let room = spends.room();
        (0..room - 3).for_each(|_| spends.push(Txo(1), tx(100)));
        assert!(spends.has_room(3, 0) && !spends.has_room(4, 0));
    }
}
