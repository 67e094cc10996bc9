//! `balance` and `utxos`: the outputs that pay a script.
//!
//! Invariant: an output is listed only after its script was compared in the block files, since
//! fingerprints may collide; only a balance may be given without.

use super::Fault;
use super::View;
use super::answers::{Balance, Utxo, Utxos};
use super::blocks::Found;
use crate::primitives::position::{Height, TxNum, Txo};
use crate::primitives::script::is_unspendable;
use crate::query::script::address_of;
use crate::runs::row::{FundingRow, keys_from};
use crate::utxo;
use crate::{Error, Result};
use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Script, Txid};

/// A balance of at most so many outputs is compared with the block files unasked.
pub const BALANCE_CHECKED_MAX: usize = 1000;

/// An output that pays the script, as the index has it.
#[derive(Clone, Copy)]
pub(super) struct Payment {
    pub txo: Txo,
    pub amount_sat: u64,
    /// The transaction that spent or overwrote it.
    pub spender: Option<TxNum>,
}

/// The same, found in the block files.
pub(super) struct Located {
    pub payment: Payment,
    /// The transaction that made it.
    pub tx: TxNum,
    pub outpoint: OutPoint,
    pub height: Height,
    pub time: u32,
    pub coinbase: bool,
}

impl View<'_> {
    /// What `script` received, sent and owns. With `check`, or if there are at most
    /// [`BALANCE_CHECKED_MAX`] outputs and the block files are still there, the outputs' scripts are
    /// compared; fingerprints alone are wrong about once in 10^14 questions.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`]; with `check` also
    /// [`crate::query::Fault`].
    pub fn balance(&mut self, script: &Script, check: bool) -> Result<Balance> {
        let mut payments = self.payments(script)?;
        let mut checked = payments.is_empty();
        if check || (!checked && payments.len() <= BALANCE_CHECKED_MAX) {
            match self.locate(script, &payments) {
                Ok(located) => {
                    payments = located.into_iter().map(|found| found.payment).collect();
                    checked = true;
                }
                Err(error) => match error.fault() {
                    Some(utxo::Fault::BlockFiles { .. } | utxo::Fault::BlockMoved { .. })
                        if !check && !self.is_given => {}
                    _ => return Err(error),
                },
            }
        }
        self.sum(script, &payments, checked)
    }

    fn sum(&self, script: &Script, payments: &[Payment], checked: bool) -> Result<Balance> {
        let mut balance = Balance {
            script: script.to_owned(),
            address: address_of(script, self.network),
            height: self.at,
            received_sat: 0,
            sent_sat: 0,
            balance_sat: 0,
            outputs: payments.len() as u64,
            spends: 0,
            unspent: 0,
            checked,
        };
        let mut spent: Vec<(TxNum, u64)> = Vec::new();
        for payment in payments {
            let amount_sat = u128::from(payment.amount_sat);
            balance.received_sat += amount_sat;
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
        Ok(balance)
    }

    /// The unspent outputs of `script`.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`], [`crate::query::Fault`].
    pub fn utxos(&mut self, script: &Script) -> Result<Utxos> {
        let mut payments = self.payments(script)?;
        payments.retain(|payment| payment.spender.is_none());
        let located = self.locate(script, &payments)?;
        let utxo = |found: &Located| Utxo {
            outpoint: found.outpoint,
            amount_sat: found.payment.amount_sat,
            height: found.height,
            coinbase: found.coinbase,
        };
        let utxos: Vec<Utxo> = located.iter().map(utxo).collect();
        Ok(Utxos {
            script: script.to_owned(),
            address: address_of(script, self.network),
            height: self.at,
            total_sat: utxos.iter().map(|utxo| u128::from(utxo.amount_sat)).sum(),
            utxos,
        })
    }

    /// All outputs whose scripts have the fingerprint of this one, in chain order.
    pub(super) fn payments(&self, script: &Script) -> Result<Vec<Payment>> {
        expect_indexed(script)?;
        let fingerprint = self
            .snapshot
            .index()
            .fingerprints()
            .script(script.as_bytes());
        let keys = keys_from(FundingRow::first_key(fingerprint));
        let mut rows: Vec<FundingRow> = self.snapshot.rows(&[keys])?;
        rows.retain(|row| row.txo() < self.end());
        let txos: Vec<Txo> = rows.iter().map(|row| row.txo()).collect();
        let spenders = self.snapshot.spenders(&txos, self.end())?;
        let payment = |(row, spender): (&FundingRow, Option<TxNum>)| Payment {
            txo: row.txo(),
            amount_sat: row.amount_sat,
            spender,
        };
        Ok(rows.iter().zip(spenders).map(payment).collect())
    }

    /// Finds `payments` (ascending) in the block files, and drops those of other scripts.
    pub(super) fn locate(&mut self, script: &Script, payments: &[Payment]) -> Result<Vec<Located>> {
        let txos: Vec<Txo> = payments.iter().map(|payment| payment.txo).collect();
        let mut located = Vec::with_capacity(payments.len());
        let mut rest = payments;
        self.each_tx(&txos, |found, here| {
            let (own, behind) = rest.split_at(here.len());
            rest = behind;
            locate_in(found, own, script, &mut located);
            Ok(())
        })?;
        Ok(located)
    }
}

/// Refuses a script that no index has anything of: an answer would look like zero.
///
/// # Errors
/// [`crate::query::Fault::NeverIndexed`].
pub fn expect_indexed(script: &Script) -> Result<()> {
    match is_unspendable(script.as_bytes()) {
        true => Err(Error::from(Fault::NeverIndexed {
            is_op_return: script.is_op_return(),
            bytes: script.len(),
        })),
        false => Ok(()),
    }
}

/// Adds those of `payments`, which are outputs of the transaction, that pay `script`.
fn locate_in(found: &Found<'_>, payments: &[Payment], script: &Script, located: &mut Vec<Located>) {
    let txid = Txid::from_byte_array(found.tx.txid());
    let mut outputs = found.tx.outputs();
    let first = found.number.first_output().0;
    let mut next = first;
    for payment in payments {
        let output = outputs.nth((payment.txo.0 - next) as usize);
        next = payment.txo.0 + 1;
        if output.is_some_and(|output| output.script == script.as_bytes()) {
            let vout = (payment.txo.0 - first) as u32;
            located.push(Located {
                payment: *payment,
                tx: found.number,
                outpoint: OutPoint { txid, vout },
                height: found.height,
                time: found.time,
                coinbase: found.index == 0,
            });
        }
    }
}
