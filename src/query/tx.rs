//! `tx`: a transaction, with what it spends and who spent it.
//!
//! Invariant: a coinbase has no inputs and no fee.

use super::answers::{InputInfo, OutputOfTx, TxInfo};
use super::blocks::Found;
use super::outputs::{Ending, Spent, Wanted, outpoint_of};
use super::{Source, View};
use crate::Result;
use crate::primitives::network::NetworkName;
use crate::primitives::position::{TxNum, Txo};
use crate::query::script::address_of;
use bitcoin::hashes::Hash;
use bitcoin::hex::DisplayHex;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Txid, Wtxid};

impl View<'_> {
    /// One transaction, and `with_hex` its bytes. If its txid came twice, the newer one.
    ///
    /// # Errors
    /// [`crate::query::Fault::UnknownTx`] and others; [`crate::runs::Fault::Damaged`],
    /// [`crate::store::Fault::Store`].
    pub fn tx(&mut self, txid: Txid, with_hex: bool) -> Result<TxInfo> {
        let network = self.network;
        let (number, mut info) = self.find_tx(txid, |found| Ok(read(found, network, with_hex)))?;
        info.confirmations = info.height.confirmations(self.at);
        let wanted = info.inputs.iter().map(|input| Wanted {
            outpoint: input.outpoint,
            spender: number,
        });
        let wanted: Vec<Wanted> = wanted.collect();
        let inputs = &mut info.inputs;
        self.prevouts(&wanted, |at, output| {
            inputs[at].amount_sat = output.amount_sat;
            inputs[at].script = ScriptBuf::from_bytes(output.script.to_vec());
            inputs[at].address = address_of(&inputs[at].script, network);
        })?;
        if !info.coinbase {
            let spent_sat = info.inputs.iter().map(|input| i128::from(input.amount_sat));
            let sent_sat = info
                .outputs
                .iter()
                .map(|output| i128::from(output.amount_sat));
            info.fee_sat = Some(spent_sat.sum::<i128>() - sent_sat.sum::<i128>());
        }
        self.fill_spenders(number, &mut info)?;
        Ok(info)
    }

    fn fill_spenders(&mut self, number: TxNum, info: &mut TxInfo) -> Result<()> {
        let vouts = 0..info.outputs.len() as u32;
        let txos: Vec<Txo> = vouts.map(|vout| number.output(vout)).collect();
        let spenders = self.snapshot.spenders(&txos, self.end())?;
        let (mut vouts, mut spent) = (Vec::new(), Vec::new());
        for (vout, spender) in (0..).zip(spenders) {
            let txid = info.txid;
            if let Some(spender) = spender {
                vouts.push(vout as usize);
                let outpoint = Some(OutPoint { txid, vout });
                spent.push(Spent { outpoint, spender });
            }
        }
        for (vout, ending) in vouts.into_iter().zip(self.endings(spent, Source::Files)?) {
            info.outputs[vout].spent_by = Ending::spent_by(ending);
        }
        Ok(())
    }
}

/// What the transaction itself says.
fn read(found: &Found<'_>, network: NetworkName, with_hex: bool) -> TxInfo {
    let tx = &found.tx;
    let is_coinbase = found.index == 0;
    let input_count = if is_coinbase { 0 } else { tx.input_count };
    // Without the segwit marker there are none.
    let witnesses = tx.witnesses().map(Some).chain(std::iter::repeat(None));
    let inputs = tx.inputs().take(input_count).zip(witnesses);
    let inputs = inputs.map(|(input, witness)| InputInfo {
        outpoint: outpoint_of(input.outpoint),
        amount_sat: 0,
        script: ScriptBuf::new(),
        address: None,
        sequence: input.sequence(),
        witness_items: witness.map_or(0, |witness| witness.items),
        witness_size: witness.map_or(0, |witness| witness.bytes as u64),
    });
    let outputs = (0..).zip(tx.outputs()).map(|(vout, output)| {
        let script = ScriptBuf::from_bytes(output.script.to_vec());
        OutputOfTx {
            vout,
            amount_sat: output.amount_sat,
            address: address_of(&script, network),
            script,
            spent_by: None,
        }
    });
    TxInfo {
        txid: Txid::from_byte_array(tx.txid()),
        wtxid: Wtxid::from_byte_array(tx.wtxid()),
        block_hash: BlockHash::from_byte_array(found.block_hash),
        height: found.height,
        confirmations: 0,
        time: found.time,
        index: found.index,
        size: tx.bytes.len(),
        weight: tx.weight(),
        vsize: tx.weight().div_ceil(4),
        version: tx.version(),
        locktime: tx.lock_time(),
        coinbase: is_coinbase,
        fee_sat: None,
        inputs: inputs.collect(),
        outputs: outputs.collect(),
        hex: with_hex.then(|| tx.bytes.to_lower_hex_string()),
    }
}
