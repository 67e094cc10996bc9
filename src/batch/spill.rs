//! Spilling: rows that wait, or coins made since the last spill, are written as a run.
//!
//! Invariant: what is spilled is sorted, and nothing names it before the commit.

use super::Batch;
use super::rows::Spends;
use crate::Result;
use crate::batch::clock::{Clock, Stage};
use crate::index::Index;
use crate::primitives::position::{Height, Txo};
use crate::runs::catalogue::Run;
use crate::runs::row::{CoinRow, Relation, Row, SpendingRow};
use crate::runs::sort::SortArea;
use crate::runs::write::{RunWriter, Staging};
use bytemuck::Zeroable;

/// Fewest spends of recent outputs that become a run of their own, which is never merged. With fewer,
/// there would be too many such runs.
const APART_ROWS_MIN: usize = 1 << 18;

impl Batch {
    pub(super) fn write_blocks(&mut self, index: &Index) -> Result<()> {
        self.clock.enter(Stage::Write);
        index.write_blocks(self.waiting.blocks())?;
        self.waiting.clear();
        Ok(())
    }

    /// Writes the waiting rows of one relation.
    pub(super) fn spill_rows(&mut self, index: &mut Index, relation: Relation) -> Result<()> {
        self.effort.spills[relation as usize] += 1;
        let (staging, sort_area) = (&mut self.staging, &mut self.sort_area);
        let clock = &mut self.clock;
        let mut shares = self.rows.shares();
        let end = self.next_txo;
        match relation {
            Relation::Funding => {
                let rows = shares.funding.filled();
                let run = write_sorted(index, staging, sort_area, rows, end, clock)?;
                self.spills.extend(run);
                shares.funding.clear();
            }
            Relation::Spending => {
                let spends = &mut shares.spending;
                let runs = write_spends(index, staging, sort_area, spends, end, clock)?;
                self.spills.extend(runs);
                shares.spending.clear();
            }
            Relation::Txids => {
                let rows = shares.txids.filled();
                let run = write_sorted(index, staging, sort_area, rows, end, clock)?;
                self.spills.extend(run);
                shares.txids.clear();
            }
            Relation::Coins => unreachable!("coins wait in the table"),
        }
        Ok(())
    }

    /// Writes the coins made since the last spill, and the deletes of older ones, as a run.
    pub(super) fn spill_coins(&mut self, index: &mut Index, next_txo: Txo) -> Result<()> {
        self.effort.spills[Relation::Coins as usize] += 1;
        self.clock.enter(Stage::Sort);
        self.sort_area.sorter().sort(&mut self.deletes);
        self.clock.enter(Stage::Write);
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
        self.clock.enter(Stage::Table);
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
    sort_area: &mut SortArea,
    rows: &mut [R],
    positions_end: Txo,
    clock: &mut Clock,
) -> Result<Option<Run>> {
    let id = index.new_run_id();
    let mut writer = new_run::<R>(index, staging, id, positions_end);
    extend_sorted(&mut writer, sort_area, rows, clock)?;
    writer.finish()
}

/// Writes spends. Those of older outputs come first; if those of recent ones are many, they are a run of
/// their own: no other spill has any of the same outputs but those of older ones, later. (Measured, 8 GB
/// at 128 MiB: merging `spending` takes 0.3 s instead of 1.2.)
pub(super) fn write_spends(
    index: &mut Index,
    staging: &mut Staging,
    sort_area: &mut SortArea,
    spends: &mut Spends<'_>,
    positions_end: Txo,
    clock: &mut Clock,
) -> Result<impl Iterator<Item = Run>> {
    let key = |txo: Txo| u128::from(txo.0);
    let recent = spends.recent_outputs();
    let is_apart = spends.recent().count() >= APART_ROWS_MIN;
    let id = index.new_run_id();
    let mut writer = new_run::<SpendingRow>(index, staging, id, positions_end);
    extend_sorted(&mut writer, sort_area, spends.older(), clock)?;
    let mut older = None;
    if is_apart {
        older = writer.finish()?.map(|run| Run {
            end_key: key(recent.start),
            ..run
        });
        let id = index.new_run_id();
        writer = new_run::<SpendingRow>(index, staging, id, positions_end);
    }
    let mut rows = [SpendingRow::zeroed(); 512];
    let mut spends = spends.recent();
    loop {
        let mut count = 0;
        for (row, spend) in rows.iter_mut().zip(&mut spends) {
            *row = spend;
            count += 1;
        }
        writer.extend(&rows[..count])?;
        if count < rows.len() {
            break;
        }
    }
    let last = writer.finish()?.map(|run| Run {
        low_key: if is_apart { key(recent.start) } else { 0 },
        end_key: key(recent.end),
        is_apart,
        ..run
    });
    Ok(older.into_iter().chain(last))
}

/// Sorts rows and appends them to a run.
fn extend_sorted<R: Row>(
    writer: &mut RunWriter<'_>,
    sort_area: &mut SortArea,
    rows: &mut [R],
    clock: &mut Clock,
) -> Result<()> {
    clock.enter(Stage::Sort);
    sort_area.sorter().sort_by_parts(rows, |part| {
        clock.enter(Stage::Write);
        writer.extend(part)?;
        clock.enter(Stage::Sort);
        Ok::<(), crate::Error>(())
    })?;
    clock.enter(Stage::Write);
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::batch::rows::RowBuffers;
    use crate::index::meta::Meta;
    use crate::primitives::position::TxNum;
    use crate::runs::read::Walk;

    /// An empty index.
    pub fn index(folder: &std::path::Path) -> Index {
        let fresh = Meta {
            network: "regtest".to_owned(),
            magic: [0; 4],
            fingerprint_key: [7; 16],
            keeps_txids: false,
            blocks_dir: folder.to_owned(),
            tip: None,
            settled: None,
        };
        Index::open_or_create(&folder.join("index.redb"), fresh).unwrap()
    }

    /// The rows of a run.
    pub fn rows_of<R: Row>(index: &Index, run: &Run) -> Vec<R> {
        let store = index.store();
        let mut walk = Walk::new(store, &store.read().unwrap(), *run, 0).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = walk.row() {
            rows.push(row);
            walk.advance().unwrap();
        }
        rows
    }

    /// By how many recent outputs are spent: the bounds of the runs' keys, and whether they stay apart.
    #[test]
    fn many_spends_of_recent_outputs_are_a_run_apart() {
        const FIRST: u64 = 1000;
        const MANY: u64 = 300_000;
        let folder = tempfile::tempdir().unwrap();
        let mut index = index(folder.path());
        let mut staging = Staging::new().unwrap();
        let mut area = SortArea::new().unwrap();
        let mut buffers = RowBuffers::new(32 << 20).unwrap();
        let key = |txo: u64| u128::from(txo);
        for (spent, bounds) in [
            (
                MANY,
                vec![(0, FIRST, false), (FIRST, FIRST + 2 * MANY, true)],
            ),
            (7, vec![(0, FIRST + 2 * MANY, false)]),
        ] {
            buffers.truncate(Default::default());
            buffers.begin_recent(Txo(FIRST));
            let mut spends = buffers.shares().spending;
            spends.add_outputs(2 * MANY);
            let end = Txo(FIRST + 2 * MANY);
            let (first, last) = (TxNum::of_first(Txo(FIRST)), TxNum::of_first(end));
            let older = [900, 5, 77].map(|txo| SpendingRow::new(Txo(txo), first));
            let recent: Vec<_> = (0..spent)
                .map(|n| SpendingRow::new(Txo(FIRST + 2 * n), last))
                .collect();
            for row in older.iter().chain(&recent) {
                spends.push(row.txo(), row.spender());
            }
            let clock = &mut Clock::default();
            let runs = write_spends(&mut index, &mut staging, &mut area, &mut spends, end, clock);
            let runs: Vec<Run> = runs.unwrap().collect();
            let found: Vec<_> = runs
                .iter()
                .map(|run| (run.low_key, run.end_key, run.is_apart))
                .collect();
            let expected = bounds.into_iter();
            let expected: Vec<_> = expected
                .map(|(low, end, is_apart)| (key(low), key(end), is_apart))
                .collect();
            assert_eq!(found, expected);
            let rows: Vec<_> = runs
                .iter()
                .flat_map(|run| rows_of::<SpendingRow>(&index, run))
                .collect();
            assert_eq!(rows[..3], [older[1], older[2], older[0]]);
            assert!(rows[3..] == recent);
        }
    }
}
