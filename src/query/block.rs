//! `block`: a block's header, place, counts and fees.
//!
//! Invariant: counts and amounts are those of the block's own bytes, walked whole.

use super::View;
use super::answers::BlockInfo;
use super::blocks::AtPlace;
use super::outputs::{Wanted, outpoint_of};
use crate::primitives::header;
use crate::primitives::position::{Height, TxNum};
use crate::primitives::wire::{Block, BlockFault};
use crate::utxo;
use crate::{Error, Result};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, TxMerkleNode, Txid};

/// A block, as it is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockName {
    /// By its height.
    Height(Height),
    /// By its hash.
    Hash(BlockHash),
}

/// What a walk over a block finds.
#[derive(Default)]
struct Walked {
    txs: u64,
    outputs: u64,
    weight: u64,
    coinbase_sat: u64,
    sent_sat: u128,
    wanted: Vec<Wanted>,
    txids: Option<Vec<Txid>>,
}

impl View<'_> {
    /// One block of the chain, and `with_txids` the txids in it.
    ///
    /// # Errors
    /// [`crate::utxo::Fault::AboveTip`], [`crate::utxo::Fault::UnknownBlock`] and others;
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn block(&mut self, name: BlockName, with_txids: bool) -> Result<BlockInfo> {
        let height = self.height_of(name)?;
        let (snapshot, files) = self.parts()?;
        let block = files.block(snapshot, height)?;
        let walked = walk(files.bytes(&block)?, block.row.coinbase(), with_txids);
        let mut walked = walked.map_err(|fault| block.fault(fault))?;
        let mut amounts_sat = vec![0u64; walked.wanted.len()];
        self.prevouts(&walked.wanted, |at, output| {
            amounts_sat[at] = output.amount_sat;
        })?;
        let spent_sat = amounts_sat.into_iter().map(u128::from).sum();
        let txids = walked.txids.take();
        Ok(BlockInfo {
            txids,
            ..info(&block, self.at, &walked, spent_sat)
        })
    }

    /// Height of the block, which is at most the height asked about.
    fn height_of(&self, name: BlockName) -> Result<Height> {
        let wanted = match name {
            BlockName::Height(height) => height,
            BlockName::Hash(hash) => {
                let height = self.snapshot.height_of(&hash.to_byte_array())?;
                height.ok_or(utxo::Fault::UnknownBlock { hash })?
            }
        };
        if wanted > self.at {
            let tip = self.at;
            return Err(Error::from(utxo::Fault::AboveTip { wanted, tip }));
        }
        Ok(wanted)
    }
}

fn walk(
    bytes: &[u8],
    coinbase: TxNum,
    with_txids: bool,
) -> std::result::Result<Walked, BlockFault> {
    let mut walked = Walked {
        txids: with_txids.then(Vec::new),
        ..Walked::default()
    };
    let mut number = coinbase;
    let mut block = Block::read(bytes)?;
    while let Some(tx) = block.next_tx()? {
        // More than 21 million bitcoin in one transaction were refused when it was read.
        let amount_sat: u64 = tx.outputs().map(|output| output.amount_sat).sum();
        if walked.txs == 0 {
            walked.coinbase_sat = amount_sat;
        } else {
            walked.sent_sat += u128::from(amount_sat);
            walked.wanted.extend(tx.inputs().map(|input| Wanted {
                outpoint: outpoint_of(input.outpoint),
                spender: number,
            }));
        }
        if let Some(txids) = &mut walked.txids {
            txids.push(Txid::from_byte_array(tx.txid()));
        }
        walked.txs += 1;
        walked.outputs += tx.output_count as u64;
        number = number.next(tx.output_count);
    }
    walked.weight = block.weight_so_far();
    Ok(walked)
}

fn info(block: &AtPlace, last: Height, walked: &Walked, spent_sat: u128) -> BlockInfo {
    let header = &block.row.header;
    BlockInfo {
        height: block.height,
        confirmations: block.height.confirmations(last),
        hash: BlockHash::from_byte_array(block.row.hash),
        file: format!("blk{:05}.dat", block.place.file),
        offset: block.place.offset_bytes,
        bytes: block.place.bytes,
        weight: walked.weight,
        version: header::version_of(header),
        previous_hash: BlockHash::from_byte_array(header::prev_hash_of(header)),
        merkle_root: TxMerkleNode::from_byte_array(header::merkle_root_of(header)),
        time: header::time_of(header),
        bits: format!("{:08x}", header::bits_of(header)),
        nonce: header::nonce_of(header),
        txs: walked.txs,
        inputs: walked.wanted.len() as u64,
        outputs: walked.outputs,
        sent_sat: walked.sent_sat,
        coinbase_sat: walked.coinbase_sat,
        fees_sat: spent_sat as i128 - walked.sent_sat as i128,
        txids: None,
    }
}
