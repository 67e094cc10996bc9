//! The outputs that pay scripts, batch by batch, and where they are.
//!
//! Invariant: where an output's block is read its script is compared, since fingerprints may collide.
//!
//! Memory: a batch, and a page of each run that has outputs of the script; of several scripts what sorts them.

use super::Fault;
use super::blocks::{Found, GoneBlock, Visited};
use super::gathered::{Gathered, Received, Sorted};
use super::payees::Payees;
use super::{Source, View};
use crate::index::snapshot::Snapshot;
use crate::primitives::header::time_of;
use crate::primitives::position::{Height, TxNum, Txo};
use crate::primitives::script::is_unspendable;
use crate::runs::range::RangeRows;
use crate::runs::row::{FundingRow, keys_from};
use crate::{Error, Result};
use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Script, Txid};
use std::ops::RangeInclusive;

/// An output that pays a script, as the index has it.
#[derive(Clone, Copy)]
pub(super) struct Payment {
    pub txo: Txo,
    /// The number of the script.
    pub payee: u32,
    pub amount_sat: u64,
    /// The transaction that spent or overwrote it.
    pub spender: Option<TxNum>,
}

/// The same, with its place in the chain. Of a block that is gone, from which nothing was kept, no more is known.
#[derive(Clone, Copy)]
pub(super) struct Located {
    pub payment: Payment,
    /// The transaction that made it.
    pub tx: Option<TxNum>,
    pub outpoint: Option<OutPoint>,
    pub height: Height,
    pub time: u32,
    pub coinbase: Option<bool>,
}

/// The outputs whose scripts have the fingerprints of some, in chain order.
pub(super) enum Payments {
    /// Of one, as the index has them.
    OfOne(Rows),
    /// Of several, sorted; and the last that was given.
    OfMany(Sorted<Received>, Option<Txo>),
}

/// Rows of one fingerprint.
pub(super) struct Rows {
    rows: RangeRows<FundingRow>,
    end: Txo,
}

impl Rows {
    fn next(&mut self) -> Result<Option<FundingRow>> {
        Ok(self.rows.next()?.filter(|row| row.txo() < self.end))
    }
}

impl Payments {
    /// The next outputs, `count` at most; none behind the last. Who spent them, up to the last block below `end`,
    /// is told too.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`]; those of sorting.
    pub fn next_batch(
        &mut self,
        snapshot: &Snapshot<'_>,
        count: usize,
        end: Txo,
    ) -> Result<Vec<Payment>> {
        let mut payments = self.next_made(count)?;
        let spenders = snapshot.spenders(&txos_of(&payments), end)?;
        for (payment, spender) in payments.iter_mut().zip(spenders) {
            payment.spender = spender;
        }
        Ok(payments)
    }

    /// The same, as if none was spent.
    ///
    /// # Errors
    /// As [`Payments::next_batch`].
    pub fn next_made(&mut self, count: usize) -> Result<Vec<Payment>> {
        let mut payments = Vec::new();
        while payments.len() < count
            && let Some(received) = self.next()?
        {
            payments.push(Payment {
                txo: received.txo,
                payee: received.payee,
                amount_sat: received.amount_sat,
                spender: None,
            });
        }
        Ok(payments)
    }

    fn next(&mut self) -> Result<Option<Received>> {
        match self {
            Payments::OfOne(rows) => Ok(rows.next()?.map(|row| received(&row, 0))),
            Payments::OfMany(sorted, last) => loop {
                let next = sorted.next()?;
                let txo = next.map(|received| received.txo);
                // A script that was given twice is paid once.
                if txo.is_none() || txo != *last {
                    *last = txo;
                    return Ok(next);
                }
            },
        }
    }
}

/// The row, of this script.
pub(super) fn received(row: &FundingRow, payee: u32) -> Received {
    Received {
        txo: row.txo(),
        payee,
        amount_sat: row.amount_sat,
    }
}

/// The keys of a fingerprint's outputs from `from` on.
fn keys_behind(first_key: u128, from: Txo) -> RangeInclusive<u128> {
    first_key | u128::from(from.0)..=*keys_from(first_key).end()
}

fn txos_of(payments: &[Payment]) -> Vec<Txo> {
    payments.iter().map(|payment| payment.txo).collect()
}

impl View<'_> {
    /// The outputs from `from` on and below `end` whose scripts have the fingerprints of these.
    pub(super) fn payments(&self, payees: &Payees, from: Txo, end: Txo) -> Result<Payments> {
        if payees.len() == 1 {
            return Ok(Payments::OfOne(self.rows_of(payees.get(0), from, end)?));
        }
        let mut all = Gathered::new(self.sorting(self.share.received_bytes));
        self.each_row_of(payees, from, |payee, row| {
            let is_below = row.txo() < end;
            if is_below {
                all.push(received(&row, payee))?;
            }
            Ok(is_below)
        })?;
        Ok(Payments::OfMany(all.finish()?, None))
    }

    /// Visits the rows from `from` on whose fingerprints some scripts have, with the number of the script, in the
    /// order in which the index has them; `visit` tells whether it wants more of the script in the same run. A script
    /// that was given twice has them at its first number only.
    pub(super) fn each_row_of(
        &self,
        payees: &Payees,
        from: Txo,
        mut visit: impl FnMut(u32, FundingRow) -> Result<bool>,
    ) -> Result<()> {
        let mut order = Vec::with_capacity(payees.len());
        for number in 0..payees.len() as u32 {
            order.push((self.first_key_of(payees.get(number))?, number));
        }
        order.sort_unstable();
        let keys = |at: usize| keys_behind(order[at].0, from);
        let visit = |at: usize, row| visit(order[at].1, row);
        self.snapshot.each_row(order.len(), &keys, visit)
    }

    fn rows_of(&self, script: &Script, from: Txo, end: Txo) -> Result<Rows> {
        let keys = keys_behind(self.first_key_of(script)?, from);
        let rows = self.snapshot.range_of(&keys)?;
        Ok(Rows { rows, end })
    }

    fn first_key_of(&self, script: &Script) -> Result<u128> {
        expect_indexed(script)?;
        let fingerprints = self.snapshot.index().fingerprints();
        Ok(FundingRow::first_key(
            fingerprints.script(script.as_bytes()),
        ))
    }

    /// Which of the scripts an output ever paid, told by their fingerprints: of one that was given twice, at its first
    /// number.
    pub(super) fn were_used(&self, payees: &Payees) -> Result<Vec<bool>> {
        let (mut used, end) = (vec![false; payees.len()], self.end());
        self.each_row_of(payees, Txo(0), |payee, row| {
            used[payee as usize] |= row.txo() < end;
            Ok(false)
        })?;
        Ok(used)
    }

    /// Finds `payments` (ascending), and drops those that turn out to be of other scripts than theirs.
    pub(super) fn locate(
        &mut self,
        payees: &Payees,
        payments: &[Payment],
        source: Source,
    ) -> Result<Vec<Located>> {
        if source == Source::Index {
            return self.locate_in_index(payments);
        }
        let txos = txos_of(payments);
        let mut located = Vec::with_capacity(payments.len());
        let mut rest = payments;
        let mut take = |visited: Visited<'_, '_>, here: &[Txo]| {
            let (own, behind) = rest.split_at(here.len());
            rest = behind;
            match visited {
                Visited::Tx(found) => locate_in(found, own, payees, &mut located),
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
                tx: Some(output.tx()),
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
        tx: None,
        outpoint: None,
        height: block.height,
        time: block.time(),
        coinbase: block.is_of_coinbase(payment.txo),
    }
}

/// Adds those of `payments`, which are outputs of the transaction, that pay their scripts.
fn locate_in(found: &Found<'_>, payments: &[Payment], payees: &Payees, located: &mut Vec<Located>) {
    let txid = Txid::from_byte_array(found.tx.txid());
    let mut outputs = found.tx.outputs();
    let first = found.number.first_output().0;
    let mut next = first;
    for payment in payments {
        let output = outputs.nth((payment.txo.0 - next) as usize);
        next = payment.txo.0 + 1;
        let script = payees.get(payment.payee).as_bytes();
        if output.is_some_and(|output| output.script == script) {
            let vout = (payment.txo.0 - first) as u32;
            located.push(Located {
                payment: *payment,
                tx: Some(found.number),
                outpoint: Some(OutPoint { txid, vout }),
                height: found.height,
                time: found.time,
                coinbase: Some(found.index == 0),
            });
        }
    }
}
