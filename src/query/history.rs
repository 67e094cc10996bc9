//! `history`: when a script received and spent.
//!
//! Invariant: events come in chain order, and the running balance never falls below zero.

use super::View;
use super::answers::{Event, EventKind, History};
use super::outputs::{Ending, Spending, Spent};
use super::payments::{Located, is_checked};
use crate::Result;
use crate::primitives::position::{TxNum, Txo};
use crate::query::script::address_of;
use bitcoin::Script;

/// What sorts events: a position, at which spends come before receives, each by their index or output. A
/// transaction's spends are at its first output, what it makes at its own: behind all of the transaction before.
type Order = (Txo, EventKind, u64);

impl View<'_> {
    /// Everything that ever happened to `script`. With `check` the scripts are compared, and the inputs found, in
    /// the block files, also if the index keeps txids; blocks that are gone ([`View::gone`]) are a fault then.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`], [`crate::query::Fault`].
    pub fn history(&mut self, script: &Script, check: bool) -> Result<History> {
        let source = self.source(check);
        let payments = self.payments(script)?;
        let located = self.locate(script, &payments, source)?;
        let spent = located.iter().filter_map(|found| {
            Some(Spent {
                outpoint: found.outpoint,
                spender: found.payment.spender?,
            })
        });
        let mut endings = self.endings(spent.collect(), source)?.into_iter();
        let mut events: Vec<(Order, Event)> = Vec::with_capacity(2 * located.len());
        let mut overwritten: Vec<(Txo, u64)> = Vec::new();
        for found in &located {
            events.push(receive(found));
            let Some(spender) = found.payment.spender else {
                continue;
            };
            match endings.next().expect("as many as were asked for") {
                Ending::Overwritten(_) => {
                    overwritten.push((spender.first_output(), found.payment.amount_sat));
                }
                Ending::Spent(by) => events.push(spend(found, spender, by)),
            }
        }
        events.sort_unstable_by_key(|(order, _)| *order);
        overwritten.sort_unstable();
        run_balance(&mut events, &overwritten);
        Ok(History {
            script: script.to_owned(),
            address: address_of(script, self.network),
            height: self.at,
            checked: is_checked(&located, source),
            events: events.into_iter().map(|(_, event)| event).collect(),
        })
    }
}

fn receive(found: &Located) -> (Order, Event) {
    let txo = found.payment.txo;
    let event = Event {
        height: found.height,
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

fn spend(found: &Located, spender: TxNum, by: Spending) -> (Order, Event) {
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
    ((spender.first_output(), EventKind::Spend, index), event)
}

/// Fills in the balances. What a transaction overwrote is lost just before its own events.
fn run_balance(events: &mut [(Order, Event)], overwritten: &[(Txo, u64)]) {
    let mut balance_sat = 0u128;
    let mut lost = overwritten.iter().peekable();
    for ((position, _, _), event) in events {
        while let Some((_, amount_sat)) = lost.next_if(|(overwriter, _)| overwriter <= position) {
            balance_sat -= u128::from(*amount_sat);
        }
        match event.kind {
            EventKind::Receive => balance_sat += u128::from(event.amount_sat),
            EventKind::Spend => balance_sat -= u128::from(event.amount_sat),
        }
        event.balance_sat = balance_sat;
    }
}
