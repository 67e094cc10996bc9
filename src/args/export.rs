//! `export`.
//!
//! Invariant: as for all arguments.

use super::values::{Memory, parse_height, parse_memory, parse_until};
use super::{AtArgs, location};
use blkdex::datadir::Location;
use blkdex::dataset::{BLOCKS_PER_FILE, GROUP_ROWS, Hashes, Table, Until};
use blkdex::export::{BalancesFormat, Destination, Lines, UtxosFormat};
use blkdex::primitives::Height;
use clap::{Subcommand, ValueEnum};
use std::path::{Path, PathBuf};

/// `export`.
#[derive(clap::Args, Debug)]
pub struct ExportArgs {
    /// What
    #[command(subcommand)]
    pub what: ExportWhat,
}

/// What to export.
#[derive(Subcommand, Debug)]
pub enum ExportWhat {
    /// Every coin: as Bitcoin Core's snapshot, or one a line
    Utxos(ExportUtxosArgs),
    /// Every script that owns something, or the richest
    Balances(ExportBalancesArgs),
    /// The chain as tables for DuckDB, Spark and others: a folder of Parquet files
    #[command(after_help = and_example!("dataset", "blkdex export parquet --to chain"))]
    Parquet(ExportParquetArgs),
}

impl ExportWhat {
    /// Where the block files are said to be.
    pub fn location(&self) -> Option<Location> {
        match self {
            ExportWhat::Utxos(utxos) => utxos.common.at.location(),
            ExportWhat::Balances(balances) => balances.common.at.location(),
            ExportWhat::Parquet(parquet) => parquet.location(),
        }
    }
}

/// `export parquet`.
#[derive(clap::Args, Debug)]
pub struct ExportParquetArgs {
    /// The folder; what is there is gone on with
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,

    /// The first block
    #[arg(long, value_name = "HEIGHT", value_parser = parse_height, default_value = "0")]
    pub from: Height,

    /// The last block: a height, or tip [default: the last that no reorganisation can reach any more]
    #[arg(long, value_name = "HEIGHT|tip", value_parser = parse_until)]
    pub until: Option<Until>,

    /// Only these: blocks, transactions, inputs, outputs
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub tables: Vec<Table>,

    /// Blocks of a file; files begin at multiples of it
    #[arg(long, value_name = "N", default_value_t = BLOCKS_PER_FILE,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub blocks_per_file: u32,

    /// Most rows of a row group; with little memory they are fewer
    #[arg(long, value_name = "N", default_value_t = GROUP_ROWS as u32,
        value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub row_group_rows: u32,

    /// How hashes are kept: as text, or as 32 bytes
    #[arg(long, value_enum, default_value_t = HashesArg::Hex)]
    pub hashes: HashesArg,

    /// Write null for what inputs spent, and need no rev*.dat files
    #[arg(long)]
    pub without_spent_coins: bool,

    /// bitcoind's datadir, if moved since the import
    #[arg(long, value_name = "DIR", conflicts_with = "blocks_dir")]
    pub datadir: Option<PathBuf>,

    /// Folder of the blk*.dat and rev*.dat files, if moved since the import
    #[arg(long, value_name = "DIR")]
    pub blocks_dir: Option<PathBuf>,

    /// All memory that the process may hold
    #[arg(long, value_name = "SIZE", default_value = "auto", value_parser = parse_memory)]
    pub memory: Memory,

    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
}

impl ExportParquetArgs {
    /// Where the block files are said to be.
    pub fn location(&self) -> Option<Location> {
        location(&self.datadir, &self.blocks_dir)
    }
}

/// How hashes are kept.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum HashesArg {
    /// 64 hexadecimal digits.
    Hex,
    /// 32 bytes.
    Binary,
}

impl HashesArg {
    /// As the library calls it.
    pub fn get(self) -> Hashes {
        match self {
            HashesArg::Hex => Hashes::Hex,
            HashesArg::Binary => Hashes::Binary,
        }
    }
}

/// `export utxos`.
#[derive(clap::Args, Debug)]
#[command(after_help = and_example!("export", "blkdex export utxos --format snapshot --output utxo.dat"))]
pub struct ExportUtxosArgs {
    /// A snapshot is what `dumptxoutset` writes and `loadtxoutset` reads; it sorts all coins
    #[arg(long, value_enum)]
    pub format: UtxosFormatArg,

    /// What all exports take
    #[command(flatten)]
    pub common: ExportCommonArgs,
}

/// `export balances`.
#[derive(clap::Args, Debug)]
#[command(after_help = and_example!("export", "blkdex export balances --format csv --top 1000 --output rich.csv"))]
pub struct ExportBalancesArgs {
    /// How
    #[arg(long, value_enum)]
    pub format: BalancesFormatArg,

    /// Only so many, the richest first
    #[arg(long, value_name = "N")]
    pub top: Option<u64>,

    /// What all exports take
    #[command(flatten)]
    pub common: ExportCommonArgs,
}

/// What all exports take.
#[derive(clap::Args, Debug)]
pub struct ExportCommonArgs {
    /// Where to; - is stdout
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,

    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,

    /// Height and block files
    #[command(flatten)]
    pub at: AtArgs,

    /// All memory that the process may hold
    #[arg(long, value_name = "SIZE", default_value = "auto", value_parser = parse_memory)]
    pub memory: Memory,

    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// How coins are written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum UtxosFormatArg {
    /// Core's.
    Snapshot,
    /// Comma-separated.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// The columns of `export parquet`'s outputs.
    Parquet,
}

/// How balances are written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum BalancesFormatArg {
    /// Comma-separated.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// Columns.
    Parquet,
}

impl UtxosFormatArg {
    /// As the library calls it.
    pub fn get(self) -> UtxosFormat {
        match self {
            UtxosFormatArg::Snapshot => UtxosFormat::Snapshot,
            UtxosFormatArg::Csv => UtxosFormat::Lines(Lines::Csv),
            UtxosFormatArg::Jsonl => UtxosFormat::Lines(Lines::Jsonl),
            UtxosFormatArg::Parquet => UtxosFormat::Parquet,
        }
    }
}

impl BalancesFormatArg {
    /// As the library calls it.
    pub fn get(self) -> BalancesFormat {
        match self {
            BalancesFormatArg::Csv => BalancesFormat::Lines(Lines::Csv),
            BalancesFormatArg::Jsonl => BalancesFormat::Lines(Lines::Jsonl),
            BalancesFormatArg::Parquet => BalancesFormat::Parquet,
        }
    }
}

impl ExportCommonArgs {
    /// Where to.
    pub fn destination(&self) -> Destination {
        match self.output == Path::new("-") {
            true => Destination::Stdout,
            false => Destination::File {
                path: self.output.clone(),
                force: self.force,
            },
        }
    }
}
