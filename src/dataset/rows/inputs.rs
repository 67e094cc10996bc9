//! Rows of `inputs`.

use super::list::{BlockHead, Strings, TxHead, Txs, write_blocks};
use crate::Result;
use crate::dataset::text::{Addresses, push_hex, type_name};
use crate::dataset::writer::{FileWriter, GroupWriter};
use crate::memory::part::Part;
use crate::memory::region::Buffer;
use crate::primitives::coin::height_and_flag;
use crate::primitives::wire::{Hash32, Input, Witness};
use std::io::Write;

/// Bytes of scriptSig for each row that has room: segwit has none mostly, others 106 to 254.
const SCRIPT_SIG_BYTES_A_ROW: usize = 120;

/// Bytes of spent scripts for each row that has room: most take 22 to 34.
const SCRIPT_BYTES_A_ROW: usize = 40;

/// Room for the largest script that a block can have.
const SCRIPT_BYTES_MIN: usize = 1 << 20;

/// The coin that an input spends.
#[derive(Clone, Copy)]
pub(crate) struct SpentBy<'a> {
    /// What it was worth.
    pub amount_sat: u64,
    /// What locked it.
    pub script: &'a [u8],
    /// Height of the block that made it, and whether a coinbase did, as [`height_and_flag`] takes them apart.
    pub code: u32,
}

/// What an input says of itself.
#[derive(Clone, Copy, bytemuck::Zeroable)]
struct Own {
    prev_txid: Hash32,
    prev_vout: u32,
    sequence: u32,
    witness_items: u32,
    witness_bytes: u32,
}

/// What is said of its coin.
#[derive(Clone, Copy, bytemuck::Zeroable)]
struct Coin {
    amount_sat: u64,
    code: u32,
    _unused: u32,
}

/// See the module documentation.
pub(crate) struct Inputs {
    txs: Txs,
    own: Buffer<Own>,
    script_sigs: Strings,
    /// Of each row; empty where spent coins are not told.
    coins: Buffer<Coin>,
    scripts: Strings,
}

const _: () = assert!(size_of::<Own>() == 48 && size_of::<Coin>() == 16);

impl Inputs {
    /// Bytes of memory for groups of so many rows.
    pub const fn bytes(rows: usize) -> usize {
        rows * (size_of::<TxHead>() + size_of::<Own>() + size_of::<Coin>())
            + Strings::bytes(rows, rows * SCRIPT_SIG_BYTES_A_ROW + SCRIPT_BYTES_MIN)
            + Strings::bytes(rows, rows * SCRIPT_BYTES_A_ROW + SCRIPT_BYTES_MIN)
    }

    /// Room for groups of so many rows.
    pub fn new(rows: usize) -> Result<Inputs> {
        Ok(Inputs {
            txs: Txs::new(rows)?,
            own: Buffer::new(Part::Rows, rows)?,
            script_sigs: Strings::new(rows, rows * SCRIPT_SIG_BYTES_A_ROW + SCRIPT_BYTES_MIN)?,
            coins: Buffer::new(Part::Rows, rows)?,
            scripts: Strings::new(rows, rows * SCRIPT_BYTES_A_ROW + SCRIPT_BYTES_MIN)?,
        })
    }

    /// Whether this one has room.
    #[inline]
    pub fn has_room(&self, input: &Input<'_>, spent: Option<&SpentBy<'_>>) -> bool {
        let script = spent.map_or(&[][..], |spent| spent.script);
        self.own.room() > 0
            && self.txs.has_room()
            && self.script_sigs.has_room(input.script_sig)
            && self.scripts.has_room(script)
    }

    /// A row.
    #[inline]
    pub fn push(
        &mut self,
        of: &TxHead,
        index: u32,
        input: &Input<'_>,
        witness: Witness,
        spent: Option<&SpentBy<'_>>,
    ) {
        self.txs.push(of, index);
        self.own.push(Own {
            prev_txid: *input.prev_txid(),
            prev_vout: input.prev_vout(),
            sequence: input.sequence(),
            // Both are less than a block has bytes.
            witness_items: witness.items as u32,
            witness_bytes: witness.bytes as u32,
        });
        self.script_sigs.push(input.script_sig);
        if let Some(spent) = spent {
            self.coins.push(Coin {
                amount_sat: spent.amount_sat,
                code: spent.code,
                _unused: 0,
            });
            self.scripts.push(spent.script);
        }
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
        addresses: &mut Addresses,
    ) -> Result<()> {
        file.group(|group| self.columns(group, blocks, addresses))?;
        self.txs.clear();
        self.own.clear();
        self.script_sigs.clear();
        self.coins.clear();
        self.scripts.clear();
        Ok(())
    }

    fn columns<W: Write + Send>(
        &self,
        group: &mut GroupWriter<'_, W>,
        blocks: &[BlockHead],
        addresses: &mut Addresses,
    ) -> parquet::errors::Result<()> {
        let own = || self.own.iter();
        group.hashes(self.txs.each_row().map(|tx| &tx.txid))?;
        group.ints(self.txs.numbers().map(i64::from))?;
        write_blocks(group, blocks, &self.txs)?;
        group.hashes(own().map(|own| &own.prev_txid))?;
        group.ints(own().map(|own| own.prev_vout.into()))?;
        group.texts(self.script_sigs.iter(), push_hex)?;
        group.ints(own().map(|own| own.sequence.into()))?;
        group.ints(own().map(|own| own.witness_items.into()))?;
        group.ints(own().map(|own| own.witness_bytes.into()))?;
        self.coin_columns(group, addresses)
    }

    fn coin_columns<W: Write + Send>(
        &self,
        group: &mut GroupWriter<'_, W>,
        addresses: &mut Addresses,
    ) -> parquet::errors::Result<()> {
        let rows = self.len();
        let coins = || or_null(rows, self.coins.iter());
        let scripts = || or_null(rows, self.scripts.iter());
        group.ints_or_null(coins().map(|coin| Some(coin?.amount_sat as i64)))?;
        group.shared_or_null(scripts().map(|script| Some(type_name(script?))))?;
        group.shared_or_null(scripts().map(|script| addresses.of(script?)))?;
        group.texts_or_null(scripts(), push_hex)?;
        group.ints_or_null(coins().map(|coin| Some(height_and_flag(coin?.code).0.into())))?;
        group.flags_or_null(coins().map(|coin| Some(height_and_flag(coin?.code).1)))
    }
}

/// Each of `values`, or as many nulls as there are rows.
fn or_null<T>(rows: usize, mut values: impl Iterator<Item = T>) -> impl Iterator<Item = Option<T>> {
    (0..rows).map(move |_| values.next())
}
