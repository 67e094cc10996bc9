//! `balance`: what a script received, sent and owns.
//!
//! Invariant: an answer says whether the scripts of all its outputs were compared.

use super::answers::Balance;
use super::listing::AT_ONCE_MAX;
use super::payees::Payees;
use super::payments::Payment;
use super::{Source, View};
use crate::Result;
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
        let (end, payee) = (self.end(), Payees::one(script));
        let mut payments = self.payments(&payee, Txo(0), end)?;
        let mut batch = payments.next_batch(&self.snapshot, BALANCE_CHECKED_MAX + 1, end)?;
        let is_small = batch.len() <= BALANCE_CHECKED_MAX;
        let mut balance = self.nothing(script, check || batch.is_empty());
        if !check && is_small && !self.keeps_txids() && !batch.is_empty() {
            (batch, balance.checked) = self.compared_if_there(&payee, batch)?;
        }
        while !batch.is_empty() {
            if check {
                batch = self.compared(&payee, &batch)?;
            }
            self.add(&batch, &mut balance)?;
            batch = payments.next_batch(&self.snapshot, self.share.rows, end)?;
        }
        Ok(balance)
    }

    fn nothing(&self, script: &Script, checked: bool) -> Balance {
        Balance {
            script: script.to_owned(),
            address: address_of(script, self.network),
            height: self.at,
            received_sat: 0,
            sent_sat: 0,
            balance_sat: 0,
            outputs: 0,
            spends: 0,
            unspent: 0,
            checked,
        }
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

    fn add(&self, payments: &[Payment], balance: &mut Balance) -> Result<()> {
        let mut spent: Vec<(TxNum, u64)> = Vec::new();
        for payment in payments {
            let amount_sat = u128::from(payment.amount_sat);
            balance.received_sat += amount_sat;
            balance.outputs += 1;
            match payment.spender {
                Some(spender) => spent.push((spender, payment.amount_sat)),
                None => {
                    balance.unspent += 1;
                    balance.balance_sat += amount_sat;
                }
            }
        }
        spent.sort_unstable();
        let mut height = Height(0);
        for (spender, amount_sat) in spent {
            let made = spender.first_output();
            height = self.snapshot.height_at(made, height, self.at)?;
            // A coinbase spends nothing: as a spender it overwrote (BIP 30).
            if self.snapshot.block(height)?.coinbase() != spender {
                balance.spends += 1;
                balance.sent_sat += u128::from(amount_sat);
            }
        }
        Ok(())
    }
}
