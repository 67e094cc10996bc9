//! Coins and balances as one Parquet file, with the columns of a data set's tables.
//!
//! Invariant: rows come in the order in which the lines of the other formats do.
//!
//! Memory: the rows of a group; what they may take is told by [`COINS_BYTES_MIN`] and [`BALANCES_BYTES`].

use super::destination::Out;
use super::entries::Entry;
use crate::Result;
use crate::dataset::rows::balances::{Balance, Balances};
use crate::dataset::rows::outputs::Outputs;
use crate::dataset::rows::{BlockHead, TxHead};
use crate::dataset::schema::{BALANCES, OUTPUTS};
use crate::dataset::text::Addresses;
use crate::dataset::writer::FileWriter;
use crate::dataset::{GROUP_ROWS, Hashes};
use crate::export::Fault;
use crate::index::snapshot::Snapshot;
use crate::memory::part::Part;
use crate::memory::region::Buffer;
use crate::primitives::coin::Coin;
use crate::primitives::header;
use crate::primitives::position::{Height, Txo};
use crate::primitives::wire::Output;
use crate::utxo::{Heights, UtxoSet};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use std::io::{BufWriter, Write};

/// Fewest rows of a group that memory may come to.
const GROUP_ROWS_MIN: usize = 4096;

/// Rows of a group of balances.
const BALANCES_ROWS: usize = 16_384;

/// Fewest bytes that coins take.
pub(super) const COINS_BYTES_MIN: usize = coins_bytes(GROUP_ROWS_MIN);

/// Bytes that balances take.
pub(super) const BALANCES_BYTES: usize =
    Balances::bytes(BALANCES_ROWS) + Addresses::BYTES + FileWriter::<Vec<u8>>::BYTES;

const fn coins_bytes(rows: usize) -> usize {
    Outputs::bytes(rows)
        + rows * size_of::<BlockHead>()
        + Addresses::BYTES
        + FileWriter::<Vec<u8>>::BYTES
}

type Stream<'o, 'a> = &'o mut BufWriter<Box<dyn Write + Send + 'a>>;

/// What the footer says.
fn about(set: &UtxoSet<'_>) -> Vec<(&'static str, String)> {
    let hash = BlockHash::from_byte_array(set.row().hash);
    vec![
        ("blkdex.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("blkdex.network", set.network().to_string()),
        ("blkdex.height", set.height().to_string()),
        ("blkdex.hash", hash.to_string()),
    ]
}

/// Coins, as the rows of `outputs` that they are.
pub(super) struct CoinWriter<'o, 'a, 'i> {
    file: FileWriter<Stream<'o, 'a>>,
    about: Vec<(&'static str, String)>,
    rows: Outputs,
    blocks: Buffer<BlockHead>,
    addresses: Addresses,
    snapshot: Snapshot<'i>,
    first_txo: Txo,
}

impl<'o, 'a, 'i> CoinWriter<'o, 'a, 'i> {
    /// Of the set's coins, with so many bytes of memory.
    pub fn new(
        set: &UtxoSet<'i>,
        memory_bytes: usize,
        out: &'o mut Out<'a>,
    ) -> Result<CoinWriter<'o, 'a, 'i>> {
        let mut rows = GROUP_ROWS;
        while rows > GROUP_ROWS_MIN && coins_bytes(rows) > memory_bytes {
            rows /= 2;
        }
        let rows = rows.max(GROUP_ROWS_MIN);
        let (stream, path) = (&mut out.stream, &out.path);
        Ok(CoinWriter {
            file: FileWriter::new(stream, path, &OUTPUTS, Hashes::Hex, rows)?,
            about: about(set),
            rows: Outputs::new(rows)?,
            blocks: Buffer::new(Part::Rows, rows)?,
            addresses: Addresses::new(set.network()),
            snapshot: set.snapshot().index().snapshot()?,
            first_txo: Txo(0),
        })
    }

    /// A coin; they come in the order of their positions.
    pub fn push(&mut self, txo: Txo, coin: &Coin<'_>) -> Result<()> {
        let output = Output {
            amount_sat: coin.amount_sat,
            script: coin.script,
        };
        if !self.rows.has_room(&output) {
            self.write()?;
        }
        if self.blocks.last().map(|block| block.height) != Some(coin.height) {
            let row = self.snapshot.block(Height(coin.height))?;
            self.first_txo = row.first_txo;
            self.blocks.push(BlockHead {
                hash: row.hash,
                height: coin.height,
                time: header::time_of(&row.header),
            });
        }
        // A transaction's first output tells it from others of its block, and the coinbase's is the first.
        let first = txo.0 - u64::from(coin.vout) - self.first_txo.0;
        let head = TxHead {
            txid: coin.txid,
            block: self.blocks.len() as u32 - 1,
            index: first as u32,
            first: 0,
            rows: 0,
        };
        self.rows.push(&head, coin.vout, &output);
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        self.rows
            .write(&mut self.file, &self.blocks, &mut self.addresses)?;
        self.blocks.clear();
        Ok(())
    }

    /// Writes what waits, and the footer.
    pub fn finish(mut self) -> Result<()> {
        if self.rows.len() > 0 {
            self.write()?;
        }
        self.file.finish(self.about)
    }
}

/// Balances.
pub(super) struct BalanceWriter<'o, 'a> {
    file: FileWriter<Stream<'o, 'a>>,
    about: Vec<(&'static str, String)>,
    rows: Balances,
    addresses: Addresses,
}

impl<'o, 'a> BalanceWriter<'o, 'a> {
    /// At the set's height.
    pub fn new(set: &UtxoSet<'_>, out: &'o mut Out<'a>) -> Result<BalanceWriter<'o, 'a>> {
        let (stream, path) = (&mut out.stream, &out.path);
        Ok(BalanceWriter {
            file: FileWriter::new(stream, path, &BALANCES, Hashes::Hex, BALANCES_ROWS)?,
            about: about(set),
            rows: Balances::new(BALANCES_ROWS)?,
            addresses: Addresses::new(set.network()),
        })
    }

    /// A script.
    pub fn push(&mut self, entry: &Entry<'_>, heights: &Heights) -> Result<()> {
        let balance_sat = i64::try_from(entry.balance_sat);
        let balance_sat = balance_sat.map_err(|_| Fault::TooMuch)?;
        if !self.rows.has_room(entry.script) {
            self.rows.write(&mut self.file, &mut self.addresses)?;
        }
        let balance = Balance {
            balance_sat,
            unspent: entry.unspent,
            first: heights.of(entry.first).0,
            last: heights.of(entry.last).0,
        };
        self.rows.push(entry.script, balance);
        Ok(())
    }

    /// Writes what waits, and the footer.
    pub fn finish(mut self) -> Result<()> {
        if self.rows.len() > 0 {
            self.rows.write(&mut self.file, &mut self.addresses)?;
        }
        self.file.finish(self.about)
    }
}
