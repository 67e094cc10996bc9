//! Every row and every column, against the blocks decoded by the `bitcoin` crate.

use std::collections::HashMap;

use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash;
use bitcoin::hex::DisplayHex;
use bitcoin::{Address, Block, Network, OutPoint, Script, TxOut, Witness};
use parquet::record::{Field, Row};

use crate::common::chain::Chain;
use crate::common::fixtures::data;
use crate::common::random;
use crate::set::{Scene, TABLES};

/// A value of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Value {
    Null,
    Flag(bool),
    Int(i64),
    /// Seconds.
    Time(u32),
    Text(String),
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        Value::Int(value as i64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Flag(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::Text(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

fn found(row: &Row) -> Vec<(String, Value)> {
    let value = |field: &Field| match field {
        Field::Null => Value::Null,
        Field::Bool(flag) => Value::Flag(*flag),
        Field::Long(number) => Value::Int(*number),
        Field::TimestampMicros(micros) => Value::Time((micros / 1_000_000) as u32),
        Field::Str(text) => Value::Text(text.clone()),
        Field::Bytes(bytes) => Value::Text(bytes.data().to_lower_hex_string()),
        other => panic!("{other:?}"),
    };
    row.get_column_iter()
        .map(|(name, field)| (name.clone(), value(field)))
        .collect()
}

/// A coin as rows tell it.
#[derive(Clone)]
struct Coin {
    output: TxOut,
    height: usize,
    is_coinbase: bool,
}

type Rows = Vec<Vec<(String, Value)>>;

/// What the tables must hold.
#[derive(Default)]
struct Expected {
    tables: [Rows; 4],
    coins: HashMap<OutPoint, Coin>,
    times: Vec<u32>,
    work: u128,
}

/// A row, written as `name: value`.
macro_rules! row {
    ($($name:literal: $value:expr),* $(,)?) => {
        vec![$(($name.to_owned(), Value::from($value))),*]
    };
}

fn type_of(script: &Script) -> String {
    let name = match script {
        _ if script.is_p2pkh() => "pubkeyhash",
        _ if script.is_p2sh() => "scripthash",
        _ if script.is_p2wpkh() => "witness_v0_keyhash",
        _ if script.is_p2wsh() => "witness_v0_scripthash",
        _ if script.is_p2tr() => "witness_v1_taproot",
        _ if script.is_p2pk() => "pubkey",
        _ if script.is_multisig() => "multisig",
        _ if script.as_bytes() == [0x51, 2, 0x4e, 0x73] => "anchor",
        _ if script.is_witness_program() => "witness_unknown",
        _ if script.is_op_return() => "nulldata",
        _ => "nonstandard",
    };
    name.to_owned()
}

fn address(script: &Script) -> Option<String> {
    let address = Address::from_script(script, Network::Regtest);
    address.ok().map(|address| address.to_string())
}

/// Bytes of a witness as serialized.
fn witness_size(witness: &Witness, is_segwit: bool) -> usize {
    if is_segwit {
        serialize(witness).len()
    } else {
        0
    }
}

impl Expected {
    fn of(blocks: &[Block]) -> Expected {
        let mut expected = Expected::default();
        for (height, block) in blocks.iter().enumerate() {
            expected.add(height, block);
        }
        expected
    }

    fn add(&mut self, height: usize, block: &Block) {
        let hash = block.block_hash().to_string();
        let time = || Value::Time(block.header.time);
        let (mut fees, mut paid_by_all, mut inputs) = (0, 0, 0);
        for (index, tx) in block.txdata.iter().enumerate() {
            let txid = tx.compute_txid();
            let is_coinbase = index == 0;
            let is_segwit = tx.input.iter().any(|input| !input.witness.is_empty());
            let mut spent = 0;
            for (number, input) in tx.input.iter().enumerate().filter(|_| !is_coinbase) {
                let coin = self.coins.remove(&input.previous_output).unwrap();
                spent += coin.output.value.to_sat() as i64;
                inputs += 1;
                let script = &coin.output.script_pubkey;
                self.tables[2].push(row! {
                    "transaction_hash": txid.to_string(),
                    "index": number,
                    "block_hash": hash.clone(),
                    "block_number": height,
                    "block_timestamp": time(),
                    "spent_transaction_hash": input.previous_output.txid.to_string(),
                    "spent_output_index": i64::from(input.previous_output.vout),
                    "script_hex": input.script_sig.to_hex_string(),
                    "sequence": i64::from(input.sequence.0),
                    "witness_items": input.witness.len(),
                    "witness_size": witness_size(&input.witness, is_segwit),
                    "value": coin.output.value.to_sat() as i64,
                    "type": type_of(script),
                    "address": address(script),
                    "spent_script_hex": script.to_hex_string(),
                    "spent_block_number": coin.height,
                    "spent_is_coinbase": coin.is_coinbase,
                });
            }
            let paid: i64 = tx
                .output
                .iter()
                .map(|output| output.value.to_sat() as i64)
                .sum();
            paid_by_all += paid;
            for (vout, output) in (0..).zip(&tx.output) {
                let script = &output.script_pubkey;
                let is_spendable = height > 0 && !script.is_op_return() && script.len() <= 10_000;
                let coin = Coin {
                    output: output.clone(),
                    height,
                    is_coinbase,
                };
                self.coins.insert(OutPoint { txid, vout }, coin);
                self.tables[3].push(row! {
                    "transaction_hash": txid.to_string(),
                    "index": i64::from(vout),
                    "block_hash": hash.clone(),
                    "block_number": height,
                    "block_timestamp": time(),
                    "value": output.value.to_sat() as i64,
                    "type": type_of(script),
                    "address": address(script),
                    "script_hex": script.to_hex_string(),
                    "is_coinbase": is_coinbase,
                    "is_spendable": is_spendable,
                });
            }
            let fee = (!is_coinbase).then_some(spent - paid);
            fees += fee.unwrap_or(0);
            self.tables[1].push(row! {
                "hash": txid.to_string(),
                "index": index,
                "block_hash": hash.clone(),
                "block_number": height,
                "block_timestamp": time(),
                "version": i64::from(tx.version.0),
                "lock_time": i64::from(tx.lock_time.to_consensus_u32()),
                "size": tx.total_size(),
                "virtual_size": tx.vsize(),
                "weight": tx.weight().to_wu() as i64,
                "is_coinbase": is_coinbase,
                "input_count": if is_coinbase { 0 } else { tx.input.len() },
                "output_count": tx.output.len(),
                "input_value": (!is_coinbase).then_some(spent),
                "output_value": paid,
                "fee": fee,
            });
        }
        self.add_block(height, block, (fees, paid_by_all, inputs));
    }

    fn add_block(&mut self, height: usize, block: &Block, (fees, paid, inputs): (i64, i64, i64)) {
        let header = &block.header;
        self.times.push(header.time);
        let mut last: Vec<u32> = self.times.iter().rev().take(11).copied().collect();
        last.sort_unstable();
        // Regtest's blocks have little work, so sixteen bytes do.
        let work = header.work().to_be_bytes();
        self.work += u128::from_be_bytes(work[16..].try_into().unwrap());
        let weight = block.weight().to_wu() as usize;
        let outputs: usize = block.txdata.iter().map(|tx| tx.output.len()).sum();
        self.tables[0].push(row! {
            "hash": block.block_hash().to_string(),
            "number": height,
            "previous_block_hash": header.prev_blockhash.to_string(),
            "version": i64::from(header.version.to_consensus()),
            "merkle_root": header.merkle_root.to_string(),
            "timestamp": Value::Time(header.time),
            "median_timestamp": Value::Time(last[last.len() / 2]),
            "nonce": i64::from(header.nonce),
            "bits": format!("{:08x}", header.bits.to_consensus()),
            "size": block.total_size(),
            "stripped_size": (weight - block.total_size()) / 3,
            "weight": weight,
            "coinbase_param": block.txdata[0].input[0].script_sig.to_hex_string(),
            "transaction_count": block.txdata.len(),
            "input_count": inputs,
            "output_count": outputs,
            "output_value": paid,
            "fee": fees,
            "chainwork": format!("{:064x}", self.work),
        });
    }
}

/// Compares every row of the set with the blocks.
pub fn check(scene: &Scene) {
    let expected = Expected::of(&scene.blocks());
    for (table, expected) in TABLES.iter().zip(&expected.tables) {
        let rows = scene.rows(table);
        assert_eq!(rows.len(), expected.len(), "{table}");
        for (row, expected) in rows.iter().zip(expected) {
            assert_eq!(&found(row), expected, "{table}");
        }
    }
}

#[test]
fn every_row_of_a_nodes_chain_is_what_its_blocks_say() {
    let scene = Scene::of_copy(&data());
    let answer = scene.export(&["--until", "tip", "--blocks-per-file", "100"]);
    check(&scene);
    scene.check_whole(267);
    let rows: Vec<u64> = TABLES
        .iter()
        .map(|table| scene.rows(table).len() as u64)
        .collect();
    let told: Vec<u64> = (0..4)
        .map(|at| answer["tables"][at]["rows"].as_u64().unwrap())
        .collect();
    assert_eq!(rows, told);
}

#[test]
fn rows_are_the_same_in_small_groups_with_repeated_coinbases_and_stale_siblings() {
    for seed in 0..4 {
        let options = random::Options {
            blocks: 60,
            repeat_every: 6,
            ..Default::default()
        };
        let scene = Scene::of(&Chain::random(seed, options), 6_000);
        scene.export(&[
            "--until",
            "tip",
            "--row-group-rows",
            "7",
            "--blocks-per-file",
            "13",
        ]);
        check(&scene);
    }
}

#[test]
fn binary_hashes_are_the_printed_ones() {
    let scene = Scene::of_copy(&data());
    scene.export(&["--until", "tip", "--hashes", "binary"]);
    // Compared as text: the bytes come in the order in which they are printed.
    check(&scene);
    let name = &scene.names("blocks")[0];
    let bytes = std::fs::read(scene.dir().join("blocks").join(name)).unwrap();
    let tip = scene.blocks().last().unwrap().block_hash();
    let mut printed = tip.to_byte_array();
    printed.reverse();
    assert!(bytes.windows(32).any(|window| window == printed));
}
