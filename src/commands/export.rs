//! `blkdex export`: writes the file and says what is in it.
//!
//! Invariant: what is said goes to stdout only if the export itself does not.

use super::place;
use super::progress::Reporter;
use super::signals;
use super::words::grouped;
use crate::args::ExportWhat;
use crate::streams::say;
use anyhow::Result;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use blkdex::export::{BalancesOptions, Destination, UtxosOptions, export_balances, export_utxos};
use blkdex::position::Height;
use blkdex::utxo::Watch;
use blkdex::verify::amount::bitcoins;
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
}

/// `export balances --json`.
#[derive(serde::Serialize)]
struct BalancesAnswer {
    height: Height,
    scripts: u64,
    balance_sat: u128,
}

/// Runs it.
pub fn run(what: &ExportWhat, index: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let common = match what {
        ExportWhat::Utxos(args) => &args.common,
        ExportWhat::Balances(args) => &args.common,
    };
    place::say_of_closed(&common.at, index);
    let to = common.destination();
    let stop = signals::caught()?;
    let mut reporter = Reporter::new(common.quiet);
    let mut watch = Watch {
        stop: &stop,
        tell: &mut |progress| reporter.reading(progress),
    };
    let said = match what {
        ExportWhat::Utxos(args) => {
            let options = UtxosOptions {
                at: common.at.at,
                location: common.at.location(),
                memory_bytes: common.memory.bytes(),
                format: args.format.get(),
                to: to.clone(),
            };
            export_utxos(index, &options, &mut watch).map(|written| {
                let hash = BlockHash::from_byte_array(written.hash);
                let words = format!(
                    "{} coins at height {}, {} BTC",
                    grouped(written.coins),
                    written.height,
                    bitcoins(written.total_amount_sat)
                );
                let object = UtxosAnswer {
                    height: written.height,
                    hash,
                    coins: written.coins,
                    total_amount_sat: written.total_amount_sat,
                };
                (words, serde_json::to_string(&object))
            })
        }
        ExportWhat::Balances(args) => {
            let options = BalancesOptions {
                at: common.at.at,
                location: common.at.location(),
                memory_bytes: common.memory.bytes(),
                lines: args.format.get(),
                top: args.top,
                to: to.clone(),
            };
            export_balances(index, &options, &mut watch).map(|written| {
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
                };
                (words, serde_json::to_string(&object))
            })
        }
    };
    reporter.finish();
    let (words, object) = said?;
    let said = if json { object? } else { words };
    match to {
        Destination::Stdout if common.quiet => {}
        Destination::Stdout => say(&said),
        Destination::File { .. } => writeln!(out, "{said}")?,
    }
    Ok(ExitCode::SUCCESS)
}
