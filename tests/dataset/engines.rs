//! DuckDB and Spark read the set: the same questions, in the same words, and both answer what blkdex and Bitcoin
//! Core answer.
//!
//! The questions are the files in `sql/`; `engines.py` asks them. `schema.json` is the set as each engine sees it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;

use bitcoin::{Address, Block, Network, Transaction};
use serde_json::{Value, json};

use crate::common::fixtures::{data, expected, fixture, shared};
use crate::common::trial::Trial;
use crate::generate::{Params, chain};
use crate::set::Scene;

/// What an engine says.
pub struct Said {
    pub answers: BTreeMap<String, Vec<Vec<Value>>>,
    schema: Value,
}

/// Asks these questions about the scene's set.
pub fn ask(scene: &Scene, engine: &str, sql: &BTreeMap<String, String>) -> Said {
    let questions = scene.trial.folder.path().join("questions.json");
    std::fs::write(&questions, json!({"sql": sql, "schema": true}).to_string()).unwrap();
    let output = Command::new("python3")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/dataset/engines.py"
        ))
        .arg(engine)
        .arg(scene.dir())
        .arg(questions)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{engine}: {words}");
    let text = String::from_utf8(output.stdout).unwrap();
    let said: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    Said {
        answers: serde_json::from_value(said["answers"].clone()).unwrap(),
        schema: said["schema"].clone(),
    }
}

/// The questions of `sql/` about this height, transaction and address.
fn questions(height: u32, txid: &str, address: &str) -> BTreeMap<String, String> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dataset/sql"));
    let entries = std::fs::read_dir(folder).unwrap();
    let questions: BTreeMap<String, String> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.replace("${height}", &height.to_string());
            let text = text.replace("${txid}", txid).replace("${address}", address);
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), text)
        })
        .collect();
    assert_eq!(questions.len(), 11);
    questions
}

/// What a command of blkdex answers, as JSON.
fn blkdex(scene: &Scene, args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_blkdex"))
        .args(args)
        .args(["--json", "--index"])
        .arg(scene.trial.index())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {words}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The lines that `blkdex export` writes.
fn lines(scene: &Scene, args: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_blkdex"))
        .arg("export")
        .args(args)
        .args(["--format", "jsonl", "--quiet", "--output", "-", "--index"])
        .arg(scene.trial.index())
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn int(value: &Value) -> i64 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn check_utxo_set(said: &Said, scene: &Scene, height: u32) {
    let verified = blkdex(scene, &["verify", "--at", &height.to_string(), "--quiet"]);
    let row = &said.answers["1_utxo_set"][0];
    assert_eq!(row[0], verified["txouts"]);
    assert_eq!(row[1], verified["total_amount_sat"]);
}

fn check_fees(said: &Said, scene: &Scene, heights: &[u32]) {
    for row in &said.answers["3_block_fees"] {
        assert_eq!(row[1], row[2], "block {}", row[0]);
    }
    for height in heights {
        let block = blkdex(scene, &["block", &height.to_string()]);
        let row = &said.answers["3_block_fees"][*height as usize];
        assert_eq!(
            (int(&row[0]), &row[1]),
            (i64::from(*height), &block["fees_sat"])
        );
    }
    for row in said.answers["3_transaction_fees"].iter().take(5) {
        let tx = blkdex(scene, &["tx", row[0].as_str().unwrap()]);
        assert_eq!(row[3], tx["fee_sat"], "{tx}");
    }
    assert_eq!(said.answers["3_overpaid"], [[json!(0)]]);
}

/// The richest, as far as ties leave no choice.
fn check_richest(said: &Said, scene: &Scene) {
    let richest = lines(scene, &["balances", "--top", "1000"]);
    let found = &said.answers["4_richest"];
    assert_eq!(found.len(), richest.len());
    let least = richest.last().unwrap()["balance_sat"].clone();
    let ours: HashMap<&str, &Value> = richest
        .iter()
        .map(|line| (line["script"].as_str().unwrap(), line))
        .collect();
    for (row, line) in found.iter().zip(&richest) {
        assert_eq!(row[2], line["balance_sat"]);
        match ours.get(row[0].as_str().unwrap()) {
            Some(line) => {
                assert_eq!(row[1], line["address"]);
                assert_eq!((&row[2], &row[3]), (&line["balance_sat"], &line["unspent"]));
            }
            None => assert_eq!(row[2], least),
        }
    }
}

/// Coins by age, of all coins at the height.
fn check_ages(said: &Said, scene: &Scene, height: u32) {
    let mut ages: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for coin in lines(scene, &["utxos", "--at", &height.to_string()]) {
        let days = (i64::from(height) - int(&coin["height"])) / 144;
        let age = ages.entry(days).or_default();
        *age = (age.0 + 1, age.1 + int(&coin["amount_sat"]));
    }
    let found = said.answers["5_ages"].iter().map(|row| {
        let sums = (int(&row[1]), int(&row[2]));
        (int(&row[0]), sums)
    });
    let found: BTreeMap<_, _> = found.filter(|(_, sums)| sums.0 > 0).collect();
    assert_eq!(found, ages);
}

fn date(time: u32) -> (i64, i64, i64) {
    let text = blkdex::ledger::numbers::date(time);
    let mut parts = text[..10].split('-').map(|part| part.parse().unwrap());
    let mut next = || parts.next().unwrap();
    (next(), next(), next())
}

/// Days destroyed, and types, out of the blocks themselves.
fn check_blocks(said: &Said, blocks: &[Block]) {
    let mut made: HashMap<bitcoin::OutPoint, (u64, u32)> = HashMap::new();
    let mut destroyed: BTreeMap<(i64, i64, i64), f64> = BTreeMap::new();
    let mut months: BTreeMap<(i64, i64), (i64, i64)> = BTreeMap::new();
    for block in blocks {
        let time = block.header.time;
        let (year, month, _) = date(time);
        let spending = |tx: &&Transaction| !tx.is_coinbase();
        for tx in &block.txdata {
            for input in Some(tx).filter(spending).iter().flat_map(|tx| &tx.input) {
                let (amount_sat, then) = made.remove(&input.previous_output).unwrap();
                let days = (f64::from(time) - f64::from(then)) / 86400.0;
                *destroyed.entry(date(time)).or_default() += amount_sat as f64 / 1e8 * days;
            }
            let txid = tx.compute_txid();
            for (vout, output) in (0..).zip(&tx.output) {
                let amount_sat = output.value.to_sat();
                made.insert(bitcoin::OutPoint { txid, vout }, (amount_sat, time));
                let sums = months.entry((year, month)).or_default();
                *sums = (sums.0 + 1, sums.1 + amount_sat as i64);
            }
        }
    }
    let found = &said.answers["5_days_destroyed"];
    assert_eq!(found.len(), destroyed.len());
    for (row, (day, days)) in found.iter().zip(&destroyed) {
        assert_eq!((int(&row[0]), int(&row[1]), int(&row[2])), *day);
        let difference = (row[3].as_f64().unwrap() - days).abs();
        assert!(difference <= days.abs() * 1e-9 + 1e-9, "{row:?}: {days}");
    }
    let mut of_types: BTreeMap<(i64, i64), (i64, i64)> = BTreeMap::new();
    for row in &said.answers["5_types_by_month"] {
        let sums = of_types.entry((int(&row[0]), int(&row[1]))).or_default();
        *sums = (sums.0 + int(&row[3]), sums.1 + int(&row[4]));
    }
    assert_eq!(of_types, months);
}

/// A transaction and an address, looked for.
fn check_looked_for(said: &Said, tx: &Transaction, height: u32, balance: &Value) {
    let found = &said.answers["6_transaction"];
    assert_eq!(found.len(), tx.output.len());
    for (row, output) in found.iter().zip(&tx.output) {
        assert_eq!(
            (int(&row[0]), int(&row[4])),
            (height.into(), output.value.to_sat() as i64)
        );
    }
    let found = &said.answers["6_address"];
    let sum = |column: usize| found.iter().map(|row| int(&row[column])).sum::<i64>();
    assert_eq!(sum(3), int(&balance["received_sat"]));
    assert_eq!(sum(4), int(&balance["sent_sat"]));
}

/// What Core said of scripts, where it did: address, received, sent, outputs, spends. And every balance.
fn check_scripts(said: &Said, scene: &Scene, core: &Value) {
    let found = &said.answers["2_scripts"];
    let owners = found.iter().filter(|row| row[1] != row[2]).count();
    let balances = lines(scene, &["balances"]);
    assert_eq!(owners, balances.len());
    let found: HashMap<&str, &Vec<Value>> = found
        .iter()
        .map(|row| (row[0].as_str().unwrap(), row))
        .collect();
    for line in &balances {
        let row = found[line["script"].as_str().unwrap()];
        assert_eq!(int(&row[1]) - int(&row[2]), int(&line["balance_sat"]));
        assert_eq!(int(&row[3]) - int(&row[4]), int(&line["unspent"]));
    }
    for (script, said) in core["scripts"].as_object().into_iter().flatten() {
        let row = found[&script[..]];
        assert_eq!(row[1..], said.as_array().unwrap()[1..], "{script}");
    }
}

/// Asks both engines everything about a chain, and compares.
fn check(scene: &Scene, network: Network, core: Option<&Value>) {
    let height = scene.trial.status().height.0;
    scene.export(&["--until", "tip", "--blocks-per-file", "500"]);
    let blocks = scene.blocks();
    let at = blocks.iter().rposition(|block| block.txdata.len() > 1);
    let at = at.unwrap_or(height as usize);
    let tx = blocks[at].txdata.last().unwrap();
    let txs = blocks.iter().rev().flat_map(|block| &block.txdata);
    let with_address = txs.flat_map(|tx| &tx.output).find_map(|output| {
        let address = Address::from_script(&output.script_pubkey, network).ok();
        address.map(|address| address.to_string())
    });
    let address = with_address.unwrap();
    let balance = blkdex(scene, &["balance", &address]);
    let earlier = height * 2 / 3;
    for engine in ["duckdb", "spark"] {
        let mut sql = questions(height, &tx.compute_txid().to_string(), &address);
        if core.is_none() {
            // Of a large chain the richest do.
            sql.remove("2_scripts");
        }
        let before = questions(earlier, "", "");
        sql.insert("then".to_owned(), before["1_utxo_set"].clone());
        let mut said = ask(scene, engine, &sql);
        check_utxo_set(&said, scene, height);
        check_fees(&said, scene, &[0, 1, earlier, height]);
        check_richest(&said, scene);
        check_ages(&said, scene, height);
        check_blocks(&said, &blocks);
        check_looked_for(&said, tx, at as u32, &balance);
        if let Some(core) = core {
            check_scripts(&said, scene, core);
            let stats = &core["stats"][height.to_string()];
            let said = &said.answers["1_utxo_set"][0];
            assert_eq!(
                said[..],
                [stats["txouts"].clone(), stats["total_amount_sat"].clone()]
            );
        }
        let then = said.answers.remove("then").unwrap();
        said.answers.insert("1_utxo_set".to_owned(), then);
        check_utxo_set(&said, scene, earlier);
        check_schema(engine, &said.schema);
    }
}

/// The set as the engine sees it is as it always was.
fn check_schema(engine: &str, found: &Value) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dataset/schema.json");
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(&golden[engine], found, "{engine}: {found}");
}

/// A fixture without undo files, validated by Core's engine, which writes its own.
fn with_undo(name: &str, network: &str) -> Scene {
    let trial = Trial::of(&fixture(name));
    let datadir = trial.folder.path().join("core");
    let output = Command::new("python3")
        .arg(shared().join("tools/core_datadir.py"))
        .arg(network)
        .arg(&datadir)
        .arg(&trial.datadir.blocks)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let folder = trial.folder;
    let written = crate::common::datadir::Datadir::found(&datadir);
    let trial = Trial::begin(folder, written).imported();
    Scene { trial }
}

#[test]
#[cfg_attr(without_duckdb, ignore = "needs duckdb")]
#[cfg_attr(without_pyspark, ignore = "needs pyspark")]
fn both_engines_answer_what_core_says_of_a_nodes_chain() {
    let scene = Scene::of_copy(&data());
    check(&scene, Network::Regtest, Some(&expected(&data())));
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
#[cfg_attr(without_bitcoinkernel, ignore = "needs bitcoinkernel")]
#[cfg_attr(without_duckdb, ignore = "needs duckdb")]
#[cfg_attr(without_pyspark, ignore = "needs pyspark")]
fn both_engines_answer_what_core_says_of_mainnets_first_blocks() {
    let scene = with_undo("mainnet-4312", "main");
    check(
        &scene,
        Network::Bitcoin,
        Some(&expected(&fixture("mainnet-4312"))),
    );
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
#[cfg_attr(without_bitcoinkernel, ignore = "needs bitcoinkernel")]
#[cfg_attr(without_duckdb, ignore = "needs duckdb")]
#[cfg_attr(without_pyspark, ignore = "needs pyspark")]
fn both_engines_answer_what_core_says_of_signets_first_blocks() {
    let scene = with_undo("signet-120", "signet");
    check(
        &scene,
        Network::Signet,
        Some(&expected(&fixture("signet-120"))),
    );
}

#[test]
#[cfg_attr(without_duckdb, ignore = "needs duckdb")]
#[cfg_attr(without_pyspark, ignore = "needs pyspark")]
fn both_engines_answer_what_blkdex_says_of_a_large_chain() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dataset-chains");
    let params = Params {
        bytes: 300_000_000,
        seed: 3,
        plain: false,
    };
    let (datadir, _) = chain(&cache, params).unwrap();
    let trial = Trial::of(&datadir).imported();
    check(&Scene { trial }, Network::Regtest, None);
}
