//! What transactions and blocks say of themselves in JSON, against another reader of the same bytes.

use bitcoin::consensus::encode::deserialize_hex;
use bitcoin::{Script, Transaction};
use blkdex::index::Index;
use blkdex::primitives::Height;
use blkdex::query::{BlockName, View};
use serde_json::Value;

use crate::common::fixtures::data;
use crate::common::trial::Trial;

/// Bitcoin Core's name for the type, as far as the `bitcoin` crate tells it.
fn type_of(script: &Script) -> Option<&'static str> {
    let known = [
        (script.is_p2pk(), "pubkey"),
        (script.is_p2pkh(), "pubkeyhash"),
        (script.is_p2sh(), "scripthash"),
        (script.is_p2wpkh(), "witness_v0_keyhash"),
        (script.is_p2wsh(), "witness_v0_scripthash"),
        (script.is_p2tr(), "witness_v1_taproot"),
    ];
    known.into_iter().find(|(is, _)| *is).map(|(_, name)| name)
}

fn expect_parts(named: &Value) {
    let whole = named["outpoint"].as_str().unwrap();
    let parts = format!("{}:{}", named["txid"].as_str().unwrap(), named["vout"]);
    assert_eq!(whole, parts);
}

fn expect_type(typed: &Value, types: &mut Vec<String>) {
    let script = typed["script"].as_str().unwrap();
    let script = bitcoin::ScriptBuf::from_hex(script).unwrap();
    let name = typed["type"].as_str().unwrap();
    if let Some(known) = type_of(&script) {
        assert_eq!(name, known, "{script}");
    }
    types.push(name.to_owned());
}

fn expect_tx(said: &Value, tx: &Transaction, types: &mut Vec<String>) {
    assert_eq!(said["txid"], tx.compute_txid().to_string());
    assert_eq!(said["wtxid"], tx.compute_wtxid().to_string());
    assert_eq!(said["size"], tx.total_size());
    assert_eq!(said["weight"], tx.weight().to_wu());
    assert_eq!(said["vsize"], tx.vsize());
    assert_eq!(said["version"], tx.version.0);
    assert_eq!(said["locktime"], tx.lock_time.to_consensus_u32());
    let inputs = said["inputs"].as_array().unwrap();
    assert_eq!(inputs.is_empty(), tx.is_coinbase());
    for (said, input) in inputs.iter().zip(&tx.input) {
        expect_parts(said);
        expect_type(said, types);
        assert_eq!(said["outpoint"], input.previous_output.to_string());
        assert_eq!(said["sequence"], input.sequence.0);
        let has_witnesses = tx.input.iter().any(|input| !input.witness.is_empty());
        let size = if has_witnesses {
            input.witness.size()
        } else {
            0
        };
        assert_eq!(said["witness_items"], input.witness.len());
        assert_eq!(said["witness_size"], size);
    }
    let outputs = said["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), tx.output.len());
    outputs.iter().for_each(|output| expect_type(output, types));
}

#[test]
fn transactions_say_what_their_bytes_say_and_blocks_which_they_have() {
    let trial = Trial::of(&data()).imported();
    let index = Index::open(trial.index()).unwrap();
    let mut view = View::new(&index, None, None).unwrap();
    let (mut types, mut count) = (Vec::new(), 0);
    for height in (0..=267).step_by(3) {
        let name = BlockName::Height(Height(height));
        let block = view.block(name, true).unwrap();
        let txids = block.txids.clone().unwrap();
        assert_eq!(txids.len() as u64, block.txs);
        assert_eq!(view.block(name, false).unwrap().txids, None);
        let mut root: Vec<_> = txids.iter().map(|txid| txid.to_raw_hash()).collect();
        let root = bitcoin::merkle_tree::calculate_root_inline(&mut root);
        assert_eq!(root, Some(block.merkle_root.to_raw_hash()));
        for txid in txids {
            // Nothing spends the genesis block's, and the index has no txid of it.
            let Ok(info) = view.tx(txid, true) else {
                assert_eq!(height, 0);
                continue;
            };
            let tx = deserialize_hex(info.hex.as_ref().unwrap()).unwrap();
            let said = serde_json::to_value(&info).unwrap();
            assert_eq!(said["block_hash"], block.hash.to_string());
            expect_tx(&said, &tx, &mut types);
            count += 1;
        }
    }
    assert!(count > 400, "{count}");
    types.sort();
    types.dedup();
    assert!(types.len() > 6, "{types:?}");
}

#[test]
fn lists_name_outputs_whole_and_in_parts_and_the_type_of_the_script() {
    let trial = Trial::of(&data()).imported();
    let index = Index::open(trial.index()).unwrap();
    let mut view = View::new(&index, None, None).unwrap();
    let address = "bcrt1qyq8dns7p6a20s5w8jd8a52nvrngkx2r5nqdmn5u7zkweuphul4nsvnjjf0";
    let script = blkdex::query::script::parse(address, view.network()).unwrap();
    let utxos = serde_json::to_value(view.utxos(&script, false).unwrap()).unwrap();
    assert_eq!(utxos["type"], "witness_v0_scripthash");
    for utxo in utxos["utxos"].as_array().unwrap() {
        expect_parts(utxo);
        let height = utxo["height"].as_u64().unwrap() as u32;
        let block = view
            .block(BlockName::Height(Height(height)), false)
            .unwrap();
        assert_eq!(utxo["time"], block.time);
    }
    let history = serde_json::to_value(view.history(&script, false).unwrap()).unwrap();
    for event in history["events"].as_array().unwrap() {
        let whole = event["outpoint"].as_str().unwrap();
        let txid = event["outpoint_txid"].as_str().unwrap();
        assert_eq!(whole, format!("{txid}:{}", event["vout"]));
        let is_receive = event["kind"] == "receive";
        assert_eq!(event["txid"] == txid, is_receive, "{event}");
    }
    let balance = serde_json::to_value(view.balance(&script, false).unwrap()).unwrap();
    assert_eq!(balance["type"], utxos["type"]);
}
