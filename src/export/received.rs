//! What scripts received up to a height, in the order of their fingerprints.
//!
//! Invariant: outputs of one script come in the order in which they were made, spent ones too.
//!
//! Memory: none of its own; the buffer is lent.

use crate::Result;
use crate::primitives::position::Txo;
use crate::runs::policy::overlap;
use crate::runs::row::{FundingRow, POSITION_BITS, Relation, Row};
use crate::runs::stream::{Stream, buffer_for};
use crate::store;
use crate::utxo::UtxoSet;
use std::path::PathBuf;

/// How many rows the buffer must have for [`Received::open`].
pub(super) fn funding_rows(set: &UtxoSet<'_>) -> usize {
    let runs = set.snapshot().index().catalogue().of(Relation::Funding);
    buffer_for::<FundingRow>(overlap(&runs))
}

/// What scripts received, in the order of their fingerprints.
pub(super) struct Received<'b> {
    rows: Stream<'b, FundingRow>,
    end: Txo,
    path: PathBuf,
}

impl<'b> Received<'b> {
    /// Stands at the first script.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn open(set: &UtxoSet<'_>, buffer: &'b mut [FundingRow]) -> Result<Received<'b>> {
        let index = set.snapshot().index();
        let runs = index.catalogue().of(Relation::Funding).into_iter();
        let runs = runs.filter(|run| run.from <= set.height()).collect();
        let mut rows = Stream::of_runs(runs, true, buffer);
        rows.open(index.store())?;
        Ok(Received {
            rows,
            end: set.end(),
            path: index.store().path().to_owned(),
        })
    }

    /// The first output that paid the script; fingerprints are asked for in order.
    pub fn first_of(&mut self, fingerprint: u128) -> Result<Txo> {
        self.next_of(fingerprint)?.ok_or_else(|| {
            store::Fault::DamagedIndex {
                path: self.path.clone(),
                what: "it has a coin that no script received".into(),
            }
            .into()
        })
    }

    /// The next output that paid it, up to the height.
    pub fn next_of(&mut self, fingerprint: u128) -> Result<Option<Txo>> {
        let of = |row: &FundingRow| row.key() >> POSITION_BITS;
        while let Some(row) = self.rows.peek()?.filter(|row| of(row) <= fingerprint) {
            self.rows.advance();
            if of(&row) == fingerprint && row.txo() < self.end {
                return Ok(Some(row.txo()));
            }
        }
        Ok(None)
    }
}
