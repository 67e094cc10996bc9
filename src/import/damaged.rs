//! Rows that are read out of a damaged index are the right ones, or there is an error.

#[path = "../../tests/common/damage.rs"]
mod damage;

use super::{Options, import};
use crate::datadir::{Location, Source};
use crate::error::unwatched;
use crate::index::contents::contents_of;
use crate::memory::plan::BUDGET_BYTES_MIN;
use crate::runs::tests::rng::{self, Rng};

/// How many times the file is damaged.
const TIMES: u32 = 150;

/// A table of few slots: most coins are spilled.
const TABLE_BYTES: usize = 4000;

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
    let (whole, right) = (std::fs::read(&path).unwrap(), contents_of(&path).unwrap());
    assert!(right.0.iter().all(|rows| !rows.is_empty()));
    let mut rng = Rng::new(23);
    let (mut read_whole, mut faults) = (0, 0);
    for _ in 0..TIMES {
        let mut bytes = whole.clone();
        let what = damage::damage(&mut bytes, &mut rng);
        std::fs::write(&path, &bytes).unwrap();
        match contents_of(&path) {
            Ok(found) => {
                assert!(found == right, "{what}: other rows");
                read_whole += 1;
            }
            Err(_) => faults += 1,
        }
    }
    assert!(read_whole > 10 && faults > 10, "{read_whole}, {faults}");
}
