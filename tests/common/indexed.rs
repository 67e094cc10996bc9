//! Indexes made by the library, and what Bitcoin Core said of the same blocks.

use std::path::{Path, PathBuf};

use bitcoin::consensus::deserialize;
use bitcoin::{Block, ScriptBuf};
use blkdex::datadir::{BlockReader, Location, Source};
use blkdex::error::unwatched;
use blkdex::import::{Options, import};
use blkdex::index::Index;
use blkdex::primitives::position::Height;
use blkdex::store::QUERY_CACHE_BYTES;
use serde_json::Value;

use super::truth::Truth;

/// An index in a folder of its own.
pub struct Indexed {
    pub folder: tempfile::TempDir,
    pub path: PathBuf,
}

/// The datadir in the repository.
pub fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// What lies in `../shared`: fixtures and cases. A test that asks for it is ignored `without_shared`.
pub fn shared() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared")
}

/// A shared fixture.
pub fn fixture(name: &str) -> PathBuf {
    shared().join("fixtures").join(name)
}

/// What Bitcoin Core said of a datadir.
pub fn expected(datadir: &Path) -> Value {
    let text = std::fs::read_to_string(datadir.join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl Indexed {
    /// The whole of a datadir, committed every so many blocks.
    pub fn of(datadir: &Path, commit_every: u32) -> Indexed {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.redb");
        let options = Options {
            source: Source {
                location: Location::Datadir(datadir.to_owned()),
                network: None,
                signet_challenge: None,
            },
            index: path.clone(),
            memory_bytes: 128 << 20,
            table_bytes: None,
            segment_bytes: None,
            until: None,
            commit_every,
            invalid: vec![],
            checks_witness: false,
            ignores_lacks: false,
            ledger: Default::default(),
        };
        unwatched(|watch| import(&options, watch)).unwrap();
        Indexed { folder, path }
    }

    /// Opened for questions.
    pub fn open(&self) -> Index {
        Index::open(&self.path, QUERY_CACHE_BYTES).unwrap()
    }
}

/// The truth about the blocks that an index says are its chain, decoded by `bitcoin`.
pub fn truth_about(index: &Index) -> Truth {
    let snapshot = index.snapshot().unwrap();
    let location = Location::BlocksDir(index.meta().blocks_dir.clone());
    let network = index.meta().network().unwrap();
    let mut reader = BlockReader::for_pieces(&location, &network).unwrap();
    let mut truth = Truth::default();
    for height in 0..=index.tip().unwrap().0.0 {
        let place = snapshot.place(Height(height)).unwrap();
        let block: Block = deserialize(reader.read(place).unwrap()).unwrap();
        truth.apply(&block).unwrap();
    }
    truth
}

/// A script with what Core said of it: address, received, sent, outputs, spends.
pub fn scripts(core: &Value) -> Vec<(ScriptBuf, &Value)> {
    let scripts = core["scripts"].as_object().unwrap();
    let read = |(hex, said): (&String, _)| (ScriptBuf::from_hex(hex).unwrap(), said);
    scripts
        .iter()
        .map(|(hex, said)| read((hex, said)))
        .collect()
}
