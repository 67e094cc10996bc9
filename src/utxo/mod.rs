//! The UTXO set at any height: every coin, with its script, in the order in which it was made.
//!
//! Invariant: a coin is handed out only from a block whose header is that of the index, and in the end
//! there were as many of them as the index counts at that height; anything else is an error.
//!
//! The block files say what was made, the relation `spending`, merged alongside by txo, what of it is
//! gone: an output is a coin at height h if it was made at or below h and its spender is not.
//!
//! Memory: one block, and a buffer of rows of `spending`.
//!
//! | file | what |
//! | --- | --- |
//! | `at.rs` | the block that an answer is as of |
//! | `at_text.rs` | how people name it |
//! | `budget.rs` | what of a budget is left for buffers |
//! | `spent.rs` | which outputs are gone |
//! | `heights.rs` | which block made an output |
//! | `gone.rs` | blocks that are not there any more |
//! | `progress.rs` | how far a reading is |
//! | `fault.rs` | what can go wrong |

mod at;
mod at_text;
mod budget;
mod fault;
mod gone;
mod heights;
mod progress;
mod spent;

pub(crate) use at::as_of;
pub use at::{AsOf, At};
pub use at_text::AtError;
pub(crate) use budget::left_for_buffers;
pub use fault::Fault;
pub(crate) use fault::from_block_files;
pub use gone::GoneBlocks;
pub(crate) use gone::{are_all_gone, gone_between};

pub(crate) use heights::Heights;
pub use progress::{Progress, Reading, Watch, Work};
pub(crate) use spent::{Spent, spent_rows};

use crate::datadir;
use crate::datadir::{BlockReader, Location};
use crate::index::Index;
use crate::index::blocks::BlockRow;
use crate::index::snapshot::Snapshot;
use crate::primitives::coin::{Coin, makes_coin};
use crate::primitives::header;
use crate::primitives::network::NetworkName;
use crate::primitives::position::{Height, Place, TxNum, Txo};
use crate::primitives::wire::{Block, BlockFault, Hash32, Output, Tx};

use crate::runs::row::SpendingRow;
use crate::{Error, Result};

/// The set as it was when the block at some height was the last.
pub(crate) struct UtxoSet<'i> {
    snapshot: Snapshot<'i>,
    network: NetworkName,
    at: Height,
    row: BlockRow,
    reader: BlockReader,
}

/// A block whose header was found where the index says.
pub(crate) struct ChainBlock<'a> {
    /// Its height.
    pub height: Height,
    /// What the index says of it.
    pub row: BlockRow,
    /// Where it is.
    pub place: Place,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl<'i> UtxoSet<'i> {
    /// The set at the block `at`; `None`: at the tip. The block files are at `location`; `None`: where
    /// they were when they were imported.
    ///
    /// # Errors
    /// Those of [`At::height`]; [`crate::utxo::Fault::BlockFiles`],
    /// [`crate::utxo::Fault::Gone`] if not all blocks up to there are in them,
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn open(
        index: &'i Index,
        at: Option<At>,
        location: Option<&Location>,
    ) -> Result<UtxoSet<'i>> {
        let (tip, _) = index.tip().ok_or_else(|| index.no_blocks())?;
        let at = at.map_or(Ok(tip), |at| at.height(index))?;
        UtxoSet::open_from(index, Height(0), at, location)
    }

    /// The set at height `at`, which the index reaches, where no block below `from` will be read: a node may
    /// have pruned those.
    ///
    /// # Errors
    /// As [`UtxoSet::open`].
    pub fn open_from(
        index: &'i Index,
        from: Height,
        at: Height,
        location: Option<&Location>,
    ) -> Result<UtxoSet<'i>> {
        let meta = index.meta();
        let network = meta.network()?;
        let imported = Location::BlocksDir(meta.blocks_dir.clone());
        let reader = BlockReader::for_all(location.unwrap_or(&imported), &network);
        let reader = from_block_files(reader)?;
        let snapshot = index.snapshot()?;
        if let Some(gone) = gone_between(&snapshot, from, at, reader.blocks_dir())? {
            return Err(Error::from(Fault::Gone(gone)));
        }
        Ok(UtxoSet {
            row: snapshot.block(at)?,
            snapshot,
            network: network.name,
            at,
            reader,
        })
    }

    /// The height.
    pub fn height(&self) -> Height {
        self.at
    }

    /// The block there, as answers tell of it.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn as_of(&self) -> Result<AsOf> {
        as_of(&self.snapshot, self.at)
    }

    /// What the index says of the block at that height.
    pub fn row(&self) -> &BlockRow {
        &self.row
    }

    /// The index.
    pub fn snapshot(&self) -> &Snapshot<'i> {
        &self.snapshot
    }

    /// The network.
    pub fn network(&self) -> NetworkName {
        self.network
    }

    /// The block files.
    pub fn reader(&self) -> &BlockReader {
        &self.reader
    }

    /// The position behind the last output.
    pub fn end(&self) -> Txo {
        Txo(self.row.outputs)
    }

    /// The block at `height`.
    ///
    /// # Errors
    /// [`crate::utxo::Fault::BlockMoved`] if another one lies there; those of reading.
    pub fn block(&mut self, height: Height) -> Result<ChainBlock<'_>> {
        let (row, place) = (self.snapshot.block(height)?, self.snapshot.place(height)?);
        let bytes = from_block_files(self.reader.read(place))?;
        let is_right = bytes.starts_with(&row.header) && header::hash_of(&row.header) == row.hash;
        match is_right {
            true => Ok(ChainBlock {
                height,
                row,
                place,
                bytes,
            }),
            false => Err(Error::from(Fault::BlockMoved { height, place })),
        }
    }

    /// Visits every output up to the height, in the order of their positions.
    ///
    /// # Errors
    /// What `visit` returns; those of reading; [`crate::error::Interrupted`];
    /// [`crate::utxo::Fault::Contradiction`] where index and block files do not fit each other.
    pub fn each_output(
        &mut self,
        spent_buffer: &mut [SpendingRow],
        work: Work,
        watch: &mut Watch<'_>,
        mut visit: impl FnMut(&Made<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut spent = Spent::open(&self.snapshot, self.at, self.end(), spent_buffer)?;
        let mut coins = 0;
        let (last, row) = (self.at, self.row);
        for height in 0..=last.0 {
            let block = self.block(Height(height))?;
            coins += visit_block(&block, &mut spent, &mut visit)?;
            watch.went_on(&Progress {
                work,
                height: Height(height),
                last,
                done: block.row.outputs,
                all: row.outputs,
            })?;
        }
        match coins == row.coins {
            true => Ok(()),
            false => Err(Fault::Contradiction {
                height: last,
                what: "coins",
                index: row.coins,
                files: coins,
            }
            .into()),
        }
    }

    /// Visits every coin, in the order of their positions.
    ///
    /// # Errors
    /// As [`UtxoSet::each_output`].
    pub fn each_coin(
        &mut self,
        spent_buffer: &mut [SpendingRow],
        watch: &mut Watch<'_>,
        mut visit: impl FnMut(Txo, &Coin<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut of_tx = (None, [0; 32]);
        self.each_output(spent_buffer, Work::Coins, watch, |made| {
            if !made.is_coin() {
                return Ok(());
            }
            // Most transactions have no coin left; theirs is the hashing that is saved here.
            if of_tx.0 != Some(made.tx_number) {
                of_tx = (Some(made.tx_number), made.tx.txid());
            }
            visit(made.txo, &made.coin(of_tx.1))
        })
    }
}

/// An output, and what became of it.
pub(crate) struct Made<'a> {
    /// Its position.
    pub txo: Txo,
    /// Its transaction's number.
    pub tx_number: TxNum,
    /// The transaction.
    pub tx: &'a Tx<'a>,
    /// Its number in it.
    pub vout: u32,
    /// Height of its block.
    pub height: Height,
    /// Whether a coinbase made it.
    pub coinbase: bool,
    /// Whether it ever was a coin.
    pub spendable: bool,
    /// Amount and script.
    pub output: Output<'a>,
    /// The transaction that spent, or the coinbase that overwrote it, up to the height.
    pub spender: Option<TxNum>,
}

impl<'a> Made<'a> {
    /// Whether it is unspent.
    pub fn is_coin(&self) -> bool {
        self.spendable && self.spender.is_none()
    }

    /// As a coin; `txid` is its transaction's.
    pub fn coin(&self, txid: Hash32) -> Coin<'a> {
        Coin {
            txid,
            vout: self.vout,
            height: self.height.0,
            coinbase: self.coinbase,
            amount_sat: self.output.amount_sat,
            script: self.output.script,
        }
    }
}

/// Visits the outputs of a block; returns how many are coins.
fn visit_block(
    block: &ChainBlock<'_>,
    spent: &mut Spent<'_>,
    visit: &mut impl FnMut(&Made<'_>) -> Result<()>,
) -> Result<u64> {
    let mut walk = Block::read(block.bytes).map_err(|fault| block.fault(fault))?;
    let mut number = block.row.coinbase();
    let mut coins = 0;
    while let Some(tx) = walk.next_tx().map_err(|fault| block.fault(fault))? {
        for (vout, output) in (0u32..).zip(tx.outputs()) {
            let txo = number.output(vout);
            let made = Made {
                txo,
                tx_number: number,
                tx: &tx,
                vout,
                height: block.height,
                coinbase: number == block.row.coinbase(),
                spendable: makes_coin(block.height, output.script),
                output,
                spender: spent.take(txo)?,
            };
            if made.spender.is_some() && !made.spendable {
                return Err(block.contradiction("output that cannot be spent, but is", txo.0, 0));
            }
            coins += u64::from(made.is_coin());
            visit(&made)?;
        }
        number = number.next(tx.output_count);
    }
    let end = number.first_output().0;
    match end == block.row.outputs {
        true => Ok(coins),
        false => Err(block.contradiction("outputs", block.row.outputs, end)),
    }
}

impl ChainBlock<'_> {
    /// The error for bytes that were right when they were imported.
    pub fn fault(&self, fault: BlockFault) -> Error {
        datadir::Fault::BadBlock {
            place: self.place,
            height: self.height,
            fault,
        }
        .into()
    }

    fn contradiction(&self, what: &'static str, index: u64, files: u64) -> Error {
        Fault::Contradiction {
            height: self.height,
            what,
            index,
            files,
        }
        .into()
    }
}
