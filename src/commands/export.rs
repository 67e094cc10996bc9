//! `blkdex export`: writes the file and says what is in it.
//!
//! Invariant: what is said goes to stdout only if the export itself does not.

use super::progress::Reporter;
use super::signals;
use super::words::grouped;
use crate::args::ExportWhat;
use crate::streams::say;
use anyhow::Result;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use blkdex::export::{BalancesOptions, Destination, UtxosOptions, export_balances, export_utxos};
use blkdex::utxo::Watch;
use blkdex::verify::amount::bitcoins;
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Runs it.
pub fn run(what: &ExportWhat, index: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let common = match what {
        ExportWhat::Utxos(args) => &args.common,
        ExportWhat::Balances(args) => &args.common,
    };
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
                let object = json!({
                    "height": written.height.0, "hash": hash.to_string(), "coins": written.coins,
                    "total_amount_sat": written.total_amount_sat,
                });
                (words, object)
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
                let object = json!({
                    "height": written.height.0, "scripts": written.scripts,
                    "balance_sat": written.balance_sat,
                });
                (words, object)
            })
        }
    };
    reporter.finish();
    let (words, object) = said?;
    let said = if json { object.to_string() } else { words };
    match to {
        Destination::Stdout if common.quiet => {}
        Destination::Stdout => say(&said),
        Destination::File { .. } => writeln!(out, "{said}")?,
    }
    Ok(ExitCode::SUCCESS)
}
