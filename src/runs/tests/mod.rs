//! Runs against a plain model: written, merged in random order, cut off and resumed, damaged.

mod damage;
mod merged;
mod old;
#[path = "../../../tests/common/rng.rs"]
pub(crate) mod rng;

use super::catalogue::{self, Catalogue, Run};
use super::merge::{Merger, Unfinished};
use super::policy::overlap;
use super::read::Walk;
use super::row::{Row, SpendingRow};
use super::stream::{Stream, buffer_for};
use super::table_of;
use super::write::{RunWriter, Staging};
use crate::Result;
use crate::primitives::position::{Height, TxNum, Txo};
use crate::store::{Sharing, Store};
use rng::Rng;
use std::path::PathBuf;
use tempfile::TempDir;

const CACHE_BYTES: usize = 8 << 20;
const POSITIONS_END: u64 = 1 << 30;

fn tx(first: u64) -> TxNum {
    TxNum::of_first(Txo(first))
}

fn spend(txo: u64, first: u64) -> SpendingRow {
    SpendingRow::new(Txo(txo), tx(first))
}

/// A store with nothing but runs.
struct Runs {
    _folder: TempDir,
    path: PathBuf,
    store: Store,
    catalogue: Catalogue,
    staging: Staging,
    rng: Rng,
    next_height: u32,
    /// Whether some are as an older index has them.
    with_old: bool,
}

impl Runs {
    fn new(seed: u64) -> Runs {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.redb");
        Runs {
            _folder: folder,
            store: Store::create(&path, CACHE_BYTES, Sharing::Alone).unwrap(),
            path,
            catalogue: Catalogue::default(),
            staging: Staging::new().unwrap(),
            rng: Rng::new(seed),
            next_height: 0,
            with_old: false,
        }
    }

    /// As if the process had ended and another begun.
    fn reopen(self) -> Runs {
        let Runs { path, store, .. } = self;
        drop(store);
        let store = Store::create(&path, CACHE_BYTES, Sharing::Alone).unwrap();
        let catalogue = Catalogue::load(&store, &store.read().unwrap()).unwrap();
        Runs {
            path,
            store,
            catalogue,
            ..self
        }
    }

    fn heights(&mut self) -> (Height, Height) {
        let from = self.next_height;
        self.next_height += self.rng.between(1, 5) as u32;
        (Height(from), Height(self.next_height - 1))
    }

    /// A run that nothing names.
    fn spill<R: Row>(&mut self, rows: &mut [R], heights: (Height, Height)) -> Run {
        rows.sort_by_key(|row| row.key());
        let id = self.catalogue.new_id();
        let mut writer = RunWriter::new::<R>(
            &self.store,
            &mut self.staging,
            id,
            heights,
            R::positions(Txo(0)..Txo(POSITIONS_END)),
        );
        writer.extend(rows).unwrap();
        writer.finish().unwrap().unwrap()
    }

    fn write<R: Row>(&mut self, rows: &mut [R], heights: (Height, Height)) -> Run {
        let run = match self.with_old && self.rng.below(2) == 0 {
            true => {
                rows.sort_by_key(|row| row.key());
                old::spill(self, rows, heights)
            }
            false => self.spill(rows, heights),
        };
        self.store
            .durable(|transaction| {
                catalogue::change(transaction, |table| {
                    table.insert(run.entry_key(), &run.encode()[..])
                })
            })
            .unwrap();
        self.catalogue.add(run);
        run
    }

    /// Different heights of the runs, oldest first.
    fn generations<R: Row>(&self) -> Vec<(Height, Height)> {
        let runs = self.catalogue.of(R::RELATION);
        let mut heights: Vec<_> = runs.iter().map(|run| (run.from, run.to)).collect();
        heights.sort();
        heights.dedup();
        heights
    }

    /// A merge of random neighbours, cut off and resumed at random.
    fn merge<R: Row>(mut self) -> Runs {
        let generations = self.generations::<R>();
        let first = self.rng.below(generations.len() as u64) as usize;
        let last = self.rng.between(first as u64, generations.len() as u64 - 1) as usize;
        let heights = (generations[first].0, generations[last].1);
        // Of one generation a part may merge alone.
        let ids: Vec<u32> = self
            .catalogue
            .of(R::RELATION)
            .iter()
            .map(|r| r.id)
            .collect();
        let is_part = first == last && self.rng.below(2) == 0;
        let last_id = if is_part {
            *self.rng.pick(&ids)
        } else {
            u32::MAX
        };
        let mut task = Some(Unfinished {
            relation: R::RELATION,
            heights,
            key: 0,
            with_oldest: first == 0 && !is_part,
            last_id,
        });
        while let Some(unfinished) = task.filter(|task| !task.inputs(&self.catalogue).is_empty()) {
            self.merge_on::<R>(unfinished);
            self = self.reopen();
            task = Unfinished::load(&self.store, R::RELATION).unwrap();
            self.check_nothing_is_there_twice();
        }
        self
    }

    fn merge_on<R: Row>(&mut self, task: Unfinished) {
        let overlap = overlap(&task.inputs(&self.catalogue));
        let mut buffer = vec![R::from_parts(0, 0); buffer_for::<R>(overlap)];
        let segments = self.rng.below(4);
        let left = std::cell::Cell::new(segments);
        let mut is_over = || {
            left.set(left.get().wrapping_sub(1));
            left.get() == 0
        };
        Merger {
            store: &self.store,
            catalogue: &mut self.catalogue,
            staging: &mut self.staging,
            buffer: &mut buffer,
            segment_bytes: Some(1),
        }
        .run(task, &mut is_over)
        .unwrap();
    }

    /// None of a run's pages lies below its lowest key: of an old run's, one begins below it.
    fn check_nothing_is_there_twice(&self) {
        let snapshot = self.store.read().unwrap();
        for run in self.catalogue.runs() {
            let table = snapshot.open_table(table_of(&run.table_name())).unwrap();
            let below = table.range(..run.low_key).unwrap().count();
            assert!(below <= usize::from(run.is_old), "{run:?}");
            assert!(table.range::<u128>(..).unwrap().next().is_some());
        }
    }

    /// All rows.
    fn read<R: Row>(&mut self) -> Vec<R> {
        let runs = self.catalogue.of(R::RELATION);
        let mut buffer = vec![R::from_parts(0, 0); buffer_for::<R>(overlap(&runs))];
        let chunks = read(&self.store, runs.clone(), &mut buffer).unwrap();
        let mixed = read_mixed(&self.store, runs, &mut buffer, &mut self.rng);
        assert!(mixed.unwrap() == chunks, "however it is read");
        chunks
    }
}

/// All rows of the stream, chunk by chunk.
fn read<R: Row>(store: &Store, runs: Vec<Run>, buffer: &mut [R]) -> Result<Vec<R>> {
    let mut stream = Stream::of_runs(runs, true, buffer);
    stream.open(store)?;
    let mut all = Vec::new();
    while let Some(rows) = stream.next_chunk()? {
        all.extend_from_slice(rows);
    }
    Ok(all)
}

/// The same: row by row, and up to keys before and behind a few of the next rows, closed and opened again
/// here and there.
fn read_mixed<R: Row>(
    store: &Store,
    runs: Vec<Run>,
    buffer: &mut [R],
    rng: &mut Rng,
) -> Result<Vec<R>> {
    let mut stream = Stream::of_runs(runs, true, buffer);
    stream.open(store)?;
    let mut all: Vec<R> = Vec::new();
    while let Some(next) = stream.peek()? {
        assert!(stream.position() <= next.key());
        match rng.below(4) {
            0 => {
                stream.close();
                stream.open(store)?;
            }
            1 => {
                assert!(stream.next_below(next.key())?.is_none());
                let key = next.key() + 1 + (u128::from(rng.log_uniform(1 << 40)) << 40);
                while let Some(rows) = stream.next_below(key)? {
                    assert!(rows.iter().all(|row| row.key() < key));
                    all.extend_from_slice(rows);
                }
                let is_at_it = |row: Option<R>| row.is_none_or(|row| row.key() >= key);
                assert!(is_at_it(stream.peek()?));
            }
            _ => {
                for _ in 0..rng.log_uniform(5000) {
                    all.extend(stream.peek()?);
                    if stream.peek()?.is_some() {
                        stream.advance();
                    }
                }
            }
        }
    }
    assert_eq!(stream.position(), u128::MAX);
    assert!(stream.next_chunk()?.is_none());
    Ok(all)
}

fn walk<R: Row>(store: &Store, run: Run) -> Result<Vec<R>> {
    let mut walk = Walk::new(store, &store.read()?, run, 0)?;
    let mut rows = Vec::new();
    while let Some(row) = walk.row() {
        rows.push(row);
        walk.advance()?;
    }
    Ok(rows)
}
