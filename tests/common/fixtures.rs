//! Datadirs that real nodes wrote, and what Bitcoin Core said of the same blocks.

use std::path::{Path, PathBuf};

use bitcoin::ScriptBuf;
use serde_json::Value;

use super::trial::Trial;

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

/// `data`, or a shared fixture, imported with several commits; with what Core says of it.
pub fn imported(name: &str) -> (Trial, Value) {
    let datadir = match name {
        "data" => data(),
        name => fixture(name),
    };
    (Trial::of(&datadir).imported_every(50), expected(&datadir))
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
