//! The deep look: every block of the best chain, read, parsed and hashed.
//!
//! Invariant: the loop is the plain floor of the work, against which the bench measures an import: a
//! block's bytes, its fields, its txids, its merkle root, and nothing else.
//!
//! Memory: one block's window and its txids.

use super::{Deep, WrongBlock};
use crate::Result;
use crate::datadir::{BlockReader, ChainBlock, Datadir, HeaderTree};
use crate::limits::{BLOCK_TXS_MAX, PLACES_LISTED_MAX};
use crate::position::{Height, Place};
use crate::region::Region;
use crate::wire::{Block, Fault, Hash32, check_merkle_root, check_witnesses};
use std::time::Instant;

/// What a look at many blocks has counted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Tally {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Transactions.
    pub txs: u64,
    /// Inputs.
    pub inputs: u64,
    /// Outputs.
    pub outputs: u64,
}

/// Checks blocks one by one.
pub(super) struct Checker {
    reader: BlockReader,
    txids: Region<Hash32>,
    segwit_height: Height,
    pub(super) tally: Tally,
}

impl Checker {
    pub(super) fn new(datadir: &Datadir) -> Result<Checker> {
        Ok(Checker {
            reader: BlockReader::new(datadir)?,
            txids: Region::new("block", BLOCK_TXS_MAX as usize)?,
            segwit_height: datadir.network().segwit_height,
            tally: Tally::default(),
        })
    }

    /// What is wrong with the block, its witnesses aside, in words.
    pub(super) fn check(&mut self, place: Place) -> Option<String> {
        self.check_at(place, None)
    }

    /// The same, with the witnesses of the block if its height is given.
    fn check_at(&mut self, place: Place, height: Option<Height>) -> Option<String> {
        let bytes = match self.reader.read(place) {
            Ok(bytes) => bytes,
            Err(error) => return Some(error.to_string()),
        };
        self.tally.blocks += 1;
        self.tally.bytes += bytes.len() as u64;
        let checked = match (check(bytes, &mut self.txids, &mut self.tally), height) {
            (Ok(()), Some(height)) => {
                check_witnesses(bytes, height >= self.segwit_height, &mut self.txids)
            }
            (checked, _) => checked,
        };
        checked.err().map(|fault| fault.to_string())
    }
}

fn check(bytes: &[u8], txids: &mut [Hash32], tally: &mut Tally) -> std::result::Result<(), Fault> {
    let mut block = Block::read(bytes)?;
    let mut txs = 0;
    while let Some(tx) = block.next_tx()? {
        txids[txs] = tx.txid();
        txs += 1;
        tally.inputs += tx.input_count as u64;
        tally.outputs += tx.output_count as u64;
    }
    tally.txs += txs as u64;
    check_merkle_root(&mut txids[..txs], block.header)
}

/// Checks every block of the best chain; `tell` hears how many bytes are done. A block that has a
/// good copy elsewhere is named, but is no fault of the chain: an import takes the copy.
pub(super) fn check_all(
    datadir: &Datadir,
    tree: &HeaderTree<'_>,
    checks_witness: bool,
    tell: &mut dyn FnMut(Height, u64),
) -> Result<Deep> {
    let mut checker = Checker::new(datadir)?;
    let began = Instant::now();
    let mut suspects = Vec::new();
    let mut suspects_count = 0;
    for block in tree.best_chain() {
        if let Some(fault) = checker.check_at(block.place, checks_witness.then_some(block.height)) {
            suspects_count += 1;
            if suspects.len() < PLACES_LISTED_MAX {
                suspects.push((block, fault));
            }
        }
        tell(block.height, checker.tally.bytes);
    }
    let seconds = began.elapsed().as_secs_f64();
    let tally = checker.tally;
    let listed = suspects
        .into_iter()
        .map(|(block, fault)| {
            let height = checks_witness.then_some(block.height);
            let mut copies = tree.copies(block.node);
            let has_good_copy = copies.any(|copy| checker.check_at(copy, height).is_none());
            describe(block, fault, has_good_copy)
        })
        .collect();
    Ok(Deep {
        seconds,
        tally,
        checked_witness: checks_witness,
        wrong_blocks: suspects_count,
        wrong: listed,
    })
}

fn describe(block: ChainBlock, fault: String, has_good_copy: bool) -> WrongBlock {
    WrongBlock {
        height: block.height,
        file: block.place.file,
        offset_bytes: block.place.offset_bytes,
        fault,
        has_good_copy,
    }
}
