//! `balance`, `utxos`, `history`: of the scripts of the command line, of a list, or of all of them as one.
//!
//! Invariant: a list and the command line understand the same, and answer the same.
//!
//! Memory: the scripts that are looked up together.

use super::ask::{Ask, Asking, Unanswered};
use super::csv::Columns;
use super::fault::Fault;
use super::listed::{Line, Lines};
use super::output::Answers;
use crate::args::{ListFile, ScriptArgs};
use anyhow::Result;
use bitcoin::ScriptBuf;
use blkdex::primitives::NetworkName;
use blkdex::query::lists::{LISTED_BYTES, Listed, LookedUp, ScriptSet};
use blkdex::query::script::{self, Asked, Wallet};
use blkdex::query::{Balance, Events, Listing, Unspent, View, expect_indexed};
use std::io::Write;
use std::process::ExitCode;

/// Scripts that are looked up together first; how many next is told by what they were.
const LOOKED_UP_FIRST: usize = 4_000;

/// What is asked.
pub struct OfScripts<'a> {
    /// About which scripts.
    pub args: &'a ScriptArgs,
    /// What.
    pub what: What,
}

/// What is asked of scripts.
#[derive(Clone, Copy)]
pub enum What {
    /// Their balance.
    Balance,
    /// Their unspent outputs, those of this part.
    Utxos(Listing),
    /// Their history, this part.
    History(Listing),
}

/// What a line of a list is.
enum Turn {
    /// A script.
    Script,
    /// Many.
    Wallet(Wallet),
    /// None, and why not.
    Wrong(String),
}

/// Lines of a list that are looked up together.
#[derive(Default)]
struct Part {
    turns: Vec<(Line, Turn)>,
    scripts: Vec<ScriptBuf>,
}

impl OfScripts<'_> {
    fn columns(&self) -> &'static [&'static str] {
        match self.what {
            What::Balance => Balance::COLUMNS,
            What::Utxos(_) => Unspent::COLUMNS,
            What::History(_) => Events::COLUMNS,
        }
    }

    /// Asks, and prints the answers.
    pub fn run<W: Write>(&self, ask: &Ask<'_>, out: &mut W) -> Result<ExitCode> {
        let is_stdin = self.args.scripts.iter().any(|text| text == "-");
        let file = match &self.args.list {
            Some(file) => Some(file),
            None if !is_stdin => None,
            None if self.args.scripts.len() == 1 => Some(&ListFile::Stdin),
            None => return Err(blkdex::Error::from(Fault::ListNotAlone).into()),
        };
        match file {
            Some(file) => {
                ask.opened_with_list(out, self.columns(), file, |lines, view, answers| match self
                    .args
                    .together
                {
                    true => self.list_together(lines, view, answers),
                    false => self.list(lines, view, answers),
                })
            }
            None => self.run_given(ask, out),
        }
    }

    /// The scripts of the command line. All texts are read before the first answer is given.
    fn run_given<W: Write>(&self, ask: &Ask<'_>, out: &mut W) -> Result<ExitCode> {
        let is_one = self.args.scripts.len() == 1 && !self.args.each || self.args.together;
        let asking = match is_one {
            true => Asking::One,
            false => Asking::Several,
        };
        ask.opened(out, self.columns(), asking, |view, answers| {
            let mut given = Vec::new();
            for text in &self.args.scripts {
                given.push((text, parse(text, view.network())?));
            }
            let has_wallet = given
                .iter()
                .any(|(_, asked)| matches!(asked, Asked::Wallet(_)));
            if let Some(option) = self.args.option_of_wallets().filter(|_| !has_wallet) {
                return Err(blkdex::Error::from(Fault::NoWallet { option }).into());
            }
            if self.args.together {
                let mut set = ScriptSet::new();
                given
                    .iter()
                    .try_for_each(|(_, asked)| self.add(asked, &mut set, view))?;
                self.ask_set(&set, view, answers)?;
                return Ok(ExitCode::SUCCESS);
            }
            for (text, asked) in &given {
                answers.answer_to(text);
                self.ask_alone(asked, view, answers)?;
            }
            Ok(ExitCode::SUCCESS)
        })
    }

    /// A script or a wallet, or, if its scripts are to be asked about one by one, each script of it.
    fn ask_alone<W: Write>(
        &self,
        asked: &Asked,
        view: &mut View<'_>,
        answers: &mut Answers<'_, W>,
    ) -> Result<()> {
        let wallet = match asked {
            Asked::Script(script) => return self.ask_script(script, view, answers),
            Asked::Wallet(wallet) => wallet,
        };
        let extent = self.args.extent();
        if self.args.each {
            let mut scripts = wallet.scripts(extent);
            while let Some(derived) = scripts.next(view)? {
                let script = derived.script.clone();
                answers.answer_of(Some(derived));
                self.ask_script(&script, view, answers)?;
            }
            answers.answer_of(None);
            return Ok(());
        }
        match &self.what {
            What::Balance => {
                answers.print(&view.wallet_balance(wallet, extent, self.args.check)?)
            }
            What::Utxos(part) => answers.print_list(view.wallet_unspent(wallet, extent, part)?),
            What::History(part) => answers.print_list(view.wallet_history(wallet, extent, part)?),
        }
    }

    fn ask_script<W: Write>(
        &self,
        script: &ScriptBuf,
        view: &mut View<'_>,
        answers: &mut Answers<'_, W>,
    ) -> Result<()> {
        match &self.what {
            What::Balance => answers.print(&view.balance(script, self.args.check)?),
            What::Utxos(part) => answers.print_list(view.unspent(script, part)?),
            What::History(part) => answers.print_list(view.events(script, part)?),
        }
    }

    fn list<W: Write>(
        &self,
        lines: &mut Lines,
        view: &mut View<'_>,
        answers: &mut Answers<'_, W>,
    ) -> Result<Unanswered> {
        let mut unanswered = Unanswered::default();
        loop {
            let part = Part::read(lines, view)?;
            if part.turns.is_empty() {
                return Ok(unanswered);
            }
            match &self.what {
                What::Balance => self.balances_of(part, view, answers, &mut unanswered)?,
                What::Utxos(listing) => {
                    let asked = (listing, Listed::Unspent);
                    self.listed_of(part, asked, view, answers, &mut unanswered)?;
                }
                What::History(listing) => {
                    let asked = (listing, Listed::Events);
                    self.listed_of(part, asked, view, answers, &mut unanswered)?;
                }
            }
        }
    }

    fn balances_of<W: Write>(
        &self,
        part: Part,
        view: &mut View<'_>,
        answers: &mut Answers<'_, W>,
        unanswered: &mut Unanswered,
    ) -> Result<()> {
        let mut balances = view.balances(&part.scripts, self.args.check)?;
        for (line, turn) in part.turns {
            let other = match turn {
                Turn::Script => {
                    answers.answer_line(line);
                    let balance = balances.next().expect("each script has one");
                    answers.print(&balance)?;
                    continue;
                }
                other => other,
            };
            self.ask_other(line, other, view, answers, unanswered)?;
        }
        Ok(())
    }

    fn listed_of<W: Write>(
        &self,
        part: Part,
        (listing, listed): (&Listing, Listed),
        view: &mut View<'_>,
        answers: &mut Answers<'_, W>,
        unanswered: &mut Unanswered,
    ) -> Result<()> {
        let mut rest = &part.scripts[..];
        let mut known = None::<LookedUp>;
        let (mut at, mut most) = (0, LOOKED_UP_FIRST);
        for (line, turn) in part.turns {
            if !matches!(turn, Turn::Script) {
                self.ask_other(line, turn, view, answers, unanswered)?;
                continue;
            }
            let looked_up = match known.take().filter(|known| at < known.len()) {
                Some(known) => known,
                None => {
                    let next = view.look_up(&rest[..most.min(rest.len())], listing, listed)?;
                    rest = &rest[next.len()..];
                    (at, most) = (0, 2 * next.len());
                    next
                }
            };
            answers.answer_line(line);
            match listed {
                Listed::Unspent => answers.print_list(view.unspent_of(&looked_up, at)?)?,
                Listed::Events => answers.print_list(view.events_of(&looked_up, at)?)?,
            }
            at += 1;
            known = Some(looked_up);
        }
        Ok(())
    }

    /// A line that is not one script.
    fn ask_other<W: Write>(
        &self,
        line: Line,
        turn: Turn,
        view: &mut View<'_>,
        answers: &mut Answers<'_, W>,
        unanswered: &mut Unanswered,
    ) -> Result<()> {
        let number = line.number;
        answers.answer_line(line);
        match turn {
            Turn::Script => Ok(()),
            Turn::Wallet(wallet) => self.ask_alone(&Asked::Wallet(wallet), view, answers),
            Turn::Wrong(why) => {
                unanswered.note(number);
                answers.print_error(&why, self.columns())
            }
        }
    }

    fn list_together<W: Write>(
        &self,
        lines: &mut Lines,
        view: &mut View<'_>,
        answers: &mut Answers<'_, W>,
    ) -> Result<Unanswered> {
        let mut set = ScriptSet::new();
        loop {
            let part = Part::read(lines, view)?;
            if part.turns.is_empty() {
                break;
            }
            view.add_to(&mut set, &part.scripts)?;
            for (line, turn) in part.turns {
                match turn {
                    Turn::Script => {}
                    Turn::Wallet(wallet) => self.add(&Asked::Wallet(wallet), &mut set, view)?,
                    Turn::Wrong(error) => {
                        let (line, list) = (line.number, lines.name().to_owned());
                        let fault = Fault::BadLine { line, list, error };
                        return Err(blkdex::Error::from(fault).into());
                    }
                }
            }
        }
        self.ask_set(&set, view, answers)?;
        Ok(Unanswered::default())
    }

    fn add(&self, asked: &Asked, set: &mut ScriptSet, view: &View<'_>) -> Result<()> {
        match asked {
            Asked::Script(script) => view.add_to(set, std::slice::from_ref(script))?,
            Asked::Wallet(wallet) => {
                let mut scripts = wallet.scripts(self.args.extent());
                while let Some(derived) = scripts.next(view)? {
                    view.add_to(set, &[derived.script])?;
                }
            }
        }
        Ok(())
    }

    fn ask_set<W: Write>(
        &self,
        set: &ScriptSet,
        view: &mut View<'_>,
        answers: &mut Answers<'_, W>,
    ) -> Result<()> {
        match &self.what {
            What::Balance => answers.print(&view.set_balance(set, self.args.check)?),
            What::Utxos(part) => answers.print_list(view.set_unspent(set, part)?),
            What::History(part) => answers.print_list(view.set_history(set, part)?),
        }
    }
}

impl Part {
    /// The next lines, as many as are best looked up together.
    fn read(lines: &mut Lines, view: &View<'_>) -> Result<Part> {
        let mut part = Part::default();
        let mut bytes = 0;
        while bytes < view.list_bytes()
            && let Some(line) = lines.next_line()?
        {
            bytes += line.text.len() + LISTED_BYTES;
            let turn = match line.parse(|text| parse(text, view.network())) {
                Ok(Asked::Script(script)) => {
                    bytes += script.len();
                    part.scripts.push(script);
                    Turn::Script
                }
                Ok(Asked::Wallet(wallet)) => Turn::Wallet(wallet),
                Err(why) => Turn::Wrong(why),
            };
            part.turns.push((line, turn));
        }
        Ok(part)
    }
}

fn parse(text: &str, network: NetworkName) -> blkdex::Result<Asked> {
    let asked = script::parse_any(text, network)?;
    if let Asked::Script(script) = &asked {
        expect_indexed(script)?;
    }
    Ok(asked)
}
