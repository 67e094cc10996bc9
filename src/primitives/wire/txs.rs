//! Transactions of a block with their ids, some hundreds at a time: enough to be hashed side by side, few
//! enough to be still in the cache when they are read again.
//!
//! Invariant: what is handed out was read last, and in the order of the block.
//!
//! Memory: 40 kB on the heap, made once.

use super::Hash32;
use super::block::Block;
use super::fault::BlockFault;
use super::tx::{Tx, Walked};
use crate::primitives::sha256::{Message, hash_messages};

/// Transactions that are read at once.
const TXS: usize = 512;

/// See the module documentation.
pub struct Txs {
    walked: Box<[Walked]>,
    messages: Box<[Message]>,
    ids: Box<[Hash32]>,
    count: usize,
}

impl Txs {
    /// With none read.
    pub fn new() -> Txs {
        Txs {
            walked: vec![Walked::default(); TXS].into(),
            messages: vec![Message::default(); TXS].into(),
            ids: vec![[0; 32]; TXS].into(),
            count: 0,
        }
    }

    /// Reads the next transactions of the block, with their txids. `false`: there are none.
    ///
    /// # Errors
    /// As [`Block::next_tx`].
    pub fn read(&mut self, block: &mut Block<'_>) -> Result<bool, BlockFault> {
        self.read_by(block, |tx| tx.base())
    }

    /// The same, with their wtxids.
    ///
    /// # Errors
    /// As [`Block::next_tx`].
    pub fn read_with_wtxids(&mut self, block: &mut Block<'_>) -> Result<bool, BlockFault> {
        self.read_by(block, |tx| tx.whole())
    }

    #[inline(always)]
    fn read_by(
        &mut self,
        block: &mut Block<'_>,
        message_of: impl Fn(&Tx<'_>) -> Message,
    ) -> Result<bool, BlockFault> {
        self.count = 0;
        while self.count < TXS {
            let Some(tx) = block.next_tx()? else { break };
            let mut message = message_of(&tx);
            message.middle_at += tx.offset_bytes as u32;
            self.messages[self.count] = message;
            self.walked[self.count] = tx.walked();
            self.count += 1;
        }
        let (messages, ids) = (&self.messages[..self.count], &mut self.ids[..self.count]);
        hash_messages(block.bytes(), messages, ids);
        Ok(self.count > 0)
    }

    /// The ids of those that were read last.
    pub fn ids(&self) -> &[Hash32] {
        &self.ids[..self.count]
    }

    /// Those that were read last, of the bytes of the same block, with their ids.
    #[inline(always)]
    pub fn iter<'a>(&self, block: &'a [u8]) -> impl Iterator<Item = (Tx<'a>, &Hash32)> {
        let walked = self.walked[..self.count].iter();
        walked.map(|walked| walked.tx(block)).zip(&self.ids)
    }
}
