//! Resolving: spends that missed the table are looked up, sorted, in the coins on disk.
//!
//! Invariant: every spend takes exactly one coin that was made before it and not taken before, or
//! the batch fails.
//!
//! A pending row is an outpoint's fingerprint and the spending transaction. Its lowest bit marks a
//! probe: a coinbase's output that may overwrite an older coin of the same outpoint (BIP 30), and
//! need not find one.

use crate::Result;
use crate::index::Index;
use crate::position::Txo;
use crate::runs::catalogue::Run;
use crate::runs::read::Walk;
use crate::runs::row::CoinRow;

/// A spend that found its coin.
#[derive(Clone, Copy, Debug)]
pub struct Resolved {
    /// The coin's fingerprint and position, as the row that ends it.
    pub delete: CoinRow,
    /// The spending transaction.
    pub spender: Txo,
    /// Whether the coin was overwritten rather than spent.
    pub is_overwrite: bool,
}

/// Why a spend cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpendFault {
    /// No coin of that outpoint was ever made.
    #[error("spends a coin that does not exist")]
    Missing,
    /// The coin was spent before.
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

/// A spend that is waiting to be looked up.
pub fn pending_spend(fingerprint: u128, spender: Txo) -> CoinRow {
    CoinRow::put(fingerprint, spender)
}

/// A coinbase's output that may overwrite another.
pub fn pending_probe(fingerprint: u128, coinbase: Txo) -> CoinRow {
    CoinRow(CoinRow::put(fingerprint, coinbase).0 | 1)
}

/// Looks up sorted `pending` rows in `runs`, which together hold every coin. Gives each find to
/// `found`, in the order of the rows that end them.
///
/// # Errors
/// What `found` returns, [`crate::Error::Damaged`], [`crate::Error::Store`]. A spend that cannot be
/// is no error of this function: it is returned.
pub fn resolve(
    index: &Index,
    runs: &[Run],
    pending: &[CoinRow],
    mut found: impl FnMut(Resolved) -> Result<()>,
) -> Result<Option<BadSpend>> {
    let snapshot = index.store().read()?;
    let mut walks = Vec::with_capacity(runs.len());
    for run in runs {
        walks.push(Walk::<CoinRow>::new(index.store(), &snapshot, *run)?);
    }
    let mut coins = Vec::new();
    let mut taken = Vec::new();
    for group in pending.chunk_by(|one, other| one.fingerprint() == other.fingerprint()) {
        collect(&mut walks, group[0].fingerprint(), &mut coins)?;
        let any = !coins.is_empty();
        coins = live(&coins);
        taken.clear();
        for spend in group {
            let is_overwrite = spend.0 & 1 == 1;
            let made_before = coins.iter().rposition(|coin| coin.txo() < spend.txo());
            match made_before {
                Some(at) => taken.push(Resolved {
                    delete: CoinRow(coins.remove(at).0 | 1),
                    spender: spend.txo(),
                    is_overwrite,
                }),
                None if is_overwrite => {}
                None => {
                    let fault = match (coins.is_empty(), any) {
                        (false, _) => SpendFault::Early,
                        (true, true) => SpendFault::Spent,
                        (true, false) => SpendFault::Missing,
                    };
                    return Ok(Some(BadSpend { pending: *spend, fault }));
                }
            }
        }
        taken.sort_unstable_by_key(|resolved| resolved.delete);
        for resolved in &taken {
            found(*resolved)?;
        }
    }
    Ok(None)
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

/// The puts that no delete ends.
fn live(rows: &[CoinRow]) -> Vec<CoinRow> {
    let is_live = |(at, row): &(usize, &CoinRow)| {
        !row.is_delete() && rows.get(at + 1).is_none_or(|next| next.0 != row.0 | 1)
    };
    rows.iter().enumerate().filter(is_live).map(|(_, row)| *row).collect()
}
