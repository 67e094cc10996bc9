//! Txids that an index keeps, if it was made so: of every transaction, in chain order, in pages of their own
//! ([`super::kept_page`]).
//!
//! Invariant: the pages hold every output up to the tip, each in the last page whose key is at or below it.
//! What stands in them beyond the tip is left over from work that was never committed, and means nothing;
//! whoever writes the next page drops all that is not below it.

use super::kept_page::{KeptCursor, KeptOutput};
use crate::Result;
use crate::primitives::position::{TxNum, Txo};
use crate::store::reading::{Guard, ReadTable, Reading};
use crate::store::writing::Writing;
use crate::store::{Store, TableDefinition};
use bitcoin::Txid;

const KEPT: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("kept_txids");

/// Pages to be written, and their keys.
#[derive(Clone, Copy, Default)]
pub struct KeptPages<'a> {
    /// Ascending.
    pub keys: &'a [u64],
    /// One behind the other.
    pub bytes: &'a [u8],
}

impl KeptPages<'_> {
    /// Writes them in place of all from the first on.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub fn write(&self, transaction: &Writing) -> Result<()> {
        let Some(first) = self.keys.first() else {
            return Ok(());
        };
        let mut table = transaction.open_table(KEPT)?;
        table.remove_from(*first)?;
        let pages = self.bytes.chunks(super::kept_page::KEPT_PAGE_BYTES);
        table.append(self.keys.iter().copied().zip(pages))
    }
}

/// Drops the pages that begin at or above `end`.
///
/// # Errors
/// [`crate::store::Fault::Store`].
pub(super) fn roll_back(transaction: &Writing, end: Txo) -> Result<()> {
    transaction.open_table(KEPT)?.remove_from(end.0)
}

/// The pages in a snapshot.
pub struct KeptTxids<'s> {
    store: &'s Store,
    table: ReadTable<u64, &'static [u8]>,
    page: Option<OpenPage>,
}

type OpenPage = (Guard<'static, &'static [u8]>, KeptCursor);

impl<'s> KeptTxids<'s> {
    /// Those of an index that keeps txids, in `snapshot`.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`] if there are none.
    pub(super) fn open(store: &'s Store, snapshot: &Reading) -> Result<KeptTxids<'s>> {
        let table = snapshot.find_table(KEPT)?;
        Ok(KeptTxids {
            store,
            table: table.ok_or_else(|| store.damaged("its table of kept txids is missing"))?,
            page: None,
        })
    }

    /// What is kept of the output `txo`, which is below the tip's end. Cheapest in ascending order.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn find(&mut self, txo: Txo) -> Result<KeptOutput> {
        let (page, cursor) = self.seek(txo)?;
        let found = cursor.find(page.value(), txo);
        found.ok_or_else(|| self.unreadable())
    }

    /// The transaction's txid.
    ///
    /// # Errors
    /// As [`KeptTxids::find`].
    pub fn txid(&mut self, tx: TxNum) -> Result<Txid> {
        let first = self.find(tx.first_output())?;
        match first.tx() == tx {
            true => Ok(first.outpoint().txid),
            false => Err(self.unreadable()),
        }
    }

    /// How many outputs the transaction has, which end at `end` at the latest.
    ///
    /// # Errors
    /// As [`KeptTxids::find`].
    pub fn outputs_of(&mut self, tx: TxNum, end: Txo) -> Result<u32> {
        let mut outputs = 0;
        while tx.output(outputs) < end && self.find(tx.output(outputs))?.tx() == tx {
            outputs += 1;
        }
        Ok(outputs)
    }

    /// What is kept of the outputs in the page of `txo` that are before it, and of itself.
    ///
    /// # Errors
    /// As [`KeptTxids::find`].
    pub fn page_up_to(&mut self, txo: Txo, mut take: impl FnMut(&KeptOutput)) -> Result<()> {
        self.page = None;
        loop {
            let (page, cursor) = self.seek(txo)?;
            let output = cursor.next(page.value());
            let output = output.ok_or_else(|| self.unreadable())?;
            take(&output);
            if output.txo == txo {
                return Ok(());
            }
        }
    }

    /// The page of `txo`, where it stands at or before it.
    fn seek(&mut self, txo: Txo) -> Result<&mut OpenPage> {
        let is_in = |cursor: &KeptCursor| cursor.position() <= txo && txo < cursor.end();
        if !self.page.as_ref().is_some_and(|(_, cursor)| is_in(cursor)) {
            let last = self.table.range(..=txo.0)?.next_back();
            let (first, page) = last.ok_or_else(|| self.unreadable())??;
            let cursor = KeptCursor::open(Txo(first.value()), page.value());
            let cursor = cursor.filter(is_in).ok_or_else(|| self.unreadable())?;
            self.page = Some((page, cursor));
        }
        Ok(self.page.as_mut().expect("opened above"))
    }

    fn unreadable(&self) -> crate::Error {
        self.store
            .damaged("a page of kept txids is missing or cannot be read")
    }
}
