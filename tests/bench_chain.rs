//! The bench's chain, in small: valid by the `bitcoin` crate's rules, and as its facts say.
#![allow(clippy::unwrap_used)]

#[path = "bench/coins.rs"]
mod coins;
mod common;
#[path = "bench/files.rs"]
mod files;
#[path = "bench/generate.rs"]
mod generate;
#[path = "bench/hash.rs"]
mod hash;
#[path = "bench/script.rs"]
mod script;
#[path = "bench/txs.rs"]
mod txs;
#[path = "bench/undo.rs"]
mod undo;

use bitcoin::consensus::encode::deserialize;
use bitcoin::{Address, Block, Network, ScriptBuf};
use common::datadir::MAGIC;
use common::rng;
use common::truth::Truth;
use generate::{Params, chain};
use miniscript::{Descriptor, DescriptorPublicKey};
use serde_json::Value;
use std::path::Path;

/// All blocks of a datadir with one file.
fn blocks(datadir: &Path) -> Vec<Block> {
    let folder = datadir.join("regtest/blocks");
    let key = std::fs::read(folder.join("xor.dat")).unwrap();
    let mut bytes = std::fs::read(folder.join("blk00000.dat")).unwrap();
    assert_eq!(bytes.len() % (16 << 20), 0, "the tail is preallocated");
    bytes
        .iter_mut()
        .zip(key.iter().cycle())
        .for_each(|(byte, key)| *byte ^= key);
    let mut blocks = Vec::new();
    let mut rest = &bytes[..];
    while let Some(record) = rest.strip_prefix(&MAGIC) {
        let length = u32::from_le_bytes(record[..4].try_into().unwrap()) as usize;
        blocks.push(deserialize(&record[4..4 + length]).unwrap());
        rest = &record[4 + length..];
    }
    blocks
}

fn check_amounts(truth: &Truth, block: &Block, height: u32) {
    for tx in &block.txdata[1..] {
        let coins = tx.input.iter().map(|input| {
            let number = truth
                .outputs
                .iter()
                .rposition(|o| o.outpoint == input.previous_output);
            &truth.outputs[number.unwrap()]
        });
        let received_sat: u64 = coins.map(|coin| coin.amount_sat).sum();
        let paid_sat: u64 = tx.output.iter().map(|output| output.value.to_sat()).sum();
        assert!(received_sat >= paid_sat, "{height}");
    }
}

fn check_script(truth: &Truth, facts: &Value) {
    let script = ScriptBuf::from_hex(facts["script"].as_str().unwrap()).unwrap();
    let address: Address<_> = facts["address"].as_str().unwrap().parse().unwrap();
    let address = address.require_network(Network::Regtest).unwrap();
    assert_eq!(address.script_pubkey(), script);
    let balance = truth.balance(&script, truth.height());
    assert_eq!(facts["outputs"], balance.outputs);
    assert_eq!(facts["received_sat"], balance.received_sat);
}

/// The descriptor of a wallet gives the scripts that were paid.
fn check_wallet(truth: &Truth, facts: &Value) {
    let descriptor = facts["descriptor"].as_str().unwrap();
    let descriptor: Descriptor<DescriptorPublicKey> = descriptor.parse().unwrap();
    assert_eq!(facts["range"], "1,1000");
    let (mut outputs, mut received_sat) = (0, 0);
    for index in 1..=1000 {
        let script = descriptor.at_derivation_index(index).unwrap();
        let balance = truth.balance(&script.script_pubkey(), truth.height());
        outputs += balance.outputs;
        received_sat += balance.received_sat;
    }
    assert!(outputs > 0);
    assert_eq!(facts["outputs"], outputs);
    assert_eq!(facts["received_sat"], received_sat);
}

#[test]
fn the_chain_of_the_bench_is_valid_and_as_its_facts_say() {
    let folder = tempfile::tempdir().unwrap();
    for plain in [false, true] {
        let params = Params {
            bytes: 3_000_000,
            seed: 5,
            plain,
        };
        let (datadir, facts) = chain(folder.path(), params).unwrap();
        let mut truth = Truth::default();
        for (block, height) in blocks(&datadir).iter().zip(0..) {
            assert!(block.header.validate_pow(block.header.target()).is_ok());
            assert!(block.check_merkle_root() && block.check_witness_commitment());
            assert!(block.weight().to_wu() < 4_000_000);
            assert!(height == 0 || block.header.prev_blockhash == truth.hashes[height - 1]);
            // The crate does not know that Bitcoin Core writes heights up to 16 as one opcode.
            assert!(height <= 16 || block.bip34_block_height() == Ok(height as u64));
            // No coinbase is spent before it has a hundred confirmations, too.
            truth.apply(block).unwrap();
            if height < 110 {
                check_amounts(&truth, block, height as u32);
            }
        }
        let counts = truth.counts[truth.height() as usize];
        assert_eq!(facts["blocks"], truth.hashes.len());
        assert_eq!(
            facts["hash"],
            truth.hashes[truth.hashes.len() - 1].to_string()
        );
        assert_eq!(facts["txs"], counts.txs);
        assert_eq!(facts["inputs"], counts.inputs);
        assert_eq!(facts["outputs"], counts.outputs);
        assert_eq!(facts["coins"], counts.coins);
        check_script(&truth, &facts["script_10"]);
        check_script(&truth, &facts["service"]);
        check_wallet(&truth, &facts["wallet"]);
        assert_eq!(chain(folder.path(), params).unwrap().1, facts, "made once");
    }
}
