//! Resolving: spends that missed the table are looked up, sorted, in the coins on disk.
//!
//! Invariant: every spend takes exactly one coin that was made before it and not taken before, or
//! the batch fails.
//!
//! A pending row is an outpoint's fingerprint and the spending transaction. Its lowest bit marks a
//! probe: a coinbase's output that may overwrite an older coin of the same outpoint (BIP 30), and
//! need not find one.

use crate::Result;
use crate::fingerprint::Fingerprints;
use crate::position::Txo;
use crate::runs::catalogue::Run;
use crate::runs::read::Walk;
use crate::runs::row::{CoinRow, SpendingRow};
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
    pub pending: CoinRow,
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
            if first == self.pending.txo() {
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

/// A spend that is waiting to be looked up.
pub fn pending_spend(fingerprint: u128, spender: Txo) -> CoinRow {
    CoinRow::put(fingerprint, spender)
}

/// A coinbase's output that may overwrite another.
pub fn pending_probe(fingerprint: u128, coinbase: Txo) -> CoinRow {
    CoinRow(CoinRow::put(fingerprint, coinbase).0 | 1)
}

/// What [`resolve`] found.
pub enum Outcome {
    /// Every spend found its coin: the first so many of the given rows are now spending rows, in no
    /// order. Coinbases that overwrote a coin are named, one by one.
    Resolved(usize, Vec<Txo>),
    /// One did not.
    Bad(BadSpend),
}

/// Looks up sorted `pending` rows in `runs`, which together hold every coin, and turns them, where
/// they stand, into spending rows. The rows that end the found coins go to `ends`, in order.
///
/// # Errors
/// What `ends` returns, [`crate::Error::Damaged`], [`crate::Error::Store`].
pub fn resolve(
    store: &Store,
    runs: &[Run],
    pending: &mut [CoinRow],
    mut ends: impl FnMut(CoinRow) -> Result<()>,
) -> Result<Outcome> {
    let snapshot = store.read()?;
    let mut walks = Vec::with_capacity(runs.len());
    for run in runs {
        walks.push(Walk::<CoinRow>::new(store, &snapshot, *run)?);
    }
    let (mut coins, mut taken, mut overwriters) = (Vec::new(), Vec::new(), Vec::new());
    let (mut resolved, mut at) = (0, 0);
    while at < pending.len() {
        let fingerprint = pending[at].fingerprint();
        collect(&mut walks, fingerprint, &mut coins)?;
        let any = !coins.is_empty();
        keep_live(&mut coins);
        taken.clear();
        while let Some(spend) = pending
            .get(at)
            .filter(|row| row.fingerprint() == fingerprint)
        {
            let is_probe = spend.0 & 1 == 1;
            let spender = spend.txo();
            match coins
                .iter()
                .rposition(|coin: &CoinRow| coin.txo() < spender)
            {
                Some(found) => {
                    let coin = coins.remove(found);
                    taken.push(CoinRow(coin.0 | 1));
                    overwriters.extend(is_probe.then_some(spender));
                    pending[resolved] = bytemuck::cast(SpendingRow::new(coin.txo(), spender));
                    resolved += 1;
                }
                None if is_probe => {}
                None => {
                    let fault = match (coins.is_empty(), any) {
                        (false, _) => SpendFault::Early,
                        (true, true) => SpendFault::Spent,
                        (true, false) => SpendFault::Missing,
                    };
                    return Ok(Outcome::Bad(BadSpend {
                        pending: *spend,
                        fault,
                    }));
                }
            }
            at += 1;
        }
        taken.sort_unstable();
        for end in &taken {
            ends(*end)?;
        }
    }
    Ok(Outcome::Resolved(resolved, overwriters))
}

/// All rows of one fingerprint, in order.
fn collect(walks: &mut [Walk<CoinRow>], fingerprint: u128, rows: &mut Vec<CoinRow>) -> Result<()> {
    rows.clear();
    for walk in walks {
        walk.seek(CoinRow::put(fingerprint, Txo(0)).0)?;
        while let Some(row) = walk.row().filter(|row| row.fingerprint() == fingerprint) {
            rows.push(row);
            walk.advance()?;
        }
    }
    rows.sort_unstable();
    Ok(())
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
