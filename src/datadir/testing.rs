//! What the unit tests of this folder share: fixtures, and small files made of real records.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Location, Source};

/// Path of the shared fixtures' folder or file. A test that asks for one is ignored
/// `without_shared`.
pub fn fixture_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/fixtures")
        .join(name)
}

/// Bytes of a fixture.
pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixture_path(name)).expect("fixture is readable")
}

/// The datadir in the repository.
pub fn regtest_source() -> Source {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data");
    Source::new(Location::Datadir(data))
}

/// A folder with these block files.
pub fn folder_with(files: &[Vec<u8>]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temporary folder");
    for (number, bytes) in (0..).zip(files) {
        std::fs::write(super::block_file_path(dir.path(), number), bytes).expect("write");
    }
    dir
}

/// Makes all files of a folder look an hour old.
pub fn make_old(dir: &Path) {
    let then = SystemTime::now() - Duration::from_secs(3600);
    for entry in std::fs::read_dir(dir).expect("lists") {
        let file = std::fs::File::options()
            .write(true)
            .open(entry.expect("lists").path());
        file.expect("opens").set_modified(then).expect("sets");
    }
}
