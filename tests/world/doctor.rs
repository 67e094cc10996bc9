//! What the doctor says of datadirs that are not as they should be.

use std::fs;
use std::process::Command;

use super::blkdex;
use crate::common::chain::Chain;
use crate::common::datadir::Layout;
use crate::common::fixtures::fixture;
use crate::common::trial::Trial;
use serde_json::Value;

fn doctor(trial: &Trial, args: &[&str]) -> (Option<i32>, Value) {
    let mut command: Command = blkdex("doctor", &trial.options.index);
    command.args(["--quiet", "--json", "--datadir"]);
    let output = command
        .arg(&trial.datadir.path)
        .args(args)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), report)
}

#[test]
fn a_whole_datadir_is_well() {
    let mut chain = Chain::of_coinbases(30);
    let fork = chain.made()[20];
    chain.mine_empty(fork, 2);
    let trial = Trial::new(&chain);
    let (code, report) = doctor(&trial, &["--deep", "--check-witness"]);
    assert_eq!(code, Some(0));
    assert_eq!(report["works"], true);
    assert_eq!(report["chain"]["state"], "complete");
    assert_eq!(report["chain"]["height"], 30);
    assert_eq!(report["chain"]["stale"], 2);
    assert_eq!(report["deep"]["blocks"], 31);
    assert_eq!(report["files"]["obfuscated"], true);
    assert!(!trial.options.index.exists());
    trial.import_and_check(&chain);
    let (_, report) = doctor(&trial, &[]);
    assert_eq!(report["index"]["height"], 30);
    assert_eq!(report["needs"]["blocks"], 0);
}

#[test]
fn damage_junk_and_cut_records_are_found_with_their_places() {
    let mut chain = Chain::of_coinbases(30);
    let (wrong, repeated) = (chain.made()[7], chain.made()[9]);
    chain.damage(wrong, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let layout = Layout {
        junk_bytes: 3,
        cut_bytes: 5,
        damaged_first: vec![repeated],
        ..Layout::default()
    };
    let trial = Trial::with(&chain, chain.made(), layout);
    let (code, report) = doctor(&trial, &["--deep"]);
    assert_eq!(code, Some(1));
    assert_eq!(report["works"], false);
    assert_eq!(report["files"]["cut_records"], 1);
    assert_eq!(report["files"]["duplicates"], 1);
    assert!(report["files"]["junk_bytes"].as_u64().unwrap() > 80);
    assert!(report["files"]["junk"].as_array().unwrap().len() > 3);
    let list = report["deep"]["wrong"].as_array().unwrap();
    let found = |at: usize| (&list[at]["height"], &list[at]["has_good_copy"]);
    assert_eq!(found(0), (&Value::from(7), &Value::from(false)));
    assert_eq!(found(1), (&Value::from(9), &Value::from(true)));
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn a_pruned_datadir_is_no_use_and_its_heights_are_named() {
    let chain = Chain::of_coinbases(60);
    let layout = Layout {
        file_bytes_max: 4000,
        ..Layout::default()
    };
    let trial = Trial::with(&chain, chain.made(), layout);
    std::fs::remove_file(trial.datadir.file(0)).unwrap();
    let (code, report) = doctor(&trial, &[]);
    assert_eq!(code, Some(1));
    assert_eq!(report["chain"]["state"], "pruned");
    assert!(report["chain"]["goes_on_at"].as_u64().unwrap() > 5);
    assert_eq!(report["chain"]["height"], Value::Null);
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn too_little_memory_and_a_foreign_index_are_problems() {
    let trial = Trial::new(&Chain::of_coinbases(3));
    let (code, report) = doctor(&trial, &["--memory", "1M"]);
    assert_eq!(code, Some(1));
    assert!(report["problems"].to_string().contains("too small"));
    std::fs::write(&trial.options.index, b"something else").unwrap();
    let (code, report) = doctor(&trial, &[]);
    assert_eq!(code, Some(1));
    let problems = report["problems"].to_string();
    assert!(problems.contains("is not a blkdex index"), "{problems}");
}

/// Records of the fixture's blocks at these heights; all of it is one file in order of height.
fn mainnet_blocks(heights: impl Fn(usize) -> bool) -> Vec<u8> {
    let path = fixture("mainnet-4312/blocks/blk00000.dat");
    let (bytes, mut kept) = (fs::read(path).unwrap(), Vec::new());
    let (mut at, mut height) = (0, 0);
    while at + 8 < bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap());
        let end = at + 8 + length as usize;
        if heights(height) {
            kept.extend_from_slice(&bytes[at..end]);
        }
        (at, height) = (end, height + 1);
    }
    assert_eq!(height, 4313);
    kept
}

fn doctor_of(bytes: &[u8]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("blk00000.dat"), bytes).unwrap();
    let mut command: Command = blkdex("doctor", &dir.path().join("index"));
    command.args(["--quiet", "--json", "--blocks-dir"]);
    let output = command.arg(dir.path()).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn blocks_of_2009_name_no_height_and_what_lacks_a_parent_is_not_out_of_order() {
    let bytes = mainnet_blocks(|height| !(1000..2000).contains(&height));
    let report = doctor_of(&bytes);
    assert_eq!(report["chain"]["height"], 999);
    assert_eq!(report["chain"]["orphans"], 2313);
    assert_eq!(report["chain"]["goes_on_at"], Value::Null);
    assert_eq!(report["files"]["out_of_order"], 0);
}

#[test]
fn files_written_to_a_moment_ago_are_no_sign_of_a_node() {
    let trial = Trial::new(&Chain::of_coinbases(3));
    // What is copied with a folder: the lock's file, and a pid file that names a process.
    fs::write(trial.datadir.blocks.join(".lock"), b"").unwrap();
    fs::write(
        trial.datadir.blocks.join("../bitcoind.pid"),
        std::process::id().to_string(),
    )
    .unwrap();
    let (code, report) = doctor(&trial, &[]);
    assert_eq!(code, Some(0));
    assert_eq!(report["node"]["running"], false);
    assert_eq!(report["node"]["sign"], Value::Null);
    assert!(report["node"]["written_seconds_ago"].as_u64().unwrap() < 3600);
    assert!(!report["warnings"].to_string().contains("node"));
}

#[test]
fn a_record_larger_than_any_block_is_named_with_its_place_and_length() {
    let chain = Chain::of_coinbases(5);
    let trial = Trial::with(
        &chain,
        chain.made(),
        Layout {
            key: None,
            ..Layout::default()
        },
    );
    let mut bytes = fs::read(trial.datadir.file(0)).unwrap();
    bytes[4..8].copy_from_slice(&4_000_001_u32.to_le_bytes());
    fs::write(trial.datadir.file(0), bytes).unwrap();
    let (code, report) = doctor(&trial, &[]);
    assert_eq!(code, Some(1));
    assert_eq!(report["files"]["oversize_records"], 1);
    let found = &report["files"]["oversize"][0];
    assert_eq!(
        (&found["file"], &found["offset_bytes"]),
        (&Value::from(0), &Value::from(0))
    );
    assert_eq!(found["bytes"], 4_000_001);
}

#[test]
fn what_the_doctor_says_of_the_index_folder_the_import_says_before_the_first_block() {
    let trial = Trial::new(&Chain::of_coinbases(3));
    let index = trial
        .options
        .index
        .with_file_name("not-there")
        .join("index");
    let run = |what: &str, force: &[&str]| {
        let mut command: Command = blkdex(what, &index);
        command
            .arg("--datadir")
            .arg(&trial.datadir.path)
            .args(force);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout)
    };
    let said = format!(
        "the folder {} of the index is not there: make it, or name another file with --index",
        index.parent().unwrap().display()
    );
    assert!(run("doctor", &[]).contains(&format!("problem: {said}")));
    let words = run("import", &[]);
    assert!(
        words.contains(&format!("{said}; --force imports all the same")),
        "{words}"
    );
    let words = run("import", &["--force"]);
    assert!(words.contains(&format!("warning: {said}")), "{words}");
    assert!(words.contains("cannot"), "{words}");
}
