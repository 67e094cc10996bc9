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
use crate::runs::row::{CoinRow, Relation, Row, SpendingRow, position_in};
use crate::runs::sort::SortArea;
use crate::runs::write::{RunWriter, Staging};
use std::ops::Range;

/// Fewest spends of recent outputs with which a batch begins a run of its own for them, which is never merged.
/// With fewer, there would be too many such runs.
pub const APART_ROWS_MIN: usize = 1 << 16;

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
                let run = write_sorted(index, staging, sort_area, rows, clock)?;
                self.spills.extend(run);
                shares.funding.clear();
            }
            Relation::Spending => {
                let spends = &mut shares.spending;
                let spills = &mut self.spills;
                write_spends(index, staging, sort_area, spends, end, clock, spills)?;
                shares.spending.clear();
            }
            Relation::Txids => {
                let rows = shares.txids.filled();
                let run = write_sorted(index, staging, sort_area, rows, clock)?;
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
        let is_new = |coin: &CoinRow| coin.txo() >= spilled_below;
        let mut puts = self.table.coins().filter(is_new).peekable();
        let mut deletes = self.deletes.iter().copied().peekable();
        let rows = std::iter::from_fn(|| {
            let delete = match puts.peek() {
                Some(put) => deletes.next_if(|delete| delete < put),
                None => deletes.next(),
            };
            delete.or_else(|| puts.next())
        });
        extend(&mut writer, rows)?;
        self.spills.extend(writer.finish()?);
        self.deletes.clear();
        self.spilled_below = next_txo;
        self.clock.enter(Stage::Table);
        Ok(())
    }
}

/// A writer of a run of this batch, with outputs and transactions in front of `end`; the commit fills in its
/// heights.
pub(super) fn new_run<'a, R: Row>(
    index: &'a Index,
    staging: &'a mut Staging,
    id: u32,
    end: Txo,
) -> RunWriter<'a> {
    let heights = (Height(0), Height(0));
    let positions = R::positions(Txo(0)..end);
    RunWriter::new::<R>(index.store(), staging, id, heights, positions)
}

/// Sorts rows and writes them as a run.
fn write_sorted<R: Row>(
    index: &mut Index,
    staging: &mut Staging,
    sort_area: &mut SortArea,
    rows: &mut [R],
    clock: &mut Clock,
) -> Result<Option<Run>> {
    let id = index.new_run_id();
    let heights = (Height(0), Height(0));
    let positions = positions_in(rows);
    let mut writer = RunWriter::new::<R>(index.store(), staging, id, heights, positions);
    extend_sorted(&mut writer, sort_area, rows, clock)?;
    writer.finish()
}

/// The positions in the keys of these rows.
fn positions_in<R: Row>(rows: &[R]) -> Range<u64> {
    let positions = rows.iter().map(|row| position_in(row.key()));
    let (first, last) = positions.fold((u64::MAX, 0), |(first, last), position| {
        (first.min(position), last.max(position))
    });
    first.min(last)..last + 1
}

/// Writes spends, and adds the runs to `spills`. Those of older outputs come first. Those of recent ones, if
/// they are many, go on with the run apart that the batch has of them, or begin it: no other run has any of the
/// same outputs but those of older ones, later. (Measured, 8 GB at 128 MiB: merging `spending` takes 0.3 s
/// instead of 1.2.)
pub(super) fn write_spends(
    index: &mut Index,
    staging: &mut Staging,
    sort_area: &mut SortArea,
    spends: &mut Spends<'_>,
    end: Txo,
    clock: &mut Clock,
    spills: &mut Vec<Run>,
) -> Result<()> {
    let recent = spends.recent_outputs();
    let apart = take_apart(spills, recent.start);
    let is_apart = apart.is_some() || spends.recent().count() >= APART_ROWS_MIN;
    let id = index.new_run_id();
    let mut writer = new_run::<SpendingRow>(index, staging, id, end);
    extend_sorted(&mut writer, sort_area, spends.older(), clock)?;
    if !is_apart {
        extend(&mut writer, spends.recent())?;
        let end_key = key_of(recent.end);
        spills.extend(writer.finish()?.map(|run| Run { end_key, ..run }));
        return Ok(());
    }
    let end_key = key_of(recent.start);
    spills.extend(writer.finish()?.map(|run| Run { end_key, ..run }));
    let mut writer = match apart {
        Some(run) => {
            let positions = SpendingRow::positions(Txo(0)..end);
            RunWriter::go_on::<SpendingRow>(index.store(), staging, run, positions)?
        }
        None => {
            let id = index.new_run_id();
            new_run::<SpendingRow>(index, staging, id, end)
        }
    };
    extend(&mut writer, spends.recent())?;
    let low_key = apart.map_or(key_of(recent.start), |run| run.low_key);
    let end_key = key_of(recent.end);
    spills.extend(writer.finish()?.map(|run| Run {
        low_key,
        end_key,
        is_apart,
        ..run
    }));
    Ok(())
}

fn key_of(txo: Txo) -> u128 {
    u128::from(txo.0)
}

/// The run apart that ends at `start`, which is taken out of `spills`.
fn take_apart(spills: &mut Vec<Run>, start: Txo) -> Option<Run> {
    let at = spills
        .iter()
        .position(|run| run.is_apart && run.end_key == key_of(start))?;
    Some(spills.swap_remove(at))
}

/// Appends rows to a run, some hundreds at a time.
fn extend<R: Row>(writer: &mut RunWriter<'_>, mut rows: impl Iterator<Item = R>) -> Result<()> {
    let mut some = [R::zeroed(); 512];
    loop {
        let mut count = 0;
        for (place, row) in some.iter_mut().zip(&mut rows) {
            *place = row;
            count += 1;
        }
        writer.extend(&some[..count])?;
        if count < some.len() {
            return Ok(());
        }
    }
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
    use crate::runs::read::{RunPages, Walk};

    /// An empty index.
    pub fn index(folder: &std::path::Path) -> Index {
        let fresh = Meta {
            network: "regtest".to_owned(),
            magic: [0; 4],
            fingerprint_key: [7; 16],
            keeps_txids: false,
            is_old: false,
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
            let mut runs = Vec::new();
            let (spends, runs_out) = (&mut spends, &mut runs);
            write_spends(
                &mut index,
                &mut staging,
                &mut area,
                spends,
                end,
                clock,
                runs_out,
            )
            .unwrap();
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

    /// Of three spills with these numbers of recent outputs that are spent, and one between that has none.
    #[test]
    fn spends_of_recent_outputs_go_on_in_the_run_that_the_batch_has_of_them() {
        const FIRST: u64 = 1 << 24;
        let folder = tempfile::tempdir().unwrap();
        let mut index = index(folder.path());
        let mut staging = Staging::new().unwrap();
        let mut area = SortArea::new().unwrap();
        let mut buffers = RowBuffers::new(32 << 20).unwrap();
        let clock = &mut Clock::default();
        let (mut runs, mut expected) = (Vec::new(), Vec::new());
        let mut next = FIRST;
        buffers.begin_recent(Txo(next));
        for count in [100_000, 0, 9, 150_000] {
            let mut spends = buffers.shares().spending;
            spends.add_outputs(3 * count + 5);
            let end = Txo(next + 3 * count + 5);
            for txo in (0..count).map(|n| Txo(next + 3 * n)) {
                spends.push(txo, TxNum::of_first(end));
                expected.push(SpendingRow::new(txo, TxNum::of_first(end)));
            }
            let (area, out) = (&mut area, &mut runs);
            write_spends(&mut index, &mut staging, area, &mut spends, end, clock, out).unwrap();
            spends.clear();
            next = end.0;
        }
        let [run] = runs[..] else {
            panic!("{runs:?}");
        };
        assert_eq!(
            (run.low_key, run.end_key),
            (u128::from(FIRST), u128::from(next))
        );
        assert!(run.is_apart && run.rows == expected.len() as u64);
        assert!(rows_of::<SpendingRow>(&index, &run) == expected);
        let store = index.store();
        let pages = RunPages::open(store, &store.read().unwrap(), run).unwrap();
        let last = pages.page_for(u128::from(next)).unwrap();
        assert_eq!(u64::from(last.head.ordinal) + 1, run.pages);
    }
}
