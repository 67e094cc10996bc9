//! Every answer about real chains is Bitcoin Core's (`expected.json`, beside the block files).
#![allow(clippy::unwrap_used)]

mod common;

use bitcoin::ScriptBuf;
use blkdex::primitives::Height;
use blkdex::query::{EventKind, View, script};
use common::fixtures::{data, expected, fixture, scripts};
use common::trial::Trial;
use serde_json::Value;
use std::path::Path;

#[test]
fn every_script_has_the_sums_that_core_gives() {
    let (core, indexed) = (expected(&data()), Trial::of(&data()).imported());
    let index = indexed.open();
    let mut view = View::new(&index, None, None).unwrap();
    let scripts = scripts(&core);
    assert_eq!(scripts.len(), 4217);
    for (script, said) in scripts {
        let balance = view.balance(&script, true).unwrap();
        let address = balance.address.as_ref().map(ToString::to_string);
        assert_eq!(address.as_deref(), said[0].as_str(), "{script}");
        let sums = [
            balance.received_sat,
            balance.sent_sat,
            balance.outputs.into(),
            balance.spends.into(),
        ];
        for (at, sum) in sums.into_iter().enumerate() {
            let said = said[at + 1].as_u64().map(u128::from);
            assert_eq!(Some(sum), said, "{script} field {at}");
        }
        assert_eq!(balance.balance_sat, balance.received_sat - balance.sent_sat);
        assert_eq!(balance.unspent, balance.outputs - balance.spends);
        assert_eq!(
            view.utxos(&script, true).unwrap().total_sat,
            balance.balance_sat
        );
        let history = view.history(&script, true).unwrap();
        assert_eq!(
            history.events.len() as u64,
            balance.outputs + balance.spends
        );
        assert_eq!(
            history.events.last().unwrap().balance_sat,
            balance.balance_sat
        );
        if let Some(address) = address {
            assert_eq!(script::parse(&address, view.network()).unwrap(), script);
        }
    }
}

#[test]
fn all_full_histories_are_those_of_core() {
    let (core, indexed) = (expected(&data()), Trial::of(&data()).imported_every(50));
    let index = indexed.open();
    let mut view = View::new(&index, None, None).unwrap();
    let histories = core["histories"].as_object().unwrap();
    assert_eq!(histories.len(), 40);
    for (hex, said) in histories {
        let history = view
            .history(&ScriptBuf::from_hex(hex).unwrap(), true)
            .unwrap();
        let (mut funding, mut spending) = (Vec::new(), Vec::new());
        for event in history.events {
            let outpoint = event.outpoint.unwrap().to_string();
            match event.kind {
                EventKind::Receive => funding.push(serde_json::json!([
                    outpoint,
                    event.amount_sat,
                    event.height
                ])),
                EventKind::Spend => spending.push(serde_json::json!([
                    outpoint,
                    event.txid,
                    event.input_index,
                    event.height
                ])),
            }
        }
        let sorted = |said: &Value| {
            let mut rows = said.as_array().unwrap().clone();
            rows.sort_by_key(Value::to_string);
            rows
        };
        assert_eq!(
            sorted(&Value::Array(funding)),
            sorted(&said["funding"]),
            "{hex}"
        );
        assert_eq!(
            sorted(&Value::Array(spending)),
            sorted(&said["spending"]),
            "{hex}"
        );
    }
}

#[test]
fn counts_of_regtest_at_every_height_are_those_of_core() {
    counts_are_those_of_core(&data());
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn counts_of_mainnet_and_signet_at_every_height_are_those_of_core() {
    counts_are_those_of_core(&fixture("mainnet-4312"));
    counts_are_those_of_core(&fixture("signet-120"));
}

fn counts_are_those_of_core(datadir: &Path) {
    let (core, indexed) = (expected(datadir), Trial::of(datadir).imported());
    let index = indexed.open();
    for (height, said) in core["stats"].as_object().unwrap() {
        let at = Some(Height(height.parse().unwrap()).into());
        let status = View::new(&index, at, None).unwrap().status().unwrap();
        assert_eq!(
            Some(status.coins),
            said["txouts"].as_u64(),
            "height {height}"
        );
        if let Some(hash) = said["bestblock"].as_str() {
            assert_eq!(status.hash.to_string(), hash);
        }
    }
    let status = View::new(&index, None, None).unwrap().status().unwrap();
    let totals = &core["totals"];
    // Of two fixtures the coinbases' inputs were counted too.
    let coinbases = totals.get("inputs_with_coinbases").map(|_| status.blocks);
    let inputs = totals
        .get("inputs")
        .or(totals.get("inputs_with_coinbases"))
        .unwrap();
    assert_eq!(
        Some(status.inputs + coinbases.unwrap_or(0)),
        inputs.as_u64()
    );
    assert_eq!(Some(status.txs), totals["txs"].as_u64());
    assert_eq!(Some(status.outputs), totals["outputs"].as_u64());
    assert_eq!(
        Some(status.hash.to_string().as_str()),
        core["tip_hash"].as_str()
    );
}
