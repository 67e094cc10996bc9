//! `blkdex export`: writes the file and says what is in it.
//!
//! Invariant: what is said goes to stdout only if the export itself does not.

use super::dataset;
use super::place;
use super::progress::Reporter;
use super::signals;
use super::words::{as_of_words, grouped};
use crate::args::{ExportBalancesArgs, ExportCommonArgs, ExportUtxosArgs, ExportWhat};
use crate::commands::streams::say;
use anyhow::Result;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use blkdex::export::{BalancesOptions, Destination, UtxosOptions, export_balances, export_utxos};
use blkdex::primitives::{Height, bitcoins};
use blkdex::utxo::{AsOf, Watch};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// `export utxos --json`. A sum is wider than what a `serde_json::Value` holds.
#[derive(serde::Serialize)]
struct UtxosAnswer {
    height: Height,
    hash: BlockHash,
    coins: u64,
    total_amount_sat: u128,
    as_of: AsOf,
}

/// `export balances --json`.
#[derive(serde::Serialize)]
struct BalancesAnswer {
    height: Height,
    scripts: u64,
    balance_sat: u128,
    as_of: AsOf,
}

/// Runs it.
pub fn run(what: &ExportWhat, index: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    place::say_of_closed(what.location(), index);
    match what {
        ExportWhat::Utxos(args) => to_destination(&args.common, json, out, |to, watch| {
            utxos(args, index, to, watch)
        }),
        ExportWhat::Balances(args) => to_destination(&args.common, json, out, |to, watch| {
            balances(args, index, to, watch)
        }),
        ExportWhat::Parquet(args) => dataset::run(args, index, json, out),
    }
}

/// Exports to one file, or to stdout.
fn to_destination(
    common: &ExportCommonArgs,
    json: bool,
    out: &mut impl Write,
    export: impl FnOnce(&Destination, &mut Watch<'_>) -> blkdex::Result<Said>,
) -> Result<ExitCode> {
    let to = common.destination();
    let stop = signals::caught()?;
    let mut reporter = Reporter::new(common.quiet);
    let mut watch = Watch {
        stop: &stop,
        tell: &mut |progress| reporter.reading(progress),
    };
    let said = export(&to, &mut watch);
    reporter.finish();
    let Said {
        words,
        object,
        as_of,
    } = said?;
    let said = if json { object? } else { words };
    match to {
        Destination::Stdout if common.quiet => {}
        Destination::Stdout => say(&said),
        Destination::File { .. } => writeln!(out, "{said}")?,
    }
    place::say_of_end(&common.at, &as_of);
    Ok(ExitCode::SUCCESS)
}

/// What was written, in words and as JSON.
struct Said {
    words: String,
    object: serde_json::Result<String>,
    as_of: AsOf,
}

impl Said {
    fn new(words: String, as_of: &AsOf, object: &impl serde::Serialize) -> Said {
        Said {
            words: format!("{words}; {}", as_of_words(as_of)),
            object: serde_json::to_string(object),
            as_of: *as_of,
        }
    }
}

fn utxos(
    args: &ExportUtxosArgs,
    index: &Path,
    to: &Destination,
    watch: &mut Watch<'_>,
) -> blkdex::Result<Said> {
    let options = UtxosOptions {
        at: args.common.at.at,
        location: args.common.at.location(),
        memory_bytes: args.common.memory.bytes(),
        format: args.format.get(),
        to: to.clone(),
    };
    let written = export_utxos(index, &options, watch)?;
    let words = format!(
        "{} coins at height {}, {} BTC",
        grouped(written.coins),
        written.height,
        bitcoins(written.total_amount_sat)
    );
    let object = UtxosAnswer {
        height: written.height,
        hash: BlockHash::from_byte_array(written.hash),
        coins: written.coins,
        total_amount_sat: written.total_amount_sat,
        as_of: written.as_of,
    };
    Ok(Said::new(words, &written.as_of, &object))
}

fn balances(
    args: &ExportBalancesArgs,
    index: &Path,
    to: &Destination,
    watch: &mut Watch<'_>,
) -> blkdex::Result<Said> {
    let options = BalancesOptions {
        at: args.common.at.at,
        location: args.common.at.location(),
        memory_bytes: args.common.memory.bytes(),
        format: args.format.get(),
        top: args.top,
        to: to.clone(),
    };
    let written = export_balances(index, &options, watch)?;
    let words = format!(
        "{} scripts at height {}, {} BTC",
        grouped(written.scripts),
        written.height,
        bitcoins(written.balance_sat)
    );
    let object = BalancesAnswer {
        height: written.height,
        scripts: written.scripts,
        balance_sat: written.balance_sat,
        as_of: written.as_of,
    };
    Ok(Said::new(words, &written.as_of, &object))
}
