//! Which outputs are those of young coinbases, that nothing may spend yet.
//!
//! Invariant: holds the coinbases of the batch's blocks and of the [`COINBASE_MATURITY`] before it, in
//! order and without a gap; so an output that is not among them is not of a young coinbase.
//!
//! Memory: 16 bytes a block, made once; [`Coinbases::is_full`] asks for a commit.

use crate::datadir;
use crate::datadir::{BlockReader, Gone, is_vanished};
use crate::index::Index;
use crate::memory::part::Part;
use crate::memory::region::Buffer;
use crate::primitives::consensus::COINBASE_MATURITY;
use crate::primitives::position::{Height, Place, TxNum, Txo};
use crate::primitives::wire::{Block, BlockFault};
use crate::{Error, Result};

/// Blocks after which a batch is committed, whatever `--commit-every` says. Sizes what is kept of each.
const BATCH_BLOCKS_MAX: u32 = 16_384;

/// Bytes of a block that are read for its coinbase: most have less than a thousand.
const BEGINNING_BYTES: u32 = 16 << 10;

/// The outputs of one coinbase. They are the first of their block, so it names the block too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Outputs {
    first: u64,
    end: u64,
}

/// See the module documentation.
pub struct Coinbases {
    blocks: Buffer<Outputs>,
    /// First output of the block from which on coinbases are young, as seen from the last block.
    young_from: Txo,
}

impl Coinbases {
    const BLOCKS_MAX: usize = BATCH_BLOCKS_MAX as usize + COINBASE_MATURITY as usize;

    /// Bytes of memory it takes.
    pub const BYTES: usize = Coinbases::BLOCKS_MAX * size_of::<Outputs>();

    /// With room for the largest batch.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new() -> Result<Coinbases> {
        Ok(Coinbases {
            blocks: Buffer::new(Part::Block, Coinbases::BLOCKS_MAX)?,
            young_from: Txo(0),
        })
    }

    /// Those of the last blocks of the index. What an earlier version imported is read from the block files.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`], [`crate::datadir::Fault::BadBlock`]; [`crate::datadir::Fault::BlocksGone`] if a
    /// node has deleted such a file.
    pub fn load(&mut self, index: &Index, reader: &mut BlockReader) -> Result<()> {
        self.blocks.clear();
        let Some((tip, _)) = index.tip() else {
            return Ok(());
        };
        let snapshot = index.snapshot()?;
        for height in tip.0.saturating_sub(COINBASE_MATURITY - 1)..=tip.0 {
            let height = Height(height);
            let outputs = match snapshot.coinbase_outputs(height)? {
                Some(outputs) => outputs.into(),
                None => outputs_in_files(reader, height, snapshot.place(height)?)?,
            };
            self.add(snapshot.block(height)?.first_txo, outputs);
        }
        Ok(())
    }

    /// Adds the next block's, which has so many outputs from `first` on.
    pub fn add(&mut self, first: Txo, outputs: u64) {
        let end = first.0 + outputs;
        self.blocks.push(Outputs {
            first: first.0,
            end,
        });
        self.young_from = Txo(self.young(self.blocks.len() - 1)[0].first);
    }

    /// Keeps only what the next batch needs.
    pub fn begin_batch(&mut self) {
        let surplus = self.blocks.len().saturating_sub(COINBASE_MATURITY as usize);
        self.blocks.drop_first(surplus);
    }

    /// Whether it takes no further block before a commit.
    pub fn is_full(&self) -> bool {
        self.blocks.room() == 0
    }

    /// Whether the output `coin` may not be spent in the last block that was added.
    #[inline(always)]
    pub fn is_young(&self, coin: Txo) -> bool {
        coin >= self.young_from && self.is_in_young(coin, self.blocks.len() - 1)
    }

    /// Whether the output `coin` may not be spent by the transaction `spender`.
    pub fn is_young_for(&self, coin: Txo, spender: TxNum) -> bool {
        let first = spender.first_output();
        let blocks = self.blocks.partition_point(|block| block.first <= first.0);
        blocks > 0 && self.is_in_young(coin, blocks - 1)
    }

    #[inline(never)]
    fn is_in_young(&self, coin: Txo, spending: usize) -> bool {
        let young = self.young(spending);
        let blocks = young.partition_point(|block| block.first <= coin.0);
        blocks > 0 && coin.0 < young[blocks - 1].end
    }

    /// The coinbases that the block at `spending` may not spend: its own is the first of them.
    fn young(&self, spending: usize) -> &[Outputs] {
        &self.blocks[(spending + 1).saturating_sub(COINBASE_MATURITY as usize)..=spending]
    }
}

/// Why a coinbase could not be read.
enum Unread {
    Bytes(BlockFault),
    File(Error),
}

/// How many outputs the coinbase of the block at `place` has.
fn outputs_in_files(reader: &mut BlockReader, height: Height, place: Place) -> Result<u64> {
    coinbase_outputs(reader, place).map_err(|fault| match fault {
        Unread::Bytes(fault) => datadir::Fault::BadBlock {
            place,
            height,
            fault,
        }
        .into(),
        Unread::File(error) if is_vanished(&error) => datadir::Fault::BlocksGone {
            dir: reader.blocks_dir().to_owned(),
            gone: Gone {
                first: height,
                last: Some(height),
            },
            until: None,
        }
        .into(),
        Unread::File(error) => error,
    })
}

/// How many outputs the coinbase of the block at `place` has. Only the block's beginning is read, unless
/// the coinbase is a large one.
fn coinbase_outputs(reader: &mut BlockReader, place: Place) -> std::result::Result<u64, Unread> {
    let beginning = Place {
        bytes: place.bytes.min(BEGINNING_BYTES),
        ..place
    };
    let mut bytes = reader.read(beginning).map_err(Unread::File)?;
    let mut coinbase = Block::read_first_tx(bytes);
    if coinbase.is_err() && beginning != place {
        bytes = reader.read(place).map_err(Unread::File)?;
        coinbase = Block::read_first_tx(bytes);
    }
    coinbase
        .map(|tx| tx.output_count as u64)
        .map_err(Unread::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of five outputs, of which two are the coinbase's.
    fn with_blocks(count: u64) -> Coinbases {
        let mut coinbases = Coinbases::new().expect("memory");
        for block in 0..count {
            coinbases.add(Txo(block * 5), 2);
        }
        coinbases
    }

    #[test]
    fn an_output_of_a_coinbase_is_young_for_a_hundred_blocks() {
        let mut coinbases = with_blocks(1);
        for block in 1..300 {
            coinbases.add(Txo(block * 5), 2);
            for coin in 0..block * 5 + 5 {
                let is_young = coin % 5 < 2 && block - coin / 5 < 100;
                assert_eq!(coinbases.is_young(Txo(coin)), is_young, "{coin} in {block}");
                let spender = TxNum::of_first(Txo(block * 5 + 3));
                assert_eq!(coinbases.is_young_for(Txo(coin), spender), is_young);
            }
        }
    }

    #[test]
    fn a_new_batch_still_knows_the_blocks_before_it() {
        let mut coinbases = with_blocks(250);
        coinbases.begin_batch();
        coinbases.add(Txo(250 * 5), 2);
        for (coin, is_young) in [(150, false), (151, true), (250, true)] {
            assert_eq!(coinbases.is_young(Txo(coin * 5)), is_young, "block {coin}");
            assert!(!coinbases.is_young(Txo(coin * 5 + 2)));
        }
    }

    #[test]
    fn it_is_full_at_the_end_of_the_largest_batch() {
        let mut coinbases = with_blocks(Coinbases::BLOCKS_MAX as u64 - 1);
        assert!(!coinbases.is_full());
        coinbases.add(Txo(Coinbases::BLOCKS_MAX as u64 * 5), 1);
        assert!(coinbases.is_full());
        coinbases.begin_batch();
        assert!(!coinbases.is_full());
    }
}
