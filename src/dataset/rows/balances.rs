//! Rows of `export balances`.

use super::list::Strings;
use crate::Result;
use crate::dataset::text::{Addresses, push_hex, type_name};
use crate::dataset::writer::{FileWriter, GroupWriter};
use crate::memory::part::Part;
use crate::memory::region::Buffer;
use std::io::Write;

/// Bytes of scripts for each row that has room: most take 22 to 34.
const SCRIPT_BYTES_A_ROW: usize = 48;

/// Room for the largest script that owns something.
const SCRIPT_BYTES_MIN: usize = crate::primitives::consensus::SCRIPT_BYTES_MAX;

/// What a script owns, and when it moved.
#[derive(Clone, Copy, bytemuck::Zeroable)]
pub(crate) struct Balance {
    /// What it owns.
    pub balance_sat: i64,
    /// In so many coins.
    pub unspent: u64,
    /// Height of the first block that paid it.
    pub first: u32,
    /// Height of the last that paid it, or in which it spent.
    pub last: u32,
}

/// See the module documentation.
pub(crate) struct Balances {
    rows: Buffer<Balance>,
    scripts: Strings,
}

impl Balances {
    /// Bytes of memory for groups of so many rows.
    pub const fn bytes(rows: usize) -> usize {
        rows * size_of::<Balance>()
            + Strings::bytes(rows, rows * SCRIPT_BYTES_A_ROW + SCRIPT_BYTES_MIN)
    }

    /// Room for groups of so many rows.
    pub fn new(rows: usize) -> Result<Balances> {
        Ok(Balances {
            rows: Buffer::new(Part::Rows, rows)?,
            scripts: Strings::new(rows, rows * SCRIPT_BYTES_A_ROW + SCRIPT_BYTES_MIN)?,
        })
    }

    /// Whether this one has room.
    pub fn has_room(&self, script: &[u8]) -> bool {
        self.rows.room() > 0 && self.scripts.has_room(script)
    }

    /// A row.
    pub fn push(&mut self, script: &[u8], balance: Balance) {
        self.rows.push(balance);
        self.scripts.push(script);
    }

    /// How many rows wait.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Writes them as a group.
    pub fn write<W: Write + Send>(
        &mut self,
        file: &mut FileWriter<W>,
        addresses: &mut Addresses,
    ) -> Result<()> {
        file.group(|group| self.columns(group, addresses))?;
        self.rows.clear();
        self.scripts.clear();
        Ok(())
    }

    fn columns<W: Write + Send>(
        &self,
        group: &mut GroupWriter<'_, W>,
        addresses: &mut Addresses,
    ) -> parquet::errors::Result<()> {
        let rows = || self.rows.iter();
        let scripts = || self.scripts.iter();
        group.texts(scripts(), push_hex)?;
        group.shared_or_null(scripts().map(|script| addresses.of(script)))?;
        group.shared(scripts().map(type_name))?;
        group.ints(rows().map(|row| row.balance_sat))?;
        group.ints(rows().map(|row| row.unspent as i64))?;
        group.ints(rows().map(|row| row.first.into()))?;
        group.ints(rows().map(|row| row.last.into()))
    }
}
