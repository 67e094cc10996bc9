//! Wallets: what a descriptor of many scripts owns is what its scripts own.

use crate::common::chain::{Chain, Plan, SUBSIDY_SAT};
use crate::common::parts::{owner, spend};
use crate::common::rng::Rng;
use crate::common::trial::Trial;
use crate::{answer, refusal};
use bitcoin::{OutPoint, ScriptBuf};
use blkdex::primitives::{Height, NetworkName};
use blkdex::query::View;
use blkdex::query::script::{Asked, Wallet, parse_any};
use blkdex::query::wallet::Extent;
use serde_json::Value;
use std::collections::BTreeSet;

/// Bitcoin Core, `test/functional/rpc_deriveaddresses.py`.
const KEY: &str = "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B";

fn wallet(text: &str) -> Wallet {
    match parse_any(text, NetworkName::Regtest).unwrap() {
        Asked::Wallet(wallet) => wallet,
        Asked::Script(script) => panic!("one script, {script}"),
    }
}

fn script_at(wallet: &Wallet, branch: usize, index: u32) -> ScriptBuf {
    wallet.branches()[branch].scripts_at(index).unwrap()[0].clone()
}

/// A block that pays these.
fn pay(chain: &mut Chain, scripts: Vec<ScriptBuf>) {
    let share = SUBSIDY_SAT / scripts.len() as u64;
    let pay = scripts.into_iter().map(|script| (script, share)).collect();
    chain.grow_with(Plan {
        pay: Some(pay),
        ..Plan::default()
    });
}

/// A chain whose coinbases pay scripts of the wallet and others; later some of them are spent, in part to it.
fn random_chain(rng: &mut Rng, wallet: &Wallet) -> Chain {
    let mut chain = Chain::new();
    let script = |rng: &mut Rng| match rng.below(4) {
        0 => owner(rng.below(9)),
        _ => {
            let branch = rng.below(wallet.branches().len() as u64) as usize;
            let scripts = wallet.branches()[branch].scripts_at(rng.below(12) as u32);
            rng.pick(&scripts.unwrap()).clone()
        }
    };
    for _ in 0..120 {
        let scripts = (0..rng.between(1, 3)).map(|_| script(rng)).collect();
        pay(&mut chain, scripts);
    }
    for height in 1..=15 {
        let coin = chain.coin(chain.best()[height]);
        let sat = rng.between(1, SUBSIDY_SAT / 4);
        let tx = spend(&[coin], &[(script(rng), sat), (script(rng), 7)]);
        chain.grow(&[tx]);
    }
    chain
}

#[test]
fn a_wallet_is_the_sum_of_its_scripts_at_every_height() {
    for (seed, text) in [
        format!("wpkh({KEY}/<0;1>/*)"),
        format!("combo({KEY}/1/*)"),
        format!("wsh(sortedmulti(1,{KEY}/<2;3;4>/*,{KEY}/5/*))"),
        format!("tr({KEY}/0/*,pk({KEY}/1/*))"),
        format!("sortedmulti(1,{KEY}/<0;1>/*)"),
    ]
    .into_iter()
    .enumerate()
    {
        let wallet = wallet(&text);
        let mut rng = Rng::new(seed as u64);
        let indexed = Trial::new(&random_chain(&mut rng, &wallet)).imported();
        let index = indexed.open();
        for height in [0, 1, 5, rng.below(136) as u32, rng.below(136) as u32, 135] {
            let mut view = View::new(&index, Some(Height(height)), None).unwrap();
            let extent = Extent::GapLimit(12);
            let (mut sums, mut coins, mut used) = ([0; 3], BTreeSet::new(), 0);
            for branch in wallet.branches() {
                // Nothing at index 12 or above was ever paid: a gap of twelve ends behind them all.
                for script in (0..12).flat_map(|index| branch.scripts_at(index).unwrap()) {
                    let one = view.balance(&script, false).unwrap();
                    sums[0] += one.received_sat;
                    sums[1] += one.sent_sat;
                    sums[2] += one.balance_sat;
                    used += u64::from(one.outputs > 0);
                    let utxos = view.utxos(&script, false).unwrap().utxos;
                    coins.extend(
                        utxos
                            .into_iter()
                            .map(|utxo| (script.clone(), utxo.outpoint)),
                    );
                }
            }
            let all = view.wallet_balance(&wallet, extent, false).unwrap();
            assert_eq!(
                [all.received_sat, all.sent_sat, all.balance_sat],
                sums,
                "{text} at {height}"
            );
            assert_eq!(all.used_scripts, used);
            let branches = all.branches.iter().map(|branch| branch.balance_sat);
            assert_eq!(branches.sum::<u128>(), all.balance_sat);
            let found = view.wallet_utxos(&wallet, extent, false).unwrap();
            assert_eq!(found.total_sat, all.balance_sat);
            assert_eq!(found.utxos.len() as u64, all.unspent);
            assert!(found.utxos.is_sorted_by_key(|utxo| utxo.utxo.height));
            let found: BTreeSet<(ScriptBuf, Option<OutPoint>)> = found
                .utxos
                .into_iter()
                .map(|utxo| (utxo.script, utxo.utxo.outpoint))
                .collect();
            assert_eq!(found, coins, "{text} at {height}");
        }
    }
}

/// Indexes 0 and 4 are used, 1 to 3 are not.
#[test]
fn a_gap_as_long_as_the_limit_ends_the_search_and_a_shorter_one_does_not() {
    let text = format!("wpkh({KEY}/0/*)");
    let wallet = wallet(&text);
    let mut chain = Chain::new();
    pay(&mut chain, vec![script_at(&wallet, 0, 0)]);
    pay(&mut chain, vec![script_at(&wallet, 0, 4)]);
    let indexed = Trial::new(&chain).imported();
    let balance = |more: &[&str]| -> Value {
        let args = [&["--json", "balance", &text], more].concat();
        serde_json::from_str(&answer(indexed.index(), &args)).unwrap()
    };
    for (more, coins, last, next) in [
        (&["--gap-limit", "3"][..], 1, 3, 1),
        (&["--gap-limit", "4"], 2, 8, 5),
        (&[], 2, 24, 5),
        (&["--gap-limit", "1"], 1, 1, 1),
        (&["--gap-limit", "1", "--at", "0"], 0, 0, 0),
        (&["--range", "0,3"], 1, 3, 1),
        (&["--range", "4,4"], 1, 4, 5),
        (&["--range", "5,9"], 0, 9, 5),
        (
            &["--range", "2147483647,2147483647"],
            0,
            2_147_483_647,
            2_147_483_647,
        ),
    ] {
        let answer = balance(more);
        assert_eq!(answer["unspent"], coins, "{more:?}");
        let branch = &answer["branches"][0];
        assert_eq!(
            (&branch["last_index"], &branch["next_unused_index"]),
            (&last.into(), &next.into()),
            "{more:?}"
        );
    }
    let args = ["--json", "balance", &text, "--gap-limit", "4", "--each"];
    let lines = answer(indexed.index(), &args);
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 9, "the gap is answered too");
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line["derived"]["index"], number);
        assert_eq!(line["derived"]["used"], number == 0 || number == 4);
        assert_eq!(
            line["script"],
            script_at(&wallet, 0, number as u32).to_hex_string()
        );
    }
    let err = refusal(indexed.index(), 2, &["history", &text]);
    assert!(err.contains("--each"), "{err}");
    let each = answer(
        indexed.index(),
        &["history", &text, "--each", "--range", "4,4"],
    );
    assert!(
        each.contains("branch 0, index 4") && each.contains("1 events"),
        "{each}"
    );
}
