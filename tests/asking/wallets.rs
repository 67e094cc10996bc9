//! Wallets: what a descriptor of many scripts owns is what its scripts own.

use crate::answer;
use crate::common::chain::{Chain, Plan, SUBSIDY_SAT};
use crate::common::parts::{output_of, owner, spend};
use crate::common::rng::Rng;
use crate::common::trial::Trial;
use crate::common::truth::Truth;
use crate::lists::joined;
use bitcoin::{OutPoint, ScriptBuf};
use blkdex::Result;
use blkdex::memory::QUESTION_BYTES_MIN;
use blkdex::primitives::{Height, NetworkName};
use blkdex::query::script::{Asked, Wallet, parse_any};
use blkdex::query::wallet::{Extent, WalletUtxo};
use blkdex::query::{AT_ONCE_MAX, Listing, Start, View};
use serde_json::Value;
use std::collections::HashMap;

/// Bitcoin Core, `test/functional/rpc_deriveaddresses.py`.
pub const KEY: &str = "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B";

pub fn wallet(text: &str) -> Wallet {
    match parse_any(text, NetworkName::Regtest).unwrap() {
        Asked::Wallet(wallet) => wallet,
        Asked::Script(script) => panic!("one script, {script}"),
    }
}

pub fn script_at(wallet: &Wallet, branch: usize, index: u32) -> ScriptBuf {
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

/// Where in the wallet its scripts are, up to index 12 of each branch.
pub fn places(wallet: &Wallet) -> HashMap<ScriptBuf, (usize, u32)> {
    let mut places = HashMap::new();
    for (number, branch) in wallet.branches().iter().enumerate() {
        for index in 0..12 {
            for script in branch.scripts_at(index).unwrap() {
                places.insert(script, (number, index));
            }
        }
    }
    places
}

type Coin = (Option<OutPoint>, u64, u32, (usize, u32));

/// The unspent outputs of a wallet at a height, in chain order, as a replay has them.
fn true_coins(truth: &Truth, places: &HashMap<ScriptBuf, (usize, u32)>, height: u32) -> Vec<Coin> {
    let mut coins = Vec::new();
    for output in truth
        .outputs
        .iter()
        .filter(|output| output.height <= height)
    {
        let is_there = output.gone.is_none_or(|gone| gone.height > height);
        if let Some(place) = places.get(&output.script).filter(|_| is_there) {
            let outpoint = Some(output.outpoint);
            coins.push((outpoint, output.amount_sat, output.height, *place));
        }
    }
    coins
}

/// A part of its unspent outputs, and where it goes on.
fn unspent(
    view: &mut View<'_>,
    wallet: &Wallet,
    listing: &Listing,
) -> (Vec<WalletUtxo>, Option<Start>) {
    let extent = Extent::GapLimit(12);
    let mut list = view.wallet_unspent(wallet, extent, listing).unwrap();
    let rows = list.by_ref().collect::<Result<_>>().unwrap();
    (rows, list.answer().next)
}

fn coins(rows: &[WalletUtxo]) -> Vec<Coin> {
    let coin = |row: &WalletUtxo| {
        let utxo = &row.utxo;
        let place = (row.branch, row.index.unwrap());
        (utxo.outpoint, utxo.amount_sat, utxo.height.0, place)
    };
    rows.iter().map(coin).collect()
}

/// A chain whose coinbases pay scripts of the wallet and others; later some of them are spent, in part to it, and at once
/// again.
pub fn random_chain(rng: &mut Rng, wallet: &Wallet) -> Chain {
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
    for height in (1..=20).step_by(2) {
        let mut coins = vec![chain.coin(chain.best()[height])];
        if rng.below(2) == 0 {
            coins.push(chain.coin(chain.best()[height + 1]));
        }
        let sat = rng.between(1, SUBSIDY_SAT / 4);
        let tx = spend(&coins, &[(script(rng), sat), (script(rng), 7)]);
        let next = spend(&[output_of(&tx, 0)], &[(script(rng), sat - 1)]);
        chain.grow(&[tx, next]);
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
        let chain = random_chain(&mut rng, &wallet);
        let (truth, places) = (Truth::of_best(&chain), places(&wallet));
        let indexed = Trial::new(&chain).imported();
        let index = indexed.open();
        for height in [0, 1, 5, rng.below(131) as u32, rng.below(131) as u32, 130] {
            let mut view = View::new(&index, Some(Height(height).into()), None).unwrap();
            let (mut sums, mut used) = ([0; 3], 0);
            for script in places.keys() {
                let one = view.balance(script, false).unwrap();
                sums[0] += one.received_sat;
                sums[1] += one.sent_sat;
                sums[2] += one.balance_sat;
                used += u64::from(one.outputs > 0);
            }
            // Nothing at index 12 or above was ever paid: a gap of twelve ends behind them all.
            let extent = Extent::GapLimit(12);
            let all = view.wallet_balance(&wallet, extent, false).unwrap();
            assert_eq!(
                [all.received_sat, all.sent_sat, all.balance_sat],
                sums,
                "{text} at {height}"
            );
            assert_eq!(all.used_scripts, used);
            let branches = all.branches.iter().map(|branch| branch.balance_sat);
            assert_eq!(branches.sum::<u128>(), all.balance_sat);
            let (found, next) = unspent(&mut view, &wallet, &Listing::default());
            assert_eq!((found.len() as u64, next), (all.unspent, None));
            let expected = true_coins(&truth, &places, height);
            assert_eq!(coins(&found), expected, "{text} at {height}");
            let list = view.wallet_unspent(&wallet, extent, &Listing::default());
            assert_eq!(list.unwrap().answer().total_sat, all.balance_sat);
        }
    }
}

/// More coins than are read at once, and than are sorted in memory: of two branches, mixed.
#[test]
fn pages_of_a_wallet_joined_are_its_coins_in_chain_order() {
    const A_BLOCK: u32 = 3_000;
    let wallet = wallet(&format!("wpkh({KEY}/<0;1>/*)"));
    let places = places(&wallet);
    let mut chain = Chain::new();
    for block in 0..3 {
        let script = |number: u32| match number % 10 {
            9 => owner(1),
            _ => script_at(&wallet, (number % 2) as usize, (number / 10 + block) % 12),
        };
        pay(&mut chain, (0..A_BLOCK).map(script).collect());
    }
    let truth = Truth::of_best(&chain);
    let indexed = Trial::new(&chain).imported();
    let index = indexed.open();
    let view = View::new(&index, None, None).unwrap();
    let mut view = view.within(QUESTION_BYTES_MIN).unwrap();
    let expected = true_coins(&truth, &places, 3);
    assert!(expected.len() > 4 * AT_ONCE_MAX);
    for check in [false, true] {
        let listing = Listing {
            check,
            ..Listing::default()
        };
        let (whole, next) = unspent(&mut view, &wallet, &listing);
        assert_eq!(next, None);
        assert!(coins(&whole) == expected);
        for row in &whole {
            let script = script_at(&wallet, row.branch, row.index.unwrap());
            assert_eq!(
                (&row.script, row.utxo.confirmations),
                (&script, 4 - row.utxo.height.0)
            );
        }
        let mut rng = Rng::new(1);
        let pages = joined(&mut rng, listing, |page| unspent(&mut view, &wallet, &page));
        assert!(pages == whole);
        let part = Listing {
            from: Start {
                height: Height(2),
                skip: 5,
            },
            until: Some(Height(2)),
            limit: Some(7),
            ..listing
        };
        let of_block = whole.iter().filter(|row| row.utxo.height == Height(2));
        let (rows, next) = unspent(&mut view, &wallet, &part);
        assert!(rows.iter().eq(of_block.skip(5).take(7)));
        assert_eq!(next.unwrap().to_string(), "2:12");
        let list = view
            .wallet_unspent(&wallet, Extent::GapLimit(12), &part)
            .unwrap();
        let total_sat: u64 = expected.iter().map(|coin| coin.1).sum();
        assert_eq!(list.answer().total_sat, u128::from(total_sat));
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
    let each = answer(
        indexed.index(),
        &["history", &text, "--each", "--range", "4,4"],
    );
    assert!(
        each.contains("branch 0, index 4") && each.contains("1 events"),
        "{each}"
    );
}
