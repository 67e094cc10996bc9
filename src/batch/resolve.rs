//! Resolving: of one outpoint, the coins that there are, and which of its pending spends takes which.
//!
//! Invariant: a spend takes the newest coin that was made before it and not taken before.

use super::coinbases::Coinbases;
use super::pending::{PendingRow, SortedPending};
use super::rows::Spends;
use crate::Result;
use crate::limits::COINBASE_MATURITY;
use crate::primitives::fingerprint::Fingerprints;
use crate::primitives::position::Txo;
use crate::primitives::wire::{Block, Input};
use crate::runs::catalogue::Run;
use crate::runs::read::Walk;
use crate::runs::row::CoinRow;
use crate::store::Store;
use bitcoin::Txid;
use bitcoin::hashes::Hash;
use std::cmp::Reverse;

/// Why a spend cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpendFault {
    /// There is no coin of that outpoint: none was made, or it was spent, and nothing is left of it.
    #[error("spends a coin that does not exist, or is spent already")]
    Missing,
    /// The coin was spent before, and its end is still on disk.
    #[error("spends a coin that is spent already")]
    Spent,
    /// The coin was made by a later transaction, or by the spender itself.
    #[error("spends a coin before it is made")]
    Early,
    /// The coin is a coinbase's, of which too few blocks ago ("bad-txns-premature-spend-of-coinbase").
    #[error("spends an output of a coinbase that has fewer than {COINBASE_MATURITY} confirmations")]
    Young,
}

/// A spend that cannot be.
#[derive(Clone, Copy, Debug)]
pub struct BadSpend {
    /// The pending row.
    pub pending: PendingRow,
    /// Why.
    pub fault: SpendFault,
}

impl BadSpend {
    /// Of a change that takes an output of a coinbase that may not be spent yet.
    pub fn young(op: CoinRow) -> BadSpend {
        BadSpend {
            pending: PendingRow::spend(op.fingerprint(), op.txo()),
            fault: SpendFault::Young,
        }
    }

    /// Names the transaction, the input and the outpoint, given the block's bytes, the position of
    /// its first output, and the fingerprints that the pending row was made with.
    pub fn describe(&self, bytes: &[u8], first_txo: Txo, fingerprints: &Fingerprints) -> String {
        let mut first = first_txo;
        let Ok(mut block) = Block::read(bytes) else {
            return self.fault.to_string();
        };
        while let Ok(Some(tx)) = block.next_tx() {
            if first == self.pending.spender() {
                let txid = Txid::from_byte_array(tx.txid());
                let is_it = |input: &Input<'_>| {
                    fingerprints.outpoint(input.outpoint) == self.pending.fingerprint()
                };
                if let Some((index, input)) =
                    tx.inputs().enumerate().find(|(_, input)| is_it(input))
                {
                    let prev_txid = Txid::from_byte_array(*input.prev_txid());
                    let vout = input.prev_vout();
                    return format!(
                        "transaction {txid}, input {index}, {} ({prev_txid}:{vout})",
                        self.fault
                    );
                }
            }
            first = Txo(first.0 + tx.output_count as u64);
        }
        self.fault.to_string()
    }
}

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
    pub overwriters: Vec<Txo>,
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
    /// left of that, with the deletes of older coins, or the spend that cannot be.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn settle(
        &mut self,
        store: &Store,
        rows: &[CoinRow],
        pending: &mut SortedPending<'_>,
        first: PendingRow,
        spends: &mut Spends<'_>,
    ) -> Result<std::result::Result<&[CoinRow], BadSpend>> {
        let fingerprint = first.fingerprint();
        self.coins.clear();
        self.coins.extend_from_slice(rows);
        self.left.clear();
        self.left.extend_from_slice(rows);
        (self.has_older, self.any_older) = (false, false);
        while let Some(spend) = pending
            .row()?
            .filter(|row| row.fingerprint() == fingerprint)
        {
            let coin = match self.newest_before(spend.spender()) {
                None => {
                    self.collect_older(store, fingerprint)?;
                    self.newest_before(spend.spender())
                }
                found => found,
            };
            if let Some(at) = coin {
                if !self.may_take(at, spend) {
                    let (pending, fault) = (spend, SpendFault::Young);
                    return Ok(Err(BadSpend { pending, fault }));
                }
                self.take(at, spend, spends);
            } else if !spend.is_probe() {
                let pending = spend;
                let fault = self.fault();
                return Ok(Err(BadSpend { pending, fault }));
            }
            pending.advance();
        }
        self.left.sort_unstable();
        cancel_pairs(&mut self.left);
        Ok(Ok(&self.left))
    }

    /// Which of the coins at hand is the newest that is older than the spender.
    fn newest_before(&self, spender: Txo) -> Option<usize> {
        let is_older = |row: &CoinRow| !row.is_delete() && row.txo() < spender;
        self.coins.iter().rposition(is_older)
    }

    /// Whether the coin is old enough; a coinbase overwrites one of any age (BIP 30).
    fn may_take(&self, at: usize, spend: PendingRow) -> bool {
        let coin = self.coins[at].txo();
        spend.is_probe() || !self.coinbases.is_young_for(coin, spend.spender())
    }

    fn take(&mut self, at: usize, spend: PendingRow, spends: &mut Spends<'_>) {
        let coin = self.coins.remove(at);
        self.left.push(CoinRow(coin.0 | 1));
        self.overwriters
            .extend(spend.is_probe().then_some(spend.spender()));
        spends.push(coin.txo(), spend.spender());
    }

    /// Why none of all coins can be spent.
    fn fault(&self) -> SpendFault {
        let any = self.any_older || !self.left.is_empty();
        match (self.coins.is_empty(), any) {
            (false, _) => SpendFault::Early,
            (true, true) => SpendFault::Spent,
            (true, false) => SpendFault::Missing,
        }
    }

    /// Adds the coins of one fingerprint in older runs, unless they are there.
    fn collect_older(&mut self, store: &Store, fingerprint: u128) -> Result<()> {
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
