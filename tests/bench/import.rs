//! `cargo bench --bench import`: what an import costs, beside the floor of merely reading and
//! hashing the same blocks, and beside one SHA-256 stream over the same files.
//!
//! A chain like mainnet's is made once per size and seed (see `generate.rs`) and kept. Then each
//! job runs as a process of its own, one after the other, several rounds; the table shows the
//! median of each. Before each, the block files are read and some memory is touched, so that all start
//! alike; only `balance` starts from a cold index. Lists are made of what the index exports; answers to them are compared with
//! those that single questions get. `--help` behind `--` lists the options.

mod args;
mod coins;
mod files;
mod generate;
mod hash;
mod jobs;
mod lists;
mod measure;
mod report;
#[path = "../common/rng.rs"]
mod rng;
mod script;
mod stream;
mod txs;
mod undo;

use std::path::Path;
use std::process::ExitCode;

use args::{Args, HELP};
use generate::Params;
use jobs::{Job, Setting};
use measure::Measured;
use report::Row;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, folder] = &words[..]
        && word == stream::WORD
    {
        return match stream::hash_files(Path::new(folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{folder}: {error}");
                ExitCode::FAILURE
            }
        };
    }
    if words.iter().any(|word| word == "--help") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match Args::parse(words.into_iter()) {
        Err(words) => {
            eprintln!("{words}");
            ExitCode::from(2)
        }
        Ok(args) => match bench(&args) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("the bench cannot go on: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

/// Tables of a larger chain are written only if they are asked for: it runs in 50 GB of disk without them.
const TABLES_GB_MAX: f64 = 10.0;

/// Whether every answer was right.
fn bench(args: &Args) -> std::io::Result<bool> {
    // `target/tmp` is what cargo tells; its neighbours are as good and are not swept.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("..")
        .canonicalize()?;
    let params = Params {
        bytes: (args.gb * 1e9) as u64,
        seed: args.seed,
        plain: args.plain,
    };
    let (datadir, facts) = generate::chain(&target.join("bench-chains"), params)?;
    println!("chain: {}\n{facts:#}\n", datadir.display());
    if args.generate_only {
        return Ok(true);
    }
    let folder = target.join("bench-index");
    std::fs::create_dir_all(&folder)?;
    let setting = Setting {
        args,
        datadir: &datadir,
        facts: &facts,
        folder: &folder,
    };
    let (rows, differences) = rounds(&setting)?;
    report::print(&rows, &facts);
    differences
        .iter()
        .for_each(|words| println!("WRONG: {words}"));
    Ok(differences.is_empty())
}

/// Runs all jobs in turn, so that a busy minute of the machine hits all of them alike.
fn rounds(setting: &Setting) -> std::io::Result<(Vec<Row>, Vec<String>)> {
    let wanted = |job: &Job| {
        let only = &setting.args.only;
        let has_room = !job.writes_tables() || setting.args.gb <= TABLES_GB_MAX;
        only.is_empty() && has_room || only.iter().any(|name| name == job.name())
    };
    let jobs: Vec<Job> = Job::ALL.into_iter().filter(wanted).collect();
    let mut outcomes: Vec<Result<Vec<Measured>, String>> = vec![Ok(Vec::new()); jobs.len()];
    let mut differences = Vec::new();
    for round in 1..=setting.args.runs {
        for (&job, outcome) in jobs.iter().zip(&mut outcomes) {
            let Ok(runs) = outcome else { continue };
            eprintln!("round {round}: {}", job.name());
            match setting.run(job)? {
                Ok(measured) => {
                    differences.extend(setting.differences(job, &measured.stdout));
                    runs.push(measured);
                }
                Err(words) => *outcome = Err(words),
            }
        }
    }
    differences.sort();
    differences.dedup();
    let row = |(job, outcome): (Job, Result<Vec<Measured>, String>)| Row {
        job,
        outcome: outcome.map(report::median),
    };
    Ok((
        jobs.into_iter().zip(outcomes).map(row).collect(),
        differences,
    ))
}
