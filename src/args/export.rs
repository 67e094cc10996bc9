//! `export`.
//!
//! Invariant: as for all arguments.

use super::AtArgs;
use super::values::{Memory, parse_memory};
use blkdex::export::{Destination, Lines, UtxosFormat};
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
}

impl ExportWhat {
    /// What all exports take.
    pub fn common(&self) -> &ExportCommonArgs {
        match self {
            ExportWhat::Utxos(utxos) => &utxos.common,
            ExportWhat::Balances(balances) => &balances.common,
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
    pub format: LinesArg,

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
}

/// How lines are written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinesArg {
    /// Comma-separated.
    Csv,
    /// A JSON object a line.
    Jsonl,
}

impl UtxosFormatArg {
    /// As the library calls it.
    pub fn get(self) -> UtxosFormat {
        match self {
            UtxosFormatArg::Snapshot => UtxosFormat::Snapshot,
            UtxosFormatArg::Csv => UtxosFormat::Lines(Lines::Csv),
            UtxosFormatArg::Jsonl => UtxosFormat::Lines(Lines::Jsonl),
        }
    }
}

impl LinesArg {
    /// As the library calls it.
    pub fn get(self) -> Lines {
        match self {
            LinesArg::Csv => Lines::Csv,
            LinesArg::Jsonl => Lines::Jsonl,
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
