//! `export` against Bitcoin Core's snapshot, its balances, and the model.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use blkdex::error::unwatched;
use blkdex::export;
use blkdex::export::{
    BalancesFormat, BalancesOptions, Destination, Lines, UtxosFormat, UtxosOptions,
    export_balances, export_utxos,
};
use blkdex::memory;
use blkdex::primitives::Height;
use common::chain::Chain;
use common::fixtures::{fixture, imported};
use common::trial::{MEMORY_BYTES, Trial};
use common::truth::Truth;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn file(path: &Path) -> Destination {
    let path = path.to_owned();
    Destination::File { path, force: false }
}

fn utxos(imported: &Trial, at: Option<u32>, format: UtxosFormat) -> Vec<u8> {
    let path = imported.folder.path().join("out");
    let options = UtxosOptions {
        at: at.map(|height| Height(height).into()),
        memory_bytes: MEMORY_BYTES,
        ..UtxosOptions::new(format, file(&path))
    };
    let written = unwatched(|watch| export_utxos(imported.index(), &options, watch)).unwrap();
    assert_eq!(at.unwrap_or(written.height.0), written.height.0);
    taken(path)
}

fn balances(imported: &Trial, at: Option<u32>, lines: Lines, top: Option<u64>) -> String {
    String::from_utf8(balances_in(imported, at, lines.into(), top)).unwrap()
}

fn balances_in(
    imported: &Trial,
    at: Option<u32>,
    format: BalancesFormat,
    top: Option<u64>,
) -> Vec<u8> {
    let path = imported.folder.path().join("out");
    let options = BalancesOptions {
        at: at.map(|height| Height(height).into()),
        memory_bytes: MEMORY_BYTES,
        top,
        ..BalancesOptions::new(format, file(&path))
    };
    unwatched(|watch| export_balances(imported.index(), &options, watch)).unwrap();
    taken(path)
}

fn taken(path: PathBuf) -> Vec<u8> {
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    bytes
}

fn jsonl(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn a_snapshot_is_core_s_byte_for_byte() {
    let (imported, _) = imported("regtest-core31");
    let core = std::fs::read(fixture("regtest-core31").join("utxos.snapshot.dat")).unwrap();
    assert!(utxos(&imported, None, UtxosFormat::Snapshot) == core);
}

/// Core's name for the form of a script of the model.
fn type_of(script: &bitcoin::Script) -> &'static str {
    match script {
        _ if script.is_p2pkh() => "pubkeyhash",
        _ if script.is_p2sh() => "scripthash",
        _ if script.is_p2wpkh() => "witness_v0_keyhash",
        _ if script.is_p2wsh() => "witness_v0_scripthash",
        _ if script.is_p2tr() => "witness_v1_taproot",
        _ if script.is_p2pk() => "pubkey",
        _ if script.is_multisig() => "multisig",
        _ if script.is_witness_program() => "witness_unknown",
        _ => "nonstandard",
    }
}

/// The rows of a Parquet file, as JSON; numbers and texts only.
fn parquet_rows(bytes: Vec<u8>) -> Vec<Value> {
    use parquet::file::reader::FileReader;
    use parquet::file::serialized_reader::SerializedFileReader;
    use parquet::record::Field;
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let value = |field: &Field| match field {
        Field::Null => Value::Null,
        Field::Bool(flag) => (*flag).into(),
        Field::Long(number) => (*number).into(),
        Field::TimestampMicros(micros) => (micros / 1_000_000).into(),
        Field::Str(text) => text.as_str().into(),
        other => panic!("{other:?}"),
    };
    let rows = reader.get_row_iter(None).unwrap();
    let object = |row: parquet::record::Row| -> Value {
        let pairs = row.get_column_iter();
        let pairs = pairs.map(|(name, field)| (name.clone(), value(field)));
        Value::Object(pairs.collect())
    };
    rows.map(|row| object(row.unwrap())).collect()
}

#[test]
fn parquet_holds_what_the_lines_hold() {
    let (imported, _) = imported("data");
    for at in [None, Some(150)] {
        let lines = utxos(&imported, at, UtxosFormat::Lines(Lines::Jsonl));
        let lines = jsonl(std::str::from_utf8(&lines).unwrap());
        let rows = parquet_rows(utxos(&imported, at, UtxosFormat::Parquet));
        assert_eq!(rows.len(), lines.len());
        let mut hashes = std::collections::HashMap::new();
        for (row, line) in rows.iter().zip(&lines) {
            let pairs = [
                ("transaction_hash", "txid"),
                ("index", "vout"),
                ("block_number", "height"),
                ("block_timestamp", "block_time"),
                ("value", "amount_sat"),
                ("type", "type"),
                ("address", "address"),
                ("script_hex", "script"),
                ("is_coinbase", "coinbase"),
            ];
            for (column, field) in pairs {
                assert_eq!(row[column], line[field], "{column}");
            }
            assert_eq!(row["is_spendable"], true);
            let hash = hashes.entry(row["block_number"].to_string());
            assert_eq!(
                &row["block_hash"],
                hash.or_insert(row["block_hash"].clone())
            );
        }
        for top in [None, Some(50)] {
            let lines = jsonl(&balances(&imported, at, Lines::Jsonl, top));
            let rows = parquet_rows(balances_in(&imported, at, BalancesFormat::Parquet, top));
            assert_eq!(rows.len(), lines.len());
            for (row, line) in rows.iter().zip(&lines) {
                let pairs = [
                    ("script_hex", "script"),
                    ("address", "address"),
                    ("balance", "balance_sat"),
                    ("unspent", "unspent"),
                    ("first_block_number", "first_height"),
                    ("last_block_number", "last_height"),
                ];
                for (column, field) in pairs {
                    assert_eq!(row[column], line[field], "{column}");
                }
            }
        }
    }
}

#[test]
fn lines_hold_every_coin_of_the_model_at_every_height() {
    let options = common::random::Options {
        blocks: 25,
        repeat_every: 6,
        ..Default::default()
    };
    let chain = Chain::random(5, options);
    let truth = Truth::of_best(&chain);
    let imported = Trial::new(&chain).imported_every(7);
    for height in (0..=truth.height()).step_by(6) {
        let expected: Vec<Value> = truth
            .coins_at(height)
            .into_iter()
            .map(|number| {
                let coin = &truth.outputs[number];
                let address =
                    bitcoin::Address::from_script(&coin.script, bitcoin::Network::Regtest);
                serde_json::json!({
                    "outpoint": coin.outpoint.to_string(),
                    "height": coin.height,
                    "coinbase": coin.coinbase,
                    "amount_sat": coin.amount_sat,
                    "script": coin.script.to_hex_string(),
                    "address": address.ok().map(|address| address.to_string()),
                    "txid": coin.outpoint.txid.to_string(),
                    "vout": coin.outpoint.vout,
                    "type": type_of(&coin.script),
                    "block_time": chain.block(truth.hashes[coin.height as usize]).header.time,
                })
            })
            .collect();
        let text = utxos(&imported, Some(height), UtxosFormat::Lines(Lines::Jsonl));
        assert_eq!(jsonl(std::str::from_utf8(&text).unwrap()), expected);
        let text = utxos(&imported, Some(height), UtxosFormat::Lines(Lines::Csv));
        let text = String::from_utf8(text).unwrap();
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some("outpoint,height,coinbase,amount_sat,script,address,txid,vout,type,block_time")
        );
        for coin in &expected {
            let fields = [
                "outpoint",
                "height",
                "coinbase",
                "amount_sat",
                "script",
                "address",
                "txid",
                "vout",
                "type",
                "block_time",
            ];
            let plain = |field: &str| match &coin[field] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            assert_eq!(lines.next().unwrap(), fields.map(plain).join(","));
        }
        assert_eq!(lines.next(), None);
    }
}

#[test]
fn balances_equal_the_model_at_every_height() {
    let options = common::random::Options {
        blocks: 25,
        repeat_every: 6,
        ..Default::default()
    };
    let chain = Chain::random(9, options);
    let truth = Truth::of_best(&chain);
    let imported = Trial::new(&chain).imported_every(7);
    for height in (0..=truth.height()).step_by(6) {
        let mut expected = Vec::new();
        for script in truth.scripts() {
            let sums = truth.balance(script, height);
            let history = truth.history(script, height);
            let heights: Vec<u32> = history.iter().map(|event| event.height).collect();
            if sums.balance_sat > 0 {
                let first = truth
                    .outputs
                    .iter()
                    .position(|o| o.script == **script && o.spendable);
                let line = serde_json::json!({
                    "script": script.to_hex_string(),
                    "address": bitcoin::Address::from_script(script, bitcoin::Network::Regtest)
                        .ok().map(|address| address.to_string()),
                    "balance_sat": sums.balance_sat,
                    "unspent": sums.unspent,
                    "first_height": heights[0],
                    "last_height": heights[heights.len() - 1],
                });
                expected.push((first, line));
            }
        }
        expected.sort_by_key(|(first, _)| *first);
        let lines = |expected: &[(Option<usize>, Value)]| -> Vec<Value> {
            expected.iter().map(|(_, line)| line.clone()).collect()
        };
        let all = jsonl(&balances(&imported, Some(height), Lines::Jsonl, None));
        assert_eq!(all, lines(&expected), "{height}");
        let csv = balances(&imported, Some(height), Lines::Csv, None);
        assert_eq!(csv.lines().count(), expected.len() + 1);
        expected
            .sort_by_key(|(first, line)| (std::cmp::Reverse(line["balance_sat"].as_u64()), *first));
        for top in [0, 1, 7, 1000] {
            let richest = jsonl(&balances(&imported, Some(height), Lines::Jsonl, Some(top)));
            assert_eq!(
                richest,
                lines(&expected[..expected.len().min(top as usize)])
            );
        }
    }
}

#[test]
fn balances_equal_cores() {
    let (imported, expected) = imported("data");
    let found = jsonl(&balances(&imported, None, Lines::Jsonl, None));
    let mut owners = 0;
    for (script, numbers) in expected["scripts"].as_object().unwrap() {
        let number = |at: usize| numbers[at].as_u64().unwrap();
        let balance_sat = number(1) - number(2);
        let line = found.iter().find(|line| line["script"] == **script);
        owners += usize::from(balance_sat > 0);
        match line {
            Some(line) => {
                assert_eq!(line["balance_sat"], balance_sat);
                assert_eq!(line["unspent"], number(3) - number(4), "{script}");
                assert_eq!(line["address"], numbers[0]);
            }
            None => assert_eq!(balance_sat, 0),
        }
        if let (Some(line), Some(history)) = (line, expected["histories"].get(script)) {
            let heights = |list: &str, at: usize| -> Vec<u64> {
                let entries = history[list].as_array().unwrap().iter();
                entries.map(|entry| entry[at].as_u64().unwrap()).collect()
            };
            let heights = [heights("funding", 2), heights("spending", 3)].concat();
            assert_eq!(line["first_height"].as_u64(), heights.iter().min().copied());
            assert_eq!(line["last_height"].as_u64(), heights.iter().max().copied());
        }
    }
    assert_eq!(found.len(), owners);
}

#[test]
fn what_cannot_be_exported_leaves_nothing_behind() {
    let (imported, _) = imported("data");
    let out = imported.folder.path().join("out");
    let options = UtxosOptions {
        at: Some(Height(268).into()),
        memory_bytes: MEMORY_BYTES,
        ..UtxosOptions::new(UtxosFormat::Snapshot, file(&out))
    };
    let failed = |options: &UtxosOptions| {
        unwatched(|watch| export_utxos(imported.index(), options, watch)).unwrap_err()
    };
    failed(&options);
    let too_little = UtxosOptions {
        at: None,
        memory_bytes: 1 << 20,
        ..options.clone()
    };
    assert!(matches!(
        failed(&too_little).fault(),
        Some(memory::Fault::BudgetTooSmall { .. })
    ));
    let names = std::fs::read_dir(imported.folder.path()).unwrap().count();
    assert_eq!(names, 1, "only the index");
    std::fs::write(&out, "mine").unwrap();
    assert!(matches!(
        failed(&UtxosOptions {
            at: None,
            ..options
        })
        .fault(),
        Some(export::Fault::Exists { .. })
    ));
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
}
