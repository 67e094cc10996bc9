//! What the tables' rows are kept in.
//!
//! Invariant: a row's block and transaction are told once for all rows that they have in a group.

use crate::Result;
use crate::dataset::writer::GroupWriter;
use crate::memory::part::Part;
use crate::memory::region::Buffer;
use crate::primitives::wire::Hash32;
use std::io::Write;

/// A block, as the rows of three tables tell it.
#[derive(Clone, Copy, bytemuck::Zeroable)]
pub(crate) struct BlockHead {
    /// Its hash.
    pub hash: Hash32,
    /// Its height.
    pub height: u32,
    /// The time in its header.
    pub time: u32,
}

/// A transaction of which some rows are in the group.
#[derive(Clone, Copy, bytemuck::Zeroable)]
pub(crate) struct TxHead {
    /// Its id.
    pub txid: Hash32,
    /// Place of its block among those of the file.
    pub block: u32,
    /// Its place in the block.
    pub index: u32,
    /// Number, in the transaction, of the first of the rows.
    pub first: u32,
    /// How many rows.
    pub rows: u32,
}

/// Byte strings, one behind the other.
pub(crate) struct Strings {
    bytes: Buffer<u8>,
    ends: Buffer<u32>,
}

impl Strings {
    /// Bytes of memory for so many strings of so many bytes together.
    pub const fn bytes(count: usize, bytes: usize) -> usize {
        count * size_of::<u32>() + bytes
    }

    /// Room for so many strings of so many bytes together.
    pub fn new(count: usize, bytes: usize) -> Result<Strings> {
        Ok(Strings {
            bytes: Buffer::new(Part::Rows, bytes)?,
            ends: Buffer::new(Part::Rows, count)?,
        })
    }

    /// Whether another one has room.
    #[inline]
    pub fn has_room(&self, string: &[u8]) -> bool {
        self.ends.room() > 0 && self.bytes.room() >= string.len()
    }

    /// Appends one; there must be room.
    #[inline]
    pub fn push(&mut self, string: &[u8]) {
        self.bytes.extend_from_slice(string);
        self.ends.push(self.bytes.len() as u32);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let string = &self.bytes[start..*end as usize];
            start = *end as usize;
            string
        })
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// The transactions of a group's rows, and their blocks.
pub(crate) struct Txs(Buffer<TxHead>);

impl Txs {
    /// Room for so many.
    pub fn new(count: usize) -> Result<Txs> {
        Buffer::new(Part::Rows, count).map(Txs)
    }

    /// Whether the next row has room.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.0.room() > 0
    }

    /// A row: number `at` of the transaction.
    #[inline]
    pub fn push(&mut self, of: &TxHead, at: u32) {
        match self.0.last_mut() {
            Some(last)
                if (last.block, last.index) == (of.block, of.index)
                    && last.first + last.rows == at =>
            {
                last.rows += 1;
            }
            _ => self.0.push(TxHead {
                first: at,
                rows: 1,
                ..*of
            }),
        }
    }

    /// The transaction of each row.
    pub fn each_row(&self) -> impl Iterator<Item = &TxHead> {
        let rows = |tx: &'_ TxHead| tx.rows as usize;
        let each = move |tx| std::iter::repeat_n(tx, rows(tx));
        self.0.iter().flat_map(each)
    }

    /// The number of each row in its transaction.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|tx| tx.first..tx.first + tx.rows)
    }

    /// How many rows each block has, in the order of the blocks.
    pub fn blocks(&self) -> impl Iterator<Item = (usize, usize)> {
        let same = self.0.chunk_by(|one, other| one.block == other.block);
        same.map(|txs| {
            let rows = txs.iter().map(|tx| tx.rows as usize).sum();
            (txs[0].block as usize, rows)
        })
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The three columns that tell the blocks of rows.
pub(super) fn write_blocks<W: Write + Send>(
    group: &mut GroupWriter<'_, W>,
    blocks: &[BlockHead],
    txs: &Txs,
) -> parquet::errors::Result<()> {
    let each = |(block, rows): (usize, usize)| std::iter::repeat_n(&blocks[block], rows);
    let hash = |(block, rows): (usize, usize)| {
        let hash = group.shared_hash(&blocks[block].hash);
        std::iter::repeat_n(hash, rows)
    };
    let hashes: Vec<_> = txs.blocks().map(hash).collect();
    group.shared(hashes.into_iter().flatten())?;
    let heights = txs.blocks().flat_map(each).map(|block| block.height);
    group.ints(heights.map(i64::from))?;
    group.times(txs.blocks().flat_map(each).map(|block| block.time))
}
