//! Rolling back: an index made as it was at an earlier commit.
//!
//! Invariant: only whole batches go, those above the highest commit at or below the height asked for.

use super::Index;
use super::blocks::{BLOCKS, BlockRow, HASHES, OFFSETS, PLACES, encode_place};
use super::kept;
use super::left_out::LEFT_OUT;
use super::meta::{META, Meta};
use crate::Result;
use crate::primitives::position::{Height, Place, Txo};
use crate::runs::catalogue::{self, Run};
use crate::runs::row::Relation;
use crate::store::TableHandle;

impl Index {
    /// The highest commit boundary at or below `height`: where a rollback to it ends.
    /// `None`: before the genesis block.
    pub(crate) fn boundary_at_or_below(&self, height: Height) -> Option<Height> {
        // Every block has a coinbase, so every batch has a run of txids.
        let ends = self
            .catalogue
            .of(Relation::Txids)
            .into_iter()
            .map(|run| run.to);
        ends.filter(|end| *end <= height).max()
    }

    /// Drops all blocks, those below the settled line too, in one durable commit; what is said of blocks
    /// that break the rules stays.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`]; then nothing has changed.
    pub(crate) fn begin_anew(self) -> Result<Index> {
        let meta = Meta {
            tip: None,
            settled: None,
            ..self.meta
        };
        let store = self.store;
        let mut tables = store.read()?.table_names()?;
        tables.retain(|table| ![META.name(), LEFT_OUT.name()].contains(&table.as_str()));
        store.durable(|transaction| {
            for table in &tables {
                transaction.delete_table(table)?;
            }
            meta.save(transaction)
        })?;
        Index::load(store, meta)
    }

    /// Drops everything above the boundary at or below `height`, in one durable commit, and notes where the
    /// blocks are that come above `height` instead.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`]; then nothing has changed.
    pub(crate) fn roll_back(&mut self, height: Height, instead: &[Place]) -> Result<()> {
        let boundary = self.boundary_at_or_below(height);
        let old_tip = self.meta.tip;
        let is_above = |run: &&Run| boundary.is_none_or(|boundary| run.to > boundary);
        let dropped: Vec<Run> = self
            .catalogue
            .runs()
            .iter()
            .filter(is_above)
            .copied()
            .collect();
        let meta = Meta {
            tip: boundary,
            ..self.meta.clone()
        };
        let tip = match boundary {
            Some(height) => Some((height, self.snapshot()?.block(height)?)),
            None => None,
        };
        let end = tip.map_or(Txo(0), |(_, row)| Txo(row.outputs));
        let store = &self.store;
        store.durable(|transaction| {
            catalogue::change(transaction, |runs| {
                for run in &dropped {
                    runs.remove(run.entry_key())?;
                }
                Ok(())
            })?;
            for run in &dropped {
                assert!(
                    boundary.is_none_or(|boundary| run.from > boundary),
                    "runs keep to batches"
                );
                transaction.delete_table(&run.table_name())?;
            }
            let mut blocks = transaction.open_table(BLOCKS)?;
            let mut offsets = transaction.open_table(OFFSETS)?;
            let mut hashes = transaction.open_table(HASHES)?;
            let first = boundary.map_or(0, |boundary| boundary.0 + 1);
            for height in first..=old_tip.map_or(0, |tip| tip.0) {
                let row = blocks.get(height)?;
                if let Some(row) = row.and_then(|row| BlockRow::open(height, row.value())) {
                    hashes.remove(&row.hash)?;
                }
                blocks.remove(height)?;
                offsets.remove(height)?;
            }
            let mut places = transaction.open_table(PLACES)?;
            for (above, place) in (height.next().0..).zip(instead) {
                places.insert(above, &encode_place(place)[..])?;
            }
            if meta.keeps_txids {
                kept::roll_back(transaction, end)?;
            }
            meta.save(transaction)
        })?;
        for run in &dropped {
            self.catalogue.remove(run);
        }
        (self.meta, self.tip) = (meta, tip);
        Ok(())
    }
}
