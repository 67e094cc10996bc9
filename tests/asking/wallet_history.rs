//! The history of a wallet: one row a transaction, as a replay of the blocks has it.

use crate::answer;
use crate::common::chain::Chain;
use crate::common::rng::Rng;
use crate::common::trial::Trial;
use crate::lists::{MANY, joined, many, with_little_memory};
use crate::wallets::{KEY, places, random_chain, script_at, wallet};
use bitcoin::{OutPoint, ScriptBuf};
use blkdex::Result;
use blkdex::primitives::Height;
use blkdex::query::script::Wallet;
use blkdex::query::wallet::{Extent, WalletTx};
use blkdex::query::{Listing, Start, View};
use serde_json::Value;
use std::collections::HashMap;

/// What every transaction up to a height did to scripts.
fn replayed(chain: &Chain, is_own: impl Fn(&ScriptBuf) -> bool, height: u32) -> Vec<WalletTx> {
    let mut coins: HashMap<OutPoint, i128> = HashMap::new();
    let (mut rows, mut balance_sat) = (Vec::new(), 0);
    for (at, hash) in (0..=height).zip(chain.best()) {
        let block = chain.block(hash);
        for (number, tx) in block.txdata.iter().enumerate() {
            let (mut received_sat, mut sent_sat, mut own_inputs) = (0, 0, 0);
            for input in &tx.input {
                if let Some(sat) = coins.remove(&input.previous_output) {
                    sent_sat += sat;
                    own_inputs += 1;
                }
            }
            let txid = tx.compute_txid();
            for (vout, output) in (0..).zip(&tx.output) {
                if at > 0 && is_own(&output.script_pubkey) {
                    let sat = i128::from(output.value.to_sat());
                    received_sat += sat;
                    coins.insert(OutPoint { txid, vout }, sat);
                }
            }
            if received_sat == 0 && own_inputs == 0 {
                continue;
            }
            balance_sat += received_sat - sent_sat;
            let paid_sat = tx
                .output
                .iter()
                .map(|output| i128::from(output.value.to_sat()));
            let is_all_own = own_inputs == tx.input.len();
            rows.push(WalletTx {
                height: Height(at),
                confirmations: height - at + 1,
                time: block.header.time,
                txid: Some(txid),
                coinbase: Some(number == 0),
                received_sat: received_sat as u128,
                sent_sat: sent_sat as u128,
                net_sat: received_sat - sent_sat,
                fee_sat: is_all_own.then(|| sent_sat - paid_sat.sum::<i128>()),
                balance_sat: balance_sat as u128,
            });
        }
    }
    rows
}

fn history(
    view: &mut View<'_>,
    wallet: &Wallet,
    listing: Listing,
) -> (Vec<WalletTx>, Option<Start>) {
    let extent = Extent::GapLimit(12);
    let mut list = view.wallet_history(wallet, extent, &listing).unwrap();
    let rows = list.by_ref().collect::<Result<_>>().unwrap();
    (rows, list.answer().next)
}

fn checking(check: bool) -> Listing {
    Listing {
        check,
        ..Listing::default()
    }
}

#[test]
fn a_row_is_what_a_transaction_did_to_the_wallet_at_every_height() {
    let (mut with_fee, mut without_fee) = (0, 0);
    for (seed, text) in [
        format!("wpkh({KEY}/<0;1>/*)"),
        format!("combo({KEY}/1/*)"),
        format!("wsh(sortedmulti(1,{KEY}/<2;3;4>/*,{KEY}/5/*))"),
    ]
    .into_iter()
    .enumerate()
    {
        let wallet = wallet(&text);
        let places = places(&wallet);
        let mut rng = Rng::new(seed as u64);
        let chain = random_chain(&mut rng, &wallet);
        for keeps_txids in [false, true] {
            let mut trial = Trial::new(&chain);
            trial.options.keeps_txids = keeps_txids;
            let trial = trial.imported();
            let index = trial.open();
            for height in [0, 1, rng.below(131) as u32, 125, 130] {
                let mut view = View::new(&index, Some(Height(height).into()), None).unwrap();
                let expected = replayed(&chain, |script| places.contains_key(script), height);
                for check in [false, true] {
                    let mut expected = expected.clone();
                    // Whose the other inputs are only the block files tell.
                    if keeps_txids && !check {
                        expected.iter_mut().for_each(|row| row.fee_sat = None);
                    }
                    let (rows, next) = history(&mut view, &wallet, checking(check));
                    assert_eq!(next, None);
                    assert_eq!(rows, expected, "{text} at {height}, {keeps_txids}, {check}");
                    let pages = joined(&mut rng, checking(check), |page| {
                        history(&mut view, &wallet, page)
                    });
                    assert_eq!(pages, expected);
                    let spends = expected.iter().filter(|row| row.sent_sat > 0);
                    let (own, others): (Vec<_>, _) = spends.partition(|row| row.fee_sat.is_some());
                    with_fee += own.len();
                    without_fee += others.len() * usize::from(check);
                }
            }
        }
    }
    assert!(
        with_fee > 10 && without_fee > 10,
        "{with_fee}, {without_fee}"
    );
}

#[test]
fn without_blocks_and_txids_a_rows_sums_and_balances_are_there_still() {
    let text = format!("wpkh({KEY}/<0;1>/*)");
    let wallet = wallet(&text);
    let chain = random_chain(&mut Rng::new(7), &wallet);
    let trial = Trial::new(&chain).imported();
    let index = trial.open();
    let whole = |view: &mut View<'_>| history(view, &wallet, checking(false)).0;
    let before = whole(&mut View::new(&index, None, None).unwrap());
    std::fs::remove_dir_all(&trial.datadir.path).unwrap();
    let mut view = View::new(&index, None, None).unwrap();
    let rows = whole(&mut view);
    assert!(view.gone().is_some() && rows.len() > before.len());
    let sums = |rows: &[WalletTx]| -> (u128, u128) {
        let received_sat = rows.iter().map(|row| row.received_sat).sum();
        (received_sat, rows.iter().map(|row| row.sent_sat).sum())
    };
    assert_eq!(sums(&rows), sums(&before));
    let mut balance_sat = 0;
    for row in &rows {
        assert_eq!((row.txid, row.fee_sat), (None, None));
        balance_sat += row.net_sat;
        assert_eq!(row.balance_sat as i128, balance_sat);
    }
    assert_eq!(
        rows.last().unwrap().balance_sat,
        before.last().unwrap().balance_sat
    );
}

#[test]
fn the_program_tells_a_wallets_history_in_words_and_in_json() {
    let text = format!("wpkh({KEY}/<0;1>/*)");
    let wallet = wallet(&text);
    let places = places(&wallet);
    let chain = random_chain(&mut Rng::new(8), &wallet);
    let trial = Trial::new(&chain).imported();
    let expected = replayed(&chain, |script| places.contains_key(script), 130);
    let out = answer(trial.index(), &["history", &text, "--json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        json["transactions"],
        serde_json::to_value(&expected).unwrap()
    );
    assert_eq!(
        (&json["next"], &json["as_of"]["height"]),
        (&Value::Null, &130.into())
    );
    let out = answer(trial.index(), &["history", &text]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], format!("{} at height 130", wallet.descriptor()));
    let (rows, end) = lines[2..].split_at(expected.len());
    assert_eq!(end[0], format!("{} transactions", expected.len()));
    for (line, row) in rows.iter().zip(&expected) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let has_fee = usize::from(row.fee_sat.is_some());
        let signed =
            |sat: i128| format!("{}{:.8}", if sat > 0 { "+" } else { "" }, sat as f64 / 1e8);
        assert_eq!(words[0], row.height.to_string());
        assert_eq!(words[3], signed(row.net_sat));
        assert_eq!(
            words[4 + has_fee],
            format!("{:.8}", row.balance_sat as f64 / 1e8)
        );
        assert_eq!(words[5 + has_fee], row.txid.unwrap().to_string());
        assert_eq!(
            words.get(6 + has_fee),
            row.coinbase.unwrap().then_some(&"coinbase")
        );
    }
    let first = answer(trial.index(), &["history", &text, "--limit", "1"]);
    let more = format!("more follows: --from {}", expected[1].height);
    assert!(
        first.contains("1 transactions") && first.contains(&more),
        "{first}"
    );
}

#[test]
fn wallets_of_hundreds_of_thousands_of_outputs_need_no_more_memory_than_was_given() {
    let text = format!("wpkh({KEY}/<0;1>/*)");
    let wallet = wallet(&text);
    let scripts: Vec<ScriptBuf> = (0..24)
        .map(|number| script_at(&wallet, number % 2, number as u32 / 2))
        .collect();
    let trial = Trial::new(&many(|number| scripts[number % 24].clone())).imported();
    let ask = |args: &[&str]| {
        let output = with_little_memory(&trial, args).output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), words.as_str()), (Some(0), ""));
        String::from_utf8(output.stdout).unwrap()
    };
    let rows = |json: &str, name: &str| -> Vec<Value> {
        let answer: Value = serde_json::from_str(json).unwrap();
        assert_eq!(answer["checked"], true);
        answer[name].as_array().unwrap().clone()
    };
    let before = ["utxos", &text, "--json", "--memory", "32M", "--at", "111"];
    let utxos = rows(&ask(&before), "utxos");
    assert_eq!(utxos.len(), MANY);
    for (number, utxo) in utxos.iter().enumerate() {
        let place = (&utxo["branch"], &utxo["index"]);
        assert_eq!(place, (&(number % 2).into(), &(number % 24 / 2).into()));
    }
    let history = rows(
        &ask(&["history", &text, "--json", "--memory", "32M"]),
        "transactions",
    );
    let (made, spent) = history.split_at(12);
    let is_made = |row: &Value| row["received_sat"] == 12_000 && row["coinbase"] == true;
    assert!(made.iter().all(is_made));
    // Each spends fifty outputs of each coinbase, and pays one satoshi to somebody else.
    let mut sent_sat = 0;
    for row in spent {
        let sat = row["sent_sat"].as_i64().unwrap();
        sent_sat += sat;
        assert_eq!(
            (&row["fee_sat"], &row["net_sat"]),
            (&(sat - 1).into(), &(-sat).into())
        );
        assert_eq!(row["balance_sat"], MANY as i64 - sent_sat);
    }
    assert_eq!((spent.len(), sent_sat), (MANY / 600, MANY as i64));
}
