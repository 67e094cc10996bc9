//! What scripts received up to a height, in the order of their fingerprints.
//!
//! Invariant: outputs of one script come in the order in which they were made, spent ones too.
//!
//! Memory: none of its own; the buffer is lent.

use crate::Result;
use crate::primitives::position::Txo;
use crate::runs::gather::{Gather, buffer_for};
use crate::runs::page::NO_NEXT;
use crate::runs::policy::overlap;
use crate::runs::read::RunPages;
use crate::runs::row::{FundingRow, POSITION_BITS, Relation, Row};
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
    gather: Gather<'b, FundingRow>,
    pages: Vec<RunPages>,
    at: usize,
    is_last: bool,
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
        let gather = Gather::new(runs, true, buffer);
        Ok(Received {
            pages: gather.open(index.store())?,
            gather,
            at: 0,
            is_last: false,
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
        loop {
            let Some(row) = self.gather.rows().get(self.at) else {
                if self.is_last {
                    return Ok(None);
                }
                let (_, end) = self.gather.next(&self.pages)?;
                self.is_last = end == NO_NEXT;
                self.at = 0;
                continue;
            };
            let (of, txo) = (row.key() >> POSITION_BITS, row.txo());
            if of > fingerprint {
                return Ok(None);
            }
            self.at += 1;
            if of == fingerprint && txo < self.end {
                return Ok(Some(txo));
            }
        }
    }
}
