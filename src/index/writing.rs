//! Writing to an index.
//!
//! Invariant: what is written above the tip means nothing before its commit; tip, settled line and catalogue
//! change together, in one durable transaction.

use super::Index;
use super::blocks::{BLOCKS, BlockRow, COINBASES, HASHES, OFFSETS, PLACES, encode_place};
use super::kept::KeptPages;
use super::meta::Meta;
use crate::Result;
use crate::primitives::position::{Height, Place};
use crate::runs::catalogue::{self, Run};
use crate::store::sealed;
use std::path::Path;

/// A block about to be written to the tables that go by height.
pub(crate) struct NewBlock<'a> {
    /// Its height.
    pub height: Height,
    /// Its row.
    pub row: BlockRow,
    /// Its transactions' marks ([`TxMarks`](super::blocks::TxMarks)).
    pub marks: &'a [u8],
    /// Where its bytes are.
    pub place: Place,
    /// Outputs of its coinbase.
    pub coinbase_outputs: u32,
}

impl Index {
    /// Writes blocks above the tip. They mean nothing until [`Index::commit`].
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub(crate) fn write_blocks<'b>(&self, new: impl Iterator<Item = NewBlock<'b>>) -> Result<()> {
        let store = &self.store;
        store.volatile(|transaction| {
            let mut blocks = transaction.open_table(BLOCKS)?;
            let mut offsets = transaction.open_table(OFFSETS)?;
            let mut hashes = transaction.open_table(HASHES)?;
            let mut places = transaction.open_table(PLACES)?;
            let mut coinbases = transaction.open_table(COINBASES)?;
            for block in new {
                let height = block.height.0;
                blocks.insert(height, &block.row.seal(height)[..])?;
                offsets.insert(height, &sealed::seal(height.into(), block.marks)[..])?;
                hashes.insert(&block.row.hash, height)?;
                places.insert(height, &encode_place(&block.place)[..])?;
                let outputs = block.coinbase_outputs.to_le_bytes();
                coinbases.insert(height, &sealed::seal(height.into(), &outputs)[..])?;
            }
            Ok(())
        })
    }

    /// Notes that from `first` to `last` there is one coin less than was written: an overwrite that
    /// was found late.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub(crate) fn take_coin_from(&self, first: Height, last: Height) -> Result<()> {
        let store = &self.store;
        store.volatile(|transaction| {
            let mut blocks = transaction.open_table(BLOCKS)?;
            for height in first.0..=last.0 {
                let row = blocks.get(height)?;
                let Some(mut row) = row.and_then(|row| BlockRow::open(height, row.value())) else {
                    return Err(store.damaged("a block's row cannot be read"));
                };
                row.coins -= 1;
                blocks.insert(height, &row.seal(height)[..])?;
            }
            Ok(())
        })
    }

    /// Writes pages of kept txids above the tip.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub(crate) fn write_kept(&self, pages: KeptPages<'_>) -> Result<()> {
        self.store.volatile(|transaction| pages.write(transaction))
    }

    /// Makes everything up to `tip` real: names the runs, and moves the tip and the settled line. `kept`: the
    /// last pages of kept txids.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`]; then the last commit stands.
    pub(crate) fn commit(
        &mut self,
        tip: Height,
        settled: Height,
        runs: &[Run],
        kept: KeptPages<'_>,
    ) -> Result<()> {
        let meta = Meta {
            tip: Some(tip),
            settled: Some(settled.max(self.meta.settled.unwrap_or(settled))),
            ..self.meta.clone()
        };
        self.store.durable(|transaction| {
            catalogue::change(transaction, |table| {
                for run in runs {
                    table.insert(run.entry_key(), &run.encode()[..])?;
                }
                Ok(())
            })?;
            kept.write(transaction)?;
            meta.save(transaction)
        })?;
        for run in runs {
            self.catalogue.add(*run);
        }
        self.meta = meta;
        self.tip = Some((tip, self.snapshot()?.block(tip)?));
        Ok(())
    }

    /// Remembers where the block files are.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub(crate) fn set_blocks_dir(&mut self, dir: &Path) -> Result<()> {
        if self.meta.blocks_dir != dir {
            let meta = Meta {
                blocks_dir: dir.to_owned(),
                ..self.meta.clone()
            };
            self.store.durable(|transaction| meta.save(transaction))?;
            self.meta = meta;
        }
        Ok(())
    }
}
