//! Transactions out of the block files, by position.
//!
//! Invariant: nothing is read from a place whose header is not that of the block in the index.

use crate::datadir;
use crate::datadir::{BlockReader, Location, block_file_path, is_vanished};
use crate::index::blocks::BlockRow;
use crate::index::snapshot::Snapshot;
use crate::os::paths::is_there_still;
use crate::primitives::header;
use crate::primitives::header::HEADER_BYTES;
use crate::primitives::network::Network;
use crate::primitives::position::{Height, Place, TxNum, Txo};
use crate::primitives::wire::{Block, BlockFault, Tx};
use crate::utxo;
use crate::utxo::{GoneBlocks, are_all_gone, from_block_files};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The block files that an index was made of.
pub(super) struct BlockFiles {
    /// `None`: there is not one of them any more.
    reader: Option<BlockReader>,
    dir: PathBuf,
    /// Whether the oldest are gone. The index may remember places in other files of the same names then, for the
    /// blocks that these do not have.
    is_pruned: bool,
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

/// A block whose file is not there any more.
pub(super) struct GoneBlock {
    pub height: Height,
    pub row: BlockRow,
    /// Outputs of its coinbase, if the index knows that.
    coinbase_outputs: Option<u32>,
    /// The file.
    pub path: PathBuf,
}

/// What is said of outputs.
pub(super) enum Visited<'v, 'a> {
    /// Their transaction.
    Tx(&'v Found<'a>),
    /// Their block is gone.
    Gone(&'v GoneBlock),
}

impl BlockFiles {
    /// The block files of `network` at `location`. Unless it `is_given`, it is no fault that there are none any
    /// more.
    pub fn open(location: &Location, network: &Network, is_given: bool) -> Result<BlockFiles> {
        let (Location::BlocksDir(dir) | Location::Datadir(dir)) = location;
        match BlockReader::for_pieces(location, network) {
            Err(error) if !is_given && are_all_gone(&error, dir) => Ok(BlockFiles {
                reader: None,
                dir: dir.clone(),
                is_pruned: true,
            }),
            reader => {
                let reader = from_block_files(reader)?;
                let dir = reader.blocks_dir().to_owned();
                Ok(BlockFiles {
                    is_pruned: !is_there_still(&block_file_path(&dir, 0)),
                    reader: Some(reader),
                    dir,
                })
            }
        }
    }

    /// Finds the block at `height`.
    pub fn block(&mut self, snapshot: &Snapshot<'_>, height: Height) -> Result<AtPlace> {
        let (row, place) = (snapshot.block(height)?, snapshot.place(height)?);
        let block = AtPlace { height, row, place };
        let is_pruned = self.is_pruned;
        let found = match self.piece(&block, 0, HEADER_BYTES) {
            Err(error) if is_pruned && is_past_end(&error) => None,
            header => Some(header?),
        };
        match found {
            Some(header) if header == row.header => Ok(block),
            _ if is_pruned => Err(gone(&self.dir, &block)),
            _ => Err(Error::from(utxo::Fault::BlockMoved { height, place })),
        }
    }

    /// All bytes of a block.
    pub fn bytes(&mut self, block: &AtPlace) -> Result<&[u8]> {
        self.piece(block, 0, block.place.bytes as usize)
    }

    /// Bytes `from..to` of the block.
    fn piece(&mut self, block: &AtPlace, from: usize, to: usize) -> Result<&[u8]> {
        let place = Place {
            file: block.place.file,
            offset_bytes: block.place.offset_bytes + from as u64,
            bytes: (to - from) as u32,
        };
        match &mut self.reader {
            None => Err(gone(&self.dir, block)),
            Some(reader) => match reader.read(place) {
                Err(error) if is_vanished(&error) => Err(gone(&self.dir, block)),
                read => from_block_files(read),
            },
        }
    }

    /// Visits, in chain order, the transactions that the outputs `wanted` (ascending; the last is in
    /// block `last` at most) belong to, each once and with its share of `wanted`; or the block, if that is
    /// gone. Neighbours are read together.
    pub fn each_tx(
        &mut self,
        snapshot: &Snapshot<'_>,
        last: Height,
        wanted: &[Txo],
        mut visit: impl FnMut(Visited<'_, '_>, &[Txo]) -> Result<()>,
    ) -> Result<()> {
        let mut rest = wanted;
        let mut from = Height(0);
        while let Some(&txo) = rest.first() {
            from = snapshot.height_at(txo, from, last)?;
            let end = Txo(snapshot.block(from)?.outputs);
            let (here, behind) = rest.split_at(rest.partition_point(|txo| *txo < end));
            rest = behind;
            match self.block(snapshot, from) {
                Ok(block) => self.each_tx_of(snapshot, &block, here, &mut visit)?,
                Err(error) => {
                    let gone = GoneBlock::new(snapshot, from, error)?;
                    visit(Visited::Gone(&gone), here)?;
                }
            }
        }
        Ok(())
    }

    /// The same, of outputs of one block.
    fn each_tx_of(
        &mut self,
        snapshot: &Snapshot<'_>,
        block: &AtPlace,
        wanted: &[Txo],
        visit: &mut impl FnMut(Visited<'_, '_>, &[Txo]) -> Result<()>,
    ) -> Result<()> {
        let mut rest = wanted;
        while let Some(&txo) = rest.first() {
            let stretch = snapshot.stretch_at(block.height, &block.row, block.place.bytes, txo)?;
            let bytes = self.piece(block, stretch.first.offset_bytes, stretch.end_bytes)?;
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
                    visit(Visited::Tx(&found), here)?;
                }
                (at, number, index) = (at + tx.bytes.len(), next, index + 1);
                rest = behind;
            }
        }
        Ok(())
    }
}

/// The error for a block that is not there any more.
fn gone(dir: &Path, block: &AtPlace) -> Error {
    let path = block_file_path(dir, block.place.file);
    Error::from(utxo::Fault::Gone(GoneBlocks::new(block.height, path)))
}

/// Whether the error says that a block file ends before a block.
fn is_past_end(error: &Error) -> bool {
    let Some(utxo::Fault::BlockFiles { source }) = error.fault() else {
        return false;
    };
    matches!(source.fault(), Some(datadir::Fault::PastEnd { .. }))
}

impl GoneBlock {
    /// The block at `height`, if the error says that it is gone.
    fn new(snapshot: &Snapshot<'_>, height: Height, error: Error) -> Result<GoneBlock> {
        let Some(utxo::Fault::Gone(gone)) = error.fault() else {
            return Err(error);
        };
        Ok(GoneBlock {
            height,
            row: snapshot.block(height)?,
            coinbase_outputs: snapshot.coinbase_outputs(height)?,
            path: gone.path().to_owned(),
        })
    }

    /// Its time.
    pub fn time(&self) -> u32 {
        header::time_of(&self.row.header)
    }

    /// Whether its coinbase made the output `txo`, if that is known.
    pub fn is_of_coinbase(&self, txo: Txo) -> Option<bool> {
        let outputs = self.coinbase_outputs?;
        Some(txo < self.row.coinbase().output(outputs))
    }
}
