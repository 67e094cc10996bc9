//! Spilling: rows that wait, or coins made since the last spill, are written as a run.
//!
//! Invariant: what is spilled is sorted, and nothing names it before the commit.

use super::Batch;
use super::rows::Spends;
use crate::Result;
use crate::index::{Index, NewBlock};
use crate::position::{Height, Txo};
use crate::runs::catalogue::Run;
use crate::runs::row::{CoinRow, Relation, Row, SpendingRow};
use crate::runs::sort::{sort_by_parts, sort_rows};
use crate::runs::write::{RunWriter, Staging};
use crate::stages::{Stage, Stages};
use bytemuck::Zeroable;

impl Batch {
    pub(super) fn write_blocks(&mut self, index: &Index) -> Result<()> {
        self.stages.enter(Stage::Write);
        self.marks_bytes_most = self.marks_bytes_most.max(self.waiting_bytes());
        let mut start = 0;
        index.write_blocks(self.new_blocks.iter().map(|block| {
            let marks = &self.marks[start..block.marks_end];
            start = block.marks_end;
            NewBlock {
                height: block.height,
                row: block.row,
                marks,
                place: block.place,
            }
        }))?;
        self.new_blocks.clear();
        self.marks.clear();
        Ok(())
    }

    /// Writes the waiting rows of one relation as a run.
    pub(super) fn spill_rows(&mut self, index: &mut Index, relation: Relation) -> Result<()> {
        let (staging, stages) = (&mut self.staging, &mut self.stages);
        let mut shares = self.rows.shares();
        let run = match relation {
            Relation::Funding => write_sorted(
                index,
                staging,
                shares.funding.filled(),
                self.next_txo,
                stages,
            )?,
            Relation::Spending => {
                write_spends(index, staging, &mut shares.spending, self.next_txo, stages)?
            }
            Relation::Txids => {
                write_sorted(index, staging, shares.txids.filled(), self.next_txo, stages)?
            }
            Relation::Coins => unreachable!("coins wait in the table"),
        };
        match relation {
            Relation::Funding => shares.funding.clear(),
            Relation::Spending => shares.spending.clear(),
            _ => shares.txids.clear(),
        }
        self.spills.extend(run);
        Ok(())
    }

    /// Writes the coins made since the last spill, and the ends of older ones, as a run.
    pub(super) fn spill_coins(&mut self, index: &mut Index, next_txo: Txo) -> Result<()> {
        self.stages.enter(Stage::Sort);
        sort_rows(&mut self.deletes);
        self.stages.enter(Stage::Write);
        let id = index.new_run_id();
        let mut writer = new_run::<CoinRow>(index, &mut self.staging, id, self.next_txo);
        let spilled_below = self.spilled_below;
        let mut deletes = self.deletes.iter().copied().peekable();
        for put in self
            .table
            .coins()
            .filter(|coin| coin.txo() >= spilled_below)
        {
            while let Some(delete) = deletes.next_if(|delete| *delete < put) {
                writer.push(delete)?;
            }
            writer.push(put)?;
        }
        for delete in deletes {
            writer.push(delete)?;
        }
        self.spills.extend(writer.finish()?);
        self.deletes.clear();
        self.spilled_below = next_txo;
        self.stages.enter(Stage::Table);
        Ok(())
    }
}

/// A writer of a run of this batch; the commit fills in its heights.
pub(super) fn new_run<'a, R: Row>(
    index: &'a Index,
    staging: &'a mut Staging,
    id: u32,
    positions_end: Txo,
) -> RunWriter<'a> {
    RunWriter::new::<R>(
        index.store(),
        staging,
        id,
        (Height(0), Height(0)),
        positions_end.0,
    )
}

/// Sorts rows and writes them as a run.
fn write_sorted<R: Row>(
    index: &mut Index,
    staging: &mut Staging,
    rows: &mut [R],
    positions_end: Txo,
    stages: &mut Stages,
) -> Result<Option<Run>> {
    let id = index.new_run_id();
    let mut writer = new_run::<R>(index, staging, id, positions_end);
    extend_sorted(&mut writer, rows, stages)?;
    writer.finish()
}

/// Writes spends as a run. Those of older outputs come first.
pub(super) fn write_spends(
    index: &mut Index,
    staging: &mut Staging,
    spends: &mut Spends<'_>,
    positions_end: Txo,
    stages: &mut Stages,
) -> Result<Option<Run>> {
    let id = index.new_run_id();
    let mut writer = new_run::<SpendingRow>(index, staging, id, positions_end);
    extend_sorted(&mut writer, spends.older(), stages)?;
    let mut rows = [SpendingRow::zeroed(); 512];
    let mut recent = spends.recent();
    loop {
        let mut count = 0;
        for (row, spend) in rows.iter_mut().zip(&mut recent) {
            *row = spend;
            count += 1;
        }
        if count == 0 {
            return writer.finish();
        }
        writer.extend(&rows[..count])?;
    }
}

/// Sorts rows and appends them to a run.
fn extend_sorted<R: Row>(
    writer: &mut RunWriter<'_>,
    rows: &mut [R],
    stages: &mut Stages,
) -> Result<()> {
    stages.enter(Stage::Sort);
    sort_by_parts(rows, |part| {
        stages.enter(Stage::Write);
        writer.extend(part)?;
        stages.enter(Stage::Sort);
        Ok::<(), crate::Error>(())
    })?;
    stages.enter(Stage::Write);
    Ok(())
}
