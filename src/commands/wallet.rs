//! What is answered about a wallet, in words and columns.
//!
//! Invariant: as for all answers.

use super::columns::Align::{Left, Right};
use super::columns::print;
use super::people::{Show, print_unchecked};
use super::words::grouped;
use blkdex::primitives::bitcoins;
use blkdex::query::wallet::{Derived, WalletBalance};
use std::io::{Result, Write};

impl Show for WalletBalance {
    fn show(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out, "{} at height {}", self.descriptor, self.height)?;
        let count = |count: u64, noun: &str| format!("{} {noun}", grouped(count));
        let rows = [
            (
                "received",
                self.received_sat,
                count(self.outputs, "outputs"),
            ),
            ("sent", self.sent_sat, count(self.spends, "spends")),
            ("balance", self.balance_sat, count(self.unspent, "unspent")),
        ];
        let rows = rows.map(|(name, sat, count)| [name.to_string(), bitcoins(sat), count]);
        print(out, [Left, Right, Left], &rows)?;
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

/// Which script of its wallet the answer below is about.
pub fn show_derived(derived: &Derived, out: &mut impl Write) -> Result<()> {
    let used = if derived.used { "" } else { ", never used" };
    match derived.index {
        Some(index) => writeln!(out, "branch {}, index {index}{used}:", derived.branch),
        None => writeln!(out, "branch {}{used}:", derived.branch),
    }
}
