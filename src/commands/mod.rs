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

use crate::args::{Args, AtArgs, Command, ScriptArgs};
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
    let ask = |at| Ask { args, at };
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
        Command::Status(at) => ask(at).one(out, |view| view.status()),
        Command::Balance(balance) => {
            ask(&balance.scripts.at).each(out, &balance.scripts, |view, script| {
                view.balance(script, balance.scripts.check)
            })
        }
        Command::Utxos(scripts) => {
            ask(&scripts.at).each(out, scripts, |v, s| v.utxos(s, scripts.check))
        }
        Command::History(scripts) => {
            ask(&scripts.at).each(out, scripts, |v, s| v.history(s, scripts.check))
        }
        Command::Outpoint(a) => ask(&a.at).one(out, |view| view.outpoint(a.outpoint)),
        Command::Tx(a) => ask(&a.at).one(out, |view| view.tx(a.txid)),
        Command::Block(a) => ask(&a.at).one(out, |view| view.block(a.block)),
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

/// A question to the index.
struct Ask<'a> {
    args: &'a Args,
    at: &'a AtArgs,
}

impl Ask<'_> {
    /// With one answer.
    fn one<T: Show>(
        &self,
        out: &mut impl Write,
        question: impl FnOnce(&mut View<'_>) -> blkdex::Result<T>,
    ) -> Result<ExitCode> {
        let index = Index::open(&self.args.index)?;
        place::say_of_index(self.at, &index);
        let mut view = View::new(&index, self.at.at, self.at.location())?;
        self.print(out, &question(&mut view)?)?;
        say_what_is_missing(&view);
        Ok(ExitCode::SUCCESS)
    }

    /// With one answer a script. All scripts are read before the first answer is given.
    fn each<T: Show>(
        &self,
        out: &mut impl Write,
        args: &ScriptArgs,
        question: impl Fn(&mut View<'_>, &ScriptBuf) -> blkdex::Result<T>,
    ) -> Result<ExitCode> {
        let index = Index::open(&self.args.index)?;
        place::say_of_index(self.at, &index);
        let mut view = View::new(&index, self.at.at, self.at.location())?;
        let parse = |text: &String| {
            let script = script::parse(text, view.network())?;
            expect_indexed(&script).map(|()| script)
        };
        let scripts: Vec<ScriptBuf> = args
            .scripts
            .iter()
            .map(parse)
            .collect::<blkdex::Result<_>>()?;
        for (number, script) in scripts.iter().enumerate() {
            if number > 0 && !self.args.json {
                writeln!(out)?;
            }
            self.print(out, &question(&mut view, script)?)?;
        }
        say_what_is_missing(&view);
        Ok(ExitCode::SUCCESS)
    }

    fn print<T: Show>(&self, out: &mut impl Write, answer: &T) -> Result<()> {
        if self.args.json {
            writeln!(out, "{}", serde_json::to_string(answer)?)?;
        } else {
            answer.show(out)?;
        }
        Ok(())
    }
}
