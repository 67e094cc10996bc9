//! Damage is an error and never a wrong answer.

use super::{Runs, read, spend, walk};
use crate::Result;
use crate::error::fault_of;
use crate::primitives::position::{Height, Txo};
use crate::runs::read::Walk;
use crate::runs::row::{CoinRow, Relation, Row, SpendingRow};
use crate::runs::stream::buffer_for;
use crate::runs::{Damage, Fault, table_of};
use crate::store::writing::WriteTable;

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
        matches!(error.fault(), Some(Fault::Damaged { damage: found, .. }) if *found == damage)
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
        matches!(error.fault(), Some(Fault::Damaged { damage: found, .. }) if *found == damage)
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
                let mut table = transaction.open_table(table_of(&name)).unwrap();
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
        let damaged = |result: Result<Vec<SpendingRow>>| {
            assert!(
                matches!(fault_of(&result), Some(Fault::Damaged { .. })),
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
                        matches!(error.fault(), Some(Fault::Damaged { .. })),
                        "{what}"
                    );
                    errors += 1;
                }
            }
        }
        assert!(errors > 0, "{what}");
    }
}
