//! `blkdex verify`: the numbers, and whether they are Bitcoin Core's.
//!
//! Invariant: exit code 0 only if nothing that Core is known to say differs.

use super::columns::print_fields;
use super::progress::Reporter;
use super::signals;
use super::words::grouped;
use crate::args::VerifyArgs;
use anyhow::Result;
use blkdex::utxo::Watch;
use blkdex::verify::amount::bitcoins;
use blkdex::verify::expect::Expected;
use blkdex::verify::proof::{Options, Verified, verify};
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Runs it.
pub fn run(args: &VerifyArgs, index: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let expect = args.expect.as_deref().map(Expected::read).transpose()?;
    let options = Options {
        at: args.at.at,
        location: args.at.location(),
        memory_bytes: args.memory.bytes(),
        hash_serialized: args.hash_serialized,
        expect,
        undo: args.undo,
    };
    let stop = signals::caught()?;
    let mut reporter = Reporter::new(args.quiet);
    let mut watch = Watch {
        stop: &stop,
        tell: &mut |progress| reporter.reading(progress),
    };
    let verified = verify(index, &options, &mut watch);
    reporter.finish();
    match json {
        true => writeln!(out, "{}", to_json(&verified?))?,
        false => show(&verified?, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn to_json(verified: &Verified) -> serde_json::Value {
    let stats = &verified.stats;
    let undo = verified
        .undo
        .map(|undo| json!({"blocks": undo.blocks, "inputs": undo.inputs, "without": undo.without}));
    let known: Vec<u32> = verified
        .known_blocks
        .iter()
        .map(|height| height.0)
        .collect();
    json!({
        "height": stats.height,
        "hash": stats.hash.to_string(),
        "txouts": stats.txouts,
        "bogosize": stats.bogosize,
        "total_amount_sat": stats.total_amount_sat,
        "transactions": stats.transactions,
        "muhash": stats.muhash.map(|hash| hash.to_string()),
        "hash_serialized_3": stats.hash_serialized.map(|hash| hash.to_string()),
        "known_blocks": known,
        "known_set": verified.known_set,
        "equals_expected": verified.equals_expected.then_some(true),
        "undo": undo,
        "elapsed_seconds": verified.seconds,
    })
}

fn show(verified: &Verified, out: &mut impl Write) -> io::Result<()> {
    let stats = &verified.stats;
    let mut fields = vec![
        ("height", stats.height.to_string()),
        ("hash", stats.hash.to_string()),
        ("txouts", stats.txouts.to_string()),
        ("bogosize", stats.bogosize.to_string()),
        ("total_amount", bitcoins(stats.total_amount_sat)),
    ];
    let hash = |hash: &blkdex::verify::Uint256| hash.to_string();
    fields.extend(
        stats
            .transactions
            .map(|count| ("transactions", count.to_string())),
    );
    fields.extend(stats.muhash.as_ref().map(|muhash| ("muhash", hash(muhash))));
    fields.extend(
        stats
            .hash_serialized
            .as_ref()
            .map(|h| ("hash_serialized_3", hash(h))),
    );
    print_fields(out, &fields)?;
    if let Some(undo) = &verified.undo {
        write!(
            out,
            "the undo files of {} blocks say the same of all {} inputs",
            grouped(undo.blocks),
            grouped(undo.inputs)
        )?;
        match undo.without {
            0 => writeln!(out)?,
            without => writeln!(out, "; {} blocks have none", grouped(without))?,
        }
    }
    for height in &verified.known_blocks {
        writeln!(
            out,
            "block {height}: hash and transaction count are those that Bitcoin Core ships"
        )?;
    }
    if verified.known_set {
        writeln!(out, "hash_serialized_3 is the one that Bitcoin Core ships")?;
    }
    if verified.equals_expected {
        writeln!(out, "equal to what the node said")?;
    }
    let rate = stats.txouts as f64 / verified.seconds.max(1e-6);
    writeln!(
        out,
        "{:.1} s, {} coins/s",
        verified.seconds,
        grouped(rate as u64)
    )
}
