//! Rows of `transactions`.

use super::list::{BlockHead, TxHead, Txs, write_blocks};
use crate::Result;
use crate::dataset::writer::{FileWriter, GroupWriter};
use crate::memory::part::Part;
use crate::memory::region::Buffer;
use crate::primitives::wire::Tx;
use std::io::Write;

/// What a transaction says of itself.
#[derive(Clone, Copy, bytemuck::Zeroable)]
struct Own {
    paid_sat: u64,
    /// [`UNKNOWN`] of a coinbase, and where spent coins are not told.
    spent_sat: u64,
    version: i32,
    lock_time: u32,
    bytes: u32,
    weight: u32,
    inputs: u32,
    outputs: u32,
}

const _: () = assert!(size_of::<Own>() == 40);

/// More than all the money.
const UNKNOWN: u64 = u64::MAX;

/// See the module documentation.
pub(crate) struct Transactions {
    txs: Txs,
    own: Buffer<Own>,
}

impl Transactions {
    /// Bytes of memory for groups of so many rows.
    pub const fn bytes(rows: usize) -> usize {
        rows * (size_of::<TxHead>() + size_of::<Own>())
    }

    /// Room for groups of so many rows.
    pub fn new(rows: usize) -> Result<Transactions> {
        Ok(Transactions {
            txs: Txs::new(rows)?,
            own: Buffer::new(Part::Rows, rows)?,
        })
    }

    /// Whether another one has room.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.own.room() > 0
    }

    /// A row. `spent_sat`: what it spends, if that is known and it is no coinbase.
    #[inline]
    pub fn push(&mut self, of: &TxHead, tx: &Tx<'_>, paid_sat: u64, spent_sat: Option<u64>) {
        self.txs.push(of, 0);
        // All of these are less than a block weighs.
        self.own.push(Own {
            paid_sat,
            spent_sat: spent_sat.unwrap_or(UNKNOWN),
            version: tx.version(),
            lock_time: tx.lock_time(),
            bytes: tx.bytes.len() as u32,
            weight: tx.weight() as u32,
            inputs: if of.index == 0 {
                0
            } else {
                tx.input_count as u32
            },
            outputs: tx.output_count as u32,
        });
    }

    /// How many rows wait.
    pub fn len(&self) -> usize {
        self.own.len()
    }

    /// Writes them as a group.
    pub fn write<W: Write + Send>(
        &mut self,
        file: &mut FileWriter<W>,
        blocks: &[BlockHead],
    ) -> Result<()> {
        file.group(|group| self.columns(group, blocks))?;
        self.txs.clear();
        self.own.clear();
        Ok(())
    }

    fn columns<W: Write + Send>(
        &self,
        group: &mut GroupWriter<'_, W>,
        blocks: &[BlockHead],
    ) -> parquet::errors::Result<()> {
        let own = || self.own.iter();
        let txs = || self.txs.each_row();
        let spent = |own: &Own| (own.spent_sat != UNKNOWN).then_some(own.spent_sat as i64);
        group.hashes(txs().map(|tx| &tx.txid))?;
        group.ints(txs().map(|tx| tx.index.into()))?;
        write_blocks(group, blocks, &self.txs)?;
        group.ints(own().map(|own| own.version.into()))?;
        group.ints(own().map(|own| own.lock_time.into()))?;
        group.ints(own().map(|own| own.bytes.into()))?;
        group.ints(own().map(|own| own.weight.div_ceil(4).into()))?;
        group.ints(own().map(|own| own.weight.into()))?;
        group.flags(txs().map(|tx| tx.index == 0))?;
        group.ints(own().map(|own| own.inputs.into()))?;
        group.ints(own().map(|own| own.outputs.into()))?;
        group.ints_or_null(own().map(spent))?;
        group.ints(own().map(|own| own.paid_sat as i64))?;
        group.ints_or_null(own().map(|own| Some(spent(own)? - own.paid_sat as i64)))
    }
}
