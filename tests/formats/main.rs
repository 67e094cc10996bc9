//! An index of each format, as the version that made it left it: the first 121 blocks of the sample datadir, in
//! the file that has the number of the format as its name.
//!
//! When the format changes, its file joins these, and the older ones stay as they are: each is read, or refused
//! in one line that says what to do.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::fixtures::{data, expected};
use common::program::told;
use redb::ReadableDatabase;
use serde_json::Value;

const HEIGHT: u32 = 120;

fn kept(format: u32) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(format!("tests/formats/{format}.redb"))
}

/// A copy to work with; its name at the end.
fn copy(format: u32) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.redb");
    std::fs::copy(kept(format), &path).unwrap();
    (folder, path)
}

fn blkdex(index: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    command.args(words).arg("--index").arg(index);
    told(command.output().unwrap())
}

fn json(index: &Path, words: &[&str]) -> Value {
    let (code, out, words) = blkdex(index, &[words, &["--json"]].concat());
    assert_eq!(code, Some(0), "{words}");
    serde_json::from_str(&out).unwrap()
}

fn datadir() -> String {
    data().to_str().unwrap().to_owned()
}

fn format_of(index: &Path) -> u32 {
    let database = redb::Database::open(index).unwrap();
    let reading = database.begin_read().unwrap();
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let table = reading.open_table(meta).unwrap();
    let format = table.get("format").unwrap().unwrap();
    u32::from_le_bytes(format.value().try_into().unwrap())
}

#[test]
fn every_format_that_this_version_reads_is_kept() {
    for format in blkdex::index::FORMATS {
        assert!(kept(format).exists(), "tests/formats/{format}.redb");
    }
}

#[test]
fn an_index_of_each_format_answers_and_goes_on_to_what_a_new_one_says() {
    let core = expected(&data());
    let tip = &core["stats"][core["tip_height"].to_string()];
    for format in blkdex::index::FORMATS {
        let (_folder, index) = copy(format);
        assert_eq!(json(&index, &["status"])["height"], HEIGHT);
        let verify = ["verify", "--quiet", "--datadir", &datadir()];
        let verified = json(&index, &verify);
        let before = verified["muhash"].as_str().unwrap().to_owned();
        // Block by block, so that runs of both formats merge.
        let import = [
            "import",
            "-q",
            "--commit-every",
            "1",
            "--datadir",
            &datadir(),
        ];
        let imported = json(&index, &import);
        let merged = &imported["effort"]["merged_rows"];
        for relation in ["coins", "spending"] {
            assert!(merged[relation].as_u64().unwrap() > 0, "{merged}");
        }
        let now = if [3, 5].contains(&format) { 5 } else { 6 };
        assert_eq!(format_of(&index), now, "an import raises the number");
        let verified = json(&index, &verify);
        assert_eq!(verified["muhash"], tip["muhash"], "format {format}");
        let again = json(
            &index,
            &[&verify[..], &["--at", &HEIGHT.to_string()]].concat(),
        );
        assert_eq!(again["muhash"], before.as_str(), "format {format}");
    }
}

#[test]
fn a_format_that_is_not_known_is_refused_in_one_line_and_rebuild_is_the_way_over() {
    for unknown in [2_u32, 7] {
        let (_folder, index) = copy(3);
        let database = redb::Database::open(&index).unwrap();
        let writing = database.begin_write().unwrap();
        let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
        let mut table = writing.open_table(meta).unwrap();
        table.insert("format", &unknown.to_le_bytes()[..]).unwrap();
        drop(table);
        writing.commit().unwrap();
        drop(database);
        for words in [&["status"][..], &["import", "-q", "--datadir", &datadir()]] {
            let (code, out, words) = blkdex(&index, words);
            assert_eq!((code, out.as_str()), (Some(1), ""), "{words}");
            assert_eq!(words.lines().count(), 1, "{words}");
            assert!(words.contains(&format!("format {unknown}")), "{words}");
            assert!(words.contains("`blkdex rebuild"), "{words}");
        }
        let (code, _, words) = blkdex(&index, &["rebuild", "-q", "--datadir", &datadir()]);
        assert_eq!(code, Some(0), "{words}");
        assert_eq!(json(&index, &["status"])["height"], 267);
    }
}
