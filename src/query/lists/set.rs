//! Many scripts as one: what a wallet is asked, of scripts that no descriptor derives.
//!
//! Invariant: an output is counted once, however often its script was given.
//!
//! Memory: the scripts that were ever used; more than [`View::list_bytes`] of them are refused.

use super::LISTED_BYTES;
use crate::memory;
use crate::primitives::position::Height;
use crate::query::balance::Sums;
use crate::query::listing::Share;
use crate::query::parts;
use crate::query::payees::Payees;
use crate::query::script::address_of;
use crate::query::utxos::Coins;
use crate::query::wallet::{Txs, WalletTx};
use crate::query::{Listing, Start, Utxo, View};
use crate::{Error, Result};
use bitcoin::{Address, ScriptBuf};
use serde::Serialize;
use std::collections::BTreeSet;

/// Scripts that are asked about as one: those of them that were ever used.
#[derive(Default)]
pub struct ScriptSet {
    scripts: u64,
    used: BTreeSet<ScriptBuf>,
    used_bytes: usize,
}

/// What the scripts of a set received, sent and own together. What one of them paid to another was sent and received.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SetBalance {
    /// Scripts that were given, those that were repeated included.
    pub scripts: u64,
    /// How many different ones of them were ever used.
    pub used_scripts: u64,
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
    /// Whether the outputs' scripts were compared in the block files, and not only by fingerprint.
    pub checked: bool,
}

/// The unspent outputs of a set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SetUtxos {
    /// Scripts that were given, those that were repeated included.
    pub scripts: u64,
    /// How many different ones of them were ever used.
    pub used_scripts: u64,
    /// The height asked about.
    pub height: Height,
    /// The sum of all of them, also if only a part is listed.
    pub total_sat: u128,
    /// Whether the outputs' scripts were compared in the block files, and not only by fingerprint.
    pub checked: bool,
    /// In chain order.
    pub utxos: Vec<SetUtxo>,
    /// Where the list goes on, if a limit has ended it.
    pub next: Option<Start>,
}

/// An unspent output, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SetUtxo {
    /// The output.
    #[serde(flatten)]
    pub utxo: Utxo,
    /// Its script.
    #[serde(flatten, serialize_with = "parts::of_script")]
    pub script: ScriptBuf,
    /// Its address, if it has one.
    pub address: Option<Address>,
}

/// What happened to a set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SetHistory {
    /// Scripts that were given, those that were repeated included.
    pub scripts: u64,
    /// How many different ones of them were ever used.
    pub used_scripts: u64,
    /// The height asked about.
    pub height: Height,
    /// Whether the outputs' scripts were compared in the block files, and not only by fingerprint.
    pub checked: bool,
    /// In chain order.
    pub transactions: Vec<WalletTx>,
    /// Where the list goes on, if a limit has ended it.
    pub next: Option<Start>,
}

impl ScriptSet {
    /// None yet.
    pub fn new() -> ScriptSet {
        ScriptSet::default()
    }

    fn payees(&self) -> Payees {
        let mut payees = Payees::default();
        self.used.iter().for_each(|script| payees.push(script));
        payees
    }

    fn used_scripts(&self) -> u64 {
        self.used.len() as u64
    }
}

impl<'i> View<'i> {
    /// Adds scripts to a set, which is of use to this view alone: at another height others may have been used.
    ///
    /// # Errors
    /// [`crate::query::Fault::NeverIndexed`]; [`crate::memory::Fault::BudgetTooSmall`];
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn add_to(&self, set: &mut ScriptSet, scripts: &[ScriptBuf]) -> Result<()> {
        let mut payees = Payees::default();
        scripts.iter().for_each(|script| payees.push(script));
        let used = self.were_used(&payees)?;
        set.scripts += scripts.len() as u64;
        for (script, is_used) in scripts.iter().zip(used) {
            if is_used && set.used.insert(script.clone()) {
                set.used_bytes += script.len() + LISTED_BYTES / 2;
            }
        }
        match set.used_bytes > self.list_bytes() {
            true => Err(Error::from(memory::Fault::BudgetTooSmall {
                budget_bytes: self.share.memory_bytes,
                least_bytes: Share::memory_for_list(set.used_bytes),
            })),
            false => Ok(()),
        }
    }

    /// What the scripts of a set received, sent and own together; for `check` see [`View::balance`].
    ///
    /// # Errors
    /// Those of [`View::balance`].
    pub fn set_balance(&mut self, set: &ScriptSet, check: bool) -> Result<SetBalance> {
        let mut sums = Sums::default();
        let checked = self.each_fate(&set.payees(), check, |payment, fate| {
            sums.add(payment, fate);
        })?;
        Ok(SetBalance {
            scripts: set.scripts,
            used_scripts: set.used_scripts(),
            height: self.at,
            received_sat: sums.received_sat,
            sent_sat: sums.sent_sat,
            balance_sat: sums.balance_sat,
            outputs: sums.outputs,
            spends: sums.spends,
            unspent: sums.unspent,
            checked,
        })
    }

    /// The unspent outputs of a set; see [`View::unspent`].
    ///
    /// # Errors
    /// Those of [`View::unspent`]; [`crate::memory::Fault`], [`crate::os::Fault::Io`] where many are sorted.
    pub fn set_unspent<'v>(
        &'v mut self,
        set: &ScriptSet,
        listing: &Listing,
    ) -> Result<SetUnspent<'v, 'i>> {
        let height = self.at;
        let coins = self.coins(set.payees(), listing)?;
        Ok(SetUnspent {
            answer: SetUtxos {
                scripts: set.scripts,
                used_scripts: set.used_scripts(),
                height,
                total_sat: coins.total_sat,
                checked: coins.checked,
                utxos: Vec::new(),
                next: None,
            },
            coins,
        })
    }

    /// Everything that ever happened to a set, a transaction after the other; see [`View::events`].
    ///
    /// # Errors
    /// Those of [`View::events`].
    pub fn set_history<'v>(
        &'v mut self,
        set: &ScriptSet,
        listing: &Listing,
    ) -> Result<SetTxs<'v, 'i>> {
        let height = self.at;
        let changes = self.changes(set.payees(), listing)?;
        Ok(SetTxs {
            answer: SetHistory {
                scripts: set.scripts,
                used_scripts: set.used_scripts(),
                height,
                checked: changes.checked,
                transactions: Vec::new(),
                next: None,
            },
            txs: Txs::of(changes),
        })
    }
}

/// Unspent outputs of a set, as they are read. What else is answered is in [`SetUnspent::answer`].
pub struct SetUnspent<'v, 'i> {
    coins: Coins<'v, 'i>,
    answer: SetUtxos,
}

impl SetUnspent<'_, '_> {
    /// The answer without its list; [`SetUtxos::next`] is told once the last one was given.
    pub fn answer(&self) -> &SetUtxos {
        &self.answer
    }

    fn owned(&self, payee: u32, utxo: Utxo) -> SetUtxo {
        let script = self.coins.payee(payee);
        SetUtxo {
            utxo,
            address: address_of(script, self.coins.network()),
            script: script.to_owned(),
        }
    }
}

impl Iterator for SetUnspent<'_, '_> {
    type Item = Result<SetUtxo>;

    fn next(&mut self) -> Option<Result<SetUtxo>> {
        let next = self.coins.next();
        self.answer.next = self.coins.next;
        next.map(|row| row.map(|(payee, utxo)| self.owned(payee, utxo)))
    }
}

/// Transactions of a set, as they are read. What else is answered is in [`SetTxs::answer`].
pub struct SetTxs<'v, 'i> {
    txs: Txs<'v, 'i>,
    answer: SetHistory,
}

impl SetTxs<'_, '_> {
    /// The answer without its list; [`SetHistory::next`] is told once the last one was given.
    pub fn answer(&self) -> &SetHistory {
        &self.answer
    }
}

impl Iterator for SetTxs<'_, '_> {
    type Item = Result<WalletTx>;

    fn next(&mut self) -> Option<Result<WalletTx>> {
        let next = self.txs.next();
        self.answer.next = self.txs.goes_on_at;
        next
    }
}
