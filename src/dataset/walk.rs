//! Block by block: what is read of a block, checked, counted, and given to the tables.
//!
//! Invariant: a row is given only of a block whose header, merkle root, numbers and spent coins are those of the
//! index.

use super::Fault;
use super::rows::blocks::BlockRow;
use super::rows::inputs::SpentBy;
use super::rows::{BlockHead, TxHead};
use super::spent::{Txs, are_even, coins_of, fee_of};
use super::sums::Sums;
use super::tables::Tables;
use crate::index::blocks::BlockRow as Indexed;
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::primitives::coin::{Coin, makes_coin};
use crate::primitives::consensus::{BLOCK_INPUTS_MAX, BLOCK_TXS_MAX};
use crate::primitives::header;
use crate::primitives::position::Height;
use crate::primitives::wire::{Block, Hash32, Tx, check_merkle_root};
use crate::utxo::{ChainBlock, Heights, UtxoSet, spent_rows};
use crate::verify::undo::{
    Found, SpendSums, SpentCoin, UndoFinder, Wanted, first_difference, in_undo_file, is_of_index,
};
use crate::{Error, Result};
use bitcoin::{CompactTarget, Target, Work};
use std::collections::VecDeque;

/// Times of which the median is taken (Bitcoin Core, `chain.h`: `nMedianTimeSpan`).
const MEDIAN_BLOCKS: usize = 11;

/// What of a chain the next block's row needs.
struct Before {
    row: Option<Indexed>,
    times: VecDeque<u32>,
    work: Option<Work>,
}

/// See the module documentation.
pub(crate) struct Walk<'w, 'i> {
    set: &'w mut UtxoSet<'i>,
    heights: &'w Heights,
    tables: &'w mut Tables,
    /// `None`: what inputs spent is not told.
    finder: Option<UndoFinder>,
    txids: Region<Hash32>,
    scratch: Region<Hash32>,
    before: Before,
}

impl<'w, 'i> Walk<'w, 'i> {
    /// Bytes of memory for the ids of a block's transactions, twice, what is known of them, and coins.
    pub const BYTES: usize = 2 * BLOCK_TXS_MAX as usize * size_of::<Hash32>()
        + BLOCK_TXS_MAX as usize * size_of::<Tx<'static>>()
        + BLOCK_INPUTS_MAX as usize * size_of::<SpentCoin<'static>>();

    /// Of the set's blocks.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new(
        set: &'w mut UtxoSet<'i>,
        heights: &'w Heights,
        tables: &'w mut Tables,
        finder: Option<UndoFinder>,
    ) -> Result<Walk<'w, 'i>> {
        Ok(Walk {
            set,
            heights,
            tables,
            finder,
            txids: Region::in_small_pages(Part::Block, BLOCK_TXS_MAX as usize)?,
            scratch: Region::in_small_pages(Part::Block, BLOCK_TXS_MAX as usize)?,
            before: Before {
                row: None,
                times: VecDeque::new(),
                work: None,
            },
        })
    }

    /// Whether what inputs spent is told.
    pub fn tells_spent(&self) -> bool {
        self.finder.is_some()
    }

    /// The tables.
    pub fn tables(&mut self) -> &mut Tables {
        self.tables
    }

    /// The set.
    pub fn set(&self) -> &UtxoSet<'i> {
        self.set
    }

    /// Goes to the block at `first`, in front of which others may have been passed over.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn seek(&mut self, first: Height) -> Result<()> {
        let mut work = None;
        self.before.times.clear();
        self.before.row = None;
        for height in 0..first.0 {
            let row = self.set.snapshot().block(Height(height))?;
            work = Some(added(work, &row));
            if height + MEDIAN_BLOCKS as u32 >= first.0 {
                self.before.note_time(header::time_of(&row.header));
                self.before.row = Some(row);
            }
        }
        self.before.work = work;
        Ok(())
    }

    /// Reads the block at `height`, the next one; returns its bytes.
    ///
    /// # Errors
    /// [`Fault`], [`crate::verify::Fault`], [`crate::utxo::Fault`], those of reading and writing.
    pub fn block(&mut self, height: Height, sums: &mut Option<SpendSums<'_, '_>>) -> Result<u64> {
        let row = self.set.snapshot().block(height)?;
        let place = self.set.snapshot().place(height)?;
        let before = self.before.row.as_ref();
        let wanted = Wanted {
            file: place.file,
            height,
            prev_hash: header::prev_hash_of(&row.header),
            txs: (row.txs - before.map_or(0, |before| before.txs)) as usize,
        };
        let is_spending = row.inputs > before.map_or(0, |before| before.inputs);
        let is_even = match self.finder.is_some() && is_spending {
            true => self.spending_block(&wanted, sums)?,
            false => {
                self.other_block(height, sums)?;
                true
            }
        };
        match is_even {
            true => Ok(place.bytes.into()),
            false => Err(self.difference(&wanted)?),
        }
    }

    /// A block with its undo record; whether that is even with the index. If it is not, no row is given.
    fn spending_block(
        &mut self,
        wanted: &Wanted,
        sums: &mut Option<SpendSums<'_, '_>>,
    ) -> Result<bool> {
        let finder = self.finder.as_mut().expect("the caller has seen it");
        let found = chosen(self.set, self.heights, finder, wanted)?;
        let path = finder.path(wanted.file);
        let record = finder.record(wanted, &found)?;
        let block = self.set.block(wanted.height)?;
        let txs = read_txs(&block, &mut self.txids, &mut self.scratch)?;
        let coins = coins_of(&record, &txs);
        let Some(coins) = coins.map_err(|error| in_undo_file(path, error))? else {
            return Ok(false);
        };
        if let Some(sums) = sums {
            tell_made(sums, &block, &txs)?;
            if !are_even(sums, wanted.height, &txs, &coins) {
                return Ok(false);
            }
        }
        let counted = give(self.tables, &block, &txs, Some(&coins))?;
        end(self.tables, &mut self.before, &block, &txs, counted, true)?;
        Ok(true)
    }

    /// A block that spends nothing, or of which that is not told.
    fn other_block(&mut self, height: Height, sums: &mut Option<SpendSums<'_, '_>>) -> Result<()> {
        let block = self.set.block(height)?;
        let txs = read_txs(&block, &mut self.txids, &mut self.scratch)?;
        if let Some(sums) = sums {
            tell_made(sums, &block, &txs)?;
        }
        let has_spent = self.finder.is_some();
        let coins = has_spent.then_some(&[][..]);
        let counted = give(self.tables, &block, &txs, coins)?;
        end(
            self.tables,
            &mut self.before,
            &block,
            &txs,
            counted,
            has_spent,
        )?;
        Ok(())
    }

    /// What differs, in full.
    fn difference(&mut self, wanted: &Wanted) -> Result<Error> {
        let rows = spent_rows(self.set.snapshot(), self.set.height());
        let mut buffer = Region::new(Part::SpentOutputs, rows)?;
        let finder = self.finder.as_mut().expect("what differs is a record");
        let found = finder.candidates(wanted)?[0];
        let record = finder.record(wanted, &found)?;
        let (set, heights) = (&mut *self.set, self.heights);
        first_difference(
            set,
            heights,
            wanted.height,
            &record,
            wanted.file,
            &mut buffer,
        )
    }
}

/// The record of the block: of those of siblings the one that the index agrees with.
fn chosen(
    set: &mut UtxoSet<'_>,
    heights: &Heights,
    finder: &mut UndoFinder,
    wanted: &Wanted,
) -> Result<Found> {
    let found = finder.candidates(wanted)?;
    if let [found] = found[..] {
        return Ok(found);
    }
    let rows = spent_rows(set.snapshot(), set.height());
    let mut buffer = Region::new(Part::SpentOutputs, rows)?;
    for one in &found {
        let record = finder.record(wanted, one)?;
        if is_of_index(set, heights, wanted.height, &record, &mut buffer)? {
            return Ok(*one);
        }
    }
    // What differs is said of the first.
    Ok(found[0])
}

impl Before {
    fn note_time(&mut self, time: u32) {
        if self.times.len() == MEDIAN_BLOCKS {
            self.times.pop_front();
        }
        self.times.push_back(time);
    }

    fn median_time(&self) -> u32 {
        let mut times: Vec<u32> = self.times.iter().copied().collect();
        times.sort_unstable();
        times[times.len() / 2]
    }
}

/// The work of a chain with one more block.
fn added(work: Option<Work>, row: &Indexed) -> Work {
    let bits = CompactTarget::from_consensus(header::bits_of(&row.header));
    let own = Target::from_compact(bits).to_work();
    work.map_or(own, |work| work + own)
}

/// The transactions of a block, checked against the merkle root.
fn read_txs<'a>(
    block: &ChainBlock<'a>,
    txids: &'a mut [Hash32],
    scratch: &mut [Hash32],
) -> Result<Txs<'a>> {
    let mut walk = Block::read(block.bytes).map_err(|fault| block.fault(fault))?;
    let mut txs = Vec::with_capacity(walk.tx_count.min(BLOCK_TXS_MAX as usize));
    while let Some(tx) = walk.next_tx().map_err(|fault| block.fault(fault))? {
        txids[txs.len()] = tx.txid();
        txs.push(tx);
    }
    let txids = &txids[..txs.len()];
    let scratch = &mut scratch[..txs.len()];
    scratch.copy_from_slice(txids);
    check_merkle_root(scratch, walk.header).map_err(|fault| block.fault(fault))?;
    let weight = walk.weight_so_far();
    Ok(Txs { txs, txids, weight })
}

/// Tells the sums of all outputs of the block.
fn tell_made(sums: &mut SpendSums<'_, '_>, block: &ChainBlock<'_>, txs: &Txs<'_>) -> Result<()> {
    let mut number = block.row.coinbase();
    let coinbase = number;
    for (tx, txid) in txs.txs.iter().zip(txs.txids) {
        for (vout, output) in (0u32..).zip(tx.outputs()) {
            sums.made(number.output(vout), block.height, || Coin {
                txid: *txid,
                vout,
                height: block.height.0,
                coinbase: number == coinbase,
                amount_sat: output.amount_sat,
                script: output.script,
            })?;
        }
        number = number.next(tx.output_count);
    }
    Ok(())
}

/// What was counted in a block, beside its sums.
struct Counted {
    sums: Sums,
    coinbase_coins: u64,
    coinbase_coins_sat: u64,
}

/// Gives the tables the rows of the block's transactions, with the coins that they spend, if those are told.
fn give(
    tables: &mut Tables,
    block: &ChainBlock<'_>,
    txs: &Txs<'_>,
    coins: Option<&[SpentCoin<'_>]>,
) -> Result<Counted> {
    tables.begin_block(BlockHead {
        hash: block.row.hash,
        height: block.height.0,
        time: header::time_of(&block.row.header),
    });
    let mut counted = Counted {
        sums: Sums::default(),
        coinbase_coins: 0,
        coinbase_coins_sat: 0,
    };
    let mut coins = coins.map(|coins| coins.iter());
    for (index, (tx, txid)) in txs.txs.iter().zip(txs.txids).enumerate() {
        let head = tables.tx_head(txid, index);
        let sums = &mut counted.sums;
        let spendable = (sums.spendable_outputs, sums.spendable_sat);
        // A transaction that pays more than all the money was refused when it was read.
        let mut paid_sat = 0;
        for (vout, output) in (0u32..).zip(tx.outputs()) {
            tables.output(&head, vout, &output)?;
            paid_sat += output.amount_sat;
            if makes_coin(block.height, output.script) {
                sums.spendable_outputs += 1;
                sums.spendable_sat += u128::from(output.amount_sat);
            }
        }
        sums.output_sat += u128::from(paid_sat);
        sums.outputs += tx.output_count as u64;
        if index == 0 {
            counted.coinbase_coins = sums.spendable_outputs - spendable.0;
            counted.coinbase_coins_sat = (sums.spendable_sat - spendable.1) as u64;
            tables.transaction(&head, tx, paid_sat, None)?;
            continue;
        }
        sums.inputs += tx.input_count as u64;
        let spent_sat = match &mut coins {
            Some(coins) => Some(give_inputs(tables, &head, tx, Some(coins))?),
            None => give_inputs(tables, &head, tx, None).map(|_| None)?,
        };
        tables.transaction(&head, tx, paid_sat, spent_sat)?;
        if let Some(spent_sat) = spent_sat {
            sums.spent_sat += u128::from(spent_sat);
            sums.fees_sat += u128::from(fee_of(block.height, txid, spent_sat, paid_sat)?);
        }
    }
    counted.sums.blocks = 1;
    counted.sums.transactions = txs.txs.len() as u64;
    Ok(counted)
}

/// Gives the rows of a transaction's inputs; what they spend together, if that is told.
fn give_inputs<'c>(
    tables: &mut Tables,
    head: &TxHead,
    tx: &Tx<'_>,
    mut coins: Option<&mut std::slice::Iter<'c, SpentCoin<'c>>>,
) -> Result<u64> {
    let mut spent_sat = 0u64;
    let mut witnesses = tx.witnesses();
    for (index, input) in (0u32..).zip(tx.inputs()) {
        let coin = coins.as_mut().map(|coins| {
            let coin = coins.next().expect("as many coins as inputs were read");
            SpentBy {
                amount_sat: coin.amount_sat,
                script: coin.script.as_slice(),
                code: coin.height << 1 | u32::from(coin.coinbase),
            }
        });
        let witness = witnesses.next().unwrap_or_default();
        tables.input(head, index, &input, witness, coin.as_ref())?;
        // No coin is worth more than all the money; too many of them are found out with the fee.
        spent_sat = spent_sat.saturating_add(coin.map_or(0, |coin| coin.amount_sat));
    }
    Ok(spent_sat)
}

/// Compares what was counted with the index, and gives the block's own row.
fn end(
    tables: &mut Tables,
    before: &mut Before,
    block: &ChainBlock<'_>,
    txs: &Txs<'_>,
    counted: Counted,
    has_spent: bool,
) -> Result<()> {
    let mut sums = compared(block, before.row.as_ref(), counted)?;
    sums.inputs_unknown = if has_spent { 0 } else { sums.inputs };
    let height = block.height;
    let output_sat = i64::try_from(sums.output_sat);
    let output_sat = output_sat.map_err(|_| Fault::TooMuch { height })?;
    let row = &block.row;
    before.row = Some(*row);
    before.note_time(header::time_of(&row.header));
    let work = added(before.work, row);
    before.work = Some(work);
    let block_row = BlockRow {
        header: row.header,
        hash: row.hash,
        chainwork: work.to_be_bytes(),
        fee_sat: match has_spent {
            true => sums.fees_sat as u64,
            false => BlockRow::UNKNOWN,
        },
        output_sat: output_sat as u64,
        height: height.0,
        median_time: before.median_time(),
        bytes: block.bytes.len() as u32,
        weight: txs.weight as u32,
        txs: sums.transactions as u32,
        inputs: sums.inputs as u32,
        outputs: sums.outputs as u32,
        _unused: 0,
    };
    let coinbase_input = txs.txs[0].inputs().next();
    let coinbase_param = coinbase_input.map_or(&[][..], |input| input.script_sig);
    tables.end_block(block_row, coinbase_param, &sums)
}

/// What was counted, if the index says the same of the block; `before` is the block in front of it.
fn compared(block: &ChainBlock<'_>, before: Option<&Indexed>, counted: Counted) -> Result<Sums> {
    let (row, mut sums) = (&block.row, counted.sums);
    let last = before.copied();
    let last = last.unwrap_or(bytemuck::Zeroable::zeroed());
    let made = last.coins + sums.spendable_outputs;
    for (what, index, files) in [
        ("transactions", row.txs - last.txs, sums.transactions),
        ("inputs", row.inputs - last.inputs, sums.inputs),
        ("outputs", row.outputs - last.outputs, sums.outputs),
    ] {
        if index != files {
            return Err(differs(block, what, index, files));
        }
    }
    // What else is gone a coinbase with the same id has overwritten (BIP 30): its own outputs, as far as they
    // were not spent.
    let overwritten = made.checked_sub(row.coins + sums.inputs);
    let overwritten = overwritten.filter(|count| *count <= counted.coinbase_coins);
    let Some(overwritten) = overwritten else {
        let files = made.saturating_sub(sums.inputs);
        return Err(differs(block, "coins", row.coins, files));
    };
    sums.overwritten_outputs = overwritten;
    match overwritten {
        0 => {}
        all if all == counted.coinbase_coins => {
            sums.overwritten_sat = counted.coinbase_coins_sat.into();
        }
        some => sums.overwritten_unknown = some,
    }
    Ok(sums)
}

fn differs(block: &ChainBlock<'_>, what: &'static str, index: u64, files: u64) -> Error {
    Error::from(Fault::Count {
        height: block.height,
        what,
        index,
        files,
    })
}
