//! `history`: when a script received and spent.
//!
//! Invariant: events come in chain order, and the running balance never falls below zero.

use super::View;
use super::answers::{Event, EventKind, History};
use super::outputs::{Ending, Spent};
use super::payments::Located;
use crate::Result;
use crate::primitives::position::TxNum;
use crate::query::script::address_of;
use bitcoin::Script;

/// What sorts events: the transaction, and in it spends before receives, each by their index.
type Order = (TxNum, EventKind, u32);

impl View<'_> {
    /// Everything that ever happened to `script`.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`], [`crate::query::Fault`].
    pub fn history(&mut self, script: &Script) -> Result<History> {
        let payments = self.payments(script)?;
        let located = self.locate(script, &payments)?;
        let spent = located.iter().filter_map(|found| {
            Some(Spent {
                outpoint: found.outpoint,
                spender: found.payment.spender?,
            })
        });
        let mut endings = self.endings(spent.collect())?.into_iter();
        let mut events: Vec<(Order, Event)> = Vec::with_capacity(2 * located.len());
        let mut overwritten: Vec<(TxNum, u64)> = Vec::new();
        for found in &located {
            events.push(receive(found));
            let Some(spender) = found.payment.spender else {
                continue;
            };
            match endings.next().expect("as many as were asked for") {
                Ending::Overwritten(_) => overwritten.push((spender, found.payment.amount_sat)),
                Ending::Spent(by) => {
                    let event = Event {
                        height: by.height,
                        time: by.time,
                        txid: by.txid,
                        kind: EventKind::Spend,
                        input_index: Some(by.input_index),
                        ..receive(found).1
                    };
                    events.push(((spender, EventKind::Spend, by.input_index), event));
                }
            }
        }
        events.sort_unstable_by_key(|(order, _)| *order);
        overwritten.sort_unstable();
        run_balance(&mut events, &overwritten);
        Ok(History {
            script: script.to_owned(),
            address: address_of(script, self.network),
            height: self.at,
            events: events.into_iter().map(|(_, event)| event).collect(),
        })
    }
}

fn receive(found: &Located) -> (Order, Event) {
    let vout = found.outpoint.vout;
    let event = Event {
        height: found.height,
        time: found.time,
        txid: found.outpoint.txid,
        kind: EventKind::Receive,
        outpoint: found.outpoint,
        amount_sat: found.payment.amount_sat,
        input_index: None,
        balance_sat: 0,
    };
    ((found.tx, EventKind::Receive, vout), event)
}

/// Fills in the balances. What a transaction overwrote is lost just before its own events.
fn run_balance(events: &mut [(Order, Event)], overwritten: &[(TxNum, u64)]) {
    let mut balance_sat = 0u128;
    let mut lost = overwritten.iter().peekable();
    for ((tx, _, _), event) in events {
        while let Some((_, amount_sat)) = lost.next_if(|(overwriter, _)| overwriter <= tx) {
            balance_sat -= u128::from(*amount_sat);
        }
        match event.kind {
            EventKind::Receive => balance_sat += u128::from(event.amount_sat),
            EventKind::Spend => balance_sat -= u128::from(event.amount_sat),
        }
        event.balance_sat = balance_sat;
    }
}
