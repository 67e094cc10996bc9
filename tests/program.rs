//! The program's answers: their fields, and what is refused, with which exit code.
#![allow(clippy::unwrap_used)]

mod common;

use assert_cmd::Command;
use blkdex::primitives::Sha256Kernel;
use common::fixtures::{data, expected, scripts};
use common::program::told;
use common::trial::Trial;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

/// Runs the program; returns exit code, stdout and stderr.
fn blkdex(index: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("blkdex").unwrap();
    let output = command
        .env("BLKDEX_INDEX", index)
        .args(args)
        .output()
        .unwrap();
    told(output)
}

/// Runs a question with `--json`; returns an answer a line.
fn ask(index: &Path, args: &[&str]) -> Vec<Value> {
    let (code, out, err) = blkdex(index, &[&["--json"], args].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{args:?}");
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_program_answers_a_line_a_script() {
    let (core, indexed) = (expected(&data()), Trial::of(&data()).imported());
    let scripts: Vec<_> = scripts(&core).into_iter().step_by(50).collect();
    let names: Vec<String> = scripts
        .iter()
        .map(|(script, said)| match said[0].as_str() {
            Some(address) => format!("addr({address})"),
            None => script.to_hex_string(),
        })
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for command in ["balance", "utxos", "history"] {
        let answers = ask(indexed.index(), &[&[command], &names[..]].concat());
        assert_eq!(answers.len(), names.len());
        for (answer, (script, said)) in answers.iter().zip(&scripts) {
            let rest = said[1].as_u64().unwrap() - said[2].as_u64().unwrap();
            assert_eq!(answer["script"], script.to_hex_string());
            assert_eq!(answer["address"].as_str(), said[0].as_str());
            assert_eq!(answer["height"], 267);
            match command {
                "balance" => assert_eq!(answer["received_sat"], said[1]),
                "utxos" => assert_eq!(answer["total_sat"], rest),
                _ => assert_eq!(
                    answer["events"].as_array().unwrap().last().unwrap()["balance_sat"],
                    rest
                ),
            }
        }
    }
}

#[test]
fn every_way_to_make_sha_256_finds_the_same_and_another_is_refused() {
    let examine = |way: &str| {
        let mut command = Command::cargo_bin("blkdex").unwrap();
        command.env("BLKDEX_SHA256", way);
        let args = ["doctor", "--json", "-q", "--deep", "--check-witness"];
        told(
            command
                .args(args)
                .args(["--datadir", "data"])
                .output()
                .unwrap(),
        )
    };
    for kernel in Sha256Kernel::all() {
        let (code, out, err) = examine(kernel.name());
        assert_eq!((code, err.as_str()), (Some(0), ""), "{kernel}");
        let found: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(found["sha256"], kernel.to_string());
        assert_eq!(found["deep"]["txs"], 1609, "{kernel}");
        assert_eq!(found["deep"]["wrong_blocks"], 0, "{kernel}");
    }
    for way in ["", "AVX512", "md5"] {
        let (code, out, err) = examine(way);
        let words = format!("blkdex: BLKDEX_SHA256: \"{way}\" is no way to make SHA-256 here");
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.starts_with(&words) && err.lines().count() == 1, "{err}");
        assert!(err.ends_with("portable\n"), "{err}");
    }
}

#[test]
fn the_fields_are_called_as_documented() {
    let indexed = Trial::of(&data()).imported();
    let one = |args: &[&str]| ask(indexed.index(), args).remove(0);
    let has = |answer: &Value, fields: &str| {
        for field in fields.split(' ') {
            assert!(answer.get(field).is_some(), "{field} in {answer}");
        }
    };
    let spent = "8995eb3e7dd5b3f3fa280144de9ff5d93c9ca7b23555365200d7f7dcb1ab0721";
    has(
        &one(&["status"]),
        "network height hash blocks txs inputs outputs coins index_bytes",
    );
    let outpoint = one(&["outpoint", &format!("{spent}:1")]);
    has(
        &outpoint,
        "outpoint amount_sat script address height coinbase spent_by",
    );
    let by = &outpoint["spent_by"];
    assert_eq!(
        (&by["input_index"], &by["height"]),
        (&3.into(), &113.into())
    );
    let before = one(&["outpoint", &format!("{spent}:1"), "--at", "112"]);
    assert_eq!(before["spent_by"], Value::Null);
    let tx = one(&["tx", spent]);
    has(&tx, "txid height index size weight fee_sat inputs outputs");
    has(&tx["inputs"][0], "outpoint amount_sat script address");
    has(&tx["outputs"][1], "vout amount_sat script address spent_by");
    assert_eq!(tx["outputs"][1]["spent_by"], *by);
    let block = one(&["block", "112"]);
    has(
        &block,
        "height hash file offset bytes txs inputs outputs fees_sat",
    );
    assert_eq!(one(&["block", block["hash"].as_str().unwrap()]), block);
    let script = outpoint["address"].as_str().unwrap();
    has(
        &one(&["balance", script]),
        "script address height received_sat sent_sat balance_sat outputs spends unspent",
    );
    let utxos = one(&["utxos", script, "--at", "112"]);
    has(&utxos["utxos"][0], "outpoint amount_sat height coinbase");
    let events = one(&["history", script])["events"].take();
    has(
        &events[0],
        "height txid kind outpoint amount_sat input_index",
    );
    assert!(
        events
            .as_array()
            .unwrap()
            .iter()
            .any(|event| event["kind"] == "spend")
    );
}

#[test]
fn questions_without_answer_are_refused_in_one_line() {
    let indexed = Trial::of(&data()).imported();
    let zeros = "00".repeat(32);
    for (args, code, words) in [
        (
            vec!["balance", "12cbQLTFMXRnSzktFkuoG3eHoMeFtpTu3S"],
            2,
            "an address of main, but the index holds regtest",
        ),
        (vec!["utxos", "nonsense"], 2, "is no script"),
        (
            vec!["status", "--at", "268"],
            1,
            "height 268 is above the tip, 267",
        ),
        (vec!["block", "268"], 1, "above the tip"),
        (vec!["block", &zeros], 1, "in the chain of the index"),
        (vec!["tx", &zeros], 1, "no transaction"),
        (
            vec![
                "outpoint",
                &format!(
                    "{}:99",
                    "8995eb3e7dd5b3f3fa280144de9ff5d93c9ca7b23555365200d7f7dcb1ab0721"
                ),
            ],
            1,
            "there is no output 99",
        ),
        (
            vec!["status", "--index", "/nowhere"],
            1,
            "`blkdex import --datadir DIR --index /nowhere`",
        ),
        (vec!["balance", "51", "--datadir", "/nowhere"], 0, ""),
        (vec!["tx"], 2, "TXID"),
    ] {
        let (found, out, err) = blkdex(indexed.index(), &args);
        assert_eq!(found, Some(code), "{args:?}: {err}");
        assert!(err.contains(words), "{args:?}: {err}");
        assert!(code == 0 || out.is_empty());
        assert!(code != 1 || err.lines().count() == 1, "{err}");
    }
}

#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    let (core, indexed) = (expected(&data()), Trial::of(&data()).imported());
    let scripts = scripts(&core).into_iter();
    let names: Vec<String> = scripts.map(|(script, _)| script.to_hex_string()).collect();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_blkdex"));
    command
        .args(["history", "--index"])
        .arg(indexed.index())
        .args(names);
    let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut [0; 10])
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

#[test]
fn without_the_block_files_only_the_index_answers() {
    let indexed = Trial::of_copy(&data()).imported();
    let moved = indexed.folder.path().join("moved");
    let address = "mms7zrFdvSf77QkMBV8mZSRrWPJYA9EMmZ";
    let with = ask(indexed.index(), &["balance", address]).remove(0);
    assert_eq!(with["checked"], true);
    std::fs::rename(&indexed.datadir.path, &moved).unwrap();
    let without = ask(indexed.index(), &["balance", address]).remove(0);
    assert_eq!(without["checked"], false);
    assert_eq!(without["balance_sat"], with["balance_sat"]);
    ask(indexed.index(), &["status"]);
    // What the index has is told, and in one line what is missing.
    let (code, out, err) = blkdex(indexed.index(), &["utxos", address, "--json"]);
    assert_eq!((code, err.lines().count()), (Some(0), 1), "{err}");
    let utxos: Value = serde_json::from_str(&out).unwrap();
    assert!(
        utxos["total_sat"].is_u64() && utxos["checked"] == false,
        "{utxos}"
    );
    for args in [vec!["balance", address, "--check"], vec!["block", "1"]] {
        let (code, _, err) = blkdex(indexed.index(), &args);
        assert_eq!(code, Some(1));
        assert!(
            err.contains("this needs") && err.contains("--datadir"),
            "{err}"
        );
    }
    let moved = moved.to_str().unwrap();
    ask(indexed.index(), &["history", address, "--datadir", moved]);
    ask(
        indexed.index(),
        &[
            "block",
            "1",
            "--blocks-dir",
            &format!("{moved}/regtest/blocks"),
        ],
    );
}

#[test]
fn a_datadir_whose_blocks_lie_elsewhere_is_noticed() {
    let indexed = Trial::of_copy(&data()).imported();
    for (from, to) in [
        ("blk00000.dat", "x"),
        ("blk00001.dat", "blk00000.dat"),
        ("x", "blk00001.dat"),
    ] {
        std::fs::rename(indexed.file(from), indexed.file(to)).unwrap();
    }
    let (code, _, err) = blkdex(indexed.index(), &["block", "1"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("block 1 is not there any more; `blkdex import --index "),
        "{err}"
    );
}
