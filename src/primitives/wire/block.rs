//! A block, read transaction by transaction.
//!
//! Invariant: no block yields more transactions, inputs or outputs than a block of the largest weight can have.

use super::cursor::Cursor;
use super::fault::{BlockFault, FaultKind};
use super::tx::Tx;
use crate::primitives::consensus::{BLOCK_WEIGHT_MAX, TX_BYTES_MIN};
use crate::primitives::header::HEADER_BYTES;

/// A block, read transaction by transaction.
pub struct Block<'a> {
    /// The serialized header.
    pub header: &'a [u8; HEADER_BYTES],
    /// Number of transactions.
    pub tx_count: usize,
    cursor: Cursor<'a>,
    left: usize,
    base_bytes: usize,
}

impl<'a> Block<'a> {
    /// Reads header and transaction count.
    ///
    /// # Errors
    /// A [`BlockFault`] if the bytes are too few or the count cannot be.
    pub fn read(bytes: &'a [u8]) -> Result<Block<'a>, BlockFault> {
        let mut cursor = Cursor { bytes, at: 0 };
        let header = cursor
            .take(HEADER_BYTES)?
            .try_into()
            .expect("80 bytes were taken");
        let tx_count = cursor.count(TX_BYTES_MIN)?;
        if tx_count == 0 {
            return Err(cursor.fault(FaultKind::NoTransactions));
        }
        Ok(Block {
            header,
            tx_count,
            base_bytes: cursor.at,
            cursor,
            left: tx_count,
        })
    }

    /// A reader of the transactions from byte `offset_bytes` on, where one is known to start.
    ///
    /// # Errors
    /// A [`BlockFault`] if the offset lies behind the block.
    pub fn read_tx_at(bytes: &'a [u8], offset_bytes: usize) -> Result<Tx<'a>, BlockFault> {
        if offset_bytes > bytes.len() {
            return Err(BlockFault {
                kind: FaultKind::CutShort,
                offset_bytes,
            });
        }
        Tx::read(&mut Cursor {
            bytes,
            at: offset_bytes,
        })
    }

    /// The first transaction of a block of which only the beginning is at hand.
    ///
    /// # Errors
    /// A [`BlockFault`] if it is not whole.
    pub fn read_first_tx(bytes: &'a [u8]) -> Result<Tx<'a>, BlockFault> {
        let mut cursor = Cursor { bytes, at: 0 };
        cursor.take(HEADER_BYTES)?;
        cursor.compact_size()?;
        Tx::read(&mut cursor)
    }

    /// The next transaction, `None` after the last. The first must be a coinbase and no other;
    /// after the last, weight and trailing bytes are checked.
    ///
    /// # Errors
    /// A [`BlockFault`] that names the first byte that cannot be right.
    pub fn next_tx(&mut self) -> Result<Option<Tx<'a>>, BlockFault> {
        if self.left == 0 {
            return self.check_end().map(|()| None);
        }
        let tx = Tx::read(&mut self.cursor)?;
        let is_first = self.left == self.tx_count;
        if tx.is_coinbase() != is_first {
            return Err(BlockFault {
                kind: FaultKind::Coinbase,
                offset_bytes: tx.offset_bytes,
            });
        }
        self.left -= 1;
        self.base_bytes += tx.base_bytes();
        // Said before the transaction is handed out, so that no block yields more transactions,
        // inputs or outputs than `consensus` counts.
        let base_weight = self.base_bytes as u64 * 4;
        if base_weight > BLOCK_WEIGHT_MAX {
            return Err(self.cursor.fault(FaultKind::Overweight(base_weight)));
        }
        Ok(Some(tx))
    }

    /// All bytes of the block.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.cursor.bytes
    }

    fn check_end(&self) -> Result<(), BlockFault> {
        if self.cursor.left() > 0 {
            return Err(self
                .cursor
                .fault(FaultKind::TrailingBytes(self.cursor.left())));
        }
        let weight = self.weight_so_far();
        if weight > BLOCK_WEIGHT_MAX {
            return Err(self.cursor.fault(FaultKind::Overweight(weight)));
        }
        Ok(())
    }

    /// Weight of what has been read (BIP 141).
    pub fn weight_so_far(&self) -> u64 {
        (self.base_bytes * 3 + self.cursor.at) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_block;
    use super::super::model::assert_same;
    use super::super::testing::{regtest_blocks, regtest_genesis, walk};
    use super::*;
    use crate::primitives::consensus::AMOUNT_SAT_MAX;
    use bitcoin::consensus::{deserialize, serialize};

    #[test]
    fn a_block_cut_short_anywhere_is_refused() {
        let blocks = regtest_blocks();
        let busiest = blocks.iter().filter(|block| block.len() < 20_000);
        let block = busiest.max_by_key(|block| block.len()).expect("many");
        for end in 0..block.len() {
            assert!(walk(&block[..end]).is_err(), "{end} bytes");
        }
        let longer = [&block[..], &[0]].concat();
        let fault = check_block(&longer).expect_err("one byte more");
        assert_eq!(fault.kind, FaultKind::TrailingBytes(1));
    }

    #[test]
    fn a_count_that_cannot_be_is_refused_before_it_is_used() {
        let block = &regtest_genesis();
        for count in [
            [0xff; 9],
            [0xff, 0, 0, 0, 0, 1, 0, 0, 0],
            [0xff, 0, 0, 0, 0, 0, 0, 0, 0x80],
        ] {
            for at in [80, 85] {
                let bytes = [&block[..at], &count, &block[at + 1..]].concat();
                let fault = walk(&bytes).err().expect("too many");
                assert!(matches!(fault.kind, FaultKind::CountTooLarge(_)), "{fault}");
            }
        }
        let long_one = [&block[..80], &[0xfd, 1, 0], &block[81..]].concat();
        let fault = walk(&long_one).err().expect("not canonical");
        assert_eq!(fault.kind, FaultKind::NonCanonicalSize);
    }

    /// Each rule that we check beyond the `bitcoin` crate has a block that breaks it alone.
    #[test]
    fn each_further_rule_has_a_block_that_breaks_it() {
        let genesis: bitcoin::Block = deserialize(&regtest_genesis()).expect("genesis");
        let kind = |change: &dyn Fn(&mut bitcoin::Block)| {
            let mut block = genesis.clone();
            change(&mut block);
            let bytes = serialize(&block);
            assert!(!assert_same(&bytes));
            walk(&bytes).err().expect("refused").kind
        };
        let amount = bitcoin::Amount::from_sat;
        assert_eq!(kind(&|b| b.txdata[0].output.clear()), FaultKind::NoOutputs);
        assert_eq!(kind(&|b| b.txdata.clear()), FaultKind::NoTransactions);
        let too_much =
            |b: &mut bitcoin::Block| b.txdata[0].output[0].value = amount(AMOUNT_SAT_MAX + 1);
        assert_eq!(kind(&too_much), FaultKind::AmountTooLarge);
        let together = |b: &mut bitcoin::Block| {
            let output = &mut b.txdata[0].output;
            output[0].value = amount(AMOUNT_SAT_MAX);
            output.push(output[0].clone());
        };
        assert_eq!(kind(&together), FaultKind::AmountTooLarge);
        let no_coinbase = |b: &mut bitcoin::Block| b.txdata[0].input[0].previous_output.vout = 0;
        assert_eq!(kind(&no_coinbase), FaultKind::Coinbase);
        let two = |b: &mut bitcoin::Block| b.txdata.push(b.txdata[0].clone());
        assert_eq!(kind(&two), FaultKind::Coinbase);
        let heavy = |b: &mut bitcoin::Block| {
            b.txdata[0].output[0].script_pubkey = vec![0x51; 999_900].into();
        };
        assert!(matches!(kind(&heavy), FaultKind::Overweight(_)));
        let just_fits = |script_bytes: usize| {
            let mut block = genesis.clone();
            block.txdata[0].output[0].script_pubkey = vec![0x51; script_bytes].into();
            let weight = block.weight().to_wu();
            (weight, assert_same(&serialize(&block)))
        };
        let (weight, fits) = just_fits(999_000);
        assert!(fits);
        let room = (BLOCK_WEIGHT_MAX - weight) as usize / 4;
        assert_eq!(just_fits(999_000 + room), (BLOCK_WEIGHT_MAX, true));
        assert_eq!(just_fits(999_001 + room), (BLOCK_WEIGHT_MAX + 4, false));
    }
}
