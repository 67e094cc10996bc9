//! Questions to an index, and how their answers are printed.
//!
//! Invariant: every answer says which block it is as of: in JSON each object, for people the last line.

use super::lists::{ShowList, print_json};
use super::people::Show;
use super::place;
use super::streams::say;
use super::wallet::show_derived;
use super::words::as_of_words;
use crate::args::{Args, AskArgs, ScriptArgs};
use anyhow::Result;
use blkdex::index::Index;
use blkdex::primitives::NetworkName;
use blkdex::query::script::{self, Asked};
use blkdex::query::wallet::Derived;
use blkdex::query::{View, expect_indexed};
use blkdex::utxo::AsOf;
use serde::Serialize;
use std::io::{self, Write};
use std::process::ExitCode;

/// A question to the index.
pub struct Ask<'a> {
    /// The whole command line.
    pub args: &'a Args,
    /// What of it all questions take.
    pub ask: &'a AskArgs,
}

impl Ask<'_> {
    /// Opens the index, and has it asked.
    fn opened<W: Write>(
        &self,
        out: &mut W,
        question: impl FnOnce(&mut View<'_>, &mut Answers<'_, W>) -> Result<()>,
    ) -> Result<ExitCode> {
        let (at, memory_bytes) = (&self.ask.at, self.ask.memory.question_bytes());
        let index = Index::open_within(&self.args.index, memory_bytes)?;
        place::say_of_index(at, &index);
        let view = View::new(&index, at.at, at.location())?;
        let mut view = view.within(memory_bytes)?;
        let mut answers = Answers {
            out,
            json: self.args.json,
            as_of: view.as_of()?,
            count: 0,
            derived: None,
        };
        question(&mut view, &mut answers)?;
        let as_of = answers.finish()?;
        say_what_is_missing(&view);
        place::say_of_end(at, &as_of);
        Ok(ExitCode::SUCCESS)
    }

    /// With one answer.
    pub fn one<T: Show>(
        &self,
        out: &mut impl Write,
        question: impl FnOnce(&mut View<'_>) -> blkdex::Result<T>,
    ) -> Result<ExitCode> {
        self.opened(out, |view, answers| answers.print(&question(view)?))
    }

    /// With one answer a script or wallet, or, if the scripts of wallets are to be asked about one by one, a script
    /// of these. All texts are read before the first answer is given.
    pub fn each<W: Write>(
        &self,
        out: &mut W,
        args: &ScriptArgs,
        question: impl Fn(&mut View<'_>, &Asked, &mut Answers<'_, W>) -> Result<()>,
    ) -> Result<ExitCode> {
        self.opened(out, |view, answers| {
            let texts = args.scripts.iter();
            let asked = texts.map(|text| parse(text, view.network()));
            let asked: Vec<Asked> = asked.collect::<blkdex::Result<_>>()?;
            for asked in &asked {
                match asked {
                    Asked::Wallet(wallet) if args.each => {
                        let mut scripts = wallet.scripts(args.extent());
                        while let Some(derived) = scripts.next(view)? {
                            let one = Asked::Script(derived.script.clone());
                            answers.derived = Some(derived);
                            question(view, &one, answers)?;
                        }
                        answers.derived = None;
                    }
                    asked => question(view, asked, answers)?,
                }
            }
            Ok(())
        })
    }
}

fn parse(text: &str, network: NetworkName) -> blkdex::Result<Asked> {
    let asked = script::parse_any(text, network)?;
    if let Asked::Script(script) = &asked {
        expect_indexed(script)?;
    }
    Ok(asked)
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

/// Answers as they are printed: in JSON one a line, for people with an empty line between them.
pub struct Answers<'o, W> {
    out: &'o mut W,
    json: bool,
    as_of: AsOf,
    count: u64,
    /// Which script of a wallet the next is about, if they are asked about one by one.
    derived: Option<Derived>,
}

/// An answer as it is printed in JSON.
#[derive(Serialize)]
struct Whole<'a, T> {
    #[serde(flatten)]
    answer: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    derived: Option<&'a Derived>,
    as_of: &'a AsOf,
}

impl<W: Write> Answers<'_, W> {
    /// Prints the next.
    pub fn print<T: Show>(&mut self, answer: &T) -> Result<()> {
        self.begin()?;
        if !self.json {
            return Ok(answer.show(self.out)?);
        }
        let whole = Whole {
            answer,
            derived: self.derived.as_ref(),
            as_of: &self.as_of,
        };
        // Its own error would hide that a reader went away.
        serde_json::to_writer(&mut *self.out, &whole).map_err(io::Error::from)?;
        Ok(writeln!(self.out)?)
    }

    /// Prints the next, which is a list, as it comes.
    pub fn print_list<L: ShowList>(&mut self, mut list: L) -> Result<()> {
        self.begin()?;
        if !self.json {
            return list.show(self.out);
        }
        let (derived, as_of) = (self.derived.as_ref(), &self.as_of);
        let whole = |answer: &L::Answer| {
            serde_json::to_string(&Whole {
                answer,
                derived,
                as_of,
            })
        };
        print_json(&mut list, whole, self.out)
    }

    fn begin(&mut self) -> io::Result<()> {
        if !self.json {
            if self.count > 0 {
                writeln!(self.out)?;
            }
            if let Some(derived) = &self.derived {
                show_derived(derived, self.out)?;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Says what all of them are as of.
    fn finish(self) -> Result<AsOf> {
        if !self.json {
            writeln!(self.out, "{}", as_of_words(&self.as_of))?;
        }
        Ok(self.as_of)
    }
}
