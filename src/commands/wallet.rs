//! What is answered about a wallet, in words and columns.
//!
//! Invariant: as for all answers.

use super::columns::Align::{Left, Right};
use super::columns::{BTC_WIDTH, Table, print};
use super::lists::{
    Listed, OUTPOINT_WIDTH, ShowList, TIME_WIDTH, TXID_WIDTH, print_next, utxo_cells,
};
use super::people::{ADDRESS_WIDTH, Show, print_unchecked};
use super::words::{coinbase_word, date, grouped, known, name};
use blkdex::primitives::{Height, bitcoins, signed_bitcoins};
use blkdex::query::Start;
use blkdex::query::wallet::{Derived, WalletBalance, WalletUnspent, WalletUtxo, WalletUtxos};
use blkdex::query::wallet::{WalletHistory, WalletTx, WalletTxs};
use std::io::{Result, Write};

impl Show for WalletBalance {
    fn show(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out, "{} at height {}", self.descriptor, self.height)?;
        let sums_sat = [self.received_sat, self.sent_sat, self.balance_sat];
        print_sums(sums_sat, [self.outputs, self.spends, self.unspent], out)?;
        writeln!(out)?;
        let titles = [
            "branch",
            "BTC",
            "used",
            "of scripts",
            "next unused",
            "descriptor",
        ];
        let mut rows = vec![titles.map(String::from)];
        rows.extend(self.branches.iter().enumerate().map(|(number, branch)| {
            [
                number.to_string(),
                bitcoins(branch.balance_sat),
                grouped(branch.used_scripts),
                grouped(branch.scripts),
                branch
                    .next_unused_index
                    .map_or(String::new(), |index| index.to_string()),
                branch.descriptor.clone(),
            ]
        }));
        print(out, [Right, Right, Right, Right, Right, Left], &rows)?;
        print_unchecked(out, self.checked)
    }
}

/// What was received, sent and is owned, and of how many outputs.
pub fn print_sums(sums_sat: [u128; 3], counts: [u64; 3], out: &mut impl Write) -> Result<()> {
    let names = [
        ("received", "outputs"),
        ("sent", "spends"),
        ("balance", "unspent"),
    ];
    let row = |at: usize| {
        let (name, noun) = names[at];
        let count = format!("{} {noun}", grouped(counts[at]));
        [name.to_string(), bitcoins(sums_sat[at]), count]
    };
    print(out, [Left, Right, Left], &[0, 1, 2].map(row))
}

impl ShowList for WalletUnspent<'_, '_> {
    type Row = WalletUtxo;
    type Answer = WalletUtxos;
    const ROWS: &'static str = "utxos";

    fn answer(&self) -> &WalletUtxos {
        self.answer()
    }

    fn next_of(answer: &WalletUtxos) -> Option<Start> {
        answer.next
    }

    fn show(&mut self, out: &mut impl Write) -> anyhow::Result<()> {
        let answer = self.answer().clone();
        writeln!(out, "{} at height {}", answer.descriptor, answer.height)?;
        let columns = [
            ("outpoint", Left, OUTPOINT_WIDTH),
            ("BTC", Right, BTC_WIDTH),
            ("height", Right, answer.height.to_string().len()),
            ("branch", Right, 0),
            ("index", Right, 0),
            ("address or script", Left, ADDRESS_WIDTH),
            ("", Left, 0),
        ];
        let mut table = Table::new(out, columns);
        let mut listed = Listed::default();
        for whole in self.by_ref() {
            let whole = whole?;
            listed.count(&whole.utxo);
            table.row(wallet_utxo_cells(&whole))?;
        }
        let [count, total] = listed.cells(answer.total_sat);
        let mut sum = [(); 7].map(|()| String::new());
        (sum[0], sum[1]) = (count, total);
        table.row(sum)?;
        table.finish()?;
        print_next(self.answer().next, out)?;
        Ok(print_unchecked(out, answer.checked)?)
    }
}

fn wallet_utxo_cells(whole: &WalletUtxo) -> [String; 7] {
    let [outpoint, amount, height, coinbase] = utxo_cells(&whole.utxo);
    [
        outpoint,
        amount,
        height,
        whole.branch.to_string(),
        whole.index.map_or(String::new(), |index| index.to_string()),
        name(&whole.script, &whole.address),
        coinbase,
    ]
}

impl ShowList for WalletTxs<'_, '_> {
    type Row = WalletTx;
    type Answer = WalletHistory;
    const ROWS: &'static str = "transactions";

    fn answer(&self) -> &WalletHistory {
        self.answer()
    }

    fn next_of(answer: &WalletHistory) -> Option<Start> {
        answer.next
    }

    fn show(&mut self, out: &mut impl Write) -> anyhow::Result<()> {
        let answer = self.answer().clone();
        writeln!(out, "{} at height {}", answer.descriptor, answer.height)?;
        print_txs(self.by_ref(), answer.height, out)?;
        print_next(self.answer().next, out)?;
        Ok(print_unchecked(out, answer.checked)?)
    }
}

/// Transactions below each other, and their number.
pub fn print_txs(
    txs: impl Iterator<Item = blkdex::Result<WalletTx>>,
    height: Height,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let columns = [
        ("height", Right, height.to_string().len()),
        ("time (UTC)", Left, TIME_WIDTH),
        ("net BTC", Right, BTC_WIDTH),
        ("fee", Right, BTC_WIDTH),
        ("balance", Right, BTC_WIDTH),
        ("txid", Left, TXID_WIDTH),
        ("", Left, 0),
    ];
    let mut table = Table::new(out, columns);
    let mut count = 0;
    for tx in txs {
        table.row(tx_cells(&tx?))?;
        count += 1;
    }
    table.finish()?;
    Ok(writeln!(out, "{} transactions", grouped(count))?)
}

fn tx_cells(tx: &WalletTx) -> [String; 7] {
    let sign = if tx.net_sat > 0 { "+" } else { "" };
    [
        tx.height.to_string(),
        date(tx.time),
        format!("{sign}{}", signed_bitcoins(tx.net_sat)),
        tx.fee_sat.map_or(String::new(), signed_bitcoins),
        bitcoins(tx.balance_sat),
        known(&tx.txid),
        coinbase_word(tx.coinbase),
    ]
}

/// Which script of its wallet the answer below is about.
pub fn show_derived(derived: &Derived, out: &mut impl Write) -> Result<()> {
    let used = if derived.used { "" } else { ", never used" };
    match derived.index {
        Some(index) => writeln!(out, "branch {}, index {index}{used}:", derived.branch),
        None => writeln!(out, "branch {}{used}:", derived.branch),
    }
}
