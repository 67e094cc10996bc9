//! Transactions out of the block files, by position.
//!
//! Invariant: nothing is read from a place whose header is not that of the block in the index.

use crate::datadir;
use crate::datadir::{BlockReader, Location};
use crate::index::blocks::BlockRow;
use crate::index::snapshot::Snapshot;
use crate::primitives::header;
use crate::primitives::header::HEADER_BYTES;
use crate::primitives::network::Network;
use crate::primitives::position::{Height, Place, TxNum, Txo};
use crate::primitives::wire::{Block, BlockFault, Tx};
use crate::utxo;
use crate::utxo::from_block_files;
use crate::{Error, Result};

/// The block files that an index was made of.
pub(super) struct BlockFiles {
    reader: BlockReader,
}

/// A transaction, with its place in the chain.
pub(super) struct Found<'a> {
    /// Height of its block.
    pub height: Height,
    /// Time in the block's header.
    pub time: u32,
    /// Index in the block: 0 is the coinbase.
    pub index: usize,
    /// Its number.
    pub number: TxNum,
    /// The transaction.
    pub tx: Tx<'a>,
}

/// A block whose header was found at its place.
pub(super) struct AtPlace {
    pub height: Height,
    pub row: BlockRow,
    pub place: Place,
}

impl AtPlace {
    /// The error for bytes that were right when they were imported.
    pub fn fault(&self, fault: BlockFault) -> Error {
        datadir::Fault::BadBlock {
            place: self.place,
            height: self.height,
            fault,
        }
        .into()
    }
}

impl BlockFiles {
    /// The block files of `network` at `location`.
    pub fn open(location: &Location, network: &Network) -> Result<BlockFiles> {
        let reader = BlockReader::for_pieces(location, network);
        Ok(BlockFiles {
            reader: from_block_files(reader)?,
        })
    }

    /// Finds the block at `height`.
    pub fn block(&mut self, snapshot: &Snapshot<'_>, height: Height) -> Result<AtPlace> {
        let (row, place) = (snapshot.block(height)?, snapshot.place(height)?);
        let header = self.piece(place, 0, HEADER_BYTES)?;
        match header == row.header {
            true => Ok(AtPlace { height, row, place }),
            false => Err(Error::from(utxo::Fault::BlockMoved { height, place })),
        }
    }

    /// All bytes of a block.
    pub fn bytes(&mut self, block: &AtPlace) -> Result<&[u8]> {
        self.piece(block.place, 0, block.place.bytes as usize)
    }

    /// Bytes `from..to` of the block at `place`.
    fn piece(&mut self, place: Place, from: usize, to: usize) -> Result<&[u8]> {
        from_block_files(self.reader.read(Place {
            file: place.file,
            offset_bytes: place.offset_bytes + from as u64,
            bytes: (to - from) as u32,
        }))
    }

    /// Visits, in chain order, the transactions that the outputs `wanted` (ascending; the last is in
    /// block `last` at most) belong to, each once and with its share of `wanted`. Neighbours are read
    /// together.
    pub fn each_tx(
        &mut self,
        snapshot: &Snapshot<'_>,
        last: Height,
        wanted: &[Txo],
        mut visit: impl FnMut(&Found<'_>, &[Txo]) -> Result<()>,
    ) -> Result<()> {
        let mut rest = wanted;
        let mut block: Option<AtPlace> = None;
        while let Some(&txo) = rest.first() {
            let block = match &mut block {
                Some(block) if txo.0 < block.row.outputs => block,
                block => {
                    let from = block.as_ref().map_or(Height(0), |block| block.height);
                    let height = snapshot.height_at(txo, from, last)?;
                    block.insert(self.block(snapshot, height)?)
                }
            };
            let stretch = snapshot.stretch_at(block.height, &block.row, block.place.bytes, txo)?;
            let bytes = self.piece(block.place, stretch.first.offset_bytes, stretch.end_bytes)?;
            let (mut at, mut number) = (0, stretch.first.number);
            let mut index = stretch.first.tx_index;
            while rest.first().is_some_and(|txo| *txo < stretch.end_txo) {
                let tx = Block::read_tx_at(bytes, at).map_err(|fault| block.fault(fault))?;
                let next = number.next(tx.output_count);
                let (here, behind) =
                    rest.split_at(rest.partition_point(|txo| txo.existed_before(next)));
                if !here.is_empty() {
                    let found = Found {
                        height: block.height,
                        time: header::time_of(&block.row.header),
                        index,
                        number,
                        tx,
                    };
                    visit(&found, here)?;
                }
                (at, number, index) = (at + tx.bytes.len(), next, index + 1);
                rest = behind;
            }
        }
        Ok(())
    }
}
