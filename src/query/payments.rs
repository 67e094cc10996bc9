//! The outputs that pay a script, batch by batch, and where they are.
//!
//! Invariant: where an output's block is read its script is compared, since fingerprints may collide.
//!
//! Memory: a batch, and a page of each run that has outputs of the script.

use super::Fault;
use super::blocks::{Found, GoneBlock, Visited};
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

/// An output that pays the script, as the index has it.
#[derive(Clone, Copy)]
pub(super) struct Payment {
    pub txo: Txo,
    pub amount_sat: u64,
    /// The transaction that spent or overwrote it.
    pub spender: Option<TxNum>,
}

/// The same, with its place in the chain. Of a block that is gone, from which nothing was kept, no more is known.
#[derive(Clone, Copy)]
pub(super) struct Located {
    pub payment: Payment,
    pub outpoint: Option<OutPoint>,
    pub height: Height,
    pub time: u32,
    pub coinbase: Option<bool>,
}

/// The outputs whose scripts have the fingerprint of one, in chain order.
pub(super) struct Payments {
    rows: RangeRows<FundingRow>,
    end: Txo,
}

impl Payments {
    /// The next outputs, `count` at most; none behind the last. Who spent them, up to the last block below `end`,
    /// is told too.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
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
            && let Some(row) = self.rows.next()?.filter(|row| row.txo() < self.end)
        {
            payments.push(Payment {
                txo: row.txo(),
                amount_sat: row.amount_sat,
                spender: None,
            });
        }
        Ok(payments)
    }
}

fn txos_of(payments: &[Payment]) -> Vec<Txo> {
    payments.iter().map(|payment| payment.txo).collect()
}

impl View<'_> {
    /// The outputs from `from` on and below `end` whose scripts have the fingerprint of this one.
    pub(super) fn payments(&self, script: &Script, from: Txo, end: Txo) -> Result<Payments> {
        expect_indexed(script)?;
        let fingerprints = self.snapshot.index().fingerprints();
        let first_key = FundingRow::first_key(fingerprints.script(script.as_bytes()));
        let keys = first_key | u128::from(from.0)..=*keys_from(first_key).end();
        let rows = self.snapshot.range_of(&keys)?;
        Ok(Payments { rows, end })
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
        let txos = txos_of(payments);
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
