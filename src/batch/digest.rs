//! What a block comes down to: the coins it takes and makes, in order, and rows for the runs.
//!
//! Invariant: a block is digested whole or not at all. Nothing is known to the table before its
//! lengths, its weight and its merkle root have been found right.
//!
//! Memory: room for the largest block, made once.

use super::COIN_CHANGES_MAX;
use super::change::Change;
use super::kept::Kept;
use super::rows::Shares;
use crate::index::blocks::TxMarks;
use crate::memory::part::Part;
use crate::memory::region::{Buffer, Region};
use crate::primitives::coin::makes_coin;
use crate::primitives::consensus::BLOCK_TXS_MAX;
use crate::primitives::fingerprint::lanes::Lanes;
use crate::primitives::fingerprint::{Fingerprints, outpoint_of_hash, script_of_hash};
use crate::primitives::position::{Height, TxNum, Txo};
use crate::primitives::wire::{Block, BlockFault, Hash32, Txs, check_merkle_root, check_witnesses};
use crate::runs::row::{FundingRow, TxidRow};

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
    changes: Buffer<Change>,
    txs: Txs,
    txids: Region<Hash32>,
    marks: TxMarks,
    hashing: Hashing,
    witnesses_from: Option<Height>,
}

impl Digest {
    /// Bytes of memory it takes.
    pub const BYTES: usize =
        COIN_CHANGES_MAX * size_of::<Change>() + BLOCK_TXS_MAX as usize * size_of::<Hash32>();

    /// With room for the largest block. `witnesses_from`: witnesses are checked too, and commitments
    /// count from this height on.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new(
        fingerprints: Fingerprints,
        witnesses_from: Option<Height>,
    ) -> crate::Result<Digest> {
        Ok(Digest {
            changes: Buffer::new(Part::Block, COIN_CHANGES_MAX)?,
            txs: Txs::new(),
            txids: Region::new(Part::Block, BLOCK_TXS_MAX as usize)?,
            marks: TxMarks::new(),
            hashing: Hashing::new(fingerprints),
            witnesses_from,
        })
    }

    /// The coins that the last block makes and takes, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The same, to take out what is done with.
    pub fn changes_mut(&mut self) -> &mut Buffer<Change> {
        &mut self.changes
    }

    /// Where the last block's transactions begin.
    pub fn marks(&self) -> &[u8] {
        self.marks.bytes()
    }

    /// Digests the block at `height`, whose first output is `first_txo`, and appends its rows; its txids to
    /// `kept`, if they are kept.
    ///
    /// # Errors
    /// A [`BlockFault`]; then the caller takes back what was appended.
    pub fn digest(
        &mut self,
        bytes: &[u8],
        height: Height,
        first_txo: Txo,
        rows: &mut Shares<'_>,
        mut kept: Option<&mut Kept>,
    ) -> Result<BlockCounts, BlockFault> {
        let rows_before = (rows.txids.filled().len(), rows.funding.filled().len());
        let mut counts = BlockCounts::default();
        let mut number = TxNum::of_first(first_txo);
        let mut block = Block::read(bytes)?;
        self.changes.clear();
        self.marks.clear();
        self.hashing.clear();
        kept.iter_mut().for_each(|kept| kept.begin_block());
        while self.txs.read(&mut block)? {
            for (tx, txid) in self.txs.iter(bytes) {
                self.txids[counts.txs as usize] = *txid;
                self.marks.add(tx.offset_bytes, number);
                rows.txids.push(TxidRow::new(txid, number));
                if counts.txs > 0 {
                    for input in tx.inputs() {
                        self.changes.push(Change::take(0, number));
                        self.hashing.outpoint(input.outpoint, &mut self.changes);
                    }
                    counts.inputs += tx.input_count as u64;
                } else {
                    counts.coinbase_outputs = tx.output_count as u64;
                }
                let mut outpoint = [0; 36];
                outpoint[..32].copy_from_slice(txid);
                for (vout, output) in (0u32..).zip(tx.outputs()) {
                    let txo = number.output(vout);
                    if !makes_coin(height, output.script) {
                        let kept = kept.iter_mut().filter(|_| output.amount_sat > 0);
                        kept.for_each(|kept| kept.add_never(txo, output.amount_sat));
                        continue;
                    }
                    outpoint[32..].copy_from_slice(&vout.to_le_bytes());
                    self.changes.push(Change::make(0, txo));
                    self.hashing.outpoint(&outpoint, &mut self.changes);
                    rows.funding
                        .push(FundingRow::new(0, txo, output.amount_sat));
                    self.hashing.script(output.script, rows.funding.filled());
                    counts.coins += 1;
                }
                number = number.next(tx.output_count);
                counts.outputs += tx.output_count as u64;
                counts.txs += 1;
            }
        }
        self.hashing
            .finish(&mut self.changes, rows.funding.filled());
        if let Some(kept) = kept {
            let txids = &self.txids[..counts.txs as usize];
            let txs = &rows.txids.filled()[rows_before.0..];
            let funding = &rows.funding.filled()[rows_before.1..];
            kept.add(txs, txids, funding, number.first_output());
        }
        self.txids.note_used(counts.txs as usize);
        check_merkle_root(&mut self.txids[..counts.txs as usize], block.header)?;
        if let Some(from) = self.witnesses_from {
            check_witnesses(bytes, height >= from, &mut self.txs, &mut self.txids)?;
        }
        Ok(counts)
    }
}

/// Fingerprints of the rows just pushed, filled in eight at a time: outpoints have 36 bytes; scripts
/// of up to 39 bytes, which nearly all are, go by their number of words, longer ones singly.
struct Hashing {
    fingerprints: Fingerprints,
    outpoints: Lanes<5>,
    scripts_3: Lanes<3>,
    scripts_4: Lanes<4>,
    scripts_5: Lanes<5>,
}

impl Hashing {
    fn new(fingerprints: Fingerprints) -> Hashing {
        Hashing {
            fingerprints,
            outpoints: Lanes::empty(),
            scripts_3: Lanes::empty(),
            scripts_4: Lanes::empty(),
            scripts_5: Lanes::empty(),
        }
    }

    /// Forgets what a block that was given up left waiting.
    fn clear(&mut self) {
        self.finish(&mut [], &mut []);
    }

    /// The last of `changes` is of this outpoint.
    #[inline(always)]
    fn outpoint(&mut self, outpoint: &[u8; 36], changes: &mut [Change]) {
        if self.outpoints.push(outpoint, changes.len() - 1) {
            self.outpoints.hash(self.fingerprints.key(), |at, hash| {
                set_outpoint(changes, at, hash)
            });
        }
    }

    /// The last of `rows` is of this script.
    #[inline(always)]
    fn script(&mut self, script: &[u8], rows: &mut [FundingRow]) {
        let key = self.fingerprints.key();
        let last = rows.len() - 1;
        let set = |at: usize, hash: u128| set_script(rows, at, hash);
        match script.len() / 8 + 1 {
            3 if self.scripts_3.push(script, last) => self.scripts_3.hash(key, set),
            4 if self.scripts_4.push(script, last) => self.scripts_4.hash(key, set),
            5 if self.scripts_5.push(script, last) => self.scripts_5.hash(key, set),
            3..=5 => {}
            _ => {
                let fingerprint = self.fingerprints.script(script);
                rows[last] = rows[last].with_fingerprint(fingerprint);
            }
        }
    }

    /// Fills in what is still waiting.
    fn finish(&mut self, changes: &mut [Change], rows: &mut [FundingRow]) {
        let key = self.fingerprints.key();
        self.outpoints
            .hash(key, |at, hash| set_outpoint(changes, at, hash));
        self.scripts_3
            .hash(key, |at, hash| set_script(rows, at, hash));
        self.scripts_4
            .hash(key, |at, hash| set_script(rows, at, hash));
        self.scripts_5
            .hash(key, |at, hash| set_script(rows, at, hash));
    }
}

#[inline(always)]
fn set_outpoint(changes: &mut [Change], at: usize, hash: u128) {
    if let Some(change) = changes.get_mut(at) {
        *change = change.with_fingerprint(outpoint_of_hash(hash));
    }
}

#[inline(always)]
fn set_script(rows: &mut [FundingRow], at: usize, hash: u128) {
    if let Some(row) = rows.get_mut(at) {
        *row = row.with_fingerprint(script_of_hash(hash));
    }
}
