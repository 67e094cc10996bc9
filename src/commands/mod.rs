//! Runs a command and prints what it answers, for people or as JSON.
//!
//! Invariant: answers, and nothing else, go to stdout.

pub mod advice;
mod ask;
mod columns;
mod completions;
mod csv;
mod dataset;
mod doctor;
mod export;
mod fault;
mod follow;
#[cfg(feature = "heap-profile")]
mod heap_profile;
mod hearing;
mod import;
mod ledger;
mod listed;
mod lists;
mod man;
mod manual;
mod memory;
mod notices;
mod output;
mod people;
mod place;
mod progress;
mod rebuild;
mod scripts;
mod service;
mod set;
mod signals;
pub mod streams;
mod summary;
mod verify;
mod waiting;
mod wallet;
mod words;

use crate::args::{Args, Command, ScriptArgs};
use anyhow::{Context, Result};
use ask::{Ask, one_by_one};
use scripts::{OfScripts, What};
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use waiting::Waiting;

/// Runs the command, as often as the call wants to wait for the index.
pub fn run(args: &Args, out: &mut impl Write) -> Result<ExitCode> {
    let Some(mut waiting) = Waiting::of(args) else {
        return run_once(args, out);
    };
    loop {
        waiting.wait();
        match run_once(args, out) {
            Err(error) if waiting.tries_again(&error) => {}
            done => return done,
        }
    }
}

fn run_once(args: &Args, out: &mut impl Write) -> Result<ExitCode> {
    let asked = |ask| Ask { args, ask };
    match &args.command {
        Command::Import(import) => import::run(import, &args.index, args.json, out),
        Command::Doctor(doctor) => {
            let complete = |line: &str| advice::complete(line, args);
            doctor::run(doctor, (&args.index, &complete), args.json, out)
        }
        Command::Rebuild(rebuild) => rebuild::run(rebuild, &args.index, args.json, out),
        Command::Verify(verify) => verify::run(verify, &args.index, args.json, out),
        Command::Export(export) => export::run(&export.what, &args.index, args.json, out),
        Command::Memory(memory) => memory::run(&memory.what, args.json, out),
        Command::Manual(manual) => manual::run(manual.chapter.as_deref(), args.json, out),
        Command::Man(man) => man::run(man.dir.as_deref(), out),
        Command::Completions(completions) => completions::run(completions.shell, out),
        Command::Status(a) => asked(a).one(out, |view| view.status()),
        Command::Balance(a) => of_scripts(&a.scripts, What::Balance, args, out),
        Command::Utxos(a) => of_scripts(&a.scripts, What::Utxos(a.listing()), args, out),
        Command::History(a) => of_scripts(&a.scripts, What::History(a.listing()), args, out),
        Command::Outpoint(a) => asked(&a.ask).one_or_list(
            out,
            (&a.outpoint, &a.list),
            |view| view.outpoints_at_once(),
            |view, outpoints| view.outpoints(outpoints),
        ),
        Command::Tx(a) => asked(&a.ask).one_or_list(
            out,
            (&a.txid, &a.list),
            |_| 1,
            |view, txids| one_by_one(view, txids, |view, txid| view.tx(txid, a.hex)),
        ),
        Command::Block(a) => asked(&a.ask).one_or_list(
            out,
            (&a.block, &a.list),
            |_| 1,
            |view, blocks| one_by_one(view, blocks, |view, block| view.block(block.0, a.txids)),
        ),
    }
}

fn of_scripts(
    scripts: &ScriptArgs,
    what: What,
    args: &Args,
    out: &mut impl Write,
) -> Result<ExitCode> {
    let ask = &scripts.ask;
    OfScripts {
        args: scripts,
        what,
    }
    .run(&Ask { args, ask }, out)
}

/// The exit code of work that is done, and told as far as its reader wanted to hear of it.
fn after(code: ExitCode, told: io::Result<()>) -> Result<ExitCode> {
    match told {
        Err(error) if code == ExitCode::SUCCESS && error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the output")
        }
        _ => Ok(code),
    }
}
