//! Runs a command and prints what it answers, for people or as JSON.
//!
//! Invariant: answers, and nothing else, go to stdout.

pub mod advice;
mod columns;
mod completions;
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
mod words;

use crate::args::{Args, AskArgs, Command, ScriptArgs};
use anyhow::{Context, Result};
use bitcoin::ScriptBuf;
use blkdex::index::Index;
use blkdex::query::{View, expect_indexed, script};
use people::Show;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use streams::say;
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
        Command::Balance(a) => asked(&a.scripts.ask).each(out, &a.scripts, |view, script, out| {
            let answer = view.balance(script, a.scripts.check)?;
            print(&answer, args.json, out)
        }),
        Command::Utxos(a) => asked(&a.scripts.ask).each(out, &a.scripts, |view, script, out| {
            lists::print_utxos(view.unspent(script, &a.listing())?, args.json, out)
        }),
        Command::History(a) => asked(&a.scripts.ask).each(out, &a.scripts, |view, script, out| {
            lists::print_history(view.events(script, &a.listing())?, args.json, out)
        }),
        Command::Outpoint(a) => asked(&a.ask).one(out, |view| view.outpoint(a.outpoint)),
        Command::Tx(a) => asked(&a.ask).one(out, |view| view.tx(a.txid)),
        Command::Block(a) => asked(&a.ask).one(out, |view| view.block(a.block)),
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

/// Says it where blocks are gone that would have said more.
fn say_what_is_missing(view: &View<'_>) {
    let Some(gone) = view.gone() else { return };
    let missing = match view.keeps_txids() {
        true => "script and input are unknown",
        false => {
            "txid, outpoint and input are unknown \
             (--datadir DIR says where block files are; an index made with --keep-txids needs none)"
        }
    };
    say(&format!("blkdex: {gone}; {missing}"));
}

/// Prints an answer.
fn print<T: Show>(answer: &T, json: bool, out: &mut impl Write) -> Result<()> {
    match json {
        true => {
            // Its own error would hide that a reader went away.
            serde_json::to_writer(&mut *out, answer).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        false => answer.show(out)?,
    }
    Ok(())
}

/// A question to the index.
struct Ask<'a> {
    args: &'a Args,
    ask: &'a AskArgs,
}

impl Ask<'_> {
    /// Opens the index, and has it asked.
    fn opened(&self, question: impl FnOnce(&mut View<'_>) -> Result<()>) -> Result<ExitCode> {
        let (at, memory_bytes) = (&self.ask.at, self.ask.memory.question_bytes());
        let index = Index::open_within(&self.args.index, memory_bytes)?;
        place::say_of_index(at, &index);
        let mut view = View::new(&index, at.at, at.location())?.within(memory_bytes)?;
        question(&mut view)?;
        say_what_is_missing(&view);
        Ok(ExitCode::SUCCESS)
    }

    /// With one answer.
    fn one<T: Show>(
        &self,
        out: &mut impl Write,
        question: impl FnOnce(&mut View<'_>) -> blkdex::Result<T>,
    ) -> Result<ExitCode> {
        self.opened(|view| print(&question(view)?, self.args.json, out))
    }

    /// With one answer a script. All scripts are read before the first answer is given.
    fn each<W: Write>(
        &self,
        out: &mut W,
        args: &ScriptArgs,
        question: impl Fn(&mut View<'_>, &ScriptBuf, &mut W) -> Result<()>,
    ) -> Result<ExitCode> {
        self.opened(|view| {
            let parse = |text: &String| {
                let script = script::parse(text, view.network())?;
                expect_indexed(&script).map(|()| script)
            };
            let scripts = args.scripts.iter().map(parse);
            let scripts: Vec<ScriptBuf> = scripts.collect::<blkdex::Result<_>>()?;
            for (number, script) in scripts.iter().enumerate() {
                if number > 0 && !self.args.json {
                    writeln!(out)?;
                }
                question(view, script, out)?;
            }
            Ok(())
        })
    }
}
