//! What the doctor says of datadirs that are not as they should be.

use std::process::Command;

use super::blkdex;
use crate::common::chain::Chain;
use crate::common::datadir::Layout;
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
