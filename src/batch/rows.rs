//! The rows of `funding`, `spending` and `txids` that wait to be written, in one region.
//!
//! Invariant: each relation has a fixed share of the region. Between two batches all shares are
//! empty, and the whole region may serve a merge.

use crate::region::Region;
use crate::runs::row::{FundingRow, Row, SpendingRow, TxidRow};

/// Parts of the region, in percent: a transaction of 2026 has 3.4 outputs, of 24 bytes a row, and
/// 2.7 inputs, of 16.
const FUNDING_PERCENT: usize = 55;
const SPENDING_PERCENT: usize = 32;

/// See the module documentation.
pub struct RowBuffers {
    region: Region<u8>,
    funding_bytes: usize,
    spending_bytes: usize,
    counts: Counts,
    most_bytes: usize,
}

/// How many rows each share holds.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Rows of `funding`.
    pub funding: usize,
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

impl<R: Row> Share<'_, R> {
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

/// All shares, open for appending.
pub struct Shares<'a> {
    /// Of `funding`.
    pub funding: Share<'a, FundingRow>,
    /// Of `spending`.
    pub spending: Share<'a, SpendingRow>,
    /// Of `txids`.
    pub txids: Share<'a, TxidRow>,
}

/// As many rows as fit into these bytes, which start at a page.
fn rows_in<R: Row>(bytes: &mut [u8]) -> &mut [R] {
    let whole = bytes.len() / size_of::<R>() * size_of::<R>();
    bytemuck::cast_slice_mut(&mut bytes[..whole])
}

fn percent(bytes: usize, percent: usize) -> usize {
    bytes / 100 * percent / 4096 * 4096
}

impl RowBuffers {
    /// A region of `bytes`.
    ///
    /// # Errors
    /// [`crate::Error::Memory`].
    pub fn new(bytes: usize) -> crate::Result<RowBuffers> {
        Ok(RowBuffers {
            region: Region::new("rows", bytes)?,
            funding_bytes: percent(bytes, FUNDING_PERCENT),
            spending_bytes: percent(bytes, SPENDING_PERCENT),
            counts: Counts::default(),
            most_bytes: 0,
        })
    }

    /// The shares.
    pub fn shares(&mut self) -> Shares<'_> {
        let (funding, rest) = self.region.split_at_mut(self.funding_bytes);
        let (spending, txids) = rest.split_at_mut(self.spending_bytes);
        Shares {
            funding: Share {
                rows: rows_in(funding),
                count: &mut self.counts.funding,
            },
            spending: Share {
                rows: rows_in(spending),
                count: &mut self.counts.spending,
            },
            txids: Share {
                rows: rows_in(txids),
                count: &mut self.counts.txids,
            },
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
        self.most_bytes = self.most_bytes.max(bytes);
    }

    /// Notes how full it is, for [`RowBuffers::most_bytes`].
    pub fn note(&mut self) {
        self.most_bytes = self.most_bytes.max(self.held_bytes());
    }

    /// The bytes that are in use.
    pub fn held_bytes(&self) -> usize {
        self.counts.funding * size_of::<FundingRow>()
            + self.counts.spending * size_of::<SpendingRow>()
            + self.counts.txids * size_of::<TxidRow>()
    }

    /// The bytes there are.
    pub fn bytes(&self) -> usize {
        self.region.len()
    }

    /// The most bytes that were in use, as far as was noted.
    pub fn most_bytes(&self) -> usize {
        self.most_bytes
    }
}
