//! The tables of a range, being written: rows that wait, and the files that they go to.
//!
//! Invariant: a file gets its name after all of its blocks are in, and its rows are as many as were counted of
//! them.
//!
//! Memory: rows of a group for each table, the blocks of a range, addresses: [`Tables::bytes`].

use super::folder::Folder;
use super::manifest::{self, Known, UtxoSetThen};
use super::piece::{About, Common, Piece, footer};
use super::plan::Task;
use super::rows::blocks::{BlockRow, Blocks};
use super::rows::inputs::{Inputs, SpentBy};
use super::rows::outputs::Outputs;
use super::rows::transactions::Transactions;
use super::rows::{BlockHead, TxHead};
use super::schema::columns_of;
use super::sums::Sums;
use super::text::Addresses;
use super::writer::FileWriter;
use super::{Fault, Table};
use crate::Result;
use crate::memory::part::Part;
use crate::memory::region::Buffer;
use crate::os::growing::Growing;
use crate::os::io_error;
use crate::primitives::network::NetworkName;
use crate::primitives::position::Height;
use crate::primitives::wire::{Hash32, Input, Output, Tx, Witness};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use std::fs::File;
use std::io::BufWriter;

/// Bytes that are written to a file at once.
const BUFFER_BYTES: usize = 256 << 10;

/// A file without its name yet.
struct Open {
    piece: Piece,
    growing: Growing,
    writer: FileWriter<BufWriter<File>>,
    rows: u64,
    sums: Sums,
    first_hash: String,
}

/// See the module documentation.
pub(crate) struct Tables {
    folder: Folder,
    common: Common,
    group_rows: usize,
    blocks: Blocks,
    transactions: Transactions,
    inputs: Inputs,
    outputs: Outputs,
    heads: Buffer<BlockHead>,
    addresses: Addresses,
    open: [Option<Open>; Table::COUNT],
    /// Whether the block at hand is one of the open file's.
    is_wanted: [bool; Table::COUNT],
    /// The files that have their names...
    pub written: Known,
    /// ...and their rows.
    rows: u64,
}

impl Tables {
    /// Bytes of memory for groups of so many rows, and ranges of so many blocks.
    pub const fn bytes(group_rows: usize, range_blocks: usize) -> usize {
        Blocks::bytes(blocks_rows(group_rows, range_blocks))
            + Transactions::bytes(group_rows)
            + Inputs::bytes(group_rows)
            + Outputs::bytes(group_rows)
            + range_blocks * size_of::<BlockHead>()
            + Addresses::BYTES
            + FileWriter::<BufWriter<File>>::BYTES
            + FileWriter::<BufWriter<File>>::LONG_TEXT_BYTES
            + Table::COUNT * BUFFER_BYTES
    }

    /// With room for groups of so many rows, and ranges of so many blocks.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new(
        folder: Folder,
        common: Common,
        network: NetworkName,
        group_rows: usize,
        range_blocks: usize,
    ) -> Result<Tables> {
        Ok(Tables {
            folder,
            common,
            group_rows,
            blocks: Blocks::new(blocks_rows(group_rows, range_blocks))?,
            transactions: Transactions::new(group_rows)?,
            inputs: Inputs::new(group_rows)?,
            outputs: Outputs::new(group_rows)?,
            heads: Buffer::new(Part::Rows, range_blocks)?,
            addresses: Addresses::new(network),
            open: [const { None }; Table::COUNT],
            is_wanted: [false; Table::COUNT],
            written: Known::new(),
            rows: 0,
        })
    }

    /// Begins the files of a range.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn begin(&mut self, task: &Task) -> Result<()> {
        self.heads.clear();
        for piece in &task.pieces {
            let growing = self.folder.begin(&self.folder.of(piece.table))?;
            let path = self.folder.file_of(piece);
            let file = growing.file().try_clone();
            let file = file.map_err(io_error("open", &path))?;
            let file = BufWriter::with_capacity(BUFFER_BYTES, file);
            let columns = columns_of(piece.table);
            let hashes = self.common.hashes;
            self.open[piece.table as usize] = Some(Open {
                piece: *piece,
                growing,
                writer: FileWriter::new(file, &path, columns, hashes, self.group_rows)?,
                rows: 0,
                sums: Sums::default(),
                first_hash: String::new(),
            });
        }
        Ok(())
    }

    /// The next block begins.
    pub fn begin_block(&mut self, head: BlockHead) {
        self.heads.push(head);
        for (open, is_wanted) in self.open.iter().zip(&mut self.is_wanted) {
            let has = |open: &Open| (open.piece.first.0..=open.piece.last.0).contains(&head.height);
            *is_wanted = open.as_ref().is_some_and(has);
        }
    }

    /// A transaction of the block at hand.
    pub fn tx_head(&self, txid: &Hash32, index: usize) -> TxHead {
        TxHead {
            txid: *txid,
            block: self.heads.len() as u32 - 1,
            index: index as u32,
            first: 0,
            rows: 0,
        }
    }

    /// The file of the table, if the block at hand is one of its own.
    #[inline]
    fn wanted<'o>(
        open: &'o mut [Option<Open>],
        is_wanted: &[bool],
        table: Table,
    ) -> Option<&'o mut Open> {
        let open = open[table as usize].as_mut()?;
        is_wanted[table as usize].then_some(open)
    }

    /// A row of `outputs`.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`], [`Fault::Parquet`].
    #[inline]
    pub fn output(&mut self, of: &TxHead, index: u32, output: &Output<'_>) -> Result<()> {
        let Some(open) = Self::wanted(&mut self.open, &self.is_wanted, Table::Outputs) else {
            return Ok(());
        };
        if !self.outputs.has_room(output) {
            self.outputs
                .write(&mut open.writer, &self.heads, &mut self.addresses)?;
        }
        self.outputs.push(of, index, output);
        open.rows += 1;
        Ok(())
    }

    /// A row of `inputs`.
    ///
    /// # Errors
    /// As [`Tables::output`].
    #[inline]
    pub fn input(
        &mut self,
        of: &TxHead,
        index: u32,
        input: &Input<'_>,
        witness: Witness,
        spent: Option<&SpentBy<'_>>,
    ) -> Result<()> {
        let Some(open) = Self::wanted(&mut self.open, &self.is_wanted, Table::Inputs) else {
            return Ok(());
        };
        if !self.inputs.has_room(input, spent) {
            self.inputs
                .write(&mut open.writer, &self.heads, &mut self.addresses)?;
        }
        self.inputs.push(of, index, input, witness, spent);
        open.rows += 1;
        Ok(())
    }

    /// A row of `transactions`.
    ///
    /// # Errors
    /// As [`Tables::output`].
    #[inline]
    pub fn transaction(
        &mut self,
        of: &TxHead,
        tx: &Tx<'_>,
        paid_sat: u64,
        spent_sat: Option<u64>,
    ) -> Result<()> {
        let Some(open) = Self::wanted(&mut self.open, &self.is_wanted, Table::Transactions) else {
            return Ok(());
        };
        if !self.transactions.has_room() {
            self.transactions.write(&mut open.writer, &self.heads)?;
        }
        self.transactions.push(of, tx, paid_sat, spent_sat);
        open.rows += 1;
        Ok(())
    }

    /// The block at hand is read: its row, and what was counted in it.
    ///
    /// # Errors
    /// As [`Tables::output`].
    pub fn end_block(&mut self, row: BlockRow, coinbase_param: &[u8], sums: &Sums) -> Result<()> {
        let hash = printed_hash(&row.hash);
        for (open, is_wanted) in self.open.iter_mut().zip(self.is_wanted) {
            if let Some(open) = open.as_mut().filter(|_| is_wanted) {
                open.sums += *sums;
                if open.first_hash.is_empty() {
                    open.first_hash.clone_from(&hash);
                }
            }
        }
        let Some(open) = Self::wanted(&mut self.open, &self.is_wanted, Table::Blocks) else {
            return Ok(());
        };
        if !self.blocks.has_room(coinbase_param) {
            self.blocks.write(&mut open.writer)?;
        }
        self.blocks.push(row, coinbase_param);
        open.rows += 1;
        Ok(())
    }

    /// The range is read: its files are finished, checked, and named. `settled`: the last block that is.
    ///
    /// # Errors
    /// [`Fault::Count`], [`crate::os::Fault::Io`], [`Fault::Parquet`].
    pub fn end(&mut self, task: &Task, settled: Option<Height>) -> Result<()> {
        self.flush()?;
        let mut whole = Vec::new();
        for piece in &task.pieces {
            let open = self.open[piece.table as usize].take();
            let open = open.expect("it was begun with the range");
            let last = self.heads.iter().find(|head| head.height == piece.last.0);
            let last = last.expect("all blocks of the range were read");
            whole.push(self.finished(open, printed_hash(&last.hash), settled)?);
        }
        for (growing, piece, about) in whole {
            self.folder.name(growing, &self.folder.file_of(&piece))?;
            self.rows += about.rows;
            self.written.insert(piece, about);
        }
        if !task.replaced.is_empty() {
            self.publish(&task.replaced)?;
            let is_new = |piece: &&Piece| !task.pieces.contains(piece);
            for piece in task.replaced.iter().filter(is_new) {
                self.folder.remove(piece)?;
            }
        }
        Ok(())
    }

    /// Writes what waits.
    fn flush(&mut self) -> Result<()> {
        let [blocks, transactions, inputs, outputs] = &mut self.open;
        if let Some(open) = blocks.as_mut().filter(|_| self.blocks.len() > 0) {
            self.blocks.write(&mut open.writer)?;
        }
        if let Some(open) = transactions
            .as_mut()
            .filter(|_| self.transactions.len() > 0)
        {
            self.transactions.write(&mut open.writer, &self.heads)?;
        }
        if let Some(open) = inputs.as_mut().filter(|_| self.inputs.len() > 0) {
            self.inputs
                .write(&mut open.writer, &self.heads, &mut self.addresses)?;
        }
        if let Some(open) = outputs.as_mut().filter(|_| self.outputs.len() > 0) {
            self.outputs
                .write(&mut open.writer, &self.heads, &mut self.addresses)?;
        }
        Ok(())
    }

    fn finished(
        &self,
        open: Open,
        last_hash: String,
        settled: Option<Height>,
    ) -> Result<(Growing, Piece, About)> {
        let piece = open.piece;
        let counted = open.sums.rows(piece.table);
        if open.rows != counted {
            return Err(Fault::Count {
                height: piece.last,
                what: "rows",
                index: counted,
                files: open.rows,
            }
            .into());
        }
        let mut about = About {
            first_hash: open.first_hash,
            last_hash,
            settled: Some(piece.last) <= settled,
            rows: open.rows,
            bytes: 0,
            sums: open.sums,
        };
        open.writer.finish(footer(&piece, &self.common, &about))?;
        let meta = open.growing.file().metadata();
        let path = self.folder.file_of(&piece);
        about.bytes = meta.map_err(io_error("look at", &path))?.len();
        Ok((open.growing, piece, about))
    }

    /// Writes the manifest, without these.
    ///
    /// # Errors
    /// Those of the manifest.
    pub fn publish(&self, without: &[Piece]) -> Result<Option<UtxoSetThen>> {
        let mut without = without.to_vec();
        without.retain(|piece| !self.written.contains_key(piece));
        manifest::publish(&self.folder, &self.common, &self.written, &without)
    }

    /// Rows of all tables so far.
    pub fn rows(&self) -> u64 {
        let open = self.open.iter().flatten().map(|open| open.rows);
        self.rows + open.sum::<u64>()
    }
}

fn printed_hash(hash: &Hash32) -> String {
    BlockHash::from_byte_array(*hash).to_string()
}

/// Most blocks of a group.
const fn blocks_rows(group_rows: usize, range_blocks: usize) -> usize {
    if group_rows < range_blocks {
        group_rows
    } else {
        range_blocks
    }
}
