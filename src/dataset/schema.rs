//! The columns of each table: names, types, how they are kept.
//!
//! Invariant: what is here is what the manual's chapter `dataset` tells; a column once
//! published keeps its name and type.
//!
//! Dictionaries are for columns of few values: of others they cost a look-up a row, and are given up once
//! they are full. Bloom filters are on what rows are looked for by, ids and addresses.

use super::Table;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::{ColumnPath, Type, TypePtr};
use std::sync::Arc;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A hash, as hex or in binary, in the order in which it is printed.
    Hash,
    /// Text.
    Text,
    /// A number.
    Int,
    /// A time in seconds, kept in microseconds.
    Time,
    /// Yes or no.
    Flag,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be null.
    pub is_nullable: bool,
    has_dictionary: bool,
    has_filter: bool,
}

const fn column(name: &'static str, kind: Kind) -> Spec {
    Spec {
        name,
        kind,
        is_nullable: false,
        has_dictionary: false,
        has_filter: false,
    }
}

impl Spec {
    const fn or_null(mut self) -> Spec {
        self.is_nullable = true;
        self
    }

    /// Of few values.
    const fn of_few(mut self) -> Spec {
        self.has_dictionary = true;
        self
    }

    /// Rows are looked for by it.
    const fn filtered(mut self) -> Spec {
        self.has_filter = true;
        self
    }
}

/// How hashes are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hashes {
    /// As text, as Core prints them.
    Hex,
    /// As 32 bytes in the same order.
    Binary,
}

impl Hashes {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Hashes::Hex => "hex",
            Hashes::Binary => "binary",
        }
    }
}

const HASH: Kind = Kind::Hash;
const TEXT: Kind = Kind::Text;
const INT: Kind = Kind::Int;
const TIME: Kind = Kind::Time;
const FLAG: Kind = Kind::Flag;

/// The columns of `blocks`.
pub(crate) const BLOCKS: [Spec; 19] = [
    column("hash", HASH).filtered(),
    column("number", INT),
    column("previous_block_hash", HASH),
    column("version", INT).of_few(),
    column("merkle_root", HASH),
    column("timestamp", TIME),
    column("median_timestamp", TIME),
    column("nonce", INT),
    column("bits", TEXT).of_few(),
    column("size", INT),
    column("stripped_size", INT),
    column("weight", INT),
    column("coinbase_param", TEXT),
    column("transaction_count", INT),
    column("input_count", INT),
    column("output_count", INT),
    column("output_value", INT),
    column("fee", INT).or_null(),
    column("chainwork", TEXT),
];

/// The columns of `transactions`.
pub(crate) const TRANSACTIONS: [Spec; 16] = [
    column("hash", HASH).filtered(),
    column("index", INT),
    column("block_hash", HASH).of_few(),
    column("block_number", INT).of_few(),
    column("block_timestamp", TIME).of_few(),
    column("version", INT).of_few(),
    column("lock_time", INT).of_few(),
    column("size", INT).of_few(),
    column("virtual_size", INT).of_few(),
    column("weight", INT).of_few(),
    column("is_coinbase", FLAG),
    column("input_count", INT).of_few(),
    column("output_count", INT).of_few(),
    column("input_value", INT).or_null(),
    column("output_value", INT),
    column("fee", INT).or_null(),
];

/// The columns of `inputs`.
pub(crate) const INPUTS: [Spec; 17] = [
    column("transaction_hash", HASH).filtered(),
    column("index", INT).of_few(),
    column("block_hash", HASH).of_few(),
    column("block_number", INT).of_few(),
    column("block_timestamp", TIME).of_few(),
    column("spent_transaction_hash", HASH).filtered(),
    column("spent_output_index", INT).of_few(),
    column("script_hex", TEXT),
    column("sequence", INT).of_few(),
    column("witness_items", INT).of_few(),
    column("witness_size", INT).of_few(),
    column("value", INT).or_null(),
    column("type", TEXT).or_null().of_few(),
    column("address", TEXT).or_null().filtered(),
    column("spent_script_hex", TEXT).or_null(),
    column("spent_block_number", INT).or_null(),
    column("spent_is_coinbase", FLAG).or_null(),
];

/// The columns of `outputs`.
pub(crate) const OUTPUTS: [Spec; 11] = [
    column("transaction_hash", HASH).filtered(),
    column("index", INT).of_few(),
    column("block_hash", HASH).of_few(),
    column("block_number", INT).of_few(),
    column("block_timestamp", TIME).of_few(),
    column("value", INT),
    column("type", TEXT).of_few(),
    column("address", TEXT).or_null().filtered(),
    column("script_hex", TEXT),
    column("is_coinbase", FLAG),
    column("is_spendable", FLAG),
];

/// The columns of `export balances`.
pub(crate) const BALANCES: [Spec; 7] = [
    column("script_hex", TEXT).filtered(),
    column("address", TEXT).or_null().filtered(),
    column("type", TEXT).of_few(),
    column("balance", INT),
    column("unspent", INT).of_few(),
    column("first_block_number", INT),
    column("last_block_number", INT),
];

/// The columns of a table.
pub(crate) fn columns_of(table: Table) -> &'static [Spec] {
    match table {
        Table::Blocks => &BLOCKS,
        Table::Transactions => &TRANSACTIONS,
        Table::Inputs => &INPUTS,
        Table::Outputs => &OUTPUTS,
    }
}

/// Bytes of a hash in binary.
const HASH_BYTES: i32 = 32;

fn parquet_column(spec: &Spec, hashes: Hashes) -> Result<TypePtr> {
    let (physical, logical) = match spec.kind {
        Kind::Hash if hashes == Hashes::Binary => (Physical::FIXED_LEN_BYTE_ARRAY, None),
        Kind::Hash | Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Int => (Physical::INT64, None),
        Kind::Time => (
            Physical::INT64,
            Some(LogicalType::timestamp(true, TimeUnit::MICROS)),
        ),
        Kind::Flag => (Physical::BOOLEAN, None),
    };
    let is_fixed = physical == Physical::FIXED_LEN_BYTE_ARRAY;
    let column = Type::primitive_type_builder(spec.name, physical)
        .with_repetition(match spec.is_nullable {
            true => Repetition::OPTIONAL,
            false => Repetition::REQUIRED,
        })
        .with_length(if is_fixed { HASH_BYTES } else { -1 })
        .with_logical_type(logical)
        .build()?;
    Ok(Arc::new(column))
}

/// The schema of a file with these columns.
pub(crate) fn schema_of(columns: &[Spec], hashes: Hashes) -> Result<TypePtr> {
    let fields = columns.iter().map(|spec| parquet_column(spec, hashes));
    let schema = Type::group_type_builder("schema")
        .with_fields(fields.collect::<Result<_>>()?)
        .build()?;
    Ok(Arc::new(schema))
}

/// Of 3 M outputs with hashes as text, level 1 made 130 MiB, Snappy 221.
const ZSTD_LEVEL: i32 = 1;

/// A page is what is compressed at once, and what each open column holds.
const PAGE_BYTES: usize = 256 << 10;

/// Of a dictionary so large that looking values up costs more than it saves.
const DICTIONARY_BYTES_MAX: usize = 256 << 10;

/// How a file with these columns is written, in groups of so many rows.
pub(crate) fn properties_of(
    columns: &[Spec],
    group_rows: usize,
) -> Result<WriterPropertiesBuilder> {
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("blkdex version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_dictionary_enabled(false)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_data_page_size_limit(PAGE_BYTES);
    for spec in columns {
        let path = ColumnPath::from(spec.name);
        builder = builder.set_column_dictionary_enabled(path.clone(), spec.has_dictionary);
        if spec.has_filter {
            builder = builder
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_max_ndv(path, group_rows as u64);
        }
    }
    Ok(builder)
}
