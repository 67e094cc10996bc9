//! `verify --undo`: what the index says was spent against what Core's undo files say.
//!
//! Invariant: a block counts as equal only if a whole record with a right checksum says the same of
//! every input: amount, script, height, and whether a coinbase made it.
//!
//! Per block a sum of keyed 128-bit hashes over (outpoint, height and coinbase, amount, script): every
//! spent output adds to its spender's block, every coin of the undo record, with its input's outpoint,
//! is taken away. Nobody who does not know the key, made for this run, can bring a wrong sum to zero.
//! This takes two passes over the block files, one by height, one file by file, and no sort.
//!
//! Memory: 33 bytes a block, the largest undo file, and what the outputs' stream takes.

use super::difference::first_difference;
use super::sums::Keyed;
use super::{Record, Records};
use crate::datadir::{UndoFile, UndoFiles};
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::primitives::coin::Coin;
use crate::primitives::header::prev_hash_of;
use crate::primitives::position::{Height, TxNum};
use crate::primitives::wire::{Block, Hash32};
use crate::runs::row::SpendingRow;
use crate::utxo::{Heights, Progress, UtxoSet, Watch, Work, left_for_buffers, spent_rows};
use crate::verify::Fault;
use crate::{Error, Result};
use std::ops::Range;
use std::path::PathBuf;

/// What was compared.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct UndoCounts {
    /// Blocks whose record says the same as the index.
    pub blocks: u64,
    /// Inputs in them.
    pub inputs: u64,
    /// Blocks without a record: their file is not there, or Core has not connected them yet.
    pub without: u64,
}

/// What is known of a block.
const UNSEEN: u8 = 0;
const EQUAL: u8 = 1;
const DIFFERENT: u8 = 2;
const DAMAGED: u8 = 3;

/// The error of a record that breaks its format, with the file that it is in.
pub(crate) fn in_undo_file(path: PathBuf, source: Error) -> Error {
    match source.fault() {
        Some(Fault::Coded { .. }) => Fault::InFile {
            path,
            source: Box::new(source),
        }
        .into(),
        _ => source,
    }
}

struct Check<'c, 'i> {
    set: &'c mut UtxoSet<'i>,
    keyed: Keyed,
    heights: Heights,
    sums: Region<u128>,
    /// File and height of every block, as one number, ascending.
    by_file: Region<u64>,
    states: Region<u8>,
    files: UndoFiles,
    undo: Region<u8>,
    counts: UndoCounts,
}

/// Compares every block up to the set's height.
///
/// # Errors
/// [`crate::verify::Fault::UndoDiffers`] for the first difference, [`crate::verify::Fault::UndoMissing`],
/// [`crate::verify::Fault::InFile`] for damaged undo files; [`crate::memory::Fault::BudgetTooSmall`];
/// those of reading.
pub fn check_undo(
    set: &mut UtxoSet<'_>,
    memory_bytes: usize,
    watch: &mut Watch<'_>,
) -> Result<UndoCounts> {
    let blocks = set.height().0 as usize + 1;
    let rows = spent_rows(set.snapshot(), set.height());
    let files = set.reader().undo_files();
    let mut by_file = Region::new(Part::UndoFiles, blocks)?;
    let mut largest = 0;
    let mut file = None;
    for (height, entry) in (0..).zip(by_file.iter_mut()) {
        let place = set.snapshot().place(Height(height))?;
        *entry = u64::from(place.file) << 32 | u64::from(height);
        if file.replace(place.file) != Some(place.file) {
            let undo = files.open(place.file)?;
            largest = largest.max(undo.map_or(0, |undo| undo.bytes()));
        }
    }
    by_file.sort_unstable();
    let per_block = size_of::<u128>() + size_of::<u64>() + 1;
    let needed = Heights::bytes(set.height())
        + blocks * per_block
        + rows * size_of::<SpendingRow>()
        + largest as usize;
    left_for_buffers(memory_bytes, needed)?;
    let mut check = Check {
        heights: Heights::read(set)?,
        set,
        keyed: Keyed::new(),
        sums: Region::new(Part::UndoFiles, blocks)?,
        by_file,
        states: Region::new(Part::UndoFiles, blocks)?,
        files,
        undo: Region::new(Part::UndoFiles, largest as usize)?,
        counts: UndoCounts::default(),
    };
    let mut buffer = Region::new(Part::SpentOutputs, rows)?;
    check.add_spent(&mut buffer, watch)?;
    check.take_undone(watch)?;
    check.conclude(&mut buffer)
}

impl Check<'_, '_> {
    /// Adds every spent output to the sum of its spender's block.
    fn add_spent(&mut self, buffer: &mut [SpendingRow], watch: &mut Watch<'_>) -> Result<()> {
        let (heights, keyed, sums) = (&self.heights, &self.keyed, &mut self.sums);
        let mut of_tx: (Option<TxNum>, Hash32) = (None, [0; 32]);
        self.set.each_output(buffer, Work::Coins, watch, |made| {
            let Some(spender) = made.spender else {
                return Ok(());
            };
            let height = heights.of_after(spender.first_output(), made.height);
            // A coinbase overwrote it (BIP 30): it was never an input.
            if heights.coinbase(height) == spender {
                return Ok(());
            }
            if of_tx.0 != Some(made.tx_number) {
                of_tx = (Some(made.tx_number), made.tx.txid());
            }
            let sum = &mut sums[height.0 as usize];
            *sum = sum.wrapping_add(keyed.coin(&made.coin(of_tx.1)));
            Ok(())
        })
    }

    /// Takes every undo record from the sum of its block.
    fn take_undone(&mut self, watch: &mut Watch<'_>) -> Result<()> {
        let mut start = 0;
        while start < self.by_file.len() {
            let file = (self.by_file[start] >> 32) as u32;
            let end = self
                .by_file
                .partition_point(|entry| (entry >> 32) as u32 <= file);
            if let Some(undo) = self.files.open(file)? {
                self.take_file(file, &undo, start..end, watch)?;
            }
            start = end;
        }
        Ok(())
    }

    fn take_file(
        &mut self,
        file: u32,
        undo_file: &UndoFile,
        blocks: Range<usize>,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let mut undo = std::mem::replace(&mut self.undo, Region::new(Part::UndoFiles, 0)?);
        // A file that grew since the largest was measured is read as far as there is room.
        let undo_bytes = undo_file.read_at(&mut undo, 0)?;
        let magic = self.set.snapshot().index().meta().magic;
        let mut strays = Vec::new();
        let mut next = blocks.start;
        for record in Records::new(&undo[..undo_bytes], magic) {
            let record = record.map_err(|source| self.in_file(file, source))?;
            let coins = record
                .coins()
                .map_err(|source| self.in_file(file, source))?;
            let txs = coins.txs_left();
            match self.block_of(&record, txs, &blocks, next)? {
                None => strays.push(txs),
                Some(at) => {
                    let height = Height(self.by_file[at] as u32);
                    self.take_record(&record, height)
                        .map_err(|source| self.in_file(file, source))?;
                    next = at + 1;
                    watch.went_on(&Progress {
                        work: Work::Undo,
                        height,
                        last: self.set.height(),
                        done: at as u64,
                        all: self.by_file.len() as u64,
                    })?;
                }
            }
        }
        self.undo = undo;
        self.note_damaged(&strays, blocks)
    }

    /// Which of `blocks` (places in `by_file`) the record belongs to. Core writes records in the order
    /// of heights mostly, so the search begins behind the last that was found.
    fn block_of(
        &self,
        record: &Record<'_>,
        txs: u32,
        blocks: &Range<usize>,
        next: usize,
    ) -> Result<Option<usize>> {
        for step in 0..blocks.len() {
            let at = blocks.start + (next - blocks.start + step) % blocks.len();
            let height = Height(self.by_file[at] as u32);
            if height.0 > 0
                && self.states[height.0 as usize] != EQUAL
                && self.txs_in(height)? == u64::from(txs) + 1
            {
                let row = self.set.snapshot().block(height)?;
                if record.belongs_after(&prev_hash_of(&row.header)) {
                    return Ok(Some(at));
                }
            }
        }
        Ok(None)
    }

    fn txs_in(&self, height: Height) -> Result<u64> {
        let snapshot = self.set.snapshot();
        Ok(snapshot.block(height)?.txs - snapshot.block(Height(height.0 - 1))?.txs)
    }

    /// A block without a record, beside a record without a block and with as many transactions: its
    /// record is damaged. (Records of stale blocks belong to none of ours either.)
    fn note_damaged(&mut self, strays: &[u32], blocks: Range<usize>) -> Result<()> {
        for at in blocks {
            let height = Height(self.by_file[at] as u32);
            if height.0 > 0 && self.states[height.0 as usize] == UNSEEN && !strays.is_empty() {
                let txs = self.txs_in(height)?;
                if strays.iter().any(|stray| u64::from(*stray) + 1 == txs) {
                    self.states[height.0 as usize] = DAMAGED;
                }
            }
        }
        Ok(())
    }

    fn in_file(&self, file: u32, source: Error) -> Error {
        in_undo_file(self.files.path(file), source)
    }

    fn take_record(&mut self, record: &Record<'_>, height: Height) -> Result<()> {
        let keyed = self.keyed.clone();
        let block = self.set.block(height)?;
        let mut walk = Block::read(block.bytes).map_err(|fault| block.fault(fault))?;
        let mut coins = record.coins()?;
        let (mut sum, mut inputs, mut fits) = (0u128, 0, true);
        let mut tx_index = 0;
        while let Some(tx) = walk.next_tx().map_err(|fault| block.fault(fault))? {
            if tx_index > 0 {
                for (input_index, input) in (0..).zip(tx.inputs()) {
                    let Some(coin) = coins.next_coin()? else {
                        fits = false;
                        break;
                    };
                    fits &= (coin.tx_index, coin.input_index) == (tx_index, input_index);
                    inputs += 1;
                    sum = sum.wrapping_add(keyed.coin(&Coin {
                        txid: *input.prev_txid(),
                        vout: input.prev_vout(),
                        height: coin.height,
                        coinbase: coin.coinbase,
                        amount_sat: coin.amount_sat,
                        script: coin.script.as_slice(),
                    }));
                }
            }
            tx_index += 1;
        }
        fits &= fits && coins.next_coin()?.is_none();
        let state = &mut self.states[height.0 as usize];
        match fits && sum == self.sums[height.0 as usize] {
            true => {
                *state = EQUAL;
                self.counts.blocks += 1;
                self.counts.inputs += inputs;
            }
            // A stale sibling's record may have the same checksum: another one may still come.
            false => *state = DIFFERENT,
        }
        Ok(())
    }

    /// The first block that differs, or that lacks a record though a later one has one.
    fn conclude(mut self, buffer: &mut [SpendingRow]) -> Result<UndoCounts> {
        let seen = self.states.iter().rposition(|state| *state != UNSEEN);
        for height in 1..self.states.len() {
            let at = Height(height as u32);
            match self.states[height] {
                EQUAL => {}
                DIFFERENT => return Err(self.difference(at, buffer)?),
                state => {
                    let file = self.set.snapshot().place(at)?.file;
                    let is_there = self.files.open(file)?.is_some();
                    if state == DAMAGED || is_there && Some(height) < seen {
                        let path = self.files.path(file);
                        return Err(Fault::UndoMissing { path, height: at }.into());
                    }
                    self.counts.without += 1;
                }
            }
        }
        Ok(self.counts)
    }

    fn difference(&mut self, height: Height, buffer: &mut [SpendingRow]) -> Result<Error> {
        let file = self.set.snapshot().place(height)?.file;
        let bytes = match self.files.open(file)? {
            Some(undo) => undo.read_at(&mut self.undo, 0)?,
            None => 0,
        };
        let row = self.set.snapshot().block(height)?;
        let magic = self.set.snapshot().index().meta().magic;
        let prev = prev_hash_of(&row.header);
        let record = Records::new(&self.undo[..bytes], magic)
            .filter_map(Result::ok)
            .find(|record| record.belongs_after(&prev));
        match record {
            Some(record) => {
                first_difference(self.set, &self.heights, height, &record, file, buffer)
            }
            None => Ok(Fault::UndoMissing {
                path: self.files.path(file),
                height,
            }
            .into()),
        }
    }
}
