//! What is answered about a set of scripts, in words and columns.
//!
//! Invariant: as for all answers.

use super::columns::Align::{Left, Right};
use super::columns::{BTC_WIDTH, Table};
use super::lists::{Listed, OUTPOINT_WIDTH, ShowList, print_next, utxo_cells};
use super::people::{ADDRESS_WIDTH, Show, print_unchecked};
use super::wallet::{print_sums, print_txs};
use super::words::{grouped, name};
use blkdex::query::Start;
use blkdex::query::lists::{SetBalance, SetHistory, SetTxs, SetUnspent, SetUtxo, SetUtxos};
use blkdex::query::wallet::WalletTx;
use std::io::{Result, Write};

impl Show for SetBalance {
    fn show(&self, out: &mut impl Write) -> Result<()> {
        print_head(out, [self.scripts, self.used_scripts], self.height)?;
        let sums_sat = [self.received_sat, self.sent_sat, self.balance_sat];
        print_sums(sums_sat, [self.outputs, self.spends, self.unspent], out)?;
        print_unchecked(out, self.checked)
    }
}

fn print_head(
    out: &mut impl Write,
    scripts: [u64; 2],
    height: impl std::fmt::Display,
) -> Result<()> {
    let [scripts, used] = scripts.map(grouped);
    writeln!(out, "{scripts} scripts, {used} used, at height {height}")
}

impl ShowList for SetUnspent<'_, '_> {
    type Row = SetUtxo;
    type Answer = SetUtxos;
    const ROWS: &'static str = "utxos";

    fn answer(&self) -> &SetUtxos {
        self.answer()
    }

    fn next_of(answer: &SetUtxos) -> Option<Start> {
        answer.next
    }

    fn show(&mut self, out: &mut impl Write) -> anyhow::Result<()> {
        let answer = self.answer().clone();
        print_head(out, [answer.scripts, answer.used_scripts], answer.height)?;
        let columns = [
            ("outpoint", Left, OUTPOINT_WIDTH),
            ("BTC", Right, BTC_WIDTH),
            ("height", Right, answer.height.to_string().len()),
            ("address or script", Left, ADDRESS_WIDTH),
            ("", Left, 0),
        ];
        let mut table = Table::new(out, columns);
        let mut listed = Listed::default();
        for owned in self.by_ref() {
            let owned = owned?;
            listed.count(&owned.utxo);
            let [outpoint, amount, height, coinbase] = utxo_cells(&owned.utxo);
            let whose = name(&owned.script, &owned.address);
            table.row([outpoint, amount, height, whose, coinbase])?;
        }
        let [count, total] = listed.cells(answer.total_sat);
        table.row([count, total, String::new(), String::new(), String::new()])?;
        table.finish()?;
        print_next(self.answer().next, out)?;
        Ok(print_unchecked(out, answer.checked)?)
    }
}

impl ShowList for SetTxs<'_, '_> {
    type Row = WalletTx;
    type Answer = SetHistory;
    const ROWS: &'static str = "transactions";

    fn answer(&self) -> &SetHistory {
        self.answer()
    }

    fn next_of(answer: &SetHistory) -> Option<Start> {
        answer.next
    }

    fn show(&mut self, out: &mut impl Write) -> anyhow::Result<()> {
        let answer = self.answer().clone();
        print_head(out, [answer.scripts, answer.used_scripts], answer.height)?;
        print_txs(self.by_ref(), answer.height, out)?;
        print_next(self.answer().next, out)?;
        Ok(print_unchecked(out, answer.checked)?)
    }
}
