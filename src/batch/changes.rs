//! Coins into and out of the table: the hot loop.
//!
//! Invariant: a coin that ends and is on disk already leaves a delete; a spend that misses the table
//! is pending; nothing else is left undone.

use super::TableCounts;
use super::bad_block::{BadBlock, BadSpend};
use super::change::Change;
use super::coinbases::Coinbases;
use super::pending::{Pending, PendingRow};
use super::rows::Spends;
use crate::batch::table::Table;
use crate::memory::region::Buffer;
use crate::primitives::position::{TxNum, Txo};
use crate::runs::row::CoinRow;

/// Table slots are asked for this many changes ahead of their use.
const PREFETCH_AHEAD: usize = 24;

/// What must make room before the next coin is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// The table; the coin has this position.
    Table(Txo),
    /// Who spent what: a coinbase has overwritten many coins.
    Spending,
}

/// What the changes of one block work on.
pub struct Changes<'a> {
    /// The table.
    pub table: &'a mut Table,
    /// Who spent what.
    pub spending: Spends<'a>,
    /// Coinbases that may not be spent yet.
    pub coinbases: &'a Coinbases,
    /// Spends that missed the table.
    pub pending: &'a mut Pending,
    /// Ends of coins that are on disk.
    pub deletes: &'a mut Buffer<CoinRow>,
    /// Hits and misses.
    pub counts: &'a mut TableCounts,
    /// Coins that a coinbase made again while they were unspent.
    pub overwritten: &'a mut u64,
    /// Coins below it are on disk.
    pub spilled_below: Txo,
    /// The coinbase.
    pub coinbase: TxNum,
    /// End of its outputs.
    pub coinbase_end: Txo,
    /// Whether the coinbase may make a coin again that is not in the table (BIP 30).
    pub may_overwrite_unseen: bool,
}

impl Changes<'_> {
    /// Goes on with `changes[*at]`, and leaves in `at` where it stopped: at the end, or at a coin for which
    /// room must be made first.
    ///
    /// # Errors
    /// What the block may not do.
    #[inline(never)]
    pub fn apply(&mut self, changes: &[Change], at: &mut usize) -> Result<Option<Full>, BadBlock> {
        while let Some(change) = changes.get(*at) {
            if let Some(ahead) = changes.get(*at + PREFETCH_AHEAD) {
                self.table.prefetch(ahead.fingerprint());
            }
            if change.is_take() {
                if !self.take(*change) {
                    return Err(BadSpend::young(*change).into());
                }
                *at += 1;
                continue;
            }
            let coin = change.made();
            if !self.table.has_room() {
                return Ok(Some(Full::Table(coin.txo())));
            } else if coin.txo() < self.coinbase_end && self.spending.room() == 0 {
                return Ok(Some(Full::Spending));
            } else if let Some(old) = self.table.insert(coin) {
                if coin.txo() >= self.coinbase_end {
                    return Err(BadBlock::Repeats(coin.txo()));
                }
                self.end(old, self.coinbase);
                *self.overwritten += 1;
            } else if self.may_overwrite_unseen && coin.txo() < self.coinbase_end {
                self.pending
                    .push(PendingRow::probe(coin.fingerprint(), self.coinbase));
            }
            *at += 1;
        }
        Ok(None)
    }

    /// `false`: the coin may not be spent yet.
    #[inline(always)]
    fn take(&mut self, change: Change) -> bool {
        let (fingerprint, spender) = (change.fingerprint(), change.spender());
        match self.table.take(fingerprint) {
            Some(coin) if self.coinbases.is_young(coin.txo()) => return false,
            Some(coin) => {
                self.end(coin, spender);
                self.counts.hits += 1;
            }
            None => {
                self.pending.push(PendingRow::spend(fingerprint, spender));
                self.counts.misses += 1;
            }
        }
        true
    }

    #[inline(always)]
    fn end(&mut self, coin: CoinRow, spender: TxNum) {
        self.spending.push(coin.txo(), spender);
        if coin.txo() < self.spilled_below {
            self.deletes
                .push(CoinRow::delete(coin.fingerprint(), coin.txo()));
        }
    }
}
