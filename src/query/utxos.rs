//! `utxos`: the unspent outputs of scripts, one after the other.
//!
//! Invariant: they come in chain order, and their sum, which is told before them, is that of all of them,
//! whichever part of the list is asked for.
//!
//! Memory: two walks over what pays the scripts, one for the sum, of a batch each; few outputs are read at once.

use super::answers::{Utxo, Utxos};
use super::listing::{AT_ONCE_MAX, Counter, Listing, Start, Turn};
use super::payees::Payees;
use super::payments::{Located, Payment, Payments, is_checked};
use super::{Fault, Source, View};
use crate::primitives::network::NetworkName;
use crate::primitives::position::{Height, Txo};
use crate::query::script::address_of;
use crate::{Error, Result};
use bitcoin::Script;
use std::collections::VecDeque;

/// Unspent outputs of a script, as they are read. What else is answered is in [`Unspent::answer`].
pub struct Unspent<'v, 'i> {
    coins: Coins<'v, 'i>,
    answer: Utxos,
}

/// Unspent outputs of scripts, each with the number of its script.
pub(super) struct Coins<'v, 'i> {
    view: &'v mut View<'i>,
    payees: Payees,
    source: Source,
    /// `None`: all are ready.
    payments: Option<Payments>,
    ready: VecDeque<Located>,
    rows: usize,
    counter: Counter,
    is_over: bool,
    /// The sum of all, also of those that are not listed.
    pub total_sat: u128,
    /// Whether the scripts of all were compared.
    pub checked: bool,
    /// Where the list goes on, if a limit has ended it.
    pub next: Option<Start>,
}

/// What is known of all unspent outputs before the first is given.
struct Sum {
    total_sat: u128,
    checked: bool,
    /// All of them, if they are few.
    located: Option<Vec<Located>>,
}

impl<'i> View<'i> {
    /// The unspent outputs of `script`. With `check` their scripts are compared in the block files, also if the
    /// index keeps txids; blocks that are gone ([`View::gone`]) are a fault then.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`], [`crate::query::Fault`].
    pub fn utxos(&mut self, script: &Script, check: bool) -> Result<Utxos> {
        let listing = Listing {
            check,
            ..Listing::default()
        };
        let mut unspent = self.unspent(script, &listing)?;
        let utxos = unspent.by_ref().collect::<Result<_>>()?;
        Ok(Utxos {
            utxos,
            ..unspent.answer
        })
    }

    /// The same, one by one, and not necessarily all of them.
    ///
    /// # Errors
    /// As [`View::utxos`].
    pub fn unspent<'v>(
        &'v mut self,
        script: &Script,
        listing: &Listing,
    ) -> Result<Unspent<'v, 'i>> {
        let coins = self.coins(Payees::one(script), listing)?;
        Ok(Unspent::of(script, coins))
    }

    /// The same of a script whose unspent outputs are known.
    pub(super) fn unspent_of_few<'v>(
        &'v mut self,
        script: &Script,
        listing: &Listing,
        located: Vec<Located>,
    ) -> Result<Unspent<'v, 'i>> {
        let sum = Sum::of_few(located, self.source(listing.check));
        let coins = self.coins_of(sum, Payees::one(script), listing)?;
        Ok(Unspent::of(script, coins))
    }

    /// The same of any number of scripts.
    pub(super) fn coins<'v>(
        &'v mut self,
        payees: Payees,
        listing: &Listing,
    ) -> Result<Coins<'v, 'i>> {
        let sum = self.sum_unspent(&payees, listing)?;
        self.coins_of(sum, payees, listing)
    }

    fn coins_of<'v>(
        &'v mut self,
        sum: Sum,
        payees: Payees,
        listing: &Listing,
    ) -> Result<Coins<'v, 'i>> {
        let stretch = self.stretch(listing)?;
        let payments = match sum.located {
            Some(_) => None,
            None => Some(self.payments(&payees, stretch.from, stretch.end)?),
        };
        let is_listed = |found: &Located| (stretch.from..stretch.end).contains(&found.payment.txo);
        let located = sum.located.into_iter().flatten();
        Ok(Coins {
            payees,
            source: self.source(listing.check),
            payments,
            ready: located.filter(is_listed).collect(),
            rows: AT_ONCE_MAX,
            counter: Counter::new(listing),
            is_over: false,
            total_sat: sum.total_sat,
            checked: sum.checked,
            next: None,
            view: self,
        })
    }

    fn sum_unspent(&mut self, payees: &Payees, listing: &Listing) -> Result<Sum> {
        let (end, source) = (self.end(), self.source(listing.check));
        let stretch = self.stretch(listing)?;
        let mut payments = self.payments(payees, Txo(0), end)?;
        let (mut few, mut block_end) = (Some(Vec::new()), Txo(0));
        let is_all = stretch.from == Txo(0) && stretch.end == end && listing.limit.is_none();
        let mut sum = Sum {
            total_sat: 0,
            checked: listing.check || source == Source::FilesAtHand && is_all,
            located: None,
        };
        loop {
            let mut batch = payments.next_batch(&self.snapshot, self.share.rows, end)?;
            if batch.is_empty() {
                break;
            }
            batch.retain(|payment| payment.spender.is_none());
            if listing.check {
                batch = self.compared(payees, &batch)?;
            }
            sum.checked = sum.checked && self.has_blocks_of(&batch, &mut block_end)?;
            sum.total_sat += total_of(&batch);
            few = few.filter(|few: &Vec<Payment>| few.len() + batch.len() <= AT_ONCE_MAX);
            few.iter_mut().for_each(|few| few.extend_from_slice(&batch));
        }
        if let Some(few) = few {
            let located = self.locate(payees, &few, source)?;
            sum = Sum::of_few(located, source);
        }
        Ok(sum)
    }

    /// Whether the files of the blocks of `payments` are there: those up to `block_end` are known to be.
    pub(super) fn has_blocks_of(
        &mut self,
        payments: &[Payment],
        block_end: &mut Txo,
    ) -> Result<bool> {
        let at = self.at;
        let (snapshot, files) = self.parts()?;
        let mut height = Height(0);
        for payment in payments {
            if payment.txo < *block_end {
                continue;
            }
            height = snapshot.height_at(payment.txo, height, at)?;
            *block_end = Txo(snapshot.block(height)?.outputs);
            if !files.has(snapshot, height)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Sum {
    /// Of all unspent outputs.
    fn of_few(located: Vec<Located>, source: Source) -> Sum {
        let amounts_sat = located.iter().map(|found| found.payment.amount_sat);
        Sum {
            total_sat: amounts_sat.map(u128::from).sum(),
            checked: is_checked(&located, source),
            located: Some(located),
        }
    }
}

fn total_of(payments: &[Payment]) -> u128 {
    payments
        .iter()
        .map(|payment| u128::from(payment.amount_sat))
        .sum()
}

impl Coins<'_, '_> {
    /// The script of this number.
    pub fn payee(&self, number: u32) -> &Script {
        self.payees.get(number)
    }

    /// The network of its address.
    pub fn network(&self) -> NetworkName {
        self.view.network
    }

    fn advance(&mut self) -> Result<Option<Located>> {
        let view = &mut *self.view;
        while self.ready.is_empty()
            && let Some(payments) = &mut self.payments
        {
            let rows = self.counter.wanted(self.rows);
            self.rows = (self.rows * 2).min(view.share.rows);
            let mut batch = payments.next_batch(&view.snapshot, rows, view.end())?;
            if batch.is_empty() {
                self.payments = None;
            }
            batch.retain(|payment| payment.spender.is_none());
            let located = view.locate(&self.payees, &batch, self.source)?;
            // With `check` those of other scripts are not in the sum; else they are.
            if self.source != Source::Files {
                expect_all(&batch, &located, &self.payees)?;
            }
            self.ready.extend(located);
        }
        Ok(self.ready.pop_front())
    }

    fn next_listed(&mut self) -> Result<Option<(u32, Utxo)>> {
        while let Some(found) = self.advance()? {
            match self.counter.turn(found.height) {
                Turn::Passed => {}
                Turn::Given => return Ok(Some((found.payment.payee, self.utxo(&found)))),
                Turn::Behind(next) => {
                    self.next = Some(next);
                    break;
                }
            }
        }
        Ok(None)
    }

    fn utxo(&self, found: &Located) -> Utxo {
        Utxo {
            outpoint: found.outpoint,
            amount_sat: found.payment.amount_sat,
            height: found.height,
            confirmations: found.height.confirmations(self.view.at),
            time: found.time,
            coinbase: found.coinbase,
        }
    }
}

/// Refuses outputs that turned out to be of another script.
fn expect_all(batch: &[Payment], located: &[Located], payees: &Payees) -> Result<()> {
    let mut found = located.iter().map(|found| found.payment.txo);
    let other = batch
        .iter()
        .find(|payment| found.next() != Some(payment.txo));
    match other {
        None => Ok(()),
        Some(other) => Err(Error::from(Fault::SameFingerprint {
            script: payees.get(other.payee).to_owned(),
        })),
    }
}

impl Iterator for Coins<'_, '_> {
    type Item = Result<(u32, Utxo)>;

    fn next(&mut self) -> Option<Result<(u32, Utxo)>> {
        if self.is_over {
            return None;
        }
        let next = self.next_listed().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<'v, 'i> Unspent<'v, 'i> {
    fn of(script: &Script, coins: Coins<'v, 'i>) -> Unspent<'v, 'i> {
        Unspent {
            answer: Utxos {
                script: script.to_owned(),
                address: address_of(script, coins.network()),
                height: coins.view.at,
                total_sat: coins.total_sat,
                checked: coins.checked,
                utxos: Vec::new(),
                next: None,
            },
            coins,
        }
    }

    /// The answer without its list; [`Utxos::next`] is told once the last one was given.
    pub fn answer(&self) -> &Utxos {
        &self.answer
    }
}

impl Iterator for Unspent<'_, '_> {
    type Item = Result<Utxo>;

    fn next(&mut self) -> Option<Result<Utxo>> {
        let next = self.coins.next();
        self.answer.next = self.coins.next;
        next.map(|row| row.map(|(_, utxo)| utxo))
    }
}
