//! `blkdex verify`: the numbers, and whether they are Bitcoin Core's.
//!
//! Invariant: exit code 0 only if nothing that Core is known to say differs.

use super::columns::print_fields;
use super::place;
use super::progress::Reporter;
use super::signals;
use super::words::{date, grouped};
use crate::args::VerifyArgs;
use anyhow::Result;
use blkdex::Error;
use blkdex::primitives::bitcoins;
use blkdex::utxo::{AsOf, Watch};
use blkdex::verify;
use blkdex::verify::{Expected, Options, Verified, verify};
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Runs it.
pub fn run(args: &VerifyArgs, index: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let expect = args.expect.as_deref().map(read_expected).transpose()?;
    place::say_of_closed(args.at.location(), index);
    let is_expecting = expect.is_some();
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
    match (&verified, json) {
        (Ok(verified), true) => print_json(out, &Answer::new(verified))?,
        (Ok(verified), false) => show(verified, out)?,
        (Err(error), true) => {
            if let Some(answer) = Differing::new(error, is_expecting) {
                print_json(out, &answer)?;
            }
        }
        (Err(_), false) => {}
    }
    place::say_of_end(&args.at, &verified?.as_of);
    Ok(ExitCode::SUCCESS)
}

/// What the node said, out of a file or, for `-`, from stdin.
fn read_expected(path: &Path) -> blkdex::Result<Expected> {
    match path == Path::new("-") {
        true => Expected::read_from(io::stdin().lock(), Path::new("stdin")),
        false => Expected::read(path),
    }
}

fn print_json(out: &mut impl Write, answer: &impl Serialize) -> Result<()> {
    writeln!(out, "{}", serde_json::to_string(answer)?)?;
    // An error may follow, which is to be read behind it.
    Ok(out.flush()?)
}

/// `verify --json`, if nothing differs.
#[derive(Serialize)]
struct Answer {
    height: u32,
    hash: String,
    as_of: AsOf,
    txouts: u64,
    bogosize: u64,
    total_amount_sat: u128,
    transactions: Option<u64>,
    muhash: Option<String>,
    hash_serialized_3: Option<String>,
    known_blocks: Vec<u32>,
    known_set: bool,
    /// `None`: nothing was given to compare with.
    equals_expected: Option<bool>,
    first_difference: Option<Difference>,
    undo: Option<serde_json::Value>,
    elapsed_seconds: f64,
}

impl Answer {
    fn new(verified: &Verified) -> Answer {
        let stats = &verified.stats;
        let undo = verified.undo.map(
            |undo| json!({"blocks": undo.blocks, "inputs": undo.inputs, "without": undo.without}),
        );
        let known = verified.known_blocks.iter().map(|height| height.0);
        Answer {
            height: stats.height,
            hash: stats.hash.to_string(),
            as_of: verified.as_of,
            txouts: stats.txouts,
            bogosize: stats.bogosize,
            total_amount_sat: stats.total_amount_sat,
            transactions: stats.transactions,
            muhash: stats.muhash.map(|hash| hash.to_string()),
            hash_serialized_3: stats.hash_serialized.map(|hash| hash.to_string()),
            known_blocks: known.collect(),
            known_set: verified.known_set,
            equals_expected: verified.equals_expected.then_some(true),
            first_difference: None,
            undo,
            elapsed_seconds: verified.seconds,
        }
    }
}

/// `verify --json`, if something differs; an error says the same on stderr.
#[derive(Serialize)]
struct Differing {
    height: u32,
    equals_expected: Option<bool>,
    first_difference: Difference,
}

#[derive(Serialize)]
struct Difference {
    field: &'static str,
    expected: String,
    found: String,
}

impl Differing {
    fn new(error: &Error, is_expecting: bool) -> Option<Differing> {
        let Some(verify::Fault::Differs {
            height,
            field,
            found,
            expected,
        }) = error.fault()
        else {
            return None;
        };
        Some(Differing {
            height: height.0,
            equals_expected: is_expecting.then_some(false),
            first_difference: Difference {
                field,
                expected: expected.clone(),
                found: found.clone(),
            },
        })
    }
}

fn show(verified: &Verified, out: &mut impl Write) -> io::Result<()> {
    let stats = &verified.stats;
    let mut fields = vec![
        ("height", stats.height.to_string()),
        ("hash", stats.hash.to_string()),
        ("time", date(verified.as_of.time)),
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
