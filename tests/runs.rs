//! Runs against a plain model: written, merged in random order, cut off and resumed, damaged.
#![allow(clippy::unwrap_used)]

mod common;

use blkdex::error::fault_of;
use blkdex::runs;
use std::collections::BTreeMap;
use std::path::PathBuf;

use blkdex::primitives::position::{Height, TxNum, Txo};
use blkdex::runs::Damage;
use blkdex::runs::catalogue::{self, Catalogue, Run};
use blkdex::runs::fold::Folder;
use blkdex::runs::merge::{Merger, Unfinished};
use blkdex::runs::policy::overlap;
use blkdex::runs::read::Walk;
use blkdex::runs::row::{CoinRow, FundingRow, Relation, Row, SpendingRow, TxidRow};
use blkdex::runs::stream::{Stream, buffer_for};
use blkdex::runs::write::{RunWriter, Staging};
use blkdex::store::writing::WriteTable;
use blkdex::store::{Store, TableDefinition};
use common::rng::Rng;
use tempfile::TempDir;

const CACHE_BYTES: usize = 8 << 20;
const POSITIONS_END: u64 = 1 << 30;

/// Rows of a run at least, round by round: enough at first that a merge is done in many steps.
const BASE_ROWS: [u64; 5] = [25_000, 0, 0, 10_000, 0];

fn pages_of(name: &str) -> TableDefinition<'_, u128, &'static [u8]> {
    TableDefinition::new(name)
}

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
}

impl Runs {
    fn new(seed: u64) -> Runs {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.redb");
        Runs {
            _folder: folder,
            store: Store::create(&path, CACHE_BYTES).unwrap(),
            path,
            catalogue: Catalogue::default(),
            staging: Staging::new().unwrap(),
            rng: Rng::new(seed),
            next_height: 0,
        }
    }

    /// As if the process had ended and another begun.
    fn reopen(self) -> Runs {
        let Runs { path, store, .. } = self;
        drop(store);
        let store = Store::create(&path, CACHE_BYTES).unwrap();
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
        let mut writer =
            RunWriter::new::<R>(&self.store, &mut self.staging, id, heights, POSITIONS_END);
        writer.extend(rows).unwrap();
        writer.finish().unwrap().unwrap()
    }

    fn write<R: Row>(&mut self, rows: &mut [R], heights: (Height, Height)) -> Run {
        let run = self.spill(rows, heights);
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
        let is_over = || {
            left.set(left.get().wrapping_sub(1));
            left.get() == 0
        };
        Merger {
            store: &self.store,
            catalogue: &mut self.catalogue,
            staging: &mut self.staging,
            buffer: &mut buffer,
            positions_end: POSITIONS_END,
            segment_bytes: Some(1),
        }
        .run(task, &is_over)
        .unwrap();
    }

    /// Of a run's pages at most one lies below its lowest key.
    fn check_nothing_is_there_twice(&self) {
        let snapshot = self.store.read().unwrap();
        for run in self.catalogue.runs() {
            let table = snapshot.open_table(pages_of(&run.table_name())).unwrap();
            let below = table.range(..run.low_key).unwrap().count();
            assert!(below <= 1, "{run:?}");
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
fn read<R: Row>(store: &Store, runs: Vec<Run>, buffer: &mut [R]) -> blkdex::Result<Vec<R>> {
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
) -> blkdex::Result<Vec<R>> {
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

fn walk<R: Row>(store: &Store, run: Run) -> blkdex::Result<Vec<R>> {
    let mut walk = Walk::new(store, &store.read()?, run, 0)?;
    let mut rows = Vec::new();
    while let Some(row) = walk.row() {
        rows.push(row);
        walk.advance()?;
    }
    Ok(rows)
}

/// Looks keys up in ascending order, as a query does: in every run that covers them, going on or anew.
fn check_seeks<R: Row>(runs: &Runs, model: &BTreeMap<u128, u64>, wanted: &[u128]) {
    let snapshot = runs.store.read().unwrap();
    let mut found = BTreeMap::new();
    for run in runs.catalogue.of(R::RELATION) {
        let mut walk = Walk::<R>::new(&runs.store, &snapshot, run, 0).unwrap();
        for key in wanted.iter().filter(|key| run.covers(**key)) {
            walk.seek(*key).unwrap();
            let begun_there = Walk::<R>::new(&runs.store, &snapshot, run, *key).unwrap();
            assert_eq!(begun_there.row(), walk.row());
            if let Some(row) = walk.row() {
                assert!(row.key() >= *key && run.covers(row.key()));
                found.extend((row.key() == *key).then_some((*key, row.value())));
            }
        }
    }
    let expected = wanted
        .iter()
        .filter_map(|key| Some((*key, *model.get(key)?)));
    assert_eq!(found, expected.collect());
}

/// Rows of which none ends another.
fn plain_rows_agree<R: Row>(seed: u64, make: fn(&mut Rng) -> R) {
    let mut runs = Runs::new(seed);
    let mut model = BTreeMap::new();
    for base_rows in BASE_ROWS {
        for _ in 0..runs.rng.between(1, 3) {
            let heights = runs.heights();
            for _ in 0..runs.rng.between(1, 2) {
                let count = base_rows + runs.rng.log_uniform(10_000);
                let mut rows: BTreeMap<u128, R> = BTreeMap::new();
                for _ in 0..count {
                    let row = make(&mut runs.rng);
                    rows.insert(row.key(), row);
                }
                rows.retain(|key, _| !model.contains_key(key));
                if !rows.is_empty() {
                    model.extend(rows.values().map(|row| (row.key(), row.value())));
                    runs.write(&mut rows.into_values().collect::<Vec<_>>(), heights);
                }
            }
        }
        runs = runs.merge::<R>();
        let all: Vec<_> = model.iter().map(|(k, v)| R::from_parts(*k, *v)).collect();
        assert!(runs.read::<R>() == all, "seed {seed}");
        let mut wanted: Vec<u128> = (0..200).map(|_| make(&mut runs.rng).key()).collect();
        wanted.extend(model.keys().step_by(1 + model.len() / 300));
        wanted.sort_unstable();
        check_seeks::<R>(&runs, &model, &wanted);
    }
}

#[test]
fn rows_are_found_whatever_was_merged() {
    for seed in 0..2 {
        plain_rows_agree(seed, |rng| {
            FundingRow::new(
                u128::from(rng.log_uniform(2000)) << 60,
                Txo(1 + rng.below(1 << 29)),
                rng.below(1 << 40),
            )
        });
        plain_rows_agree(seed, |rng| {
            let txo = 1 + rng.below(1 << 18);
            spend(txo, txo + 1 + rng.below(1 << 29))
        });
        plain_rows_agree(seed, |rng| {
            TxidRow::new(&rng.array(), tx(1 + rng.below(1 << 29)))
        });
    }
}

/// Coins: puts and deletes of random ages, in runs of several spills a batch.
fn coins_agree(seed: u64) {
    let mut runs = Runs::new(seed);
    let mut live: BTreeMap<u64, u128> = BTreeMap::new();
    let mut next_txo = 1;
    for base_rows in BASE_ROWS {
        for _ in 0..runs.rng.between(1, 3) {
            let heights = runs.heights();
            for _ in 0..runs.rng.between(1, 3) {
                let mut rows = Vec::new();
                let before = next_txo;
                for _ in 0..base_rows + runs.rng.log_uniform(6000) {
                    let old: Option<(u64, u128)> = live
                        .range(runs.rng.below(before)..before)
                        .next()
                        .map(|(txo, fingerprint)| (*txo, *fingerprint));
                    match old.filter(|_| runs.rng.below(5) < 2) {
                        Some((txo, fingerprint)) => {
                            live.remove(&txo);
                            rows.push(CoinRow::delete(fingerprint, Txo(txo)));
                        }
                        None => {
                            // Few enough fingerprints that one comes again, once it is free.
                            let fingerprint = u128::from(runs.rng.below(1 << 22)) << 60;
                            live.insert(next_txo, fingerprint);
                            rows.push(CoinRow::put(fingerprint, Txo(next_txo)));
                            next_txo += 1;
                        }
                    }
                }
                if !rows.is_empty() {
                    runs.write(&mut rows, heights);
                }
            }
        }
        let puts = live.iter().map(|(txo, f)| CoinRow::put(*f, Txo(*txo)));
        let mut expected: Vec<_> = puts.collect();
        expected.sort();
        assert!(runs.read::<CoinRow>() == expected, "seed {seed}, unmerged");
        runs = runs.merge::<CoinRow>();
        assert!(runs.read::<CoinRow>() == expected, "seed {seed}, merged");
    }
    let heights = (Height(0), Height(runs.next_height));
    merge_all(&mut runs, heights);
    let all = runs.catalogue.of(Relation::Coins);
    let rows: u64 = all.iter().map(|run| run.rows).sum();
    assert_eq!(rows, live.len() as u64, "nothing but live coins is left");
}

fn merge_all(runs: &mut Runs, heights: (Height, Height)) {
    let task = Unfinished {
        relation: Relation::Coins,
        heights,
        key: 0,
        with_oldest: true,
        last_id: u32::MAX,
    };
    while let Some(task) = match task.inputs(&runs.catalogue).len() {
        0 | 1 => None,
        _ => Unfinished::load(&runs.store, Relation::Coins)
            .unwrap()
            .or(Some(task)),
    } {
        runs.merge_on::<CoinRow>(task);
        if Unfinished::load(&runs.store, Relation::Coins)
            .unwrap()
            .is_none()
        {
            break;
        }
    }
}

#[test]
fn coins_are_those_of_the_model_whatever_was_merged() {
    for seed in 0..4 {
        coins_agree(seed);
    }
}

/// One run is a row ahead of the other: where a page of its deletes begins, the put is on the page
/// before of the other.
#[test]
fn put_and_delete_meet_wherever_pages_end() {
    let mut runs = Runs::new(1);
    let puts = (1..60_000).map(|n| CoinRow::put(u128::from(n) << 20, Txo(n)));
    runs.write(&mut puts.collect::<Vec<_>>(), (Height(0), Height(0)));
    let deletes = (2..60_000).map(|n| CoinRow::delete(u128::from(n) << 20, Txo(n)));
    runs.write(&mut deletes.collect::<Vec<_>>(), (Height(1), Height(1)));
    let mut buffer = vec![CoinRow(0); buffer_for::<CoinRow>(2)];
    let all = runs.catalogue.of(Relation::Coins);
    assert_eq!(
        read::<CoinRow>(&runs.store, all, &mut buffer).unwrap(),
        [CoinRow::put(1 << 20, Txo(1))]
    );
}

/// Spills of one batch: each makes coins, and ends every other one that the spill before made.
#[test]
fn folded_runs_hold_the_same_coins_in_fewer_runs() {
    const SPILLS: u64 = 7;
    const COINS: u64 = 150_000;
    let coin = |n: u64| {
        let fingerprint = u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060) >> 8;
        CoinRow::put(fingerprint & ((1 << 88) - 1), Txo(n))
    };
    // Three at a time, and all at once.
    for (fan_in, runs_max) in [(3, 5), (40, 3)] {
        let mut runs = Runs::new(2);
        let mut spilled = Vec::new();
        for spill in 0..SPILLS {
            let first = 1 + spill * COINS;
            let mut rows: Vec<CoinRow> = (first..first + COINS).map(coin).collect();
            let ended = (first.saturating_sub(COINS)..first).step_by(2).map(coin);
            let ended = ended.filter(|coin| coin.txo().0 > 0 && spill > 0);
            rows.extend(ended.map(|coin| CoinRow(coin.0 | 1)));
            spilled.push(runs.spill(&mut rows, (Height(0), Height(0))));
        }
        let mut buffer = vec![CoinRow(0); buffer_for::<CoinRow>(fan_in)];
        let catalogue = &mut runs.catalogue;
        let folded = Folder {
            store: &runs.store,
            staging: &mut runs.staging,
            buffer: &mut buffer,
            positions_end: POSITIONS_END,
            new_id: &mut || catalogue.new_id(),
        }
        .fold(&spilled, true)
        .unwrap();
        assert!(folded.len() <= runs_max, "{folded:?}");
        let tables = runs.store.read().unwrap().table_names().unwrap().len();
        assert_eq!(tables, folded.len(), "the spilled runs are gone");
        let last = 1 + (SPILLS - 1) * COINS;
        let is_live = |n: &u64| *n >= last || (*n - 1) % COINS % 2 == 1;
        let mut live: Vec<CoinRow> = (1..last + COINS).filter(is_live).map(coin).collect();
        live.sort();
        let mut buffer = vec![CoinRow(0); buffer_for::<CoinRow>(10)];
        let found = read::<CoinRow>(&runs.store, folded, &mut buffer).unwrap();
        assert!(found == live, "{} coins of {}", found.len(), live.len());
    }
}

/// Rule 2: the put is in an older run that takes no part, so the delete has to stay.
#[test]
fn a_delete_outlives_a_merge_without_its_put() {
    let mut runs = Runs::new(1);
    let put = CoinRow::put(7, Txo(9));
    runs.write(&mut [put, CoinRow::put(8, Txo(10))], (Height(0), Height(0)));
    runs.write(&mut [CoinRow::delete(7, Txo(9))], (Height(1), Height(1)));
    runs.write(&mut [CoinRow::put(9, Txo(11))], (Height(2), Height(2)));
    runs.merge_on::<CoinRow>(Unfinished {
        relation: Relation::Coins,
        heights: (Height(1), Height(2)),
        key: 0,
        with_oldest: false,
        last_id: u32::MAX,
    });
    let coins = [CoinRow::put(8, Txo(10)), CoinRow::put(9, Txo(11))];
    assert_eq!(runs.read::<CoinRow>(), coins);
}

#[test]
fn a_delete_without_its_put_is_damage_once_the_oldest_run_is_there() {
    let mut runs = Runs::new(1);
    runs.write(&mut [CoinRow::put(7, Txo(9))], (Height(0), Height(0)));
    // The same outpoint, but another coin: unequal positions never cancel.
    runs.write(&mut [CoinRow::delete(7, Txo(10))], (Height(1), Height(1)));
    let mut buffer = vec![CoinRow(0); buffer_for::<CoinRow>(3)];
    let all = runs.catalogue.of(Relation::Coins);
    let error = read::<CoinRow>(&runs.store, all, &mut buffer).unwrap_err();
    let damage = Damage::DeleteWithoutPut;
    assert!(
        matches!(error.fault(), Some(runs::Fault::Damaged { damage: found, .. }) if *found == damage)
    );
}

#[test]
fn a_row_that_is_there_twice_is_damage() {
    let mut runs = Runs::new(1);
    for height in 0..2 {
        let row = spend(4, 9 + u64::from(height));
        runs.write(&mut [row], (Height(height), Height(height)));
    }
    let mut buffer = vec![spend(1, 2); buffer_for::<SpendingRow>(3)];
    let all = runs.catalogue.of(Relation::Spending);
    let error = read::<SpendingRow>(&runs.store, all, &mut buffer).unwrap_err();
    let damage = Damage::RepeatedRow;
    assert!(
        matches!(error.fault(), Some(runs::Fault::Damaged { damage: found, .. }) if *found == damage)
    );
}

/// One way of damaging a run of several pages, given the keys of its pages.
type Harm = fn(&mut WriteTable<'_, u128, &'static [u8]>, &[u128]);

const HARMS: [(&str, Harm); 6] = [
    ("the first page is gone", |table, keys| {
        table.remove(keys[0]).unwrap();
    }),
    ("a byte is another", |table, keys| {
        let mut page = table.get(keys[1]).unwrap().unwrap().value().to_vec();
        page[1000] ^= 4;
        table.insert(keys[1], &page[..]).unwrap();
    }),
    ("a page is gone", |table, keys| {
        table.remove(keys[1]).unwrap();
    }),
    ("a page is cut short", |table, keys| {
        let page = table.get(keys[1]).unwrap().unwrap().value().to_vec();
        table.insert(keys[1], &page[..60]).unwrap();
    }),
    ("a page stands in another's place", |table, keys| {
        let page = table.get(keys[2]).unwrap().unwrap().value().to_vec();
        table.insert(keys[1], &page[..]).unwrap();
    }),
    ("the last page is gone", |table, keys| {
        table.remove(keys[keys.len() - 1]).unwrap();
    }),
];

#[test]
fn damage_is_an_error_and_never_a_wrong_answer() {
    for (what, harm) in HARMS {
        let mut runs = Runs::new(3);
        let mut rows: Vec<_> = (1..60_000)
            .map(|n| spend(n * 3, n * 3 + 1 + n % 7))
            .collect();
        let run = runs.write(&mut rows, (Height(0), Height(0)));
        assert!(walk::<SpendingRow>(&runs.store, run).unwrap() == rows);
        let name = run.table_name();
        runs.store
            .durable(|transaction| {
                let mut table = transaction.open_table(pages_of(&name)).unwrap();
                let keys: Vec<u128> = table
                    .range::<u128>(..)
                    .unwrap()
                    .map(|page| page.unwrap().0.value())
                    .collect();
                assert!(keys.len() > 3);
                harm(&mut table, &keys);
                Ok(())
            })
            .unwrap();
        let damaged = |result: blkdex::Result<Vec<SpendingRow>>| {
            assert!(
                matches!(fault_of(&result), Some(runs::Fault::Damaged { .. })),
                "{what}"
            );
        };
        damaged(walk(&runs.store, run));
        let mut buffer = vec![rows[0]; buffer_for::<SpendingRow>(2)];
        damaged(read(&runs.store, vec![run], &mut buffer));
        // Looked up one by one, every row is right or an error.
        let snapshot = runs.store.read().unwrap();
        let mut errors = 0;
        for row in rows.iter().step_by(97) {
            let walk = Walk::<SpendingRow>::new(&runs.store, &snapshot, run, 0);
            match walk.and_then(|mut walk| walk.seek(row.key()).map(|()| walk.row())) {
                Ok(found) => assert_eq!(found, Some(*row), "{what}"),
                Err(error) => {
                    assert!(
                        matches!(error.fault(), Some(runs::Fault::Damaged { .. })),
                        "{what}"
                    );
                    errors += 1;
                }
            }
        }
        assert!(errors > 0, "{what}");
    }
}
