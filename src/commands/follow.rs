//! `blkdex import --follow`: tells each block as it is committed, and the service manager how it goes.
//!
//! Invariant: what is told on stdout is told at once; that nobody takes it does not stop the import.

use super::after;
use super::hearing::Heard;
use super::service::Service;
use super::signals::{Alarm, INTERRUPTED};
use super::streams::say;
use super::summary;
use super::words::{date, grouped};
use anyhow::Result;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use blkdex::import::{Added, Event, Followed, Notice, Options, follow};
use blkdex::primitives::Height;
use serde_json::json;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Runs it.
pub fn run(
    heard: &Heard<'_>,
    options: &Options,
    json: bool,
    out: &mut impl Write,
) -> Result<ExitCode> {
    let mut alarm = Alarm::set()?;
    let mut service = Service::of_environment(heard.stop);
    let mut teller = Teller {
        out,
        json,
        told: Ok(()),
        left_from: None,
    };
    let rest_max = service.rest_max();
    let mut rest = |time: Duration| alarm.rest(time.min(rest_max));
    let done = heard.run(
        &mut |event| {
            teller.hear(event);
            service.hear(event);
        },
        |watch| follow(options, &mut rest, watch),
    );
    service.end();
    let (followed, scribe) = done?;
    let code = match followed {
        Followed::Early(summary) => {
            teller.tell(|out| summary::tell(&summary, json, out));
            say(summary::INTERRUPTED);
            ExitCode::from(INTERRUPTED)
        }
        Followed::AtTip(height, hash) => {
            let hash = BlockHash::from_byte_array(hash);
            say(&format!(
                "blkdex: ended at height {height} ({hash}); the same command goes on"
            ));
            ExitCode::SUCCESS
        }
    };
    let code = after(code, teller.told)?;
    scribe.finish().map(|()| code)
}

/// Tells of the end of the chain, and of every block from there on.
struct Teller<'o, W: Write> {
    out: &'o mut W,
    json: bool,
    /// Whether all could be written; after the first fault nothing more is.
    told: io::Result<()>,
    /// The tip that a reorganisation left, until the first block of the new chain is told.
    left_from: Option<Height>,
}

impl<W: Write> Teller<'_, W> {
    fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Tip(summary) => {
                let json = self.json;
                self.tell(|out| summary::tell(summary, json, out));
                self.left_from = None;
            }
            Event::Notice(Notice::Reorganised { from, .. }) => {
                self.left_from = self.left_from.max(Some(*from));
            }
            Event::Added(block) => {
                let line = match self.json {
                    true => to_json(block, self.left_from.take()),
                    false => to_text(block),
                };
                self.tell(|out| writeln!(out, "{line}"));
            }
            _ => {}
        }
    }

    fn tell(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) {
        if self.told.is_err() {
            return;
        }
        self.told = write(self.out).and_then(|()| self.out.flush());
        if let Err(error) = &self.told {
            say(&format!(
                "warning: cannot write the output: {error}: the import goes on without it"
            ));
        }
    }
}

fn to_json(block: &Added, left_from: Option<Height>) -> String {
    json!({
        "height": block.height.0,
        "hash": BlockHash::from_byte_array(block.hash).to_string(),
        "previous_hash": BlockHash::from_byte_array(block.previous_hash).to_string(),
        "time": block.time,
        "txs": block.txs,
        "inputs": block.inputs,
        "outputs": block.outputs,
        "coins": block.coins,
        "reorganised_from": left_from.map(|height| height.0),
    })
    .to_string()
}

fn to_text(block: &Added) -> String {
    format!(
        "height {} ({}), {}: {} transactions, {} inputs, {} outputs",
        block.height,
        BlockHash::from_byte_array(block.hash),
        date(block.time),
        grouped(block.txs),
        grouped(block.inputs),
        grouped(block.outputs),
    )
}
