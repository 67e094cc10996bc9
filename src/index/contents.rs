//! All rows of an index: for tests that damage one.
//!
//! Invariant: reads what a commit has named, in the one way in which the program reads it.

use super::Index;
use super::blocks::BlockRow;
use super::snapshot::Snapshot;
use crate::Result;
use crate::primitives::position::Height;
use crate::runs::row::{CoinRow, FundingRow, Row, SpendingRow, TxidRow};
use std::path::Path;

/// The rows of each relation, by key and value, and of the blocks.
pub type Contents = (Vec<Vec<(u128, u64)>>, Vec<BlockRow>);

/// Those of the index at `path`.
///
/// # Errors
/// Damage that was noticed.
pub fn contents_of(path: &Path) -> Result<Contents> {
    fn rows<R: Row>(snapshot: &Snapshot<'_>) -> Result<Vec<(u128, u64)>> {
        let rows = snapshot.rows::<R>(&[0..=u128::MAX])?;
        Ok(rows.iter().map(|row| (row.key(), row.value())).collect())
    }
    let index = Index::open(path)?;
    let snapshot = index.snapshot()?;
    let relations = vec![
        rows::<CoinRow>(&snapshot)?,
        rows::<FundingRow>(&snapshot)?,
        rows::<SpendingRow>(&snapshot)?,
        rows::<TxidRow>(&snapshot)?,
    ];
    let heights = 0..index.next_height().0;
    let blocks = heights.map(|height| snapshot.block(Height(height)));
    Ok((relations, blocks.collect::<Result<_>>()?))
}
