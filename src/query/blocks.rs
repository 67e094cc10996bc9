//! Transactions out of the block files, by position.
//!
//! Invariant: nothing is read from a place whose header is not that of the block in the index.

use crate::datadir;
use crate::datadir::{BlockReader, Location, block_file_path, is_vanished};
use crate::index::blocks::BlockRow;
use crate::index::snapshot::{Snapshot, Stretch};
use crate::os::paths::is_there_still;
use crate::primitives::header;
use crate::primitives::header::HEADER_BYTES;
use crate::primitives::network::Network;
use crate::primitives::position::{Height, Place, TxNum, Txo};
use crate::primitives::wire::{Block, BlockFault, Hash32, Tx};
use crate::utxo;
use crate::utxo::{GoneBlocks, are_all_gone, from_block_files};
use crate::{Error, Result};
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Pieces that are announced ahead of the one that is read: enough to keep a disk's queue full.
const ANNOUNCED_MAX: usize = 128;

/// The block files that an index was made of.
pub(super) struct BlockFiles {
    /// `None`: there is not one of them any more.
    reader: Option<BlockReader>,
    dir: PathBuf,
    /// Whether the oldest are gone. The index may remember places in other files of the same names then, for the
    /// blocks that these do not have.
    is_pruned: bool,
    /// Which files were looked for, and whether they are there.
    looked_for: HashMap<u32, bool>,
}

/// A transaction, with its place in the chain.
pub(super) struct Found<'a> {
    /// Height of its block.
    pub height: Height,
    /// Hash of its block.
    pub block_hash: Hash32,
    /// Time in the block's header.
    pub time: u32,
    /// Index in the block: 0 is the coinbase.
    pub index: usize,
    /// Its number.
    pub number: TxNum,
    /// The transaction.
    pub tx: Tx<'a>,
}

/// A block, and where the index has it.
#[derive(Clone, Copy)]
pub(super) struct AtPlace {
    pub height: Height,
    pub row: BlockRow,
    pub place: Place,
}

impl AtPlace {
    /// Where the index has the block at `height`.
    fn of(snapshot: &Snapshot<'_>, height: Height) -> Result<AtPlace> {
        let (row, place) = (snapshot.block(height)?, snapshot.place(height)?);
        Ok(AtPlace { height, row, place })
    }

    /// The place of these of its bytes.
    fn part(&self, bytes: Range<usize>) -> Place {
        Place {
            file: self.place.file,
            offset_bytes: self.place.offset_bytes + bytes.start as u64,
            bytes: bytes.len() as u32,
        }
    }

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
                looked_for: HashMap::new(),
            }),
            reader => {
                let reader = from_block_files(reader)?;
                let dir = reader.blocks_dir().to_owned();
                Ok(BlockFiles {
                    is_pruned: !is_there_still(&block_file_path(&dir, 0)),
                    reader: Some(reader),
                    dir,
                    looked_for: HashMap::new(),
                })
            }
        }
    }

    /// Finds the block at `height`.
    pub fn block(&mut self, snapshot: &Snapshot<'_>, height: Height) -> Result<AtPlace> {
        let block = AtPlace::of(snapshot, height)?;
        self.expect_header(&block).map(|()| block)
    }

    /// Refuses a place where another block lies.
    fn expect_header(&mut self, block: &AtPlace) -> Result<()> {
        let (height, place, is_pruned) = (block.height, block.place, self.is_pruned);
        let found = match self.piece(block, 0..HEADER_BYTES) {
            Err(error) if is_pruned && is_past_end(&error) => None,
            header => Some(header?),
        };
        match found {
            Some(header) if header == block.row.header => Ok(()),
            _ if is_pruned => Err(gone(&self.dir, block)),
            _ => Err(Error::from(utxo::Fault::BlockMoved { height, place })),
        }
    }

    /// Whether the block at `height` is there: its file, or, where files of other nodes may have that name, the
    /// block itself.
    pub fn has(&mut self, snapshot: &Snapshot<'_>, height: Height) -> Result<bool> {
        let block = AtPlace::of(snapshot, height)?;
        if !self.is_pruned {
            let look = || is_there_still(&block_file_path(&self.dir, block.place.file));
            return Ok(*self.looked_for.entry(block.place.file).or_insert_with(look));
        }
        match self.expect_header(&block) {
            Err(error) if matches!(error.fault(), Some(utxo::Fault::Gone(_))) => Ok(false),
            found => found.map(|()| true),
        }
    }

    /// All bytes of a block.
    pub fn bytes(&mut self, block: &AtPlace) -> Result<&[u8]> {
        self.piece(block, 0..block.place.bytes as usize)
    }

    /// These bytes of the block.
    fn piece(&mut self, block: &AtPlace, bytes: Range<usize>) -> Result<&[u8]> {
        let place = block.part(bytes);
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
    /// gone. Neighbours are read together, and what will be read is announced ahead.
    pub fn each_tx(
        &mut self,
        snapshot: &Snapshot<'_>,
        last: Height,
        wanted: &[Txo],
        mut visit: impl FnMut(Visited<'_, '_>, &[Txo]) -> Result<()>,
    ) -> Result<()> {
        let mut pieces = Pieces::new(snapshot, last, wanted);
        let mut ahead = VecDeque::new();
        let mut gone: Option<GoneBlock> = None;
        loop {
            while ahead.len() < ANNOUNCED_MAX {
                let Some(piece) = pieces.next_piece()? else {
                    break;
                };
                // The first is read at once.
                if !ahead.is_empty() {
                    self.announce(&piece);
                }
                ahead.push_back(piece);
            }
            let Some(piece) = ahead.pop_front() else {
                return Ok(());
            };
            if piece.is_first {
                gone = match self.expect_header(&piece.block) {
                    Ok(()) => None,
                    Err(error) => Some(GoneBlock::new(snapshot, &piece.block, error)?),
                };
            }
            match &gone {
                Some(gone) => visit(Visited::Gone(gone), piece.wanted)?,
                None => self.each_tx_of(&piece, &mut visit)?,
            }
        }
    }

    /// Tells the kernel that a piece will be read soon.
    fn announce(&mut self, piece: &Piece<'_>) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        let stretch = piece.stretch.first.offset_bytes..piece.stretch.end_bytes;
        if piece.is_first {
            reader.announce(piece.block.part(0..HEADER_BYTES));
        }
        reader.announce(piece.block.part(stretch));
    }

    /// The transactions of a piece that outputs are wanted of.
    fn each_tx_of(
        &mut self,
        piece: &Piece<'_>,
        visit: &mut impl FnMut(Visited<'_, '_>, &[Txo]) -> Result<()>,
    ) -> Result<()> {
        let (block, stretch) = (&piece.block, &piece.stretch);
        let bytes = self.piece(block, stretch.first.offset_bytes..stretch.end_bytes)?;
        let (mut at, mut number) = (0, stretch.first.number);
        let mut index = stretch.first.tx_index;
        let mut rest = piece.wanted;
        while !rest.is_empty() {
            let tx = Block::read_tx_at(bytes, at).map_err(|fault| block.fault(fault))?;
            let next = number.next(tx.output_count);
            let (here, behind) =
                rest.split_at(rest.partition_point(|txo| txo.existed_before(next)));
            if !here.is_empty() {
                let found = Found {
                    height: block.height,
                    block_hash: block.row.hash,
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
        Ok(())
    }
}

/// Transactions of a block that are read together.
struct Piece<'w> {
    block: AtPlace,
    /// Whether it is the first that is read of the block.
    is_first: bool,
    stretch: Stretch,
    /// What is wanted of it.
    wanted: &'w [Txo],
}

/// The pieces that outputs are in, in chain order, as the index has them.
struct Pieces<'s, 'i, 'w> {
    snapshot: &'s Snapshot<'i>,
    last: Height,
    rest: &'w [Txo],
    /// The block of the last piece.
    block: Option<AtPlace>,
    reached: Height,
}

impl<'s, 'i, 'w> Pieces<'s, 'i, 'w> {
    fn new(snapshot: &'s Snapshot<'i>, last: Height, wanted: &'w [Txo]) -> Pieces<'s, 'i, 'w> {
        Pieces {
            snapshot,
            last,
            rest: wanted,
            block: None,
            reached: Height(0),
        }
    }

    fn next_piece(&mut self) -> Result<Option<Piece<'w>>> {
        let Some(&txo) = self.rest.first() else {
            return Ok(None);
        };
        let (snapshot, before) = (self.snapshot, self.block.take());
        let same = before.filter(|block| txo.0 < block.row.outputs);
        let is_first = same.is_none();
        let block = match same {
            Some(block) => block,
            None => {
                let height = snapshot.height_at(txo, self.reached, self.last)?;
                AtPlace::of(snapshot, height)?
            }
        };
        self.reached = block.height;
        let stretch = snapshot.stretch_at(block.height, &block.row, block.place.bytes, txo)?;
        let own = self.rest.partition_point(|txo| *txo < stretch.end_txo);
        let (wanted, behind) = self.rest.split_at(own);
        self.rest = behind;
        self.block = Some(block);
        Ok(Some(Piece {
            block,
            is_first,
            stretch,
            wanted,
        }))
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
    /// The block, if the error says that it is gone.
    fn new(snapshot: &Snapshot<'_>, block: &AtPlace, error: Error) -> Result<GoneBlock> {
        let Some(utxo::Fault::Gone(gone)) = error.fault() else {
            return Err(error);
        };
        Ok(GoneBlock {
            height: block.height,
            row: block.row,
            coinbase_outputs: snapshot.coinbase_outputs(block.height)?,
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
