//! `balance` of a wallet.
//!
//! Invariant: its sums are those of its scripts' balances.
//!
//! Memory: the scripts that were ever used, and what sorts their outputs.

use super::{Extent, Used};
use crate::Result;
use crate::primitives::position::Height;
use crate::query::View;
use crate::query::balance::{Fate, Sums};
use crate::query::script::Wallet;
use serde::Serialize;

/// What the scripts of a wallet received, sent and own together. What one of them paid to another was sent and
/// received.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WalletBalance {
    /// The descriptor, with its checksum.
    pub descriptor: String,
    /// The height asked about.
    pub height: Height,
    /// Sum of all outputs that ever paid a script.
    pub received_sat: u128,
    /// Sum of those that were spent.
    pub sent_sat: u128,
    /// Sum of those that are unspent.
    pub balance_sat: u128,
    /// Outputs that ever paid a script.
    pub outputs: u64,
    /// How many were spent.
    pub spends: u64,
    /// How many are unspent.
    pub unspent: u64,
    /// Scripts that were looked up.
    pub scripts: u64,
    /// How many were ever used.
    pub used_scripts: u64,
    /// Whether the outputs' scripts were compared in the block files, and not only by fingerprint.
    pub checked: bool,
    /// Its branches, in order.
    pub branches: Vec<BranchBalance>,
}

/// The same of one branch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BranchBalance {
    /// Its descriptor, with its checksum.
    pub descriptor: String,
    /// The last index that was looked up; `None`: it has one script only, or those of `combo`.
    pub last_index: Option<u32>,
    /// The index after the last one that was ever used; `None` as before, and where none is left.
    pub next_unused_index: Option<u32>,
    /// Scripts that were looked up.
    pub scripts: u64,
    /// How many were ever used.
    pub used_scripts: u64,
    /// What its scripts own together.
    pub balance_sat: u128,
}

impl View<'_> {
    /// What the scripts of `wallet` received, sent and own together; for `check` see [`View::balance`].
    ///
    /// # Errors
    /// Those of [`View::balance`].
    pub fn wallet_balance(
        &mut self,
        wallet: &Wallet,
        extent: Extent,
        check: bool,
    ) -> Result<WalletBalance> {
        let mut all = nothing_yet(wallet, extent, self.at);
        let mut used = Used::default();
        let mut scripts = wallet.scripts(extent);
        while let Some(derived) = scripts.next(self)? {
            let branch = &mut all.branches[derived.branch];
            branch.scripts += 1;
            branch.last_index = derived.index;
            all.scripts += 1;
            if derived.used {
                branch.used_scripts += 1;
                branch.next_unused_index = derived.index.and_then(after);
                all.used_scripts += 1;
                used.push(&derived);
            }
        }
        let mut sums = Sums::default();
        let Used { payees, origins } = &used;
        let checked = self.each_fate(payees, check, |payment, fate| {
            sums.add(payment, fate);
            if let Fate::Unspent = fate {
                let origin = &origins[payment.payee as usize];
                all.branches[origin.branch].balance_sat += u128::from(payment.amount_sat);
            }
        })?;
        Ok(WalletBalance {
            received_sat: sums.received_sat,
            sent_sat: sums.sent_sat,
            balance_sat: sums.balance_sat,
            outputs: sums.outputs,
            spends: sums.spends,
            unspent: sums.unspent,
            checked,
            ..all
        })
    }
}

fn after(index: u32) -> Option<u32> {
    (index < crate::query::script::INDEX_MAX).then_some(index + 1)
}

fn nothing_yet(wallet: &Wallet, extent: Extent, height: Height) -> WalletBalance {
    let first = match extent {
        Extent::GapLimit(_) => 0,
        Extent::Range { first, .. } => first,
    };
    let branches = wallet.branches().iter().map(|branch| BranchBalance {
        descriptor: branch.descriptor(),
        last_index: None,
        next_unused_index: branch.is_ranged().then_some(first),
        scripts: 0,
        used_scripts: 0,
        balance_sat: 0,
    });
    WalletBalance {
        descriptor: wallet.descriptor().to_owned(),
        height,
        received_sat: 0,
        sent_sat: 0,
        balance_sat: 0,
        outputs: 0,
        spends: 0,
        unspent: 0,
        scripts: 0,
        used_scripts: 0,
        checked: true,
        branches: branches.collect(),
    }
}
