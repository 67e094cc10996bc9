//! Reading an index: blocks, their places, and rows of runs, as of one moment.
//!
//! Invariant: nothing above the tip is ever handed out.

use super::Index;
use super::blocks::{
    BLOCKS, BlockRow, COINBASES, HASHES, Mark, OFFSETS, PLACES, decode_place, marks_around,
};
use super::kept::KeptTxids;
use crate::primitives::compact_size;
use crate::primitives::consensus::BLOCK_TXS_MAX;
use crate::primitives::header::HEADER_BYTES;
use crate::primitives::position::{Height, Place, TxNum, Txo};
use crate::primitives::wire::Hash32;
use crate::runs::catalogue::Run;
use crate::runs::range::RangeRows;
use crate::runs::read::Walk;
use crate::runs::row::{FundingRow, Row, SpendingRow};
use crate::store::reading::{ReadTable, Reading};
use crate::store::{Store, sealed};
use crate::{Error, Result};
use std::cmp::Reverse;
use std::ops::RangeInclusive;

type ByHeight = ReadTable<u32, &'static [u8]>;

/// See the module documentation.
pub struct Snapshot<'i> {
    index: &'i Index,
    transaction: Reading,
    blocks: Option<ByHeight>,
    offsets: Option<ByHeight>,
}

/// A few neighbouring transactions of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch {
    /// The first of them.
    pub first: Mark,
    /// Byte of the block behind the last of them.
    pub end_bytes: usize,
    /// Position behind their last output.
    pub end_txo: Txo,
}

impl<'i> Snapshot<'i> {
    pub(super) fn new(index: &'i Index) -> Result<Snapshot<'i>> {
        let transaction = index.store().read()?;
        let blocks = transaction.find_table(BLOCKS)?;
        let offsets = transaction.find_table(OFFSETS)?;
        Ok(Snapshot {
            index,
            transaction,
            blocks,
            offsets,
        })
    }

    /// The index it shows.
    pub fn index(&self) -> &'i Index {
        self.index
    }

    fn store(&self) -> &'i Store {
        self.index.store()
    }

    fn unreadable(&self, why: &'static str) -> Error {
        self.store().damaged(why)
    }

    /// The block at `height`, also one above the tip that is being imported.
    ///
    /// # Errors
    /// [`crate::store::Fault::DamagedIndex`] if it is not there, [`crate::store::Fault::Store`].
    pub fn block(&self, height: Height) -> Result<BlockRow> {
        let missing = || self.unreadable("a block's row is missing or cannot be read");
        let blocks = self.blocks.as_ref().ok_or_else(missing)?;
        let row = blocks.get(height.0)?;
        row.and_then(|row| BlockRow::open(height.0, row.value()))
            .ok_or_else(missing)
    }

    /// Outputs of the coinbase of the block at `height`; `None` if an earlier version imported it.
    ///
    /// # Errors
    /// [`crate::store::Fault::DamagedIndex`], [`crate::store::Fault::Store`].
    pub fn coinbase_outputs(&self, height: Height) -> Result<Option<u32>> {
        let Some(table) = self.transaction.find_table(COINBASES)? else {
            return Ok(None);
        };
        let Some(stored) = table.get(height.0)? else {
            return Ok(None);
        };
        let row = sealed::open(height.0.into(), stored.value());
        let row: Option<[u8; 4]> = row.and_then(|row| row.try_into().ok());
        let unreadable = || self.unreadable("a coinbase's row cannot be read");
        row.map(u32::from_le_bytes).map(Some).ok_or_else(unreadable)
    }

    /// The txids that the index keeps; `None` if it does not.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn kept_txids(&self) -> Result<Option<KeptTxids<'i>>> {
        let open = || KeptTxids::open(self.store(), &self.transaction);
        self.index.keeps_txids().then(open).transpose()
    }

    /// The amount of an output of the block at `height`, of whose row of `funding` it is known that its key
    /// is one of `keys`.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`]; [`crate::store::Fault::DamagedIndex`]
    /// if there is no such row.
    pub fn amount_of(&self, txo: Txo, height: Height, keys: RangeInclusive<u128>) -> Result<u64> {
        let runs = self.index.catalogue().of(FundingRow::RELATION);
        for run in runs {
            let may_have_it = (run.from..=run.to).contains(&height);
            if !may_have_it || *keys.end() < run.low_key || run.end_key <= *keys.start() {
                continue;
            }
            let mut walk = None::<Walk<FundingRow>>;
            let walk = self.walk_to(&mut walk, run, *keys.start())?;
            while let Some(row) = walk.row().filter(|row| row.key() <= *keys.end()) {
                if row.txo() == txo {
                    return Ok(row.amount_sat);
                }
                walk.advance()?;
            }
        }
        Err(self.unreadable("an output's row is missing"))
    }

    /// Where the block at `height` is.
    ///
    /// # Errors
    /// [`crate::store::Fault::DamagedIndex`] if that was not stored, [`crate::store::Fault::Store`].
    pub fn place(&self, height: Height) -> Result<Place> {
        let stored = self.transaction.get(PLACES, height.0)?;
        stored
            .and_then(|bytes| decode_place(bytes.value()))
            .ok_or_else(|| self.unreadable("a block's place is missing or cannot be read"))
    }

    /// Where the blocks from `first` on are, at most `count` of them, as far as is known.
    ///
    /// # Errors
    /// [`crate::store::Fault::DamagedIndex`], [`crate::store::Fault::Store`].
    pub fn places(&self, first: Height, count: u32) -> Result<Vec<Place>> {
        let table = self.transaction.open_table(PLACES)?;
        let range = table.range(first.0..first.0.saturating_add(count))?;
        let mut places = Vec::with_capacity(count as usize);
        for entry in range {
            let (_, bytes) = entry?;
            let unreadable = || self.unreadable("a block's place cannot be read");
            places.push(decode_place(bytes.value()).ok_or_else(unreadable)?);
        }
        Ok(places)
    }

    /// Height of a block of the chain, by its hash.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn height_of(&self, hash: &Hash32) -> Result<Option<Height>> {
        match (self.height_in_table(hash)?, self.index.tip()) {
            (None, Some((tip, _))) => self.search(hash, tip),
            (height, _) => Ok(height),
        }
    }

    /// The same, if the table of hashes has it: for those who ask of blocks that may be in no chain.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn height_in_table(&self, hash: &Hash32) -> Result<Option<Height>> {
        let tip = self.index.tip().map(|(tip, _)| tip);
        let stored = self.transaction.get(HASHES, hash)?;
        let height = stored.map(|height| Height(height.value()));
        match height.filter(|height| Some(*height) <= tip) {
            Some(height) => Ok((self.block(height)?.hash == *hash).then_some(height)),
            None => Ok(None),
        }
    }

    /// Goes through all blocks for one that the table of hashes does not have: before "there is no
    /// such block" is said, since a damaged table would have lost it.
    fn search(&self, hash: &Hash32, tip: Height) -> Result<Option<Height>> {
        for height in 0..=tip.0 {
            if self.block(Height(height))?.hash == *hash {
                return Err(self.unreadable("its table of hashes is damaged"));
            }
        }
        Ok(None)
    }

    /// The block in which output `txo` was made: the last that begins at or below it, up to `last`.
    /// `from` is a height at or below the one looked for.
    ///
    /// Neighbouring blocks have about as many outputs, so it guesses from those at both ends; the rows it
    /// reads then lie side by side. (Measured, 3 GB: a cold `balance` of 10 outputs read 80 pages of rows
    /// when it halved the range each time.)
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn height_at(&self, txo: Txo, from: Height, last: Height) -> Result<Height> {
        /// Guesses in a row that may leave more than half of the range.
        const POOR_GUESSES_MAX: u32 = 4;
        let (mut low, mut high) = (from.0, last.0 + 1);
        let mut low_txo = self.block(from)?.first_txo.0;
        let mut high_txo = self.block(last)?.outputs;
        let mut poor_guesses = 0;
        while high - low > 1 {
            let width = high - low;
            let share = u128::from(txo.0.saturating_sub(low_txo)) * u128::from(width)
                / u128::from(high_txo.saturating_sub(low_txo).max(1));
            let probe = match poor_guesses {
                POOR_GUESSES_MAX => low + width / 2,
                _ => low + share.clamp(1, u128::from(width) - 1) as u32,
            };
            let first_txo = self.block(Height(probe))?.first_txo;
            match first_txo > txo {
                true => (high, high_txo) = (probe, first_txo.0),
                false => (low, low_txo) = (probe, first_txo.0),
            }
            let is_poor = (high - low) * 2 > width && poor_guesses < POOR_GUESSES_MAX;
            poor_guesses = if is_poor { poor_guesses + 1 } else { 0 };
        }
        Ok(Height(low))
    }

    /// The stretch of the block at `height`, which has `bytes` bytes, in which output `txo` is made.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn stretch_at(
        &self,
        height: Height,
        block: &BlockRow,
        bytes: u32,
        txo: Txo,
    ) -> Result<Stretch> {
        let missing = || self.unreadable("a block's marks are missing or cannot be read");
        let offsets = self.offsets.as_ref().ok_or_else(missing)?;
        let stored = offsets.get(height.0)?;
        let stored = stored.ok_or_else(missing)?;
        let count_bytes = compact_size::bytes_of(self.txs_in(height, block)?);
        const _: () = assert!(BLOCK_TXS_MAX <= u16::MAX as u32);
        let first = Mark {
            tx_index: 0,
            offset_bytes: HEADER_BYTES + count_bytes,
            number: block.coinbase(),
        };
        let marks = sealed::open(height.0.into(), stored.value()).ok_or_else(missing)?;
        let (first, next) = marks_around(marks, first, txo).ok_or_else(missing)?;
        let end = next.map_or((bytes as usize, Txo(block.outputs)), |next| {
            (next.offset_bytes, next.number.first_output())
        });
        let in_order = first.offset_bytes < end.0 && end.0 <= bytes as usize;
        in_order.then_some(()).ok_or_else(missing)?;
        Ok(Stretch {
            first,
            end_bytes: end.0,
            end_txo: end.1,
        })
    }

    /// Number of transactions of the block at `height`.
    fn txs_in(&self, height: Height, block: &BlockRow) -> Result<u64> {
        let before = height
            .0
            .checked_sub(1)
            .map(|before| self.block(Height(before)));
        Ok(block.txs - before.transpose()?.map_or(0, |before| before.txs))
    }

    /// All rows with keys in one of `ranges` (first and last key, ascending, apart from each other),
    /// of all runs, sorted by key.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn rows<R: Row>(&self, ranges: &[RangeInclusive<u128>]) -> Result<Vec<R>> {
        let mut rows = Vec::new();
        self.each_row(ranges.len(), &|at| ranges[at].clone(), |_, row: R| {
            rows.push(row);
            Ok(true)
        })?;
        rows.sort_unstable_by_key(|row| row.key());
        Ok(rows)
    }

    /// Visits all rows with keys in one of `count` ranges (first and last key, ascending, apart from each other), each
    /// with the number of its range: run by run, so that a page is read once, however many ranges are in it. `visit`
    /// tells whether it wants more of the range in this run.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`]; those of `visit`.
    pub fn each_row<R: Row>(
        &self,
        count: usize,
        range: &impl Fn(usize) -> RangeInclusive<u128>,
        mut visit: impl FnMut(usize, R) -> Result<bool>,
    ) -> Result<()> {
        for run in self.index.catalogue().of(R::RELATION) {
            let first = first_at_or_above(count, |at| *range(at).end(), run.low_key);
            let mut walk = None::<Walk<R>>;
            for at in first..count {
                let keys = range(at);
                if *keys.start() >= run.end_key {
                    break;
                }
                let walk = self.walk_to(&mut walk, run, *keys.start())?;
                while let Some(row) = walk.row().filter(|row| row.key() <= *keys.end())
                    && visit(at, row)?
                {
                    walk.advance()?;
                }
            }
        }
        Ok(())
    }

    /// All rows with keys in `range`, of all runs, one after the other in the order of keys.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn range_of<R: Row>(&self, range: &RangeInclusive<u128>) -> Result<RangeRows<R>> {
        let runs = self.index.catalogue().of(R::RELATION);
        RangeRows::open(self.store(), &self.transaction, runs, range)
    }

    /// A walk of `run`, begun or gone on with, that stands at the first row with a key of at least `key`.
    fn walk_to<'w, R: Row>(
        &self,
        walk: &'w mut Option<Walk<R>>,
        run: Run,
        key: u128,
    ) -> Result<&'w mut Walk<R>> {
        match walk {
            Some(walk) => {
                walk.seek(key)?;
                Ok(walk)
            }
            None => Ok(walk.insert(Walk::new(self.store(), &self.transaction, run, key)?)),
        }
    }

    /// Who spent each of `txos` (ascending), up to the last block below `end` (a position);
    /// `None` for what is unspent there.
    ///
    /// An output is spent once, so it is not looked for any further once its spender is found; runs that have
    /// most of them come first. (Measured, 30 GB, cold, `history` of 730 outputs: 0.55 s instead of 0.8.)
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn spenders(&self, txos: &[Txo], end: Txo) -> Result<Vec<Option<TxNum>>> {
        let mut spenders = vec![None; txos.len()];
        let mut runs = self.index.catalogue().of(SpendingRow::RELATION);
        runs.sort_by_key(|run| (!run.is_apart, Reverse(run.rows)));
        for run in runs {
            let first = txos.partition_point(|txo| u128::from(txo.0) < run.low_key);
            let wanted = txos[first..]
                .iter()
                .take_while(|txo| u128::from(txo.0) < run.end_key);
            let mut walk = None::<Walk<SpendingRow>>;
            let unknown = spenders[first..].iter_mut().zip(wanted);
            for (spender, txo) in unknown.filter(|(spender, _)| spender.is_none()) {
                let walk = self.walk_to(&mut walk, run, u128::from(txo.0))?;
                let found = walk.row().filter(|row| row.txo() == *txo);
                *spender = found.map(|row| row.spender());
            }
        }
        for spender in &mut spenders {
            *spender = spender.filter(|spender| spender.is_below(end));
        }
        Ok(spenders)
    }
}

/// The first of `count` ascending keys that is not below `least`; `count` if all are.
fn first_at_or_above(count: usize, key: impl Fn(usize) -> u128, least: u128) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        match key(middle) < least {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}
