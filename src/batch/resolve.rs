//! Resolving: of one outpoint, the coins that there are, and which of its pending spends takes which.
//!
//! Invariant: a spend takes the newest coin that was made before it and not taken before.

use super::bad_block::{BadSpend, Failure, SpendFault};
use super::coinbases::Coinbases;
use super::pending::PendingRow;
use super::rows::Spends;
use crate::primitives::position::{TxNum, Txo};
use crate::runs::catalogue::Run;
use crate::runs::read::Walk;
use crate::runs::row::CoinRow;
use crate::runs::stream::Stream;
use crate::store::Store;
use std::cmp::Reverse;

/// Looks up spends, which come in order of their outpoints, in coins of the batch and in older runs.
///
/// Memory: a page of each run that covers the outpoint.
pub struct Resolver<'c> {
    coinbases: &'c Coinbases,
    /// Older runs that are still to come, the nearest last.
    waiting: Vec<Run>,
    /// Those that cover the outpoint.
    open: Vec<Walk<CoinRow>>,
    /// What is live of the outpoint, oldest first: of the batch, and, once a spend found no coin there,
    /// of older runs.
    coins: Vec<CoinRow>,
    has_older: bool,
    any_older: bool,
    /// What is left of the batch's rows of the outpoint, with the deletes of coins that were taken.
    left: Vec<CoinRow>,
    /// Coinbases that overwrote a coin, one by one.
    pub overwriters: Vec<TxNum>,
}

impl<'c> Resolver<'c> {
    /// `older`: the runs that together hold every coin made before the batch.
    pub fn new(mut older: Vec<Run>, coinbases: &'c Coinbases) -> Resolver<'c> {
        older.sort_unstable_by_key(|run| Reverse(run.low_key));
        Resolver {
            coinbases,
            waiting: older,
            open: Vec::new(),
            coins: Vec::new(),
            has_older: false,
            any_older: false,
            left: Vec::new(),
            overwriters: Vec::new(),
        }
    }

    /// Closes the runs: they are opened again when they are needed.
    pub fn close(&mut self) {
        let open = self.open.drain(..).map(|walk| *walk.run());
        self.waiting.extend(open);
        self.waiting
            .sort_unstable_by_key(|run| Reverse(run.low_key));
    }

    /// Gives the spends of one outpoint, the next in `pending`, their coins, and notes in `spends` who
    /// spent them. `rows`: all that the batch has written of the outpoint, in order. Returns what is
    /// left of that, with the deletes of older coins.
    ///
    /// # Errors
    /// A spend that cannot be; [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn resolve(
        &mut self,
        store: &Store,
        fingerprint: u128,
        rows: &[CoinRow],
        pending: &mut Stream<'_, PendingRow>,
        spends: &mut Spends<'_>,
    ) -> Result<&[CoinRow], Failure> {
        self.coins.clear();
        self.coins.extend_from_slice(rows);
        self.left.clear();
        self.left.extend_from_slice(rows);
        (self.has_older, self.any_older) = (false, false);
        let is_of_it = |row: &PendingRow| row.fingerprint() == fingerprint;
        while let Some(spend) = pending.peek()?.filter(is_of_it) {
            let coin = match self.newest_before(spend.spender()) {
                None => {
                    self.collect_older(store, fingerprint)?;
                    self.newest_before(spend.spender())
                }
                found => found,
            };
            if let Some(at) = coin {
                self.take(at, spend, spends)?;
            } else if !spend.is_probe() {
                return Err(self.none_for(spend).into());
            }
            pending.advance();
        }
        self.left.sort_unstable();
        cancel_pairs(&mut self.left);
        Ok(&self.left)
    }

    /// Which of the coins at hand is the newest that is older than the spender.
    fn newest_before(&self, spender: TxNum) -> Option<usize> {
        let is_older = |row: &CoinRow| !row.is_delete() && row.txo().existed_before(spender);
        self.coins.iter().rposition(is_older)
    }

    /// Gives the spend its coin. It has to be old enough, unless a coinbase overwrites it (BIP 30).
    fn take(
        &mut self,
        at: usize,
        spend: PendingRow,
        spends: &mut Spends<'_>,
    ) -> Result<(), BadSpend> {
        let coin = self.coins.remove(at);
        if !spend.is_probe() && self.coinbases.is_young_for(coin.txo(), spend.spender()) {
            return Err(BadSpend {
                pending: spend,
                fault: SpendFault::Young,
            });
        }
        self.left.push(CoinRow(coin.0 | 1));
        self.overwriters
            .extend(spend.is_probe().then_some(spend.spender()));
        spends.push(coin.txo(), spend.spender());
        Ok(())
    }

    /// Why none of all coins can be spent.
    fn none_for(&self, pending: PendingRow) -> BadSpend {
        let any = self.any_older || !self.left.is_empty();
        let fault = match (self.coins.is_empty(), any) {
            (false, _) => SpendFault::Early,
            (true, true) => SpendFault::Spent,
            (true, false) => SpendFault::Missing,
        };
        BadSpend { pending, fault }
    }

    /// Adds the coins of one fingerprint in older runs, unless they are there.
    fn collect_older(&mut self, store: &Store, fingerprint: u128) -> crate::Result<()> {
        if std::mem::replace(&mut self.has_older, true) {
            return Ok(());
        }
        let key = CoinRow::put(fingerprint, Txo(0)).0;
        self.open.retain(|walk| walk.run().end_key > key);
        while let Some(run) = self.waiting.pop_if(|run| run.low_key <= key) {
            if run.end_key > key {
                self.open.push(Walk::new(store, &store.read()?, run, key)?);
            }
        }
        for walk in &mut self.open {
            walk.seek(key)?;
            while let Some(row) = walk.row().filter(|row| row.fingerprint() == fingerprint) {
                self.any_older = true;
                self.coins.push(row);
                walk.advance()?;
            }
        }
        self.coins.sort_unstable();
        cancel_pairs(&mut self.coins);
        Ok(())
    }
}

/// Takes out each put that a delete follows, and that delete; `rows` are in order.
fn cancel_pairs(rows: &mut Vec<CoinRow>) {
    let mut kept = 0;
    for at in 0..rows.len() {
        let row = rows[at];
        if row.is_delete() && kept > 0 && rows[kept - 1].0 == row.0 & !1 {
            kept -= 1;
        } else {
            rows[kept] = row;
            kept += 1;
        }
    }
    rows.truncate(kept);
}
