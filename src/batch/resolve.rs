//! Resolving: spends that missed the table are looked up, sorted, in the coins on disk.
//!
//! Invariant: every spend takes exactly one coin that was made before it and not taken before, or
//! the batch fails.

use super::pending::{PendingRow, SortedPending};
use super::rows::Spends;
use crate::Result;
use crate::fingerprint::Fingerprints;
use crate::limits::OUTPOINT_COINS_MAX;
use crate::position::Txo;
use crate::region::Buffer;
use crate::runs::catalogue::Run;
use crate::runs::read::Walk;
use crate::runs::row::CoinRow;
use crate::store::Store;
use crate::wire::{Block, Input};
use bitcoin::Txid;
use bitcoin::hashes::Hash;

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

/// How far [`Resolver::go_on`] came.
pub enum Step {
    /// To the end of the rows.
    Done,
    /// To where one of the lists may take no more.
    NoRoom,
    /// To a spend that cannot be.
    Bad(BadSpend),
}

/// Looks up pending spends, which come in order, in runs of coins.
pub struct Resolver {
    walks: Vec<Walk<CoinRow>>,
    /// What is live of the outpoint that is being looked up, and the ends of what was taken of it.
    coins: Vec<CoinRow>,
    ends: Vec<CoinRow>,
    /// Coinbases that overwrote a coin, one by one.
    pub overwriters: Vec<Txo>,
}

impl Resolver {
    /// `runs` together hold every coin.
    ///
    /// # Errors
    /// [`crate::Error::Damaged`], [`crate::Error::Store`].
    pub fn open(store: &Store, runs: &[Run]) -> Result<Resolver> {
        let snapshot = store.read()?;
        let walks = runs.iter().map(|run| Walk::new(store, &snapshot, *run));
        Ok(Resolver {
            walks: walks.collect::<Result<_>>()?,
            coins: Vec::new(),
            ends: Vec::new(),
            overwriters: Vec::new(),
        })
    }

    /// Goes on with the row that `pending` stands at. The rows that end the found coins are appended to
    /// `ends`, in order; who spent them is noted in `spends`.
    ///
    /// # Errors
    /// [`crate::Error::Damaged`], [`crate::Error::Store`].
    pub fn go_on(
        &mut self,
        pending: &mut SortedPending<'_>,
        ends: &mut Buffer<CoinRow>,
        spends: &mut Spends<'_>,
    ) -> Result<Step> {
        while let Some(first) = pending.row()? {
            if ends.room().min(spends.room()) < OUTPOINT_COINS_MAX {
                return Ok(Step::NoRoom);
            }
            let fingerprint = first.fingerprint();
            self.collect(fingerprint)?;
            let any = !self.coins.is_empty();
            keep_live(&mut self.coins);
            while let Some(spend) = pending
                .row()?
                .filter(|row| row.fingerprint() == fingerprint)
            {
                if let Err(fault) = self.take(spend, any, spends) {
                    let pending = spend;
                    return Ok(Step::Bad(BadSpend { pending, fault }));
                }
                pending.advance();
            }
            self.ends.sort_unstable();
            self.ends.drain(..).for_each(|end| ends.push(end));
        }
        Ok(Step::Done)
    }

    /// Takes the newest coin that is older than the spender. `any`: whether the runs hold any row of it.
    fn take(
        &mut self,
        spend: PendingRow,
        any: bool,
        spends: &mut Spends<'_>,
    ) -> std::result::Result<(), SpendFault> {
        let is_older = |coin: &CoinRow| coin.txo() < spend.spender();
        match self.coins.iter().rposition(is_older) {
            Some(found) => {
                let coin = self.coins.remove(found);
                self.ends.push(CoinRow(coin.0 | 1));
                self.overwriters
                    .extend(spend.is_probe().then_some(spend.spender()));
                spends.push(coin.txo(), spend.spender());
                Ok(())
            }
            None if spend.is_probe() => Ok(()),
            None => Err(match (self.coins.is_empty(), any) {
                (false, _) => SpendFault::Early,
                (true, true) => SpendFault::Spent,
                (true, false) => SpendFault::Missing,
            }),
        }
    }

    /// All rows of one fingerprint, in order.
    fn collect(&mut self, fingerprint: u128) -> Result<()> {
        self.coins.clear();
        for walk in &mut self.walks {
            walk.seek(CoinRow::put(fingerprint, Txo(0)).0)?;
            while let Some(row) = walk.row().filter(|row| row.fingerprint() == fingerprint) {
                self.coins.push(row);
                walk.advance()?;
            }
        }
        self.coins.sort_unstable();
        Ok(())
    }
}

/// Keeps the puts that no delete ends.
fn keep_live(rows: &mut Vec<CoinRow>) {
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
