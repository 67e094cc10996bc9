//! `outpoint`; where outputs came from, and how they ended.
//!
//! Invariant: of several transactions with one txid, the newest is meant; for an input, the newest
//! before it.

use super::Fault;
use super::View;
use super::answers::{OutputInfo, SpentBy};
use super::blocks::Found;
use crate::primitives::coin::makes_coin;
use crate::primitives::position::{Height, TxNum, Txo};
use crate::primitives::wire::Output;
use crate::query::script::address_of;
use crate::runs::row::{TxidRow, keys_from};
use crate::{Error, Result};
use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, ScriptBuf, Txid};

/// An output that `spender` spent or overwrote.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    pub outpoint: OutPoint,
    pub spender: TxNum,
}

/// How an output ended.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    Spent(SpentBy),
    /// At this height.
    Overwritten(Height),
}

impl Ending {
    /// The spending, if that was it.
    pub fn spent_by(self) -> Option<SpentBy> {
        match self {
            Ending::Spent(by) => Some(by),
            Ending::Overwritten(_) => None,
        }
    }
}

/// An output that an input of `spender` spends.
pub(super) struct Wanted {
    pub outpoint: OutPoint,
    pub spender: TxNum,
}

impl View<'_> {
    /// One output. If its txid came twice, the newer one.
    ///
    /// # Errors
    /// [`crate::query::Fault::UnknownTx`], [`crate::query::Fault::NoSuchOutput`] and others;
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn outpoint(&mut self, outpoint: OutPoint) -> Result<OutputInfo> {
        let network = self.network;
        let (tx, mut info) = self.find_tx(outpoint.txid, |found| {
            let output = found.tx.outputs().nth(outpoint.vout as usize);
            let output = output.ok_or(Fault::NoSuchOutput {
                outpoint,
                outputs: found.tx.output_count,
            })?;
            let script = ScriptBuf::from_bytes(output.script.to_vec());
            Ok(OutputInfo {
                outpoint,
                amount_sat: output.amount_sat,
                address: address_of(&script, network),
                script,
                height: found.height,
                time: found.time,
                coinbase: found.index == 0,
                spendable: makes_coin(found.height, output.script),
                spent_by: None,
                overwritten_at: None,
            })
        })?;
        let txo = tx.output(outpoint.vout);
        if let Some(spender) = self.snapshot.spenders(&[txo], self.end())?[0] {
            match self.endings(vec![Spent { outpoint, spender }])?[0] {
                Ending::Spent(by) => info.spent_by = Some(by),
                Ending::Overwritten(height) => info.overwritten_at = Some(height),
            }
        }
        Ok(info)
    }

    /// Reads the newest transaction with this txid, and returns its number too.
    pub(super) fn find_tx<T>(
        &mut self,
        txid: Txid,
        mut read: impl FnMut(&Found<'_>) -> Result<T>,
    ) -> Result<(TxNum, T)> {
        let wanted = txid.to_byte_array();
        let keys = keys_from(TxidRow::first_key(&wanted));
        let mut rows: Vec<TxidRow> = self.snapshot.rows(&[keys])?;
        rows.retain(|row| row.tx().is_below(self.end()));
        // Others may begin with the same 8 bytes.
        for row in rows.iter().rev() {
            let mut answer = None;
            self.each_tx(&[row.tx().first_output()], |found, _| {
                if found.tx.txid() == wanted {
                    answer = Some((found.number, read(found)?));
                }
                Ok(())
            })?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
        Err(Error::from(Fault::UnknownTx { txid, at: self.at }))
    }

    /// How each of `spent` ended, in the same order.
    pub(super) fn endings(&mut self, spent: Vec<Spent>) -> Result<Vec<Ending>> {
        let mut order: Vec<usize> = (0..spent.len()).collect();
        let key = |at: &usize| (spent[*at].spender, spent[*at].outpoint);
        order.sort_unstable_by_key(key);
        let first_output = |at: &usize| spent[*at].spender.first_output();
        let mut spenders: Vec<Txo> = order.iter().map(first_output).collect();
        spenders.dedup();
        let mut endings = vec![None; spent.len()];
        let mut rest = &order[..];
        self.each_tx(&spenders, |found, _| {
            let own = rest.partition_point(|at| spent[*at].spender == found.number);
            let (own, behind) = rest.split_at(own);
            rest = behind;
            if found.index == 0 {
                own.iter()
                    .for_each(|at| endings[*at] = Some(Ending::Overwritten(found.height)));
                return Ok(());
            }
            let txid = Txid::from_byte_array(found.tx.txid());
            for (input_index, input) in (0..).zip(found.tx.inputs()) {
                let outpoint = outpoint_of(input.outpoint);
                if let Ok(at) = own.binary_search_by_key(&outpoint, |at| spent[*at].outpoint) {
                    endings[own[at]] = Some(Ending::Spent(SpentBy {
                        txid,
                        input_index,
                        height: found.height,
                        time: found.time,
                    }));
                }
            }
            Ok(())
        })?;
        let complete = endings.into_iter().zip(&spent).map(|(ending, spent)| {
            ending.ok_or(Error::from(Fault::OutputMissing {
                outpoint: spent.outpoint,
            }))
        });
        complete.collect()
    }

    /// Reads the outputs that inputs spend: `take` gets each with its index in `wanted`, in no
    /// particular order. Where it gets several for one index (a txid that came twice), the last counts.
    pub(super) fn prevouts(
        &mut self,
        wanted: &[Wanted],
        mut take: impl FnMut(usize, Output<'_>),
    ) -> Result<()> {
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_unstable_by_key(|at| wanted[*at].outpoint);
        let mut sources = self.sources(&order, wanted)?;
        sources.sort_unstable();
        sources.dedup();
        let mut is_taken = vec![false; wanted.len()];
        // Sources come in chain order, so the newest that comes before the spender is taken last.
        self.each_tx(&sources, |found, _| {
            let txid = Txid::from_byte_array(found.tx.txid());
            let first = order.partition_point(|at| wanted[*at].outpoint.txid < txid);
            let own = order[first..]
                .iter()
                .take_while(|at| wanted[**at].outpoint.txid == txid);
            for at in own.filter(|at| wanted[**at].spender > found.number) {
                let output = found.tx.outputs().nth(wanted[*at].outpoint.vout as usize);
                if let Some(output) = output {
                    take(*at, output);
                    is_taken[*at] = true;
                }
            }
            Ok(())
        })?;
        match is_taken.iter().position(|is_taken| !is_taken) {
            None => Ok(()),
            Some(at) => Err(Error::from(Fault::OutputMissing {
                outpoint: wanted[at].outpoint,
            })),
        }
    }

    /// The first outputs of the transactions whose txids begin as those of `wanted` do, which `order` sorts.
    fn sources(&self, order: &[usize], wanted: &[Wanted]) -> Result<Vec<Txo>> {
        let first_key = |at: &usize| TxidRow::first_key(wanted[*at].outpoint.txid.as_byte_array());
        let mut keys: Vec<u128> = order.iter().map(first_key).collect();
        keys.sort_unstable();
        keys.dedup();
        let ranges: Vec<_> = keys.into_iter().map(keys_from).collect();
        let rows: Vec<TxidRow> = self.snapshot.rows(&ranges)?;
        let firsts = rows.iter().map(|row| row.tx().first_output());
        Ok(firsts.filter(|first| *first < self.end()).collect())
    }
}

/// An outpoint as blocks carry it, as an [`OutPoint`].
pub(super) fn outpoint_of(bytes: &[u8; 36]) -> OutPoint {
    let (txid, vout) = bytes.split_first_chunk::<32>().expect("36 bytes hold 32");
    OutPoint {
        txid: Txid::from_byte_array(*txid),
        vout: u32::from_le_bytes(vout.try_into().expect("4 of 36 bytes are left")),
    }
}
