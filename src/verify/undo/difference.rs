//! Where a block's undo record and the index part: the first input in which they differ.
//!
//! Invariant: called only for a block whose sum did not come to zero, so there is a difference.
//!
//! Memory: about 100 bytes for each of the block's inputs.

use super::{Record, SpentCoin};
use crate::primitives::coin::{Coin, height_and_flag};
use crate::primitives::position::{Height, TxNum, Txo};
use crate::primitives::wire::Block;
use crate::runs::row::SpendingRow;
use crate::utxo::{Heights, Spent, UtxoSet};
use crate::verify::Fault;
use crate::{Error, Result};
use bitcoin::Txid;
use bitcoin::hashes::Hash;
use bitcoin::hex::DisplayHex;
use std::collections::BTreeMap;

/// An output that the index says was spent by a transaction.
struct Resolved {
    spender: TxNum,
    code: u32,
    amount_sat: u64,
    script: Vec<u8>,
}

type ByOutpoint = BTreeMap<([u8; 32], u32), Resolved>;

/// The error that names the first difference.
pub(crate) fn first_difference(
    set: &mut UtxoSet<'_>,
    heights: &Heights,
    height: Height,
    record: &Record<'_>,
    file: u32,
    buffer: &mut [SpendingRow],
) -> Result<Error> {
    let resolved = resolved_by(set, heights, height, buffer)?;
    let block = set.block(height)?;
    let mut walk = Block::read(block.bytes).map_err(|fault| block.fault(fault))?;
    let mut coins = record.coins()?;
    let mut number = block.row.coinbase();
    while let Some(tx) = walk.next_tx().map_err(|fault| block.fault(fault))? {
        let txid = Txid::from_byte_array(tx.txid());
        let inputs = (0..)
            .zip(tx.inputs())
            .filter(|_| number != block.row.coinbase());
        for (index, input) in inputs {
            let differs = |field, found: String, expected: String| Fault::UndoDiffers {
                height,
                txid,
                input: index,
                field,
                found,
                expected,
                file,
            };
            let outpoint = (*input.prev_txid(), input.prev_vout());
            let Some(coin) = coins.next_coin()? else {
                return Ok(Fault::UndoTooFew { height, file }.into());
            };
            let found = resolved
                .get(&outpoint)
                .filter(|found| found.spender == number);
            let Some(found) = found else {
                return Ok(Fault::UndoUnknownSpend {
                    height,
                    txid,
                    input: index,
                    file,
                }
                .into());
            };
            if let Some((field, found, expected)) = unequal(found, &coin) {
                return Ok(differs(field, found, expected).into());
            }
        }
        number = number.next(tx.output_count);
    }
    Ok(Fault::UndoCount {
        height,
        found: resolved.len(),
        file,
    }
    .into())
}

/// Whether the record says of every input what the index says: of siblings with as many transactions, only one's
/// does.
pub(crate) fn is_of_index(
    set: &mut UtxoSet<'_>,
    heights: &Heights,
    height: Height,
    record: &Record<'_>,
    buffer: &mut [SpendingRow],
) -> Result<bool> {
    let resolved = resolved_by(set, heights, height, buffer)?;
    let block = set.block(height)?;
    let mut walk = Block::read(block.bytes).map_err(|fault| block.fault(fault))?;
    let mut coins = record.coins()?;
    walk.next_tx().map_err(|fault| block.fault(fault))?;
    while let Some(tx) = walk.next_tx().map_err(|fault| block.fault(fault))? {
        for input in tx.inputs() {
            let found = resolved.get(&(*input.prev_txid(), input.prev_vout()));
            match (found, coins.next_coin()?) {
                (Some(found), Some(coin)) if unequal(found, &coin).is_none() => {}
                _ => return Ok(false),
            }
        }
    }
    Ok(coins.next_coin()?.is_none())
}

/// The first field in which the index and the undo file differ.
fn unequal(found: &Resolved, coin: &SpentCoin<'_>) -> Option<(&'static str, String, String)> {
    let script = coin.script.as_slice();
    let (height, coinbase) = height_and_flag(found.code);
    let differ = |field, found: &dyn ToString, expected: &dyn ToString| {
        Some((field, found.to_string(), expected.to_string()))
    };
    if found.amount_sat != coin.amount_sat {
        return differ("the amount", &found.amount_sat, &coin.amount_sat);
    }
    if height != coin.height {
        return differ("the coin's height", &height, &coin.height);
    }
    if coinbase != coin.coinbase {
        return differ("coinbase", &coinbase, &coin.coinbase);
    }
    match found.script == script {
        true => None,
        false => differ("the script", &found.script.as_hex(), &script.as_hex()),
    }
}

/// What the index says that the block's transactions spent.
fn resolved_by(
    set: &mut UtxoSet<'_>,
    heights: &Heights,
    height: Height,
    buffer: &mut [SpendingRow],
) -> Result<ByOutpoint> {
    let row = set.snapshot().block(height)?;
    let own = |spender: TxNum| spender > row.coinbase() && spender.is_below(Txo(row.outputs));
    let mut spent = Spent::open(set.snapshot(), set.height(), set.end(), buffer)?;
    let mut wanted = Vec::new();
    while let Some((txo, spender)) = spent.next_gone()? {
        if own(spender) {
            wanted.push((txo, spender));
        }
    }
    let mut resolved = ByOutpoint::new();
    let mut rest = &wanted[..];
    while let Some((txo, _)) = rest.first() {
        let block = set.block(heights.of(*txo))?;
        let count = rest.partition_point(|(txo, _)| txo.0 < block.row.outputs);
        let (here, behind) = rest.split_at(count);
        rest = behind;
        let mut walk = Block::read(block.bytes).map_err(|fault| block.fault(fault))?;
        let mut number = block.row.coinbase();
        while let Some(tx) = walk.next_tx().map_err(|fault| block.fault(fault))? {
            let next = number.next(tx.output_count);
            let outputs = number.first_output()..next.first_output();
            let own = here.iter().filter(|(txo, _)| outputs.contains(txo));
            for (txo, spender) in own {
                let vout = (txo.0 - outputs.start.0) as u32;
                let output = tx
                    .outputs()
                    .nth(vout as usize)
                    .expect("inside the range above");
                let coin = Coin {
                    txid: tx.txid(),
                    vout,
                    height: block.height.0,
                    coinbase: number == block.row.coinbase(),
                    amount_sat: output.amount_sat,
                    script: output.script,
                };
                resolved.insert(
                    (coin.txid, vout),
                    Resolved {
                        spender: *spender,
                        code: coin.code(),
                        amount_sat: coin.amount_sat,
                        script: coin.script.to_vec(),
                    },
                );
            }
            number = next;
        }
    }
    Ok(resolved)
}
