//! A whole index with a few bytes changed: an error, or the right rows.
#![no_main]

use blkdex::datadir::{Location, Source};
use blkdex::import::Options;
use blkdex::index::Index;
use blkdex::primitives::position::Height;
use blkdex::inside::{CoinRow, FundingRow, Row, SpendingRow, TxidRow};
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::LazyLock;

struct Whole {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    rows: Vec<Vec<(u128, u64)>>,
    blocks: Vec<Vec<u8>>,
}

static WHOLE: LazyLock<Whole> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = folder.path().join("index.redb");
    let data = Location::Datadir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data").into());
    let options = Options { commit_every: 100, ..Options::new(Source::new(data), &path) };
    blkdex::error::unwatched(|watch| blkdex::import::import(&options, watch)).unwrap();
    let (rows, blocks) = read(&path).unwrap();
    Whole { bytes: std::fs::read(&path).unwrap(), folder, rows, blocks }
});

type Contents = (Vec<Vec<(u128, u64)>>, Vec<Vec<u8>>);

fn read(path: &Path) -> blkdex::Result<Contents> {
    let index = Index::open(path, 1 << 20)?;
    let snapshot = index.snapshot()?;
    fn rows<R: Row>(s: &blkdex::index::snapshot::Snapshot<'_>) -> blkdex::Result<Vec<(u128, u64)>> {
        Ok(s.rows::<R>(&[0..=u128::MAX])?.iter().map(|row| (row.key(), row.value())).collect())
    }
    let all = vec![
        rows::<CoinRow>(&snapshot)?,
        rows::<FundingRow>(&snapshot)?,
        rows::<SpendingRow>(&snapshot)?,
        rows::<TxidRow>(&snapshot)?,
    ];
    let tip = index.tip().map_or(0, |(tip, _)| tip.0);
    let blocks = (0..=tip).map(|height| Ok(snapshot.block(Height(height))?.encode().to_vec()));
    Ok((all, blocks.collect::<blkdex::Result<_>>()?))
}

fuzz_target!(|edits: Vec<(u32, u8)>| {
    let whole = &*WHOLE;
    let mut bytes = whole.bytes.clone();
    for (at, change) in edits.iter().take(8) {
        let at = *at as usize % bytes.len();
        bytes[at] ^= change;
    }
    let path = whole.folder.path().join("changed.redb");
    std::fs::write(&path, bytes).unwrap();
    if let Ok((rows, blocks)) = read(&path) {
        assert!(rows == whole.rows && blocks == whole.blocks, "wrong rows");
    }
});
