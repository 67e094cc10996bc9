//! What a block comes down to: the coins it takes and makes, in order, and rows for the runs.
//!
//! Invariant: a block is digested whole or not at all. Nothing is known to the table before its
//! lengths, its weight and its merkle root have been found right.
//!
//! Memory: room for the largest block, made once.

use super::rows::Shares;
use crate::fingerprint::Fingerprints;
use crate::index::blocks::TxMarks;
use crate::limits::{BLOCK_TXS_MAX, COIN_CHANGES_MAX, SCRIPT_BYTES_MAX};
use crate::position::Txo;
use crate::region::{Buffer, Region};
use crate::runs::row::{CoinRow, FundingRow, TxidRow};
use crate::wire::{Block, Fault, Hash32, check_merkle_root, check_witness_commitment};

/// Whether no input can ever spend this script (Bitcoin Core, `script/script.h`:
/// `CScript::IsUnspendable`).
#[inline]
pub fn is_unspendable(script: &[u8]) -> bool {
    const OP_RETURN: u8 = 0x6a;
    script.first() == Some(&OP_RETURN) || script.len() > SCRIPT_BYTES_MAX
}

/// Numbers of a block.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct BlockCounts {
    /// Transactions.
    pub txs: u64,
    /// Inputs; the coinbase's is not counted.
    pub inputs: u64,
    /// Outputs.
    pub outputs: u64,
    /// Outputs of the coinbase.
    pub coinbase_outputs: u64,
    /// Outputs that can be spent.
    pub coins: u64,
}

/// Digests one block after the other.
pub struct Digest {
    ops: Buffer<CoinRow>,
    txids: Region<Hash32>,
    marks: TxMarks,
    checks_witness: bool,
}

impl Digest {
    /// Bytes of memory it takes.
    pub const BYTES: usize =
        COIN_CHANGES_MAX * size_of::<CoinRow>() + BLOCK_TXS_MAX as usize * size_of::<Hash32>();

    /// With room for the largest block. `checks_witness`: also check witness commitments.
    ///
    /// # Errors
    /// [`crate::Error::Memory`].
    pub fn new(checks_witness: bool) -> crate::Result<Digest> {
        Ok(Digest {
            ops: Buffer::new("block", COIN_CHANGES_MAX)?,
            txids: Region::new("block", BLOCK_TXS_MAX as usize)?,
            marks: TxMarks::new(),
            checks_witness,
        })
    }

    /// The coins of the last block in order: a put makes one, a delete takes one for the transaction
    /// that its txo names.
    pub fn ops(&self) -> &[CoinRow] {
        &self.ops
    }

    /// Where the last block's transactions begin.
    pub fn marks(&self) -> &[u8] {
        self.marks.bytes()
    }

    /// Digests the block whose first output is `first_txo`, and appends its rows. The outputs of the
    /// genesis block (`first_txo` 0) are no coins (Bitcoin Core, `validation.cpp`: `ConnectBlock`).
    ///
    /// # Errors
    /// A [`Fault`]; then the caller takes the appended rows back.
    pub fn digest(
        &mut self,
        bytes: &[u8],
        first_txo: Txo,
        fingerprints: &Fingerprints,
        rows: &mut Shares<'_>,
    ) -> Result<BlockCounts, Fault> {
        let mut counts = BlockCounts::default();
        let mut block = Block::read(bytes)?;
        self.ops.clear();
        self.marks.clear();
        while let Some(tx) = block.next_tx()? {
            let first = Txo(first_txo.0 + counts.outputs);
            let txid = tx.txid();
            self.txids[counts.txs as usize] = txid;
            self.marks.add(tx.offset_bytes, first);
            rows.txids.push(TxidRow::new(&txid, first));
            if counts.txs > 0 {
                for input in tx.inputs() {
                    self.ops.push(CoinRow::delete(
                        fingerprints.outpoint(input.outpoint),
                        first,
                    ));
                }
                counts.inputs += tx.input_count as u64;
            } else {
                counts.coinbase_outputs = tx.output_count as u64;
            }
            let own = fingerprints.outputs_of(&txid);
            for (vout, output) in (0u32..).zip(tx.outputs()) {
                let txo = Txo(first.0 + u64::from(vout));
                if is_unspendable(output.script) || first_txo.0 == 0 {
                    continue;
                }
                self.ops.push(CoinRow::put(own.outpoint(vout), txo));
                let script = fingerprints.script(output.script);
                rows.funding
                    .push(FundingRow::new(script, txo, output.amount_sat));
                counts.coins += 1;
            }
            counts.outputs += tx.output_count as u64;
            counts.txs += 1;
        }
        check_merkle_root(&mut self.txids[..counts.txs as usize], block.header)?;
        if self.checks_witness {
            check_witness_commitment(bytes, &mut self.txids)?;
        }
        Ok(counts)
    }
}
