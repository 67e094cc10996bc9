//! `outpoint`; where outputs came from, and how they ended.
//!
//! Invariant: of several transactions with one txid, the newest is meant; for an input, the newest
//! before it.

use super::answers::{OutputInfo, SpentBy};
use super::blocks::{Found, Visited};
use super::{Fault, Source, View};
use crate::index::kept_page::Mark;
use crate::primitives::coin::makes_coin;
use crate::primitives::header::time_of;
use crate::primitives::network::NetworkName;
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
    /// `None`: not known, so its input is not looked for.
    pub outpoint: Option<OutPoint>,
    pub spender: TxNum,
}

/// How an output ended.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    Spent(Spending),
    /// At this height.
    Overwritten(Height),
}

/// The input that spent an output, as far as it is known.
#[derive(Clone, Copy)]
pub(super) struct Spending {
    pub txid: Option<Txid>,
    pub input_index: Option<u32>,
    pub height: Height,
    pub time: u32,
    /// Of its transaction; `None`: that was not read.
    pub paid: Option<Paid>,
}

/// What tells a transaction's fee, if what all its inputs spend is known.
#[derive(Clone, Copy)]
pub(super) struct Paid {
    pub inputs: usize,
    /// Sum of the outputs.
    pub outputs_sat: u128,
}

impl Ending {
    /// The spending, if that was it and its transaction is known.
    pub fn spent_by(self) -> Option<SpentBy> {
        match self {
            Ending::Spent(by) => Some(SpentBy {
                txid: by.txid?,
                input_index: by.input_index,
                height: by.height,
                time: by.time,
            }),
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
    /// One output. If its txid came twice, the newer one. Of an index that keeps txids its script is the only
    /// thing that needs its block: that it is gone ([`View::gone`]) is no fault then.
    ///
    /// # Errors
    /// [`crate::query::Fault::UnknownTx`], [`crate::query::Fault::NoSuchOutput`] and others;
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn outpoint(&mut self, outpoint: OutPoint) -> Result<OutputInfo> {
        let found = match self.keeps_txids() {
            true => self.output_if_there(outpoint)?,
            false => Some(self.output_in_files(outpoint)?),
        };
        let (tx, mut info) = match found {
            Some(found) => found,
            None => self.output_in_index(outpoint)?,
        };
        info.confirmations = info.height.confirmations(self.at);
        let txo = tx.output(outpoint.vout);
        if let Some(spender) = self.snapshot.spenders(&[txo], self.end())?[0] {
            let outpoint = Some(outpoint);
            let source = match self.keeps_txids() {
                true => Source::FilesAtHand,
                false => Source::Files,
            };
            match self.endings(vec![Spent { outpoint, spender }], source)?[0] {
                Ending::Overwritten(height) => info.overwritten_at = Some(height),
                ending => info.spent_by = ending.spent_by(),
            }
        }
        Ok(info)
    }

    /// The output as its block has it; `None` if that is gone.
    fn output_if_there(&mut self, outpoint: OutPoint) -> Result<Option<(TxNum, OutputInfo)>> {
        let tx = self.find_kept(outpoint.txid)?;
        let (network, mut info) = (self.network, None);
        self.each_tx_or_gone(&[tx.first_output()], |visited, _| {
            if let Visited::Tx(found) = visited {
                info = Some(output_of(found, outpoint, network)?);
            }
            Ok(())
        })?;
        Ok(info.map(|info| (tx, info)))
    }

    fn output_in_files(&mut self, outpoint: OutPoint) -> Result<(TxNum, OutputInfo)> {
        let network = self.network;
        self.find_tx(outpoint.txid, |found| output_of(found, outpoint, network))
    }

    /// The output as the index knows it, which keeps txids: all but its script.
    fn output_in_index(&mut self, outpoint: OutPoint) -> Result<(TxNum, OutputInfo)> {
        let tx = self.find_kept(outpoint.txid)?;
        let mut kept = self.kept_txids()?;
        let outputs = kept.outputs_of(tx, self.end())?;
        if outpoint.vout >= outputs {
            let outputs = outputs as usize;
            return Err(Error::from(Fault::NoSuchOutput { outpoint, outputs }));
        }
        let txo = tx.output(outpoint.vout);
        let height = self.snapshot.height_at(txo, Height(0), self.at)?;
        let block = self.snapshot.block(height)?;
        let (amount_sat, spendable) = match kept.find(txo)?.mark {
            Mark::Never(amount_sat) => (amount_sat, false),
            Mark::InRange(range) => {
                let keys = Mark::keys(range);
                (self.snapshot.amount_of(txo, height, keys)?, true)
            }
        };
        let info = OutputInfo {
            outpoint,
            amount_sat,
            script: None,
            address: None,
            height,
            confirmations: 0,
            time: time_of(&block.header),
            coinbase: tx == block.coinbase(),
            spendable,
            spent_by: None,
            overwritten_at: None,
        };
        Ok((tx, info))
    }

    /// Number of the newest transaction with this txid, in an index that keeps them.
    fn find_kept(&self, txid: Txid) -> Result<TxNum> {
        let mut kept = self.kept_txids()?;
        for row in self.txid_rows(txid)?.iter().rev() {
            if kept.txid(row.tx())? == txid {
                return Ok(row.tx());
            }
        }
        Err(Error::from(Fault::UnknownTx { txid, at: self.at }))
    }

    /// The transactions whose txids begin as this one does; others may, with the same 8 bytes.
    fn txid_rows(&self, txid: Txid) -> Result<Vec<TxidRow>> {
        let keys = keys_from(TxidRow::first_key(&txid.to_byte_array()));
        let mut rows: Vec<TxidRow> = self.snapshot.rows(&[keys])?;
        rows.retain(|row| row.tx().is_below(self.end()));
        Ok(rows)
    }

    /// Reads the newest transaction with this txid, and returns its number too.
    pub(super) fn find_tx<T>(
        &mut self,
        txid: Txid,
        mut read: impl FnMut(&Found<'_>) -> Result<T>,
    ) -> Result<(TxNum, T)> {
        let wanted = txid.to_byte_array();
        for row in self.txid_rows(txid)?.iter().rev() {
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
    pub(super) fn endings(&mut self, spent: Vec<Spent>, source: Source) -> Result<Vec<Ending>> {
        let mut order: Vec<usize> = (0..spent.len()).collect();
        let key = |at: &usize| (spent[*at].spender, spent[*at].outpoint);
        order.sort_unstable_by_key(key);
        let first_output = |at: &usize| spent[*at].spender.first_output();
        let mut spenders: Vec<Txo> = order.iter().map(first_output).collect();
        spenders.dedup();
        let mut endings = vec![None; spent.len()];
        if source == Source::Index {
            self.endings_in_index(&spent, &order, &mut endings)?;
        } else {
            let mut rest = &order[..];
            let mut gone = Vec::new();
            let mut visit = |visited: Visited<'_, '_>, here: &[Txo]| {
                let end = here.last().copied().unwrap_or_default();
                let own = rest.partition_point(|at| spent[*at].spender.first_output() <= end);
                let (own, behind) = rest.split_at(own);
                rest = behind;
                match visited {
                    Visited::Tx(found) => endings_in(found, &spent, own, &mut endings),
                    Visited::Gone(_) => gone.extend_from_slice(own),
                }
                Ok(())
            };
            match source {
                Source::Files => {
                    self.each_tx(&spenders, |found, here| visit(Visited::Tx(found), here))?;
                }
                _ => self.each_tx_or_gone(&spenders, visit)?,
            }
            self.endings_in_index(&spent, &gone, &mut endings)?;
        }
        let complete = endings.into_iter().zip(&spent).map(|(ending, spent)| {
            ending.ok_or_else(|| {
                let outpoint = spent.outpoint.unwrap_or_default();
                Error::from(Fault::OutputMissing { outpoint })
            })
        });
        complete.collect()
    }

    /// How those of `spent` ended that stand at `order`, by their spenders: as far as the index knows.
    fn endings_in_index(
        &self,
        spent: &[Spent],
        order: &[usize],
        endings: &mut [Option<Ending>],
    ) -> Result<()> {
        let mut kept = self.snapshot.kept_txids()?;
        let mut height = Height(0);
        for &at in order {
            let spender = spent[at].spender;
            height = self
                .snapshot
                .height_at(spender.first_output(), height, self.at)?;
            let block = self.snapshot.block(height)?;
            let txid = kept.as_mut().map(|kept| kept.txid(spender)).transpose()?;
            endings[at] = Some(match spender == block.coinbase() {
                true => Ending::Overwritten(height),
                false => Ending::Spent(Spending {
                    txid,
                    input_index: None,
                    height,
                    time: time_of(&block.header),
                    paid: None,
                }),
            });
        }
        Ok(())
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

/// The output in its transaction.
pub(super) fn output_of(
    found: &Found<'_>,
    outpoint: OutPoint,
    network: NetworkName,
) -> Result<OutputInfo> {
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
        script: Some(script),
        height: found.height,
        confirmations: 0,
        time: found.time,
        coinbase: found.index == 0,
        spendable: makes_coin(found.height, output.script),
        spent_by: None,
        overwritten_at: None,
    })
}

/// How those of `spent` ended that stand at `own`, sorted by their outpoints: `found` is their spender.
fn endings_in(found: &Found<'_>, spent: &[Spent], own: &[usize], endings: &mut [Option<Ending>]) {
    if found.index == 0 {
        own.iter()
            .for_each(|at| endings[*at] = Some(Ending::Overwritten(found.height)));
        return;
    }
    let amounts_sat = found
        .tx
        .outputs()
        .map(|output| u128::from(output.amount_sat));
    let spending = Spending {
        txid: Some(Txid::from_byte_array(found.tx.txid())),
        input_index: None,
        height: found.height,
        time: found.time,
        paid: Some(Paid {
            inputs: found.tx.input_count,
            outputs_sat: amounts_sat.sum(),
        }),
    };
    let unknown = own.iter().filter(|at| spent[**at].outpoint.is_none());
    unknown.for_each(|at| endings[*at] = Some(Ending::Spent(spending)));
    for (input_index, input) in (0..).zip(found.tx.inputs()) {
        let outpoint = Some(outpoint_of(input.outpoint));
        if let Ok(at) = own.binary_search_by_key(&outpoint, |at| spent[*at].outpoint) {
            endings[own[at]] = Some(Ending::Spent(Spending {
                input_index: Some(input_index),
                ..spending
            }));
        }
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
