//! Many `outpoint`s.
//!
//! Invariant: each is answered as alone; what is not found together is asked about alone, and so is refused in the
//! same words.
//!
//! Memory: some hundred bytes for each, and what is answered.

use crate::Result;
use crate::primitives::position::{TxNum, Txo};
use crate::query::answers::OutputInfo;
use crate::query::blocks::Visited;
use crate::query::outputs::{Ending, Spent, output_of};
use crate::query::{Fault, Source, View};
use crate::runs::row::{TxidRow, keys_from};
use crate::utxo;
use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid};
use std::ops::Range;

/// Outputs that are looked for, ascending, and what was found of each.
struct Sought<'a> {
    outpoints: &'a [OutPoint],
    txs: Vec<Option<TxNum>>,
    found: Vec<Option<OutputInfo>>,
}

impl Sought<'_> {
    /// Those of a transaction.
    fn of(&self, txid: Txid) -> Range<usize> {
        let start = self.outpoints.partition_point(|sought| sought.txid < txid);
        let own = self.outpoints[start..].partition_point(|sought| sought.txid == txid);
        start..start + own
    }
}

impl View<'_> {
    /// Many outputs, in the order asked; of those that there are not, why not. See [`View::outpoint`].
    ///
    /// # Errors
    /// As [`View::outpoint`], but for those that are about one output.
    pub fn outpoints(&mut self, asked: &[OutPoint]) -> Result<Vec<Result<OutputInfo>>> {
        let mut outpoints = asked.to_vec();
        outpoints.sort_unstable();
        outpoints.dedup();
        let nothing = vec![None; outpoints.len()];
        let found = match asked {
            [_] => nothing,
            _ => match self.outputs_together(&outpoints) {
                Err(error) if is_of_one(&error) => nothing,
                found => found?,
            },
        };
        let mut answers = Vec::with_capacity(asked.len());
        for outpoint in asked {
            let at = outpoints.partition_point(|other| other < outpoint);
            answers.push(match &found[at] {
                Some(info) => Ok(info.clone()),
                None => match self.outpoint(*outpoint) {
                    Err(error) if !is_of_one(&error) => return Err(error),
                    answer => answer,
                },
            });
        }
        Ok(answers)
    }

    fn outputs_together(&mut self, outpoints: &[OutPoint]) -> Result<Vec<Option<OutputInfo>>> {
        let mut sought = Sought {
            outpoints,
            txs: vec![None; outpoints.len()],
            found: vec![None; outpoints.len()],
        };
        let firsts = self.transactions_of(outpoints)?;
        match self.keeps_txids() {
            true => self.find_in_kept(&firsts, &mut sought)?,
            false => self.find_in_files(&firsts, &mut sought)?,
        }
        self.add_endings(&mut sought)?;
        Ok(sought.found)
    }

    /// The first outputs of the transactions whose txids begin as those of `outpoints` do, in chain order.
    fn transactions_of(&self, outpoints: &[OutPoint]) -> Result<Vec<Txo>> {
        let first_key = |sought: &OutPoint| TxidRow::first_key(sought.txid.as_byte_array());
        let mut keys: Vec<u128> = outpoints.iter().map(first_key).collect();
        keys.sort_unstable();
        keys.dedup();
        let (mut firsts, end) = (Vec::new(), self.end());
        let range = |at: usize| keys_from(keys[at]);
        self.snapshot
            .each_row(keys.len(), &range, |_, row: TxidRow| {
                if row.tx().is_below(end) {
                    firsts.push(row.tx().first_output());
                }
                Ok(true)
            })?;
        firsts.sort_unstable();
        Ok(firsts)
    }

    fn find_in_files(&mut self, firsts: &[Txo], sought: &mut Sought<'_>) -> Result<()> {
        let network = self.network;
        // The newest of several with one txid comes last, and counts.
        self.each_tx(firsts, |found, _| {
            for at in sought.of(Txid::from_byte_array(found.tx.txid())) {
                sought.txs[at] = Some(found.number);
                sought.found[at] = output_of(found, sought.outpoints[at], network).ok();
            }
            Ok(())
        })
    }

    /// The same in an index that keeps txids: what block files there are say the scripts only.
    fn find_in_kept(&mut self, firsts: &[Txo], sought: &mut Sought<'_>) -> Result<()> {
        let mut kept = self.kept_txids()?;
        let mut firsts = firsts.to_vec();
        let mut txids = Vec::with_capacity(firsts.len());
        for first in &firsts {
            let tx = TxNum::of_first(*first);
            let txid = kept.txid(tx)?;
            txids.push(txid);
            sought.of(txid).for_each(|at| sought.txs[at] = Some(tx));
        }
        let mut txids = txids.into_iter();
        firsts.retain(|first| {
            let own = txids.next().map_or(0..0, |txid| sought.of(txid));
            let newest = sought.txs[own].first().copied().flatten();
            newest == Some(TxNum::of_first(*first))
        });
        let network = self.network;
        self.each_tx_or_gone(&firsts, |visited, _| {
            if let Visited::Tx(found) = visited {
                for at in sought.of(Txid::from_byte_array(found.tx.txid())) {
                    sought.found[at] = output_of(found, sought.outpoints[at], network).ok();
                }
            }
            Ok(())
        })
    }

    /// Who spent those that were found.
    fn add_endings(&mut self, sought: &mut Sought<'_>) -> Result<()> {
        let txo_of = |at: usize| {
            let tx = sought.txs[at].filter(|_| sought.found[at].is_some())?;
            Some((tx.output(sought.outpoints[at].vout), at))
        };
        let mut txos: Vec<(Txo, usize)> = (0..sought.txs.len()).filter_map(txo_of).collect();
        txos.sort_unstable();
        let positions: Vec<Txo> = txos.iter().map(|(txo, _)| *txo).collect();
        let spenders = self.snapshot.spenders(&positions, self.end())?;
        let (mut places, mut spent) = (Vec::new(), Vec::new());
        for ((_, at), spender) in txos.into_iter().zip(spenders) {
            if let Some(spender) = spender {
                places.push(at);
                let outpoint = Some(sought.outpoints[at]);
                spent.push(Spent { outpoint, spender });
            }
        }
        let source = match self.keeps_txids() {
            true => Source::FilesAtHand,
            false => Source::Files,
        };
        let mut endings = vec![None; sought.found.len()];
        for (at, ending) in places.into_iter().zip(self.endings(spent, source)?) {
            endings[at] = Some(ending);
        }
        let last = self.at;
        for (info, ending) in sought.found.iter_mut().zip(endings) {
            let Some(info) = info else { continue };
            info.confirmations = info.height.confirmations(last);
            match ending {
                Some(Ending::Overwritten(height)) => info.overwritten_at = Some(height),
                Some(ending) => info.spent_by = ending.spent_by(),
                None => {}
            }
        }
        Ok(())
    }
}

/// Whether an error is about the question alone, and says nothing about others.
pub fn is_of_one(error: &crate::Error) -> bool {
    let is_unknown = matches!(
        error.fault(),
        Some(Fault::UnknownTx { .. } | Fault::NoSuchOutput { .. })
    );
    let is_elsewhere = matches!(
        error.fault(),
        Some(
            utxo::Fault::Gone(_) | utxo::Fault::AboveTip { .. } | utxo::Fault::UnknownBlock { .. }
        )
    );
    is_unknown || is_elsewhere
}
