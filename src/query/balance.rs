//! `balance`: what a script received, sent and owns.
//!
//! Invariant: an answer says whether the scripts of all its outputs were compared.

use super::answers::Balance;
use super::listing::AT_ONCE_MAX;
use super::payees::Payees;
use super::payments::Payment;
use super::{Source, View};
use crate::Result;
use crate::index::blocks::BlockRow;
use crate::primitives::network::NetworkName;
use crate::primitives::position::{Height, TxNum, Txo};
use crate::query::script::address_of;
use crate::utxo;
use bitcoin::Script;

/// A balance of at most so many outputs is compared with the block files unasked.
pub const BALANCE_CHECKED_MAX: usize = AT_ONCE_MAX;

impl View<'_> {
    /// What `script` received, sent and owns. With `check`, or if there are at most
    /// [`BALANCE_CHECKED_MAX`] outputs, the block files are still there and the index keeps no txids, the
    /// outputs' scripts are compared; fingerprints alone are wrong about once in 10^14 questions.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`]; with `check` also
    /// [`crate::query::Fault`].
    pub fn balance(&mut self, script: &Script, check: bool) -> Result<Balance> {
        let mut sums = Sums::default();
        let payee = Payees::one(script);
        let checked = self.each_fate(&payee, check, |payment, fate| sums.add(payment, fate))?;
        Ok(sums.balance_of(script, self.network, self.at, checked))
    }

    /// Visits each output that pays one of the scripts, with what became of it, in no particular order. Tells whether
    /// the scripts were compared; for `check` see [`View::balance`], whose bounds hold for all of the scripts
    /// together.
    pub(super) fn each_fate(
        &mut self,
        payees: &Payees,
        check: bool,
        mut visit: impl FnMut(&Payment, Fate),
    ) -> Result<bool> {
        let end = self.end();
        let mut payments = self.payments(payees, Txo(0), end)?;
        let mut batch = payments.next_batch(&self.snapshot, BALANCE_CHECKED_MAX + 1, end)?;
        let is_small = batch.len() <= BALANCE_CHECKED_MAX;
        let mut checked = check || batch.is_empty();
        if !check && is_small && !self.keeps_txids() && !batch.is_empty() {
            (batch, checked) = self.compared_if_there(payees, batch)?;
        }
        while !batch.is_empty() {
            if check {
                batch = self.compared(payees, &batch)?;
            }
            self.each_fate_of(&batch, &mut visit)?;
            batch = payments.next_batch(&self.snapshot, self.share.rows, end)?;
        }
        Ok(checked)
    }

    /// Those of `payments` whose scripts are theirs in the block files.
    pub(super) fn compared(
        &mut self,
        payees: &Payees,
        payments: &[Payment],
    ) -> Result<Vec<Payment>> {
        let located = self.locate(payees, payments, Source::Files)?;
        Ok(located.into_iter().map(|found| found.payment).collect())
    }

    /// The same, and whether they were compared: not if their blocks are gone.
    fn compared_if_there(
        &mut self,
        payees: &Payees,
        payments: Vec<Payment>,
    ) -> Result<(Vec<Payment>, bool)> {
        match self.compared(payees, &payments) {
            Ok(compared) => Ok((compared, true)),
            Err(error) => match error.fault() {
                Some(utxo::Fault::Gone(_)) => Ok((payments, false)),
                Some(utxo::Fault::BlockFiles { .. } | utxo::Fault::BlockMoved { .. })
                    if !self.is_given =>
                {
                    Ok((payments, false))
                }
                _ => Err(error),
            },
        }
    }

    fn each_fate_of(
        &self,
        payments: &[Payment],
        visit: &mut impl FnMut(&Payment, Fate),
    ) -> Result<()> {
        let mut spent: Vec<(TxNum, &Payment)> = Vec::new();
        for payment in payments {
            match payment.spender {
                Some(spender) => spent.push((spender, payment)),
                None => visit(payment, Fate::Unspent),
            }
        }
        spent.sort_unstable_by_key(|(spender, _)| *spender);
        let mut height = Height(0);
        let mut block = None::<BlockRow>;
        for (spender, payment) in spent {
            let made = spender.first_output();
            let row = match block.filter(|block| made.0 < block.outputs) {
                Some(row) => row,
                None => {
                    height = self.snapshot.height_at(made, height, self.at)?;
                    *block.insert(self.snapshot.block(height)?)
                }
            };
            // A coinbase spends nothing: as a spender it overwrote (BIP 30).
            let fate = match row.coinbase() == spender {
                true => Fate::Overwritten,
                false => Fate::Spent,
            };
            visit(payment, fate);
        }
        Ok(())
    }
}

/// What became of an output.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    Unspent,
    Spent,
    Overwritten,
}

/// What outputs add up to.
#[derive(Clone, Default)]
pub(super) struct Sums {
    pub received_sat: u128,
    pub sent_sat: u128,
    pub balance_sat: u128,
    pub outputs: u64,
    pub spends: u64,
    pub unspent: u64,
}

impl Sums {
    /// Adds an output.
    pub fn add(&mut self, payment: &Payment, fate: Fate) {
        let amount_sat = u128::from(payment.amount_sat);
        self.outputs += 1;
        self.received_sat += amount_sat;
        match fate {
            Fate::Unspent => {
                self.unspent += 1;
                self.balance_sat += amount_sat;
            }
            Fate::Spent => {
                self.spends += 1;
                self.sent_sat += amount_sat;
            }
            Fate::Overwritten => {}
        }
    }

    /// The answer about a script; `checked` was told of it, or of others with it.
    pub fn balance_of(
        &self,
        script: &Script,
        network: NetworkName,
        height: Height,
        checked: bool,
    ) -> Balance {
        Balance {
            script: script.to_owned(),
            address: address_of(script, network),
            height,
            received_sat: self.received_sat,
            sent_sat: self.sent_sat,
            balance_sat: self.balance_sat,
            outputs: self.outputs,
            spends: self.spends,
            unspent: self.unspent,
            checked: checked || self.outputs == 0,
        }
    }
}
