//! Rows that are read out of a damaged index are the right ones, or there is an error.

#[path = "../../tests/common/damage.rs"]
mod damage;

use super::{Options, import};
use crate::Result;
use crate::datadir::{Location, Source};
use crate::error::unwatched;
use crate::index::Index;
use crate::index::blocks::BlockRow;
use crate::index::snapshot::Snapshot;
use crate::memory::plan::BUDGET_BYTES_MIN;
use crate::primitives::position::Height;
use crate::runs::row::{CoinRow, FundingRow, Row, SpendingRow, TxidRow};
use crate::runs::tests::rng::{self, Rng};
use crate::store::QUERY_CACHE_BYTES;
use std::path::Path;

/// How many times the file is damaged.
const TIMES: u32 = 150;

/// A table of few slots: most coins are spilled.
const TABLE_BYTES: usize = 4000;

/// The rows of each relation, by key and value, and of the blocks.
type Contents = (Vec<Vec<(u128, u64)>>, Vec<BlockRow>);

fn read(path: &Path) -> Result<Contents> {
    fn rows<R: Row>(snapshot: &Snapshot<'_>) -> Result<Vec<(u128, u64)>> {
        let rows = snapshot.rows::<R>(&[0..=u128::MAX])?;
        Ok(rows.iter().map(|row| (row.key(), row.value())).collect())
    }
    let index = Index::open(path, QUERY_CACHE_BYTES)?;
    let snapshot = index.snapshot()?;
    let relations = vec![
        rows::<CoinRow>(&snapshot)?,
        rows::<FundingRow>(&snapshot)?,
        rows::<SpendingRow>(&snapshot)?,
        rows::<TxidRow>(&snapshot)?,
    ];
    let heights = 0..index.next_height().0;
    let blocks = heights.map(|height| snapshot.block(Height(height)));
    Ok((relations, blocks.collect::<Result<_>>()?))
}

#[test]
fn rows_of_a_damaged_index_are_right_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let data = Location::Datadir(concat!(env!("CARGO_MANIFEST_DIR"), "/data").into());
    let options = Options {
        memory_bytes: BUDGET_BYTES_MIN,
        table_bytes: Some(TABLE_BYTES),
        commit_every: 20,
        ..Options::new(Source::new(data), &path)
    };
    unwatched(|watch| import(&options, watch)).unwrap();
    let (whole, right) = (std::fs::read(&path).unwrap(), read(&path).unwrap());
    assert!(right.0.iter().all(|rows| !rows.is_empty()));
    let mut rng = Rng::new(23);
    let (mut read_whole, mut faults) = (0, 0);
    for _ in 0..TIMES {
        let mut bytes = whole.clone();
        let what = damage::damage(&mut bytes, &mut rng);
        std::fs::write(&path, &bytes).unwrap();
        match read(&path) {
            Ok(found) => {
                assert!(found == right, "{what}: other rows");
                read_whole += 1;
            }
            Err(_) => faults += 1,
        }
    }
    assert!(read_whole > 10 && faults > 10, "{read_whole}, {faults}");
}
