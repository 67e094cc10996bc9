//! Pages of txids on their way into an index that keeps them.
//!
//! Invariant: after the last block that was added they hold all outputs that no commit has written, and of the
//! last page that one has written those before; a block that could not be added leaves no trace.
//!
//! Memory: [`Kept::BYTES`], made once, in an import that keeps txids.

use crate::Result;
use crate::index::Index;
use crate::index::kept::KeptPages;
use crate::index::kept_page::{KEPT_PAGE_BYTES, KEPT_PAGE_ROOM_BYTES, KeptWriter, Mark};
use crate::memory::part::Part;
use crate::memory::region::{Buffer, Region};
use crate::primitives::consensus::{
    BLOCK_OUTPUTS_MAX, BLOCK_WEIGHT_MAX, OUTPUT_BYTES_MIN, TX_BYTES_MIN,
};
use crate::primitives::position::Txo;
use crate::primitives::wire::Hash32;
use crate::runs::row::{FundingRow, TxidRow};
use bytemuck::Zeroable;

/// The most bytes of pages that a block fills: an output takes 9 at most there, and a transaction 32 more, of
/// bytes that weigh four each (BIP 141).
const BLOCK_BYTES: usize = (BLOCK_WEIGHT_MAX / 4) as usize;
const _: () = assert!(9 <= OUTPUT_BYTES_MIN && 9 + 32 <= TX_BYTES_MIN);

/// Pages that they are in, the last of the block before among them.
const BLOCK_PAGES: usize = BLOCK_BYTES / KEPT_PAGE_ROOM_BYTES + 2;

/// Pages in memory: a block's, and about as many as are better written together.
const PAGES: usize = 2 * BLOCK_PAGES;

/// An output that can never be spent, but has an amount.
#[derive(Clone, Copy, Zeroable)]
struct Never {
    txo: Txo,
    amount_sat: u64,
}

/// How far the pages are filled.
#[derive(Clone, Copy)]
struct Filled {
    /// Pages in front that are complete.
    pages: usize,
    /// Of the page behind them.
    writer: KeptWriter,
}

/// See the module documentation.
pub struct Kept {
    bytes: Region<u8>,
    keys: Vec<u64>,
    filled: Filled,
    before_block: Filled,
    /// Those of the block that is being digested.
    never: Buffer<Never>,
}

impl Kept {
    /// Bytes of memory it takes.
    pub const BYTES: usize =
        PAGES * KEPT_PAGE_BYTES + BLOCK_OUTPUTS_MAX as usize * size_of::<Never>();

    /// With the last page of `index`, up to its tip.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`]; [`crate::store::Fault::Store`],
    /// [`crate::store::Fault::DamagedIndex`].
    pub fn new(index: &Index) -> Result<Kept> {
        let filled = Filled {
            pages: 0,
            writer: KeptWriter::new(index.next_txo()),
        };
        let mut kept = Kept {
            bytes: Region::new(Part::Pages, PAGES * KEPT_PAGE_BYTES)?,
            keys: vec![0; PAGES],
            filled,
            before_block: filled,
            never: Buffer::new(Part::Pages, BLOCK_OUTPUTS_MAX as usize)?,
        };
        kept.load(index)?;
        Ok(kept)
    }

    fn load(&mut self, index: &Index) -> Result<()> {
        let Some(last) = index.next_txo().0.checked_sub(1) else {
            return Ok(());
        };
        let snapshot = index.snapshot()?;
        let Some(mut pages) = snapshot.kept_txids()? else {
            return Ok(());
        };
        let mut is_first = true;
        pages.page_up_to(Txo(last), |output| {
            if std::mem::take(&mut is_first) {
                self.filled.writer = KeptWriter::new(output.txo);
            }
            self.push(&output.txid, output.txo, output.vout, output.mark);
        })
    }

    /// Begins with a block.
    pub fn begin_block(&mut self) {
        self.before_block = self.filled;
        self.never.clear();
    }

    /// An output of the block can never be spent, but has an amount; they come in order.
    pub fn add_never(&mut self, txo: Txo, amount_sat: u64) {
        self.never.push(Never { txo, amount_sat });
    }

    /// Takes the block: its transactions and their txids, the rows of its outputs that can be spent, and the
    /// position behind its last output.
    pub fn add(&mut self, txs: &[TxidRow], txids: &[Hash32], rows: &[FundingRow], end: Txo) {
        let mut rows = rows.iter();
        let mut row = rows.next();
        let mut next_never = 0;
        for (at, (tx, txid)) in txs.iter().zip(txids).enumerate() {
            let first = tx.tx().first_output().0;
            let next = txs.get(at + 1).map_or(end, |next| next.tx().first_output());
            for txo in first..next.0 {
                let mark = match row {
                    Some(own) if own.txo().0 == txo => {
                        row = rows.next();
                        Mark::of(own)
                    }
                    _ => match self.never.get(next_never) {
                        Some(never) if never.txo.0 == txo => {
                            next_never += 1;
                            Mark::Never(never.amount_sat)
                        }
                        _ => Mark::Never(0),
                    },
                };
                self.push(txid, Txo(txo), (txo - first) as u32, mark);
            }
        }
    }

    #[inline(always)]
    fn push(&mut self, txid: &Hash32, txo: Txo, vout: u32, mark: Mark) {
        if !self.try_push(txid, vout, mark) {
            self.finish_page();
            self.filled.pages += 1;
            self.filled.writer = KeptWriter::new(txo);
            assert!(self.try_push(txid, vout, mark), "an empty page has room");
        }
    }

    #[inline(always)]
    fn try_push(&mut self, txid: &Hash32, vout: u32, mark: Mark) -> bool {
        let start = self.filled.pages * KEPT_PAGE_BYTES;
        let page = &mut self.bytes[start..start + KEPT_PAGE_BYTES];
        self.filled.writer.push(page, txid, vout, mark)
    }

    fn finish_page(&mut self) {
        let Filled { pages, writer } = self.filled;
        let page = &mut self.bytes[pages * KEPT_PAGE_BYTES..][..KEPT_PAGE_BYTES];
        writer.finish(page);
        self.keys[pages] = writer.key().0;
    }

    /// The block turned out to be none.
    pub fn forget_block(&mut self) {
        self.filled = self.before_block;
    }

    /// Writes complete pages, if there might not be room for another block's.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub fn make_room(&mut self, index: &Index) -> Result<()> {
        if self.filled.pages + BLOCK_PAGES <= PAGES {
            return Ok(());
        }
        index.write_kept(self.first_pages(self.filled.pages))?;
        self.keep_last_page();
        Ok(())
    }

    /// All pages, for a commit.
    pub fn all_pages(&mut self) -> KeptPages<'_> {
        let is_begun = !self.filled.writer.is_empty();
        if is_begun {
            self.finish_page();
        }
        self.first_pages(self.filled.pages + usize::from(is_begun))
    }

    fn first_pages(&self, pages: usize) -> KeptPages<'_> {
        KeptPages {
            keys: &self.keys[..pages],
            bytes: &self.bytes[..pages * KEPT_PAGE_BYTES],
        }
    }

    /// All pages were written: only the last is gone on with.
    pub fn keep_last_page(&mut self) {
        let start = self.filled.pages * KEPT_PAGE_BYTES;
        self.note_in_use();
        self.bytes.copy_within(start..start + KEPT_PAGE_BYTES, 0);
        self.filled.pages = 0;
    }

    /// Notes how much of its memory is in use.
    pub fn note_in_use(&mut self) {
        let pages = self.filled.pages + 1;
        self.bytes.note_in_use(pages * KEPT_PAGE_BYTES);
        self.never.note_in_use();
    }
}
