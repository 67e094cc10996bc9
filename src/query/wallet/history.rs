//! `history` of a wallet: one row a transaction.
//!
//! Invariant: a row has all that its transaction paid to the wallet's scripts and spent of theirs, and the balance of
//! all of them behind it.
//!
//! Memory: that of `history`, and the scripts that were ever used.

use super::{Extent, Used};
use crate::Result;
use crate::primitives::position::{Height, TxNum};
use crate::query::changes::{Change, Changes};
use crate::query::listing::Turn;
use crate::query::outputs::Paid;
use crate::query::script::Wallet;
use crate::query::{EventKind, Listing, Start, View};
use bitcoin::Txid;
use serde::Serialize;

/// What happened to a wallet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WalletHistory {
    /// The descriptor, with its checksum.
    pub descriptor: String,
    /// The height asked about.
    pub height: Height,
    /// Whether the outputs' scripts were compared in the block files, and not only by fingerprint.
    pub checked: bool,
    /// In chain order.
    pub transactions: Vec<WalletTx>,
    /// Where the list goes on, if a limit has ended it.
    pub next: Option<Start>,
}

/// What a transaction did to a wallet. Of a block that is gone, from which no txids were kept, it is not known which
/// outputs one transaction made: each of these is a row of its own then.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WalletTx {
    /// Height of its block.
    pub height: Height,
    /// Blocks from there up to the one that the answer is as of, as Bitcoin Core counts them.
    pub confirmations: u32,
    /// Time of its block.
    pub time: u32,
    /// Its txid; `None` if its block is gone and txids are not kept.
    pub txid: Option<Txid>,
    /// Whether it is a coinbase; `None` as for the txid, if an earlier version imported the block.
    pub coinbase: Option<bool>,
    /// Sum of its outputs that pay the wallet.
    pub received_sat: u128,
    /// Sum of the wallet's outputs that it spends.
    pub sent_sat: u128,
    /// What the wallet has more afterwards; below zero: less.
    pub net_sat: i128,
    /// What its inputs have more than its outputs, if all inputs are the wallet's. `None` also where its inputs were not
    /// read in the block files.
    pub fee_sat: Option<i128>,
    /// The wallet's balance afterwards.
    pub balance_sat: u128,
}

/// Transactions of a wallet, as they are read. What else is answered is in [`WalletTxs::answer`].
pub struct WalletTxs<'v, 'i> {
    txs: Txs<'v, 'i>,
    answer: WalletHistory,
}

/// Transactions that changed the balance of scripts.
pub(in crate::query) struct Txs<'v, 'i> {
    changes: Changes<'v, 'i>,
    /// The first change of the transaction that comes next.
    ahead: Option<Change>,
    is_over: bool,
    /// Where the list goes on, if a limit has ended it.
    pub goes_on_at: Option<Start>,
}

impl<'i> View<'i> {
    /// Everything that ever happened to `wallet`'s scripts; see [`View::events`].
    ///
    /// # Errors
    /// Those of [`View::events`].
    pub fn wallet_history<'v>(
        &'v mut self,
        wallet: &Wallet,
        extent: Extent,
        listing: &Listing,
    ) -> Result<WalletTxs<'v, 'i>> {
        let height = self.at;
        let Used { payees, .. } = wallet.used(extent, self)?;
        let changes = self.changes(payees, listing)?;
        Ok(WalletTxs {
            answer: WalletHistory {
                descriptor: wallet.descriptor().to_owned(),
                height,
                checked: changes.checked,
                transactions: Vec::new(),
                next: None,
            },
            txs: Txs::of(changes),
        })
    }
}

/// A row, while changes are added to it.
struct Row {
    number: Option<TxNum>,
    tx: WalletTx,
    /// Inputs that are the wallet's.
    spends: usize,
    paid: Option<Paid>,
}

impl Row {
    fn of(first: &Change) -> Row {
        let event = &first.event;
        let mut row = Row {
            number: first.tx,
            tx: WalletTx {
                height: event.height,
                confirmations: event.confirmations,
                time: event.time,
                txid: event.txid,
                coinbase: first.coinbase,
                received_sat: 0,
                sent_sat: 0,
                net_sat: 0,
                fee_sat: None,
                balance_sat: 0,
            },
            spends: 0,
            paid: first.paid,
        };
        row.add(first);
        row
    }

    fn add(&mut self, change: &Change) {
        let amount_sat = u128::from(change.event.amount_sat);
        match change.event.kind {
            EventKind::Receive => self.tx.received_sat += amount_sat,
            EventKind::Spend => {
                self.tx.sent_sat += amount_sat;
                self.spends += 1;
            }
        }
        self.tx.balance_sat = change.event.balance_sat;
    }

    fn finish(mut self) -> WalletTx {
        let (received_sat, sent_sat) = (self.tx.received_sat as i128, self.tx.sent_sat as i128);
        self.tx.net_sat = received_sat - sent_sat;
        let paid = self.paid.filter(|paid| paid.inputs == self.spends);
        self.tx.fee_sat = paid.map(|paid| sent_sat - paid.outputs_sat as i128);
        self.tx
    }
}

impl WalletTxs<'_, '_> {
    /// The answer without its list; [`WalletHistory::next`] is told once the last one was given.
    pub fn answer(&self) -> &WalletHistory {
        &self.answer
    }
}

impl Iterator for WalletTxs<'_, '_> {
    type Item = Result<WalletTx>;

    fn next(&mut self) -> Option<Result<WalletTx>> {
        let next = self.txs.next();
        self.answer.next = self.txs.goes_on_at;
        next
    }
}

impl<'v, 'i> Txs<'v, 'i> {
    /// Those that these changes are of.
    pub fn of(changes: Changes<'v, 'i>) -> Txs<'v, 'i> {
        Txs {
            changes,
            ahead: None,
            is_over: false,
            goes_on_at: None,
        }
    }

    /// The next transaction, listed or not.
    fn advance(&mut self) -> Result<Option<WalletTx>> {
        let first = match self.ahead.take() {
            Some(first) => first,
            None => match self.changes.advance()? {
                Some(first) => first,
                None => return Ok(None),
            },
        };
        let mut row = Row::of(&first);
        while let Some(change) = self.changes.advance()? {
            if change.tx.is_none() || change.tx != row.number {
                self.ahead = Some(change);
                break;
            }
            row.add(&change);
        }
        Ok(Some(row.finish()))
    }

    fn next_listed(&mut self) -> Result<Option<WalletTx>> {
        while let Some(tx) = self.advance()? {
            match self.changes.counter.turn(tx.height) {
                Turn::Passed => {}
                Turn::Given => return Ok(Some(tx)),
                Turn::Behind(next) => {
                    self.goes_on_at = Some(next);
                    break;
                }
            }
        }
        Ok(None)
    }
}

impl Iterator for Txs<'_, '_> {
    type Item = Result<WalletTx>;

    fn next(&mut self) -> Option<Result<WalletTx>> {
        if self.is_over {
            return None;
        }
        let next = self.next_listed().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}
