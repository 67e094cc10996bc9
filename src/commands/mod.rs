//! Runs a command and prints what it answers, for people or as JSON.
//!
//! Invariant: answers, and nothing else, go to stdout.

pub mod advice;
mod ask;
mod columns;
mod completions;
mod dataset;
mod doctor;
mod export;
mod follow;
#[cfg(feature = "heap-profile")]
mod heap_profile;
mod hearing;
mod import;
mod ledger;
mod lists;
mod man;
mod manual;
mod memory;
mod notices;
mod people;
mod place;
mod progress;
mod rebuild;
mod service;
mod signals;
pub mod streams;
mod summary;
mod verify;
mod waiting;
mod wallet;
mod words;

use crate::args::{Args, Command};
use anyhow::{Context, Result};
use ask::Ask;
use blkdex::query::script::Asked;
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
        Command::Balance(a) => asked(&a.scripts.ask).each(out, &a.scripts, |view, asked, out| {
            let check = a.scripts.check;
            match asked {
                Asked::Script(script) => out.print(&view.balance(script, check)?),
                Asked::Wallet(wallet) => {
                    out.print(&view.wallet_balance(wallet, a.scripts.extent(), check)?)
                }
            }
        }),
        Command::Utxos(a) => {
            asked(&a.scripts.ask).each(out, &a.scripts, |view, asked, out| match asked {
                Asked::Script(script) => out.print_list(view.unspent(script, &a.listing())?),
                Asked::Wallet(wallet) => {
                    let extent = a.scripts.extent();
                    out.print_list(view.wallet_unspent(wallet, extent, &a.listing())?)
                }
            })
        }
        Command::History(a) => {
            asked(&a.scripts.ask).each(out, &a.scripts, |view, asked, out| match asked {
                Asked::Script(script) => out.print_list(view.events(script, &a.listing())?),
                Asked::Wallet(wallet) => {
                    let extent = a.scripts.extent();
                    out.print_list(view.wallet_history(wallet, extent, &a.listing())?)
                }
            })
        }
        Command::Outpoint(a) => asked(&a.ask).one(out, |view| view.outpoint(a.outpoint)),
        Command::Tx(a) => asked(&a.ask).one(out, |view| view.tx(a.txid, a.hex)),
        Command::Block(a) => asked(&a.ask).one(out, |view| view.block(a.block, a.txids)),
    }
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
