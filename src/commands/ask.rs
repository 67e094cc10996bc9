//! Questions to an index: opened, asked one by one or as a list, and what is said at the end.
//!
//! Invariant: lines of a list are answered in the order in which they are there; one that has no answer says why, and
//! the others are answered all the same.
//!
//! Memory: the questions of a list that are looked up together.

use super::csv::Columns;
use super::listed::{Line, Lines};
use super::output::Answers;
use super::people::Show;
use super::place;
use super::streams::say;
use crate::args::{Args, AskArgs, Format, ListFile, OrList};
use anyhow::Result;
use blkdex::index::Index;
use blkdex::query::View;
use blkdex::query::lists::is_of_one;
use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;

/// The exit code where lines of a list have no answer.
const SOME_UNANSWERED: u8 = 2;

/// A question to the index.
pub struct Ask<'a> {
    /// The whole command line.
    pub args: &'a Args,
    /// What of it all questions take.
    pub ask: &'a AskArgs,
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// One question.
    One,
    /// Several.
    Several,
    /// A list.
    List,
}

/// Lines of a list that have no answer.
#[derive(Default)]
pub struct Unanswered {
    count: u64,
    first: u64,
}

impl Unanswered {
    /// Notes one.
    pub fn note(&mut self, line: u64) {
        if self.count == 0 {
            self.first = line;
        }
        self.count += 1;
    }

    /// Says how many there are, and tells the exit code.
    fn finish(&self, lines: &Lines) -> ExitCode {
        if self.count == 0 {
            return ExitCode::SUCCESS;
        }
        say(&format!(
            "blkdex: {} of {} questions in {} have no answer, the first of them in line {}",
            self.count,
            lines.count,
            lines.name(),
            self.first
        ));
        ExitCode::from(SOME_UNANSWERED)
    }
}

impl Ask<'_> {
    fn format(&self, asking: Asking) -> Format {
        let default = match self.args.json || asking == Asking::List {
            true => Format::Jsonl,
            false => Format::Text,
        };
        self.ask.format.unwrap_or(default)
    }

    /// Opens the index, and has it asked. `columns`: those of the answers.
    pub fn opened<W: Write>(
        &self,
        out: &mut W,
        columns: &[&str],
        asking: Asking,
        question: impl FnOnce(&mut View<'_>, &mut Answers<'_, W>) -> Result<ExitCode>,
    ) -> Result<ExitCode> {
        let (at, memory_bytes) = (&self.ask.at, self.ask.memory.question_bytes());
        let index = Index::open_within(&self.args.index, memory_bytes)?;
        place::say_of_index(at, &index);
        let view = View::new(&index, at.at, at.location())?;
        let mut view = view.within(memory_bytes)?;
        let as_of = view.as_of()?;
        let mut answers = Answers::new(out, self.format(asking), asking != Asking::One, as_of);
        let code = question(&mut view, &mut answers)?;
        let as_of = answers.finish(columns)?;
        say_what_is_missing(&view);
        place::say_of_end(at, &as_of);
        Ok(code)
    }

    /// The same with a list.
    pub fn opened_with_list<W: Write>(
        &self,
        out: &mut W,
        columns: &[&str],
        file: &ListFile,
        question: impl FnOnce(&mut Lines, &mut View<'_>, &mut Answers<'_, W>) -> Result<Unanswered>,
    ) -> Result<ExitCode> {
        self.opened(out, columns, Asking::List, |view, answers| {
            let mut lines = Lines::open(file)?;
            let unanswered = question(&mut lines, view, answers)?;
            answers.flush()?;
            Ok(unanswered.finish(&lines))
        })
    }

    /// With one answer.
    pub fn one<T: Show + Columns>(
        &self,
        out: &mut impl Write,
        question: impl FnOnce(&mut View<'_>) -> blkdex::Result<T>,
    ) -> Result<ExitCode> {
        self.opened(out, T::COLUMNS, Asking::One, |view, answers| {
            answers.print(&question(view)?)?;
            Ok(ExitCode::SUCCESS)
        })
    }

    /// One question, or a list of them, of which so many as `at_once` says are asked together.
    pub fn one_or_list<Q, A>(
        &self,
        out: &mut impl Write,
        asked: (&Option<OrList<Q>>, &Option<ListFile>),
        at_once: impl Fn(&View<'_>) -> usize,
        question: impl Fn(&mut View<'_>, &[Q]) -> blkdex::Result<Vec<blkdex::Result<A>>>,
    ) -> Result<ExitCode>
    where
        Q: FromStr<Err: ToString>,
        A: Show + Columns,
    {
        let file = match asked {
            (Some(OrList::One(text, asked)), _) => {
                return self.opened(out, A::COLUMNS, Asking::One, |view, answers| {
                    answers.answer_to(text);
                    for answer in question(view, std::slice::from_ref(asked))? {
                        answers.print(&answer?)?;
                    }
                    Ok(ExitCode::SUCCESS)
                });
            }
            (_, Some(file)) => file,
            (_, None) => &ListFile::Stdin,
        };
        self.opened_with_list(out, A::COLUMNS, file, |lines, view, answers| {
            let mut unanswered = Unanswered::default();
            let count = at_once(view);
            loop {
                let (read, questions) = read_some(lines, count)?;
                if read.is_empty() {
                    return Ok(unanswered);
                }
                let mut found = question(view, &questions)?.into_iter();
                for (line, why) in read {
                    let answer = match why {
                        None => found.next(),
                        Some(_) => None,
                    };
                    let number = line.number;
                    answers.answer_line(line);
                    let why = match answer {
                        Some(Ok(answer)) => {
                            answers.print(&answer)?;
                            continue;
                        }
                        Some(Err(error)) => error.to_string(),
                        None => why.unwrap_or_default(),
                    };
                    unanswered.note(number);
                    answers.print_error(&why, A::COLUMNS)?;
                }
            }
        })
    }
}

/// Lines, each with why it is no question; and the questions among them.
type Read<Q> = (Vec<(Line, Option<String>)>, Vec<Q>);

/// The next `count` lines.
fn read_some<Q: FromStr<Err: ToString>>(lines: &mut Lines, count: usize) -> Result<Read<Q>> {
    let (mut read, mut questions) = (Vec::new(), Vec::new());
    while read.len() < count
        && let Some(line) = lines.next_line()?
    {
        let why = match line.parse(str::parse) {
            Ok(question) => {
                questions.push(question);
                None
            }
            Err(why) => Some(why),
        };
        read.push((line, why));
    }
    Ok((read, questions))
}

/// One answer after the other: those that there are not say why, unless that is about other questions too.
pub fn one_by_one<Q: Copy, A>(
    view: &mut View<'_>,
    questions: &[Q],
    mut question: impl FnMut(&mut View<'_>, Q) -> blkdex::Result<A>,
) -> blkdex::Result<Vec<blkdex::Result<A>>> {
    let mut answers = Vec::with_capacity(questions.len());
    for asked in questions {
        answers.push(match question(view, *asked) {
            Err(error) if !is_of_one(&error) => return Err(error),
            answer => answer,
        });
    }
    Ok(answers)
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
