//! The coins that a block spends, out of its undo record.
//!
//! Invariant: the record that is used has a right checksum, a coin for each of the block's inputs and for no
//! other, and is even with the index ([`SpendSums`]) where that can be told.

use super::Fault;
use crate::Result;
use crate::primitives::coin::Coin;
use crate::primitives::consensus::AMOUNT_SAT_MAX;
use crate::primitives::position::Height;
use crate::primitives::wire::{Hash32, Tx};
use crate::verify::undo::{Record, SpendSums, SpentCoin};
use bitcoin::Txid;
use bitcoin::hashes::Hash;

/// A block's transactions, with their ids.
pub(crate) struct Txs<'a> {
    /// The transactions.
    pub txs: Vec<Tx<'a>>,
    /// Their ids, in the same order.
    pub txids: &'a [Hash32],
    /// Weight of the block (BIP 141).
    pub weight: u64,
}

/// The coins of a record, one for each input of the block's transactions but the coinbase; `None` if the record
/// has others.
pub(crate) fn coins_of<'r>(
    record: &Record<'r>,
    txs: &Txs<'_>,
) -> Result<Option<Vec<SpentCoin<'r>>>> {
    let inputs = txs.txs.iter().skip(1).map(|tx| tx.input_count).sum();
    let mut coins = Vec::with_capacity(inputs);
    let mut read = record.coins()?;
    for (tx_index, tx) in (0u32..).zip(&txs.txs).skip(1) {
        for input_index in 0..tx.input_count as u32 {
            match read.next_coin()? {
                Some(coin) if (coin.tx_index, coin.input_index) == (tx_index, input_index) => {
                    coins.push(coin);
                }
                _ => return Ok(None),
            }
        }
    }
    Ok(read.next_coin()?.is_none().then_some(coins))
}

/// Takes the coins from the block's sum; whether that is even then.
pub(crate) fn are_even(
    sums: &mut SpendSums<'_, '_>,
    height: Height,
    txs: &Txs<'_>,
    coins: &[SpentCoin<'_>],
) -> bool {
    let inputs = txs.txs.iter().skip(1).flat_map(|tx| tx.inputs());
    for (input, coin) in inputs.zip(coins) {
        sums.undone(
            height,
            &Coin {
                txid: *input.prev_txid(),
                vout: input.prev_vout(),
                height: coin.height,
                coinbase: coin.coinbase,
                amount_sat: coin.amount_sat,
                script: coin.script.as_slice(),
            },
        );
    }
    sums.are_even(height)
}

/// The fee of a transaction.
pub(crate) fn fee_of(height: Height, txid: &Hash32, spent_sat: u64, paid_sat: u64) -> Result<u64> {
    let fee = spent_sat.checked_sub(paid_sat);
    let fee = fee.filter(|_| spent_sat <= AMOUNT_SAT_MAX);
    fee.ok_or_else(|| {
        let txid = Txid::from_byte_array(*txid);
        Fault::Overspent {
            height,
            txid,
            spent_sat,
            paid_sat,
        }
        .into()
    })
}
