//! Sums beyond 64 bits and fees below zero: legal in files that nobody validated.

use crate::answer;
use crate::case;
use crate::common::chain::{Chain, Plan};
use crate::common::parts::{owner, spend};
use crate::common::trial::Trial;
use crate::imported;
use crate::matured;
use std::fs::File;
use std::process::Command;

const MOST_SAT: u64 = 2_100_000_000_000_000;

fn has(text: &str, field: &str, number: &str) {
    let ends = [",", "}"].map(|end| format!("\"{field}\":{number}{end}"));
    assert!(
        ends.iter().any(|field| text.contains(field)),
        "{field} {number}: {text}"
    );
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn what_was_received_may_be_more_than_64_bits_hold() {
    let packed = File::open(case("received-overflow").join("blk00000.dat.gz")).unwrap();
    let mut gzip = Command::new("gzip");
    let plain = gzip.arg("-dc").stdin(packed).output().unwrap().stdout;
    let indexed = imported(&matured(&plain));
    let address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    let out = answer(indexed.index(), &["--json", "balance", address]);
    has(&out, "received_sat", "18902100000000000000");
    has(&out, "sent_sat", "18900000000000000000");
    has(&out, "balance_sat", "2100000000000000");
    let out = answer(indexed.index(), &["balance", address]);
    assert!(out.contains("189021000000.00000000"), "{out}");
}

/// 8,800 coinbases that pay 21 million bitcoin each to one script are more than 2^64 satoshis.
#[test]
fn all_sums_have_128_bits() {
    let mut chain = Chain::new();
    for _ in 0..8_800 {
        chain.grow_with(Plan {
            pay: Some(vec![(owner(0), MOST_SAT)]),
            ..Plan::default()
        });
    }
    let sum = (8_800 * u128::from(MOST_SAT)).to_string();
    let indexed = Trial::new(&chain).imported();
    let script = format!("raw({})", owner(0).to_hex_string());
    let json = |args: &[&str]| answer(indexed.index(), &[&["--json"], args].concat());
    has(&json(&["balance", &script]), "balance_sat", &sum);
    has(&json(&["utxos", &script]), "total_sat", &sum);
    has(&json(&["history", &script]), "balance_sat", &sum);
    has(&json(&["verify", "--quiet"]), "total_amount_sat", &sum);
    let out = indexed.folder.path().join("out");
    let out = out.to_str().unwrap();
    let export = |what: &str, more: &[&str]| {
        let args = [
            "export", what, "--format", "jsonl", "--quiet", "--force", "-o", out,
        ];
        json(&[&args, more].concat())
    };
    has(&export("utxos", &[]), "total_amount_sat", &sum);
    for top in [&[][..], &["--top", "1"]] {
        has(&export("balances", top), "balance_sat", &sum);
        let line = std::fs::read_to_string(out).unwrap();
        has(&line, "balance_sat", &sum);
        has(&line, "last_height", "8800");
    }
}

#[test]
fn a_fee_may_be_below_zero_and_a_coinbase_has_none() {
    let mut chain = Chain::of_coinbases(110);
    let coin = chain.coin(chain.best()[1]);
    let tx = spend(&[coin], &[(owner(1), 5_000_000_007)]);
    chain.grow(std::slice::from_ref(&tx));
    let txid = tx.compute_txid().to_string();
    let indexed = Trial::new(&chain).imported();
    let height = "111";
    let out = answer(indexed.index(), &["--json", "tx", &txid]);
    has(&out, "fee_sat", "-7");
    has(
        &answer(indexed.index(), &["--json", "block", height]),
        "fees_sat",
        "-7",
    );
    let out = answer(indexed.index(), &["tx", &txid]);
    assert!(out.contains("-0.00000007 BTC"), "{out}");
    let out = answer(indexed.index(), &["block", height]);
    assert!(out.contains("-0.00000007 BTC"), "{out}");
    let coinbase = answer(indexed.index(), &["--json", "tx", &coin.txid.to_string()]);
    has(&coinbase, "fee_sat", "null");
}

/// Two outputs are spent by one transaction, a third stays; then another script spends last.
#[test]
fn the_last_height_of_a_balance_is_the_last_event_be_it_a_spend() {
    let mut chain = Chain::new();
    let pay = vec![(owner(7), 5), (owner(7), 6), (owner(7), 7), (owner(8), 1)];
    let tip = chain.grow_with(Plan {
        pay: Some(pay),
        ..Plan::default()
    });
    let coin = chain.coin(tip);
    chain.mine_empty(tip, 104);
    let both = [coin, bitcoin::OutPoint { vout: 1, ..coin }];
    let tx = spend(&both, &[(owner(9), 11)]);
    chain.grow(&[tx]);
    chain.mine_empty(chain.tip(), 3);
    let indexed = Trial::new(&chain).imported();
    let heights = |at: &str, top: &[&str]| {
        let args = [
            "export", "balances", "--format", "csv", "--quiet", "-o", "-", "--at", at,
        ];
        let out = answer(indexed.index(), &[&args, top].concat());
        let of = |number| {
            let hex = owner(number).to_hex_string();
            let line = out.lines().find(|line| line.starts_with(&hex))?;
            let fields: Vec<&str> = line.split(',').skip(2).collect();
            Some(fields.join(","))
        };
        [7, 8, 9].map(of)
    };
    for top in [&[][..], &["--top", "10"]] {
        let now = ["7,1,1,106", "1,1,1,1", "11,1,106,106"];
        assert_eq!(heights("109", top), now.map(|line| Some(line.into())));
        let before = [Some("18,3,1,1".into()), Some("1,1,1,1".into()), None];
        assert_eq!(heights("105", top), before);
    }
}
