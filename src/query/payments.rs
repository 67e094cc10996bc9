//! `balance` and `utxos`: the outputs that pay a script.
//!
//! Invariant: where an output's block is read its script is compared, since fingerprints may collide; an answer
//! says whether all were.

use super::Fault;
use super::answers::{Balance, Utxo, Utxos};
use super::blocks::{Found, GoneBlock, Visited};
use super::{Source, View};
use crate::primitives::header::time_of;
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

/// The same, with its place in the chain. Of a block that is gone, from which nothing was kept, no more is known.
pub(super) struct Located {
    pub payment: Payment,
    pub outpoint: Option<OutPoint>,
    pub height: Height,
    pub time: u32,
    pub coinbase: Option<bool>,
}

impl View<'_> {
    /// What `script` received, sent and owns. With `check`, or if there are at most
    /// [`BALANCE_CHECKED_MAX`] outputs, the block files are still there and the index keeps no txids, the
    /// outputs' scripts are compared; fingerprints alone are wrong about once in 10^14 questions.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`]; with `check` also
    /// [`crate::query::Fault`].
    pub fn balance(&mut self, script: &Script, check: bool) -> Result<Balance> {
        let mut payments = self.payments(script)?;
        let mut checked = payments.is_empty();
        let unasked = !self.keeps_txids() && payments.len() <= BALANCE_CHECKED_MAX;
        if check || (!checked && unasked) {
            match self.locate(script, &payments, Source::Files) {
                Ok(located) => {
                    payments = located.into_iter().map(|found| found.payment).collect();
                    checked = true;
                }
                Err(error) => match error.fault() {
                    Some(utxo::Fault::Gone(_)) if !check => {}
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

    /// The unspent outputs of `script`. With `check` their scripts are compared in the block files, also if the
    /// index keeps txids; blocks that are gone ([`View::gone`]) are a fault then.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`], [`crate::query::Fault`].
    pub fn utxos(&mut self, script: &Script, check: bool) -> Result<Utxos> {
        let source = self.source(check);
        let mut payments = self.payments(script)?;
        payments.retain(|payment| payment.spender.is_none());
        let located = self.locate(script, &payments, source)?;
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
            checked: is_checked(&located, source),
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

    /// Finds `payments` (ascending), and drops those that turn out to be of other scripts.
    pub(super) fn locate(
        &mut self,
        script: &Script,
        payments: &[Payment],
        source: Source,
    ) -> Result<Vec<Located>> {
        if source == Source::Index {
            return self.locate_in_index(payments);
        }
        let txos: Vec<Txo> = payments.iter().map(|payment| payment.txo).collect();
        let mut located = Vec::with_capacity(payments.len());
        let mut rest = payments;
        let mut take = |visited: Visited<'_, '_>, here: &[Txo]| {
            let (own, behind) = rest.split_at(here.len());
            rest = behind;
            match visited {
                Visited::Tx(found) => locate_in(found, own, script, &mut located),
                Visited::Gone(block) => located.extend(own.iter().map(|own| in_gone(block, own))),
            }
            Ok(())
        };
        match source {
            Source::Files => self.each_tx(&txos, |found, here| take(Visited::Tx(found), here))?,
            _ => self.each_tx_or_gone(&txos, take)?,
        }
        Ok(located)
    }

    fn locate_in_index(&self, payments: &[Payment]) -> Result<Vec<Located>> {
        let mut kept = self.kept_txids()?;
        let mut height = Height(0);
        let mut located = Vec::with_capacity(payments.len());
        for payment in payments {
            height = self.snapshot.height_at(payment.txo, height, self.at)?;
            let block = self.snapshot.block(height)?;
            let output = kept.find(payment.txo)?;
            located.push(Located {
                payment: *payment,
                outpoint: Some(output.outpoint()),
                height,
                time: time_of(&block.header),
                coinbase: Some(output.tx() == block.coinbase()),
            });
        }
        Ok(located)
    }
}

/// Whether the scripts of all these were compared.
pub(super) fn is_checked(located: &[Located], source: Source) -> bool {
    let was_read = |found: &Located| found.outpoint.is_some();
    located.is_empty() || source != Source::Index && located.iter().all(was_read)
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

fn in_gone(block: &GoneBlock, payment: &Payment) -> Located {
    Located {
        payment: *payment,
        outpoint: None,
        height: block.height,
        time: block.time(),
        coinbase: block.is_of_coinbase(payment.txo),
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
                outpoint: Some(OutPoint { txid, vout }),
                height: found.height,
                time: found.time,
                coinbase: Some(found.index == 0),
            });
        }
    }
}
