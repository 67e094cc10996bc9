//! What the tests of `verify` and `export` share: imported chains.
#![allow(dead_code, clippy::unwrap_used)]

use super::common::chain::Chain;
use super::common::datadir::{Layout, write_datadir};
use super::common::indexed::{data, expected, fixture};
use blkdex::datadir::{Location, Source};
use blkdex::error::unwatched;
use blkdex::import::{Options, import};
use std::path::{Path, PathBuf};

/// The least that imports and verifies.
pub const MEMORY_BYTES: usize = blkdex::memory::plan::BUDGET_BYTES_MIN;

/// A chain that was imported.
pub struct Imported {
    pub dir: tempfile::TempDir,
    pub index: PathBuf,
    /// What `--datadir` takes.
    pub datadir: PathBuf,
    is_kept: bool,
}

impl Imported {
    /// A block or undo file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.datadir.join("regtest/blocks").join(name)
    }
}

impl Drop for Imported {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = std::fs::remove_dir_all(&self.datadir);
        }
    }
}

/// Imports the block files of `datadir`.
pub fn import_datadir(datadir: &Path, commit_every: u32) -> Imported {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("index.redb");
    let options = Options {
        source: Source {
            location: Location::Datadir(datadir.to_owned()),
            network: None,
            signet_challenge: None,
        },
        index: index.clone(),
        memory_bytes: MEMORY_BYTES,
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
    Imported {
        dir,
        index,
        datadir: datadir.to_owned(),
        is_kept: true,
    }
}

/// `data`, or a shared fixture (a test that asks for one is ignored `without_shared`), with what Core
/// says of it.
pub fn imported_fixture(name: &str) -> (Imported, serde_json::Value) {
    let folder = match name {
        "data" => data(),
        name => fixture(name),
    };
    let core = expected(&folder);
    (import_datadir(&folder, 50), core)
}

/// Writes and imports a made chain.
pub fn imported_chain(chain: &Chain) -> Imported {
    let dir = tempfile::tempdir().unwrap().keep();
    write_datadir(chain, &dir, chain.made(), Layout::default());
    let mut imported = import_datadir(&dir, 7);
    imported.is_kept = false;
    imported
}

/// Copies `data`'s block files, so that a test may damage them.
pub fn copied_data() -> Imported {
    let dir = tempfile::tempdir().unwrap().keep();
    let blocks = dir.join("regtest/blocks");
    std::fs::create_dir_all(&blocks).unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/regtest/blocks");
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), blocks.join(entry.file_name())).unwrap();
    }
    let mut imported = import_datadir(&dir, 50);
    imported.is_kept = false;
    imported
}
