//! The coins inside an undo record.
//!
//! Invariant: every spent coin is given once, in the order of the block's inputs, and a record that
//! does not end exactly where it should is an error. Nothing is allocated.
//!
//! A record is a list, for every transaction but the coinbase, of lists, for every input, of coins.
//! Both lists begin with a compact size. A coin is VARINT(height × 2 + coinbase), one VARINT that
//! means nothing any more if the height is not 0, and a compressed output.

use crate::Result;
use crate::primitives::coin::height_and_flag;
use crate::primitives::consensus::BLOCK_INPUTS_MAX;
use crate::verify::CodedFault;
use crate::verify::compress::{ReadScript, read_output};
use crate::verify::cursor::Cursor;

/// A coin that a block spent.
#[derive(Clone, Debug)]
pub struct SpentCoin<'a> {
    /// Index of the spending transaction in its block; the coinbase, which spends nothing, is 0.
    pub tx_index: u32,
    /// Index of the input in that transaction.
    pub input_index: u32,
    /// Height of the block that made the coin.
    pub height: u32,
    /// Whether a coinbase made it.
    pub coinbase: bool,
    /// What it was worth.
    pub amount_sat: u64,
    /// What locked it.
    pub script: ReadScript<'a>,
}

/// Reads the coins of a record one by one.
#[derive(Clone, Debug)]
pub struct SpentCoins<'a> {
    cursor: Cursor<'a>,
    txs_left: u32,
    inputs_left: u32,
    tx_index: u32,
    input_index: u32,
}

impl<'a> SpentCoins<'a> {
    /// Starts at the first of `undo`, which is byte `offset_bytes` of its file.
    pub fn new(undo: &'a [u8], offset_bytes: u64) -> Result<SpentCoins<'a>> {
        let mut cursor = Cursor::new(undo, offset_bytes);
        let txs_left = cursor.compact_size("undo transactions", BLOCK_INPUTS_MAX.into())? as u32;
        Ok(SpentCoins {
            cursor,
            txs_left,
            inputs_left: 0,
            tx_index: 0,
            input_index: 0,
        })
    }

    /// Transactions that are still to come; at the start, all but the coinbase.
    pub fn txs_left(&self) -> u32 {
        self.txs_left
    }

    /// The next coin; `None` where the record ends, and ends as it should.
    pub fn next_coin(&mut self) -> Result<Option<SpentCoin<'a>>> {
        while self.inputs_left == 0 {
            if self.txs_left == 0 {
                return self.end().map(|()| None);
            }
            let count = self
                .cursor
                .compact_size("undo inputs", BLOCK_INPUTS_MAX.into())?;
            self.inputs_left = count as u32;
            self.txs_left -= 1;
            self.tx_index += 1;
            self.input_index = 0;
        }
        let coin = self.read_coin()?;
        self.inputs_left -= 1;
        self.input_index += 1;
        Ok(Some(coin))
    }

    fn read_coin(&mut self) -> Result<SpentCoin<'a>> {
        let code = self.cursor.varint("coin height", u32::MAX.into())? as u32;
        let (height, coinbase) = height_and_flag(code);
        if height > 0 {
            self.cursor.varint("coin version", u32::MAX.into())?;
        }
        let (amount_sat, script) = read_output(&mut self.cursor)?;
        Ok(SpentCoin {
            tx_index: self.tx_index,
            input_index: self.input_index,
            height,
            coinbase,
            amount_sat,
            script,
        })
    }

    fn end(&self) -> Result<()> {
        match self.cursor.left() as u64 {
            0 => Ok(()),
            left => {
                let at = self.cursor.offset_bytes();
                Err(self
                    .cursor
                    .fault("undo record", at, CodedFault::LeftOver { left }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_undo_bytes_make_reading_panic_or_run_on(undo: Vec<u8>) {
            let mut coins = 0;
            if let Ok(mut spent) = SpentCoins::new(&undo, 8) {
                while let Ok(Some(_)) = spent.next_coin() {
                    coins += 1;
                }
            }
            prop_assert!(coins <= undo.len());
        }
    }
}
