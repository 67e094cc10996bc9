//! Answers of any length, printed as they come.
//!
//! Invariant: memory does not depend on how many rows there are. JSON is the object that the answer with all
//! rows in it would be.

use super::columns::Align::{Left, Right};
use super::columns::{BTC_WIDTH, Table};
use super::people::{print_head, print_unchecked};
use super::words::{coinbase_word, date, grouped, input_words, known};
use anyhow::Result;
use blkdex::primitives::bitcoins;
use blkdex::query::{Event, EventKind, Events, History, Start, Unspent, Utxo, Utxos};
use serde::Serialize;
use std::io::{self, Write};

/// Width of a time.
pub const TIME_WIDTH: usize = 19;
/// Width of a txid.
pub const TXID_WIDTH: usize = 64;
/// Width of an outpoint of a transaction that has at most a million outputs.
pub const OUTPOINT_WIDTH: usize = TXID_WIDTH + 7;

/// An answer that is a list, whose rows are read one after the other.
pub trait ShowList: Iterator<Item = blkdex::Result<Self::Row>> {
    /// A row.
    type Row: Serialize;
    /// The answer, with an empty array for the rows.
    type Answer: Serialize;
    /// The name of that array.
    const ROWS: &'static str;

    /// What is known of the answer: what stands before the array in JSON at once, what stands behind it once the
    /// last row was given.
    fn answer(&self) -> &Self::Answer;

    /// Where it goes on, if a limit has ended it.
    fn next_of(answer: &Self::Answer) -> Option<Start>;

    /// For people.
    fn show(&mut self, out: &mut impl Write) -> Result<()>;
}

impl ShowList for Unspent<'_, '_> {
    type Row = Utxo;
    type Answer = Utxos;
    const ROWS: &'static str = "utxos";

    fn answer(&self) -> &Utxos {
        self.answer()
    }

    fn next_of(answer: &Utxos) -> Option<Start> {
        answer.next
    }

    fn show(&mut self, out: &mut impl Write) -> Result<()> {
        let answer = self.answer().clone();
        print_head(out, &answer.script, &answer.address, answer.height)?;
        let columns = [
            ("outpoint", Left, OUTPOINT_WIDTH),
            ("BTC", Right, BTC_WIDTH),
            ("height", Right, answer.height.to_string().len()),
            ("", Left, 0),
        ];
        let mut table = Table::new(out, columns);
        let mut listed = Listed::default();
        for utxo in self.by_ref() {
            let utxo = utxo?;
            listed.count(&utxo);
            table.row(utxo_cells(&utxo))?;
        }
        let [count, total] = listed.cells(answer.total_sat);
        table.row([count, total, String::new(), String::new()])?;
        table.finish()?;
        print_next(self.answer().next, out)?;
        Ok(print_unchecked(out, answer.checked)?)
    }
}

/// How many unspent outputs were listed, and what they are worth.
#[derive(Default)]
pub struct Listed {
    count: u64,
    sat: u128,
}

impl Listed {
    /// Notes one.
    pub fn count(&mut self, utxo: &Utxo) {
        self.count += 1;
        self.sat += u128::from(utxo.amount_sat);
    }

    /// What the last row of their table says, of the sum of all.
    pub fn cells(&self, total_sat: u128) -> [String; 2] {
        let count = grouped(self.count);
        let count = match self.sat == total_sat {
            true => format!("{count} unspent"),
            false => format!("{count} listed; the sum of all:"),
        };
        [count, bitcoins(total_sat)]
    }
}

/// What a row says of an unspent output.
pub fn utxo_cells(utxo: &Utxo) -> [String; 4] {
    [
        known(&utxo.outpoint),
        bitcoins(utxo.amount_sat),
        utxo.height.to_string(),
        coinbase_word(utxo.coinbase),
    ]
}

impl ShowList for Events<'_, '_> {
    type Row = Event;
    type Answer = History;
    const ROWS: &'static str = "events";

    fn answer(&self) -> &History {
        self.answer()
    }

    fn next_of(answer: &History) -> Option<Start> {
        answer.next
    }

    fn show(&mut self, out: &mut impl Write) -> Result<()> {
        let answer = self.answer().clone();
        print_head(out, &answer.script, &answer.address, answer.height)?;
        let columns = [
            ("height", Right, answer.height.to_string().len()),
            ("time (UTC)", Left, TIME_WIDTH),
            ("", Left, 1),
            ("BTC", Right, BTC_WIDTH),
            ("balance", Right, BTC_WIDTH),
            ("txid", Left, TXID_WIDTH),
            ("outpoint or input", Left, 0),
        ];
        let mut table = Table::new(out, columns);
        let mut count = 0;
        for event in self.by_ref() {
            table.row(event_cells(&event?))?;
            count += 1;
        }
        table.finish()?;
        writeln!(out, "{} events", grouped(count))?;
        print_next(self.answer().next, out)?;
        Ok(print_unchecked(out, answer.checked)?)
    }
}

fn event_cells(event: &Event) -> [String; 7] {
    let (sign, place) = match event.kind {
        EventKind::Receive => {
            let vout = event.outpoint.map(|outpoint| outpoint.vout);
            ("+", format!("output {}", known(&vout)))
        }
        EventKind::Spend => {
            let input = input_words(event.input_index);
            ("-", format!("{input} spends {}", known(&event.outpoint)))
        }
    };
    [
        event.height.to_string(),
        date(event.time),
        sign.to_string(),
        bitcoins(event.amount_sat),
        bitcoins(event.balance_sat),
        known(&event.txid),
        place,
    ]
}

/// Says where a list goes on that a limit has ended.
pub fn print_next(next: Option<Start>, out: &mut impl Write) -> io::Result<()> {
    match next {
        Some(next) => writeln!(out, "more follows: --from {next}"),
        None => Ok(()),
    }
}

/// Prints the object whose array the rows of `list` are, and no line end; `whole` makes the text of it without them.
pub fn print_json<L: ShowList>(
    list: &mut L,
    whole: impl Fn(&L::Answer) -> serde_json::Result<String>,
    out: &mut impl Write,
) -> Result<()> {
    let array = format!("\"{}\":[", L::ROWS);
    let around = |list: &L| -> Result<(String, String)> {
        let text = whole(list.answer())?;
        let (before, behind) = text.split_once(&array).expect("the array is a field of it");
        Ok((before.to_owned(), behind.to_owned()))
    };
    write!(out, "{}{array}", around(list)?.0)?;
    let mut is_first = true;
    for row in list.by_ref() {
        if !std::mem::take(&mut is_first) {
            write!(out, ",")?;
        }
        write!(out, "{}", serde_json::to_string(&row?)?)?;
    }
    Ok(write!(out, "{}", around(list)?.1)?)
}
