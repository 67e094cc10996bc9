//! Answers as they are printed: in words, as JSON, or as CSV.
//!
//! Invariant: every answer says which block it is as of: in JSON and CSV each, for people the last line. Each is printed
//! as it comes.

use super::csv::{Around, Columns, write_fields, write_header};
use super::listed::Line;
use super::lists::{ShowList, print_json};
use super::people::Show;
use super::streams::say;
use super::wallet::show_derived;
use super::words::as_of_words;
use crate::args::Format;
use anyhow::Result;
use blkdex::query::wallet::Derived;
use blkdex::utxo::AsOf;
use serde::Serialize;
use std::io::{self, Write};

/// Answers as they are printed: JSON one a line or one behind the other in an array, for people with an empty line
/// between them.
pub struct Answers<'o, W> {
    out: &'o mut W,
    format: Format,
    /// Whether JSON is an array of them.
    is_array: bool,
    as_of: AsOf,
    count: u64,
    /// What the next answers, if it was given on the command line.
    input: String,
    /// The line of a list that the next answers.
    line: Option<Line>,
    /// Which script of a wallet the next is about, if they are asked about one by one.
    derived: Option<Derived>,
}

/// An answer as it is printed in JSON.
#[derive(Serialize)]
struct Whole<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
    #[serde(flatten)]
    answer: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    derived: Option<&'a Derived>,
    as_of: &'a AsOf,
}

/// A line that has no answer.
#[derive(Serialize)]
struct Unanswered<'a> {
    line: u64,
    input: &'a str,
    error: &'a str,
}

impl<'o, W: Write> Answers<'o, W> {
    /// None yet.
    pub fn new(out: &'o mut W, format: Format, is_array: bool, as_of: AsOf) -> Answers<'o, W> {
        Answers {
            out,
            format,
            is_array: is_array && format == Format::Json,
            as_of,
            count: 0,
            input: String::new(),
            line: None,
            derived: None,
        }
    }

    /// Has what was printed read before what is said then.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// What follows answers what was given on the command line.
    pub fn answer_to(&mut self, input: &str) {
        self.input = input.to_owned();
    }

    /// What follows answers a line of a list.
    pub fn answer_line(&mut self, line: Line) {
        self.line = Some(line);
    }

    /// What follows is about a script of a wallet.
    pub fn answer_of(&mut self, derived: Option<Derived>) {
        self.derived = derived;
    }

    fn around(&self) -> Around<'_> {
        Around {
            input: self.line.as_ref().map_or(&self.input, Line::shown),
            line: self.line.as_ref().map(|line| line.number),
            error: None,
        }
    }

    /// The JSON of an answer.
    fn whole<T: Serialize>(&self, answer: &T) -> serde_json::Result<String> {
        serde_json::to_string(&Whole {
            input: self.line.as_ref().map(Line::shown),
            answer,
            derived: self.derived.as_ref(),
            as_of: &self.as_of,
        })
    }

    fn derived_json(&self) -> serde_json::Result<String> {
        let derived = self.derived.as_ref().map(serde_json::to_string);
        Ok(derived.transpose()?.unwrap_or_else(|| "{}".to_owned()))
    }

    /// Prints the next.
    pub fn print<T: Show + Columns>(&mut self, answer: &T) -> Result<()> {
        self.begin(T::COLUMNS)?;
        match self.format {
            Format::Text => answer.show(self.out)?,
            Format::Csv => {
                let objects = [&*self.whole(answer)?, &*self.derived_json()?];
                let mut row = Vec::new();
                write_fields(T::COLUMNS, self.around(), &objects, &mut row)?;
                self.out.write_all(&row)?;
            }
            Format::Json | Format::Jsonl => {
                let whole = self.whole(answer)?;
                self.out.write_all(whole.as_bytes())?;
                self.end_json()?;
            }
        }
        Ok(())
    }

    /// Prints the next, which is a list, as it comes.
    pub fn print_list<L: ShowList + Columns>(&mut self, mut list: L) -> Result<()> {
        self.begin(L::COLUMNS)?;
        match self.format {
            Format::Text => list.show(self.out)?,
            Format::Csv => self.print_rows(list)?,
            Format::Json | Format::Jsonl => {
                let whole = |answer: &L::Answer| {
                    serde_json::to_string(&Whole {
                        input: self.line.as_ref().map(Line::shown),
                        answer,
                        derived: self.derived.as_ref(),
                        as_of: &self.as_of,
                    })
                };
                print_json(&mut list, whole, self.out)?;
                self.end_json()?;
            }
        }
        Ok(())
    }

    /// A row of CSV for each of the list's.
    fn print_rows<L: ShowList + Columns>(&mut self, mut list: L) -> Result<()> {
        let (whole, derived) = (self.whole(list.answer())?, self.derived_json()?);
        for row in list.by_ref() {
            let row = serde_json::to_string(&row?)?;
            let objects = [&*row, &*whole, &*derived];
            let mut line = Vec::new();
            write_fields(L::COLUMNS, self.around(), &objects, &mut line)?;
            self.out.write_all(&line)?;
        }
        if let Some(next) = L::next_of(list.answer()) {
            let input = match self.around().input {
                "" => String::new(),
                input => format!("{input}: "),
            };
            say(&format!("blkdex: {input}more follows: --from {next}"));
        }
        Ok(())
    }

    /// Prints why the line that is next has no answer; `columns` are those that answers have.
    pub fn print_error(&mut self, error: &str, columns: &[&str]) -> Result<()> {
        self.begin(columns)?;
        let around = Around {
            error: Some(error),
            ..self.around()
        };
        match self.format {
            Format::Text => {
                let line = around.line.unwrap_or_default();
                writeln!(self.out, "line {line} has no answer: {error}")?;
            }
            Format::Csv => {
                let mut row = Vec::new();
                write_fields(columns, around, &[], &mut row)?;
                self.out.write_all(&row)?;
            }
            Format::Json | Format::Jsonl => {
                let unanswered = serde_json::to_string(&Unanswered {
                    line: around.line.unwrap_or_default(),
                    input: around.input,
                    error,
                })?;
                self.out.write_all(unanswered.as_bytes())?;
                self.end_json()?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, columns: &[&str]) -> io::Result<()> {
        let is_first = self.count == 0;
        self.count += 1;
        match self.format {
            Format::Csv if is_first => write_header(columns, self.out),
            Format::Json if self.is_array => {
                self.out.write_all(if is_first { b"[" } else { b",\n" })
            }
            Format::Text => {
                if !is_first {
                    writeln!(self.out)?;
                }
                if let Some(line) = &self.line {
                    writeln!(self.out, "{}:", line.shown())?;
                }
                match &self.derived {
                    Some(derived) => show_derived(derived, self.out),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn end_json(&mut self) -> io::Result<()> {
        match self.is_array {
            true => Ok(()),
            false => writeln!(self.out),
        }
    }

    /// Says what all of them are as of. `columns`: those of CSV without a row.
    pub fn finish(self, columns: &[&str]) -> Result<AsOf> {
        let is_empty = self.count == 0;
        match self.format {
            Format::Text => writeln!(self.out, "{}", as_of_words(&self.as_of))?,
            Format::Csv if is_empty => write_header(columns, self.out)?,
            Format::Json if self.is_array => {
                writeln!(self.out, "{}]", if is_empty { "[" } else { "" })?;
            }
            _ => {}
        }
        Ok(self.as_of)
    }
}
