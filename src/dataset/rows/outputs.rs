//! Rows of `outputs`.

use super::list::{BlockHead, Strings, TxHead, Txs, write_blocks};
use crate::Result;
use crate::dataset::text::{Addresses, push_hex, type_name};
use crate::dataset::writer::{FileWriter, GroupWriter};
use crate::memory::part::Part;
use crate::memory::region::Buffer;
use crate::primitives::coin::makes_coin;
use crate::primitives::position::Height;
use crate::primitives::wire::Output;
use std::io::Write;

/// Bytes of scripts for each row that has room: most take 22 to 34.
const SCRIPT_BYTES_A_ROW: usize = 48;

/// Room for the largest script that a block can have.
const SCRIPT_BYTES_MIN: usize = 1 << 20;

/// See the module documentation.
pub(crate) struct Outputs {
    txs: Txs,
    values: Buffer<u64>,
    scripts: Strings,
}

impl Outputs {
    /// Bytes of memory for groups of so many rows.
    pub const fn bytes(rows: usize) -> usize {
        rows * (size_of::<TxHead>() + size_of::<u64>())
            + Strings::bytes(rows, rows * SCRIPT_BYTES_A_ROW + SCRIPT_BYTES_MIN)
    }

    /// Room for groups of so many rows.
    pub fn new(rows: usize) -> Result<Outputs> {
        Ok(Outputs {
            txs: Txs::new(rows)?,
            values: Buffer::new(Part::Rows, rows)?,
            scripts: Strings::new(rows, rows * SCRIPT_BYTES_A_ROW + SCRIPT_BYTES_MIN)?,
        })
    }

    /// Whether this one has room.
    #[inline]
    pub fn has_room(&self, output: &Output<'_>) -> bool {
        self.values.room() > 0 && self.txs.has_room() && self.scripts.has_room(output.script)
    }

    /// A row.
    #[inline]
    pub fn push(&mut self, of: &TxHead, index: u32, output: &Output<'_>) {
        self.txs.push(of, index);
        self.values.push(output.amount_sat);
        self.scripts.push(output.script);
    }

    /// How many rows wait.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Writes them as a group.
    pub fn write<W: Write + Send>(
        &mut self,
        file: &mut FileWriter<W>,
        blocks: &[BlockHead],
        addresses: &mut Addresses,
    ) -> Result<()> {
        file.group(|group| self.columns(group, blocks, addresses))?;
        self.txs.clear();
        self.values.clear();
        self.scripts.clear();
        Ok(())
    }

    fn columns<W: Write + Send>(
        &self,
        group: &mut GroupWriter<'_, W>,
        blocks: &[BlockHead],
        addresses: &mut Addresses,
    ) -> parquet::errors::Result<()> {
        let scripts = || self.scripts.iter();
        let txs = || self.txs.each_row();
        group.hashes(txs().map(|tx| &tx.txid))?;
        group.ints(self.txs.numbers().map(i64::from))?;
        write_blocks(group, blocks, &self.txs)?;
        group.ints(self.values.iter().map(|value| *value as i64))?;
        group.shared(scripts().map(type_name))?;
        group.shared_or_null(scripts().map(|script| addresses.of(script)))?;
        group.texts(scripts(), push_hex)?;
        group.flags(txs().map(|tx| tx.index == 0))?;
        let heights = txs().map(|tx| Height(blocks[tx.block as usize].height));
        group.flags(
            heights
                .zip(scripts())
                .map(|(height, script)| makes_coin(height, script)),
        )
    }
}
