//! A whole index with a few bytes changed: an error, or the right rows.
#![no_main]

use blkdex::datadir::{Location, Source};
use blkdex::error::unwatched;
use blkdex::import::{Options, import};
use blkdex::inside::{Contents, contents_of};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

struct Whole {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    contents: Contents,
}

static WHOLE: LazyLock<Whole> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = folder.path().join("index.redb");
    let data = Location::Datadir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data").into());
    let options = Options { commit_every: 100, ..Options::new(Source::new(data), &path) };
    unwatched(|watch| import(&options, watch)).unwrap();
    let contents = contents_of(&path).unwrap();
    Whole { bytes: std::fs::read(&path).unwrap(), folder, contents }
});

fuzz_target!(|edits: Vec<(u32, u8)>| {
    let whole = &*WHOLE;
    let mut bytes = whole.bytes.clone();
    for (at, change) in edits.iter().take(8) {
        let at = *at as usize % bytes.len();
        bytes[at] ^= change;
    }
    let path = whole.folder.path().join("changed.redb");
    std::fs::write(&path, bytes).unwrap();
    if let Ok(contents) = contents_of(&path) {
        assert!(contents == whole.contents, "wrong rows");
    }
});
