//! Rows of `blocks`.

use super::list::Strings;
use crate::Result;
use crate::dataset::text::push_hex;
use crate::dataset::writer::{FileWriter, GroupWriter};
use crate::memory::part::Part;
use crate::memory::region::Buffer;
use crate::primitives::header;
use crate::primitives::header::HEADER_BYTES;
use crate::primitives::wire::Hash32;
use parquet::data_type::ByteArray;
use std::io::Write;

/// Most bytes of a coinbase's scriptSig (Bitcoin Core, `consensus/tx_check.cpp`: "bad-cb-length").
const COINBASE_PARAM_BYTES: usize = 100;

/// What a row tells.
#[derive(Clone, Copy, bytemuck::Zeroable)]
pub(crate) struct BlockRow {
    /// Its header.
    pub header: [u8; HEADER_BYTES],
    /// Its hash.
    pub hash: Hash32,
    /// Work of the chain up to it, big-endian.
    pub chainwork: [u8; 32],
    /// Fees of its transactions; [`BlockRow::UNKNOWN`] where spent coins are not told.
    pub fee_sat: u64,
    /// What its transactions pay.
    pub output_sat: u64,
    /// Its height.
    pub height: u32,
    /// Median of the times of it and the ten blocks before.
    pub median_time: u32,
    /// All of its bytes.
    pub bytes: u32,
    /// Weight (BIP 141).
    pub weight: u32,
    /// Its transactions.
    pub txs: u32,
    /// Their inputs, but for the coinbase's.
    pub inputs: u32,
    /// Their outputs.
    pub outputs: u32,
    /// Nothing.
    pub _unused: u32,
}

impl BlockRow {
    /// More than all the money.
    pub const UNKNOWN: u64 = u64::MAX;

    /// Three times the base and once the whole make the weight.
    fn stripped_bytes(&self) -> u32 {
        (self.weight - self.bytes) / 3
    }
}

/// See the module documentation.
pub(crate) struct Blocks {
    rows: Buffer<BlockRow>,
    params: Strings,
}

impl Blocks {
    /// Bytes of memory for groups of so many rows.
    pub const fn bytes(rows: usize) -> usize {
        rows * size_of::<BlockRow>() + Strings::bytes(rows, rows * COINBASE_PARAM_BYTES)
    }

    /// Room for groups of so many rows.
    pub fn new(rows: usize) -> Result<Blocks> {
        Ok(Blocks {
            rows: Buffer::new(Part::Rows, rows)?,
            params: Strings::new(rows, rows * COINBASE_PARAM_BYTES)?,
        })
    }

    /// Whether this one has room.
    pub fn has_room(&self, coinbase_param: &[u8]) -> bool {
        self.rows.room() > 0 && self.params.has_room(coinbase_param)
    }

    /// A row.
    pub fn push(&mut self, row: BlockRow, coinbase_param: &[u8]) {
        self.rows.push(row);
        self.params.push(coinbase_param);
    }

    /// How many rows wait.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Writes them as a group.
    pub fn write<W: Write + Send>(&mut self, file: &mut FileWriter<W>) -> Result<()> {
        file.group(|group| self.columns(group))?;
        self.rows.clear();
        self.params.clear();
        Ok(())
    }

    fn columns<W: Write + Send>(
        &self,
        group: &mut GroupWriter<'_, W>,
    ) -> parquet::errors::Result<()> {
        let rows = || self.rows.iter();
        let fee = |row: &BlockRow| (row.fee_sat != BlockRow::UNKNOWN).then_some(row.fee_sat as i64);
        let bits = |row: &BlockRow| {
            let mut text = Vec::new();
            push_hex(&mut text, &header::bits_of(&row.header).to_be_bytes());
            ByteArray::from(text)
        };
        let parents: Vec<Hash32> = rows()
            .map(|row| header::prev_hash_of(&row.header))
            .collect();
        let roots: Vec<Hash32> = rows()
            .map(|row| header::merkle_root_of(&row.header))
            .collect();
        group.hashes(rows().map(|row| &row.hash))?;
        group.ints(rows().map(|row| row.height.into()))?;
        group.hashes(parents.iter())?;
        group.ints(rows().map(|row| header::version_of(&row.header).into()))?;
        group.hashes(roots.iter())?;
        group.times(rows().map(|row| header::time_of(&row.header)))?;
        group.times(rows().map(|row| row.median_time))?;
        group.ints(rows().map(|row| header::nonce_of(&row.header).into()))?;
        group.shared(rows().map(bits))?;
        group.ints(rows().map(|row| row.bytes.into()))?;
        group.ints(rows().map(|row| row.stripped_bytes().into()))?;
        group.ints(rows().map(|row| row.weight.into()))?;
        group.texts(self.params.iter(), push_hex)?;
        group.ints(rows().map(|row| row.txs.into()))?;
        group.ints(rows().map(|row| row.inputs.into()))?;
        group.ints(rows().map(|row| row.outputs.into()))?;
        group.ints(rows().map(|row| row.output_sat as i64))?;
        group.ints_or_null(rows().map(fee))?;
        group.texts(rows().map(|row| &row.chainwork[..]), push_hex)
    }
}
