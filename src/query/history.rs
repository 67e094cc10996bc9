//! `history`: when scripts received and spent, one event after the other.
//!
//! Invariant: events come in chain order, and the running balance never falls below zero.
//!
//! The index tells in one walk who spent what, which is sorted by spender; receives come in chain order from a
//! second walk, spends in that of their transactions, and both are located batch by batch and merged.
//!
//! Memory: a batch of receives and one of spends, and what sorts these.

use super::answers::{Event, EventKind, History};
use super::gathered::{Sorted, Spend};
use super::listing::{AT_ONCE_MAX, Counter, Listing, Stretch, Turn};
use super::outputs::{Ending, Spending, Spent};
use super::payees::Payees;
use super::payments::{Located, Payment, Payments};
use super::{Fault, Source, View};
use crate::Result;
use crate::primitives::position::{TxNum, Txo};
use crate::query::script::address_of;
use bitcoin::Script;
use std::collections::VecDeque;

/// What sorts events: a position, at which spends come before receives, each by their index or output. A
/// transaction's spends are at its first output, what it makes at its own: behind all of the transaction before.
type Order = (Txo, EventKind, u64);

/// What happens to a balance.
enum Change {
    /// An output is made or spent.
    Event(Event),
    /// An output of so much is overwritten (BIP 30): that is lost just before the overwriter's own events.
    Lost(u64),
}

/// Events of a script, as they are read. What else is answered is in [`Events::answer`].
pub struct Events<'v, 'i> {
    changes: Changes<'v, 'i>,
    answer: History,
    is_over: bool,
}

/// Events of scripts.
pub(super) struct Changes<'v, 'i> {
    view: &'v mut View<'i>,
    payees: Payees,
    source: Source,
    /// All outputs, if they are few.
    all: Option<Vec<Located>>,
    /// `None`: all receives are ready.
    payments: Option<Payments>,
    spends: Sorted<Spend>,
    receives_ready: VecDeque<(Order, Event)>,
    spends_ready: VecDeque<(Order, Change)>,
    rows: usize,
    balance_sat: u128,
    pub counter: Counter,
    /// Whether the scripts of all outputs were compared.
    pub checked: bool,
}

impl<'i> View<'i> {
    /// Everything that ever happened to `script`. With `check` the scripts are compared, and the inputs found, in
    /// the block files, also if the index keeps txids; blocks that are gone ([`View::gone`]) are a fault then.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`], [`crate::query::Fault`].
    pub fn history(&mut self, script: &Script, check: bool) -> Result<History> {
        let listing = Listing {
            check,
            ..Listing::default()
        };
        let mut events = self.events(script, &listing)?;
        let list = events.by_ref().collect::<Result<_>>()?;
        Ok(History {
            events: list,
            ..events.answer
        })
    }

    /// The same, one by one, and not necessarily all of it.
    ///
    /// # Errors
    /// As [`View::history`]; [`crate::memory::Fault`], [`crate::os::Fault::Io`] where many are sorted.
    pub fn events<'v>(&'v mut self, script: &Script, listing: &Listing) -> Result<Events<'v, 'i>> {
        let (height, network) = (self.at, self.network);
        let changes = self.changes(Payees::one(script), listing)?;
        Ok(Events {
            answer: History {
                script: script.to_owned(),
                address: address_of(script, network),
                height,
                checked: changes.checked,
                events: Vec::new(),
                next: None,
            },
            changes,
            is_over: false,
        })
    }

    /// Everything that ever happened to several scripts.
    pub(super) fn changes<'v>(
        &'v mut self,
        payees: Payees,
        listing: &Listing,
    ) -> Result<Changes<'v, 'i>> {
        let source = self.source(listing.check);
        let survey = self.survey(&payees, listing, source)?;
        let Stretch { from, end } = survey.stretch;
        let payments = match survey.all {
            Some(_) => None,
            None => Some(self.payments(&payees, from, end)?),
        };
        let all = survey.all.iter().flatten();
        let listed = all.filter(|found| found.payment.txo >= from);
        Ok(Changes {
            payees,
            source,
            payments,
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

impl Changes<'_, '_> {
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
            let mut changes = self.changes_of(&located)?;
            changes.sort_unstable_by_key(|(order, _)| *order);
            self.spends_ready = changes.into();
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
    fn changes_of(&mut self, located: &[Located]) -> Result<Vec<(Order, Change)>> {
        let ended: Vec<(Located, TxNum)> = located
            .iter()
            .filter_map(|found| Some((*found, found.payment.spender?)))
            .collect();
        let spent = ended.iter().map(|(found, spender)| Spent {
            outpoint: found.outpoint,
            spender: *spender,
        });
        let endings = self.view.endings(spent.collect(), self.source)?;
        let change = |((found, spender), ending): (&(Located, TxNum), Ending)| match ending {
            Ending::Overwritten(_) => {
                let order = (spender.first_output(), EventKind::Spend, 0);
                (order, Change::Lost(found.payment.amount_sat))
            }
            Ending::Spent(by) => spend(found, *spender, by),
        };
        Ok(ended.iter().zip(endings).map(change).collect())
    }

    /// The next event, if there is one, with the balance after it.
    pub fn advance(&mut self) -> Result<Option<Event>> {
        loop {
            self.read_receives()?;
            self.read_spends()?;
            let receive = self.receives_ready.front().map(|(order, _)| order);
            let spend = self.spends_ready.front().map(|(order, _)| order);
            let is_spend = match (receive, spend) {
                (Some(receive), Some(spend)) => spend < receive,
                (_, spend) => spend.is_some(),
            };
            let change = match is_spend {
                true => self.spends_ready.pop_front().map(|(_, change)| change),
                false => {
                    let receive = self.receives_ready.pop_front();
                    receive.map(|(_, event)| Change::Event(event))
                }
            };
            match change {
                None => return Ok(None),
                Some(Change::Lost(amount_sat)) => self.take_away(amount_sat, None)?,
                Some(Change::Event(mut event)) => {
                    match event.kind {
                        EventKind::Receive => self.balance_sat += u128::from(event.amount_sat),
                        EventKind::Spend => self.take_away(event.amount_sat, Some(&event))?,
                    }
                    event.balance_sat = self.balance_sat;
                    event.confirmations = event.height.confirmations(self.view.at);
                    return Ok(Some(event));
                }
            }
        }
    }

    fn take_away(&mut self, amount_sat: u64, event: Option<&Event>) -> Result<()> {
        let left = self.balance_sat.checked_sub(u128::from(amount_sat));
        let outpoint = event.and_then(|event| event.outpoint).unwrap_or_default();
        self.balance_sat = left.ok_or(Fault::OutputMissing { outpoint })?;
        Ok(())
    }
}

impl Events<'_, '_> {
    /// The answer without its list; [`History::next`] is told once the last one was given.
    pub fn answer(&self) -> &History {
        &self.answer
    }

    fn next_listed(&mut self) -> Result<Option<Event>> {
        while let Some(event) = self.changes.advance()? {
            match self.changes.counter.turn(event.height) {
                Turn::Passed => {}
                Turn::Given => return Ok(Some(event)),
                Turn::Behind(next) => {
                    self.answer.next = Some(next);
                    break;
                }
            }
        }
        Ok(None)
    }
}

impl Iterator for Events<'_, '_> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        if self.is_over {
            return None;
        }
        let next = self.next_listed().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

fn receive(found: &Located) -> (Order, Event) {
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
    ((txo, EventKind::Receive, txo.0), event)
}

fn spend(found: &Located, spender: TxNum, by: Spending) -> (Order, Change) {
    let event = Event {
        height: by.height,
        time: by.time,
        txid: by.txid,
        kind: EventKind::Spend,
        input_index: by.input_index,
        ..receive(found).1
    };
    // All of a transaction's inputs are known, or none is, unless blocks of what they spend are gone.
    let index = by.input_index.map_or(found.payment.txo.0, u64::from);
    let order = (spender.first_output(), EventKind::Spend, index);
    (order, Change::Event(event))
}
