//! What a model holds is in the runs, whatever was merged.

use super::rng::Rng;
use super::{Runs, read, spend, tx};
use crate::primitives::position::{Height, Txo};
use crate::runs::fold::Folder;
use crate::runs::merge::Unfinished;
use crate::runs::read::Walk;
use crate::runs::row::{CoinRow, FundingRow, Relation, Row, TxidRow};
use crate::runs::stream::buffer_for;
use std::collections::BTreeMap;

/// Rows of a run at least, round by round: enough at first that a merge is done in many steps.
const BASE_ROWS: [u64; 5] = [25_000, 0, 0, 10_000, 0];

/// Looks keys up in ascending order, as a query does: in every run that covers them, going on or anew.
fn check_seeks<R: Row>(runs: &Runs, model: &BTreeMap<u128, u64>, wanted: &[u128]) {
    let snapshot = runs.store.read().unwrap();
    let mut found = BTreeMap::new();
    for run in runs.catalogue.of(R::RELATION) {
        let mut walk = Walk::<R>::new(&runs.store, &snapshot, run, 0).unwrap();
        let own = run.low_key..run.end_key;
        for key in wanted.iter().filter(|key| own.contains(key)) {
            walk.seek(*key).unwrap();
            let begun_there = Walk::<R>::new(&runs.store, &snapshot, run, *key).unwrap();
            assert_eq!(begun_there.row(), walk.row());
            if let Some(row) = walk.row() {
                assert!(row.key() >= *key && own.contains(&row.key()));
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
    runs.with_old = seed % 2 == 1;
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
    runs.with_old = seed % 2 == 1;
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
