//! One block is added to a batch.
//!
//! Invariant: a block that cannot be read as one leaves the batch as it was; after any other that breaks a rule
//! the batch is of no further use.

use super::Batch;
use super::bad_block::{BadBlock, Failure};
use super::changes::{Changes, Full};
use super::clock::Stage;
use super::digest::BlockCounts;
use super::kept::Kept;
use crate::Result;
use crate::index::blocks::BlockRow;
use crate::index::{Index, NewBlock};
use crate::primitives::consensus::{BLOCK_OUTPUTS_MAX, BLOCK_TXS_MAX};
use crate::primitives::header;
use crate::primitives::position::{Height, Place, TxNum, Txo};
use crate::runs::row::Relation;

impl Batch {
    /// Adds the block that follows the last one.
    ///
    /// # Errors
    /// A block that breaks a rule; after one but [`BadBlock::Bytes`] the batch is of no further use.
    /// [`crate::store::Fault::Store`] from a spill.
    pub fn add(
        &mut self,
        index: &mut Index,
        bytes: &[u8],
        place: Place,
    ) -> std::result::Result<(), Failure> {
        self.make_room(index)?;
        self.clock.enter(Stage::ParseAndHash);
        let before = self.rows.counts();
        let first_txo = self.next_txo;
        let height = self.last.map_or(Height(0), |(height, _)| height.next());
        let kept = self.kept.as_mut();
        let digested = self
            .digest
            .digest(bytes, height, first_txo, &mut self.rows.shares(), kept);
        let counts = match digested {
            Ok(counts) => counts,
            Err(fault) => {
                self.rows.truncate(before);
                self.kept.iter_mut().for_each(Kept::forget_block);
                return Err(BadBlock::Bytes { first_txo, fault }.into());
            }
        };
        self.make_room_for(index, counts)?;
        self.clock.enter(Stage::Table);
        self.next_txo = Txo(first_txo.0 + counts.outputs);
        self.coinbases.add(first_txo, counts.coinbase_outputs);
        let overwritten = self.apply(index, height, first_txo, counts)?;
        self.note_block(index, bytes, place, height, counts, overwritten)?;
        Ok(())
    }

    /// Spills what could not take the rows of one more block of the largest kind: they are written while the
    /// block is read.
    fn make_room(&mut self, index: &mut Index) -> Result<()> {
        self.rows.note_in_use();
        if self.rows.shares().funding.room() < BLOCK_OUTPUTS_MAX as usize {
            self.spill_rows(index, Relation::Funding)?;
            self.rows.note_full();
        }
        if self.rows.shares().txids.room() < BLOCK_TXS_MAX as usize {
            self.spill_rows(index, Relation::Txids)?;
        }
        if let Some(kept) = &mut self.kept {
            self.clock.enter(Stage::Write);
            kept.make_room(index)?;
        }
        Ok(())
    }

    /// Spills what cannot take the digested block's spends. Each input is one; a coinbase that overwrites coins
    /// may have more, which are seen to one by one.
    fn make_room_for(
        &mut self,
        index: &mut Index,
        counts: BlockCounts,
    ) -> std::result::Result<(), Failure> {
        let spending = self.rows.shares().spending;
        if !spending.has_room(counts.inputs, counts.outputs) {
            self.spill_rows(index, Relation::Spending)?;
        }
        let changes = counts.inputs + counts.coinbase_outputs;
        if (self.deletes.room() as u64) < changes {
            self.spill_coins(index, self.next_txo)?;
        }
        let (staging, sort_area) = (&mut self.staging, &mut self.sort_area);
        self.pending
            .make_room(index, staging, sort_area, self.next_txo, changes)
    }

    /// Takes and makes the digested block's coins. Returns how many were overwritten.
    fn apply(
        &mut self,
        index: &mut Index,
        height: Height,
        first_txo: Txo,
        counts: BlockCounts,
    ) -> std::result::Result<u64, Failure> {
        let mut at = 0;
        let mut overwritten = 0;
        let coinbase_end = Txo(first_txo.0 + counts.coinbase_outputs);
        let mut spending = self.rows.shares().spending;
        spending.add_outputs(counts.outputs);
        self.pairs.take_out(
            self.digest.changes_mut(),
            counts.coins as usize,
            coinbase_end,
            |txo, spender| {
                spending.push(txo, spender);
                self.table_counts.hits += 1;
            },
        );
        loop {
            let mut changes = Changes {
                table: &mut self.table,
                spending: self.rows.shares().spending,
                coinbases: &self.coinbases,
                pending: &mut self.pending,
                deletes: &mut self.deletes,
                counts: &mut self.table_counts,
                overwritten: &mut overwritten,
                spilled_below: self.spilled_below,
                coinbase: TxNum::of_first(first_txo),
                coinbase_end,
                may_overwrite_unseen: !self.is_complete && height.0 < self.bip34_height,
            };
            match changes.apply(self.digest.changes(), &mut at)? {
                None => return Ok(overwritten),
                Some(Full::Table(txo)) => {
                    self.spill_coins(index, txo)?;
                    self.evict();
                }
                Some(Full::Spending) => self.spill_rows(index, Relation::Spending)?,
            }
        }
    }

    /// Drops the oldest half of the table; all of it is on disk.
    fn evict(&mut self) {
        self.table_counts.evictions += self.table.evict(self.table.count() / 2) as u64;
        self.is_complete = false;
    }

    fn note_block(
        &mut self,
        index: &Index,
        bytes: &[u8],
        place: Place,
        height: Height,
        counts: BlockCounts,
        overwritten: u64,
    ) -> Result<()> {
        let before = self.last.map(|(_, row)| row);
        let sum = |part: fn(&BlockRow) -> u64| before.as_ref().map_or(0, part);
        let header = *bytes.first_chunk().expect("digested above");
        let row = BlockRow {
            header,
            hash: header::hash_of(&header),
            first_txo: Txo(sum(|row| row.outputs)),
            txs: sum(|row| row.txs) + counts.txs,
            inputs: sum(|row| row.inputs) + counts.inputs,
            outputs: sum(|row| row.outputs) + counts.outputs,
            // A block that spends what does not exist never gets this far into an index, but its
            // spends are only found out at the commit.
            coins: (sum(|row| row.coins) + counts.coins)
                .saturating_sub(counts.inputs + overwritten),
        };
        if !self.waiting.has_room(self.digest.marks().len()) {
            self.write_blocks(index)?;
        }
        self.waiting.push(&NewBlock {
            height,
            row,
            marks: self.digest.marks(),
            place,
            coinbase_outputs: counts.coinbase_outputs as u32,
        });
        self.last = Some((height, row));
        Ok(())
    }
}
