//! A look at some blocks: what an average byte of the chain holds, and how long reading it takes.
//!
//! Invariant: a block costs the plain floor of the work: its bytes, its fields, its txids, its merkle
//! root, and nothing else. The bench measures an import against that.
//!
//! Memory: one block's window and its txids, some hundred transactions; the places of the sample.

use crate::Result;
use crate::datadir::{BlockReader, Datadir};
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::primitives::consensus::BLOCK_TXS_MAX;
use crate::primitives::position::{Height, Place};
use crate::primitives::wire::{Block, BlockFault, Hash32, Txs, check_merkle_root, check_witnesses};
use std::time::Instant;

/// Stretches of the chain that are read as a sample, evenly spread over its bytes.
const SAMPLE_STRETCHES: u64 = 16;

/// Bytes of one stretch.
const STRETCH_BYTES: u64 = 4 << 20;

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

/// A measured sample.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Sample {
    /// What was read.
    pub tally: Tally,
    /// How long that took.
    pub seconds: f64,
}

impl Sample {
    /// Checks a few stretches of the blocks at `places`, about 64 MB in all, and measures how long that
    /// takes. `bytes` is what all of them have.
    ///
    /// # Errors
    /// A place cannot be told; a file cannot be opened; no memory for a block.
    pub fn take(
        datadir: &Datadir,
        places: impl Iterator<Item = Result<Place>>,
        bytes: u64,
    ) -> Result<Sample> {
        let mut checker = Checker::new(datadir)?;
        let every = (bytes / SAMPLE_STRETCHES).max(STRETCH_BYTES);
        let mut passed = 0;
        let mut chosen: Vec<Place> = Vec::new();
        for place in places {
            let place = place?;
            if passed % every < STRETCH_BYTES {
                chosen.push(place);
            }
            passed += u64::from(place.bytes);
        }
        let began = Instant::now();
        for place in chosen {
            // What is wrong with it is for the deep look, or the import, to say.
            let _ = checker.check(place);
        }
        Ok(Sample {
            tally: checker.tally,
            seconds: began.elapsed().as_secs_f64(),
        })
    }
}

/// Checks blocks one by one.
pub struct Checker {
    reader: BlockReader,
    txs: Txs,
    txids: Region<Hash32>,
    segwit_height: Height,
    /// What was read so far.
    pub tally: Tally,
}

impl Checker {
    /// Of blocks of `datadir`.
    ///
    /// # Errors
    /// A file cannot be opened; no memory for a block.
    pub fn new(datadir: &Datadir) -> Result<Checker> {
        Ok(Checker {
            reader: BlockReader::new(datadir)?,
            txs: Txs::new(),
            txids: Region::new(Part::Block, BLOCK_TXS_MAX as usize)?,
            segwit_height: datadir.network().segwit_height,
            tally: Tally::default(),
        })
    }

    /// What is wrong with the block, its witnesses aside, in words.
    pub fn check(&mut self, place: Place) -> Option<String> {
        self.check_at(place, None)
    }

    /// The same, with the witnesses of the block if its height is given.
    pub fn check_at(&mut self, place: Place, height: Option<Height>) -> Option<String> {
        let bytes = match self.reader.read(place) {
            Ok(bytes) => bytes,
            Err(error) => return Some(error.to_string()),
        };
        self.tally.blocks += 1;
        self.tally.bytes += bytes.len() as u64;
        let (txs, txids) = (&mut self.txs, &mut self.txids);
        let checked = match (check(bytes, txs, txids, &mut self.tally), height) {
            (Ok(()), Some(height)) => {
                check_witnesses(bytes, height >= self.segwit_height, txs, txids)
            }
            (checked, _) => checked,
        };
        checked.err().map(|fault| fault.to_string())
    }
}

fn check(
    bytes: &[u8],
    txs: &mut Txs,
    txids: &mut [Hash32],
    tally: &mut Tally,
) -> std::result::Result<(), BlockFault> {
    let mut block = Block::read(bytes)?;
    let mut count = 0;
    while txs.read(&mut block)? {
        for (tx, txid) in txs.iter(bytes) {
            txids[count] = *txid;
            count += 1;
            tally.inputs += tx.input_count as u64;
            tally.outputs += tx.output_count as u64;
        }
    }
    tally.txs += count as u64;
    check_merkle_root(&mut txids[..count], block.header)
}
