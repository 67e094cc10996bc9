//! `verify` and `export` as commands: what they print, and with which exit code.
#![allow(clippy::unwrap_used)]

mod common;

use assert_cmd::Command;
use common::fixtures::{data, imported};
use common::program::told;
use common::trial::Trial;
use serde_json::Value;

/// Runs the program; returns exit code, stdout and stderr.
fn blkdex(imported: &Trial, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("blkdex").unwrap();
    let output = command
        .env("BLKDEX_INDEX", imported.index())
        .current_dir(imported.folder.path())
        .args(args)
        .output()
        .unwrap();
    told(output)
}

#[test]
fn verify_prints_core_s_numbers_and_its_exit_code_says_whether_they_are_equal() {
    let (imported, core) = imported("data");
    let (code, out, err) = blkdex(
        &imported,
        &["verify", "--undo", "--hash-serialized", "--json"],
    );
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let said: Value = serde_json::from_str(&out).unwrap();
    let stats = &core["stats"]["267"];
    for field in ["txouts", "bogosize", "muhash", "total_amount_sat"] {
        assert_eq!(said[field], stats[field], "{field}");
    }
    assert_eq!(said["hash"], core["tip_hash"]);
    assert_eq!(said["hash_serialized_3"], core["hash_serialized_3"]);
    assert_eq!(said["undo"]["blocks"], 267);

    let node = |muhash: &str| {
        let amount = said["total_amount_sat"].as_u64().unwrap();
        format!(
            r#"{{"height": 267, "bestblock": {}, "txouts": {}, "bogosize": {}, "muhash": "{muhash}",
                "total_amount": {}}}"#,
            said["hash"],
            said["txouts"],
            said["bogosize"],
            blkdex::primitives::bitcoins(amount)
        )
    };
    let right = node(said["muhash"].as_str().unwrap());
    for (text, expected) in [(right, 0), (node(&"00".repeat(32)), 1), ("{}".into(), 1)] {
        std::fs::write(imported.folder.path().join("node.json"), text).unwrap();
        let (code, out, err) = blkdex(&imported, &["verify", "--expect", "node.json"]);
        assert_eq!(code, Some(expected), "{err}");
        assert_eq!(out.contains("equal to what the node said"), expected == 0);
        assert_eq!(err.lines().count(), expected as usize, "{err}");
    }
    let both = ["verify", "--expect", "node.json", "--at", "5"];
    assert_eq!(blkdex(&imported, &both).0, Some(1), "the file is none");
    assert_eq!(blkdex(&imported, &["verify", "--at", "268"]).0, Some(1));
    assert_eq!(blkdex(&imported, &["verify", "--memory", "20M"]).0, Some(2));
    assert_eq!(blkdex(&imported, &["verify", "--at", "x"]).0, Some(2));
}

#[test]
fn exports_go_to_a_file_once_or_to_stdout() {
    let (imported, core) = imported("data");
    let to_file = [
        "export", "utxos", "--format", "snapshot", "-o", "set.dat", "--json",
    ];
    let (code, out, err) = blkdex(&imported, &to_file);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["coins"], core["stats"]["267"]["txouts"]);
    let file = std::fs::read(imported.folder.path().join("set.dat")).unwrap();
    let (code, _, err) = blkdex(&imported, &to_file);
    assert_eq!(code, Some(1));
    assert_eq!(
        err,
        "blkdex: set.dat is there already; --force replaces it\n"
    );
    assert_eq!(
        blkdex(&imported, &[&to_file[..], &["--force"]].concat()).0,
        Some(0)
    );
    assert!(std::fs::read(imported.folder.path().join("set.dat")).unwrap() == file);

    let lines = |args: &[&str]| blkdex(&imported, args).1.lines().count() as u64;
    let coins = core["stats"]["267"]["txouts"].as_u64().unwrap();
    assert_eq!(
        lines(&["export", "utxos", "--format", "csv", "-o", "-"]),
        coins + 1
    );
    let top = [
        "export", "balances", "--format", "jsonl", "--top", "3", "-o", "-",
    ];
    assert_eq!(lines(&top), 3);
    assert_eq!(
        blkdex(&imported, &["export", "utxos", "-o", "x"]).0,
        Some(2)
    );
    let nowhere = ["export", "utxos", "--format", "csv", "-o", "no/where"];
    assert_eq!(blkdex(&imported, &nowhere).0, Some(1));
}

#[test]
fn a_missing_block_file_or_a_cut_undo_file_is_one_line() {
    let imported = Trial::of_copy(&data()).imported_every(50);
    let rev = imported.file("rev00002.dat");
    let bytes = std::fs::read(&rev).unwrap();
    std::fs::write(&rev, &bytes[..bytes.len() / 3]).unwrap();
    std::fs::rename(imported.file("blk00011.dat"), imported.file("away")).unwrap();
    for args in [
        &["verify"][..],
        &["verify", "--undo"],
        &["export", "balances", "--format", "csv", "-o", "out"],
    ] {
        let (code, out, err) = blkdex(&imported, args);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}");
        assert!(
            err.lines().count() == 1 && err.contains("blk00011.dat"),
            "{err}"
        );
    }
    std::fs::rename(imported.file("away"), imported.file("blk00011.dat")).unwrap();
    let (code, _, err) = blkdex(&imported, &["verify", "--undo"]);
    assert_eq!(code, Some(1));
    assert!(
        err.lines().count() == 1 && err.contains("rev00002.dat"),
        "{err}"
    );
    assert!(!imported.folder.path().join("out").exists());
}
