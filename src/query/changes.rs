//! What happens to the balance of scripts, one change after the other.
//!
//! Invariant: changes come in chain order, those of one transaction together, and the running balance never falls
//! below zero.
//!
//! The index tells in one walk who spent what, which is sorted by spender; receives come in chain order from a
//! second walk, spends in that of their transactions, and both are located batch by batch and merged.
//!
//! Memory: a batch of receives and one of spends, and what sorts these.

use super::answers::{Event, EventKind};
use super::gathered::{Sorted, Spend};
use super::listing::{AT_ONCE_MAX, Counter, Listing, Stretch};
use super::outputs::{Ending, Paid, Spending, Spent};
use super::payees::Payees;
use super::payments::{Located, Payment, Payments};
use super::survey::Survey;
use super::{Fault, Source, View};
use crate::Result;
use crate::primitives::position::{TxNum, Txo};
use bitcoin::OutPoint;
use std::collections::VecDeque;

/// What sorts events: a position, at which spends come before receives, each by their index or output. A
/// transaction's spends are at its first output, what it makes at its own: behind all of the transaction before.
type Order = (Txo, EventKind, u64);

/// What happens to a balance.
enum Happening {
    /// An output is made or spent.
    Change(Change),
    /// An output of so much is overwritten (BIP 30): that is lost just before the overwriter's own events.
    Lost(u64),
}

/// An output is made or spent.
pub(super) struct Change {
    pub event: Event,
    /// The transaction that does it. Of a block that is gone, from which no txids were kept, it is known of spends
    /// only.
    pub tx: Option<TxNum>,
    /// Whether that is a coinbase.
    pub coinbase: Option<bool>,
    /// Of a spend.
    pub paid: Option<Paid>,
}

/// See the module documentation.
pub(super) struct Changes<'v, 'i> {
    view: &'v mut View<'i>,
    payees: Payees,
    source: Source,
    /// All outputs, if they are few.
    all: Option<Vec<Located>>,
    /// How each of these ended, if that is known already.
    endings: Option<Vec<Option<Ending>>>,
    /// `None`: all receives are ready.
    payments: Option<Payments>,
    spends: Sorted<Spend>,
    receives_ready: VecDeque<(Order, Change)>,
    spends_ready: VecDeque<(Order, Happening)>,
    rows: usize,
    balance_sat: u128,
    pub counter: Counter,
    /// Whether the scripts of all outputs were compared.
    pub checked: bool,
}

impl<'i> View<'i> {
    /// Everything that ever happened to these scripts.
    pub(super) fn changes<'v>(
        &'v mut self,
        payees: Payees,
        listing: &Listing,
    ) -> Result<Changes<'v, 'i>> {
        let source = self.source(listing.check);
        let survey = self.survey(&payees, listing, source)?;
        self.changes_of(survey, None, payees, listing)
    }

    /// The same of scripts whose outputs, and how these ended, are all known.
    pub(super) fn changes_of_few<'v>(
        &'v mut self,
        located: Vec<Located>,
        endings: Vec<Option<Ending>>,
        payees: Payees,
        listing: &Listing,
    ) -> Result<Changes<'v, 'i>> {
        let survey = self.survey_of_few(located, listing, self.source(listing.check))?;
        self.changes_of(survey, Some(endings), payees, listing)
    }

    fn changes_of<'v>(
        &'v mut self,
        survey: Survey,
        endings: Option<Vec<Option<Ending>>>,
        payees: Payees,
        listing: &Listing,
    ) -> Result<Changes<'v, 'i>> {
        let Stretch { from, end } = survey.stretch;
        let payments = match survey.all {
            Some(_) => None,
            None => Some(self.payments(&payees, from, end)?),
        };
        let all = survey.all.iter().flatten();
        let listed = all.filter(|found| found.payment.txo >= from);
        Ok(Changes {
            payees,
            source: self.source(listing.check),
            payments,
            endings,
            receives_ready: listed.map(receive).collect(),
            spends_ready: VecDeque::new(),
            all: survey.all,
            spends: survey.spends.finish()?,
            rows: AT_ONCE_MAX,
            balance_sat: survey.before_sat,
            counter: Counter::new(listing),
            checked: survey.checked,
            view: self,
        })
    }
}

impl<'i> Changes<'_, 'i> {
    /// What is asked.
    pub fn view(&self) -> &View<'i> {
        self.view
    }

    /// How many rows are to be read next.
    fn rows_wanted(&mut self) -> usize {
        let rows = self.rows;
        self.rows = (rows * 2).min(self.view.share.rows);
        self.counter.wanted(rows)
    }

    /// Makes receives ready, if there are more.
    fn read_receives(&mut self) -> Result<()> {
        while self.receives_ready.is_empty() && self.payments.is_some() {
            let rows = self.rows_wanted();
            let view = &mut *self.view;
            let Some(payments) = &mut self.payments else {
                break;
            };
            // Who spent them is known from the survey.
            let batch = payments.next_made(rows)?;
            if batch.is_empty() {
                self.payments = None;
            }
            let located = view.locate(&self.payees, &batch, self.source)?;
            self.receives_ready.extend(located.iter().map(receive));
        }
        Ok(())
    }

    /// Makes spends ready, of whole transactions, if there are more.
    fn read_spends(&mut self) -> Result<()> {
        while self.spends_ready.is_empty() {
            let rows = match self.all {
                Some(_) => AT_ONCE_MAX,
                None => self.rows_wanted(),
            };
            let mut spends = self.spends.take(rows)?;
            if spends.is_empty() {
                break;
            }
            spends.sort_unstable_by_key(|spend| spend.txo);
            let located = self.locate_spent(&spends)?;
            let mut happenings = self.endings_of(&located)?;
            happenings.sort_unstable_by_key(|(order, _)| *order);
            self.spends_ready = happenings.into();
        }
        Ok(())
    }

    /// Finds what was spent, and drops outputs of other scripts.
    fn locate_spent(&mut self, spends: &[Spend]) -> Result<Vec<Located>> {
        if let Some(all) = &self.all {
            let find = |spend: &Spend| {
                let at = all.binary_search_by_key(&spend.txo, |found| found.payment.txo);
                at.ok().map(|at| all[at])
            };
            return Ok(spends.iter().filter_map(find).collect());
        }
        let payment = |spend: &Spend| Payment {
            txo: spend.txo,
            payee: spend.payee,
            amount_sat: spend.amount_sat,
            spender: Some(spend.spender),
        };
        let payments: Vec<Payment> = spends.iter().map(payment).collect();
        self.view.locate(&self.payees, &payments, self.source)
    }

    /// How these outputs, which all have spenders, ended.
    fn endings_of(&mut self, located: &[Located]) -> Result<Vec<(Order, Happening)>> {
        let ended: Vec<(Located, TxNum)> = located
            .iter()
            .filter_map(|found| Some((*found, found.payment.spender?)))
            .collect();
        let endings = match self.known_endings(&ended) {
            Some(endings) => endings,
            None => {
                let spent = ended.iter().map(|(found, spender)| Spent {
                    outpoint: found.outpoint,
                    spender: *spender,
                });
                self.view.endings(spent.collect(), self.source)?
            }
        };
        let happening = |((found, spender), ending): (&(Located, TxNum), Ending)| match ending {
            Ending::Overwritten(_) => {
                let order = (spender.first_output(), EventKind::Spend, 0);
                (order, Happening::Lost(found.payment.amount_sat))
            }
            Ending::Spent(by) => spend(found, *spender, by),
        };
        Ok(ended.iter().zip(endings).map(happening).collect())
    }

    /// How these ended, if that was known from the beginning.
    fn known_endings(&self, ended: &[(Located, TxNum)]) -> Option<Vec<Ending>> {
        let (all, endings) = (self.all.as_ref()?, self.endings.as_ref()?);
        let ending = |(found, _): &(Located, TxNum)| {
            let txo = found.payment.txo;
            let at = all.binary_search_by_key(&txo, |found| found.payment.txo);
            endings[at.ok()?]
        };
        ended.iter().map(ending).collect()
    }

    /// The next change, if there is one, with the balance after it.
    pub fn advance(&mut self) -> Result<Option<Change>> {
        loop {
            self.read_receives()?;
            self.read_spends()?;
            let receive = self.receives_ready.front().map(|(order, _)| order);
            let spend = self.spends_ready.front().map(|(order, _)| order);
            let is_spend = match (receive, spend) {
                (Some(receive), Some(spend)) => spend < receive,
                (_, spend) => spend.is_some(),
            };
            let next = match is_spend {
                true => self.spends_ready.pop_front().map(|(_, next)| next),
                false => {
                    let receive = self.receives_ready.pop_front();
                    receive.map(|(_, change)| Happening::Change(change))
                }
            };
            match next {
                None => return Ok(None),
                Some(Happening::Lost(amount_sat)) => self.take_away(amount_sat, None)?,
                Some(Happening::Change(change)) => return self.weighed(change).map(Some),
            }
        }
    }

    /// The change with the balance after it.
    fn weighed(&mut self, mut change: Change) -> Result<Change> {
        let event = &mut change.event;
        match event.kind {
            EventKind::Receive => self.balance_sat += u128::from(event.amount_sat),
            EventKind::Spend => self.take_away(event.amount_sat, event.outpoint)?,
        }
        event.balance_sat = self.balance_sat;
        event.confirmations = event.height.confirmations(self.view.at);
        Ok(change)
    }

    fn take_away(&mut self, amount_sat: u64, outpoint: Option<OutPoint>) -> Result<()> {
        let left = self.balance_sat.checked_sub(u128::from(amount_sat));
        let outpoint = outpoint.unwrap_or_default();
        self.balance_sat = left.ok_or(Fault::OutputMissing { outpoint })?;
        Ok(())
    }
}

fn receive(found: &Located) -> (Order, Change) {
    let txo = found.payment.txo;
    let event = Event {
        height: found.height,
        confirmations: 0,
        time: found.time,
        txid: found.outpoint.map(|outpoint| outpoint.txid),
        kind: EventKind::Receive,
        outpoint: found.outpoint,
        amount_sat: found.payment.amount_sat,
        input_index: None,
        balance_sat: 0,
    };
    let change = Change {
        event,
        tx: found.tx,
        coinbase: found.coinbase,
        paid: None,
    };
    ((txo, EventKind::Receive, txo.0), change)
}

fn spend(found: &Located, spender: TxNum, by: Spending) -> (Order, Happening) {
    let event = Event {
        height: by.height,
        time: by.time,
        txid: by.txid,
        kind: EventKind::Spend,
        input_index: by.input_index,
        ..receive(found).1.event
    };
    // All of a transaction's inputs are known, or none is, unless blocks of what they spend are gone.
    let index = by.input_index.map_or(found.payment.txo.0, u64::from);
    let order = (spender.first_output(), EventKind::Spend, index);
    let change = Change {
        event,
        tx: Some(spender),
        coinbase: Some(false),
        paid: by.paid,
    };
    (order, Happening::Change(change))
}
