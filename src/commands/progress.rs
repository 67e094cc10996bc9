//! How an import goes: a bar on a terminal, a line every few seconds elsewhere.
//!
//! Invariant: everything goes to stderr, and nothing is drawn but from the import's own calls: no
//! ticker, no thread.

use super::notices::{describe, describe_chain, describe_memory, describe_plan};
use super::words::{date, grouped};
use crate::commands::streams::say;
use blkdex::datadir::ScanProgress;
use blkdex::dataset;
use blkdex::import::{Event, Progress};
use blkdex::ledger::{Moment, Record};
use blkdex::os::Resident;
use blkdex::utxo::{Progress as Reading, Work};
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Time between two drawings of the bar.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// The bar, and as many columns as it takes in front of the words.
const BAR: &str = "{bar:10} {percent:>3} % {wide_msg}";
const BAR_COLUMNS: usize = 10 + 1 + 3 + 2 + 1;

/// Hears what happens and says it.
pub struct Reporter {
    is_quiet: bool,
    bar: Option<ProgressBar>,
    started: Instant,
    shown: Option<Instant>,
    work: Option<Work>,
    began: Instant,
    /// Heap in use at the last commit.
    live_bytes: Option<u64>,
}

impl Reporter {
    /// Quiet or not; whether stderr is a terminal is found out.
    pub fn new(is_quiet: bool) -> Reporter {
        let has_bar = !is_quiet && stderr().is_terminal() && !is_dumb();
        let bar = has_bar
            .then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10)));
        Reporter {
            is_quiet,
            bar,
            started: Instant::now(),
            shown: None,
            work: None,
            began: Instant::now(),
            live_bytes: None,
        }
    }

    /// Says it, if there is something to say now.
    pub fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Notice(notice) => self.say(&describe(notice)),
            Event::Tip(_) => self.finish(),
            _ if self.is_quiet => {}
            Event::Plan(plan) => self.say(&describe_plan(plan)),
            Event::Scan(scan) => self.scan(scan),
            Event::Chain(chain) => {
                self.say(&describe_chain(chain));
                self.begin();
            }
            Event::Progress(progress) => self.progress(progress),
            Event::Reading(progress) => self.reading(progress),
            Event::Ledger(record) => self.memory(record),
            Event::Check {
                height,
                bytes_done,
                bytes,
            } => {
                if self.is_due() {
                    let text = format!("checking: height {}", grouped(height.0.into()));
                    self.show(*bytes_done, *bytes, &text);
                }
            }
            Event::Begin | Event::Alive | Event::Added(_) => {}
        }
    }

    /// Takes the bar away: from now on, only what a person should know is said.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.is_quiet = true;
    }

    /// Says it, whatever is shown.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    fn begin(&mut self) {
        (self.started, self.shown) = (Instant::now(), None);
    }

    /// Whether it is time to show something again.
    fn is_due(&mut self) -> bool {
        let every = if self.bar.is_some() {
            DRAW_EVERY
        } else {
            LINE_EVERY
        };
        let since = self.shown.unwrap_or(self.started);
        let is_due = since.elapsed() >= every || (self.bar.is_some() && self.shown.is_none());
        if is_due {
            self.shown = Some(Instant::now());
        }
        is_due
    }

    fn scan(&mut self, scan: &ScanProgress) {
        if !self.is_due() {
            return;
        }
        let text = format!(
            "scanning: {} of {} files, {} headers",
            grouped(scan.files_done),
            grouped(scan.files),
            grouped(scan.headers)
        );
        self.show(scan.bytes_done, scan.bytes, &text);
    }

    fn progress(&mut self, progress: &Progress) {
        if !self.is_due() {
            return;
        }
        let seconds = self.started.elapsed().as_secs_f64().max(1e-6);
        let lookups = progress.table.hits + progress.table.misses;
        let hit_rate = progress.table.hits as f64 * 100.0 / lookups.max(1) as f64;
        let left = progress.bytes.saturating_sub(progress.bytes_done) as f64;
        let eta = Duration::from_secs_f64(left * seconds / progress.bytes_done.max(1) as f64);
        // What matters most comes first: a narrow terminal shows as much as fits.
        let pieces = [
            format!("height {}", grouped(progress.height.0.into())),
            format!("{:.0} MB/s", progress.bytes_done as f64 / 1e6 / seconds),
            format!("{} left", duration(eta)),
            format!("memory {} MB", Resident::now().private_bytes / 1_000_000),
            format!("{:.0} blocks/s", progress.blocks_done as f64 / seconds),
            date(progress.time)[..10].to_owned(),
            format!("to {}", grouped(progress.end.0.into())),
            format!("hit rate {hit_rate:.1} %"),
        ];
        let columns = self.bar.as_ref().map(|_| columns_for_words());
        let text = fitting(&pieces, columns.unwrap_or(usize::MAX));
        self.show(progress.bytes_done, progress.bytes, &text);
    }

    /// A line for each commit, where there is no bar.
    fn memory(&mut self, record: &Record) {
        if self.bar.is_none() && record.moment == Moment::Commit {
            let before = self.live_bytes.replace(record.heap.live_bytes);
            self.say(&describe_memory(record, before));
        }
    }

    /// Says how far a data set is.
    pub fn dataset(&mut self, progress: &dataset::Progress) {
        if self.is_quiet || !self.is_due() {
            return;
        }
        let seconds = self.started.elapsed().as_secs_f64().max(1e-6);
        let left = progress.bytes.saturating_sub(progress.bytes_done) as f64;
        let eta = Duration::from_secs_f64(left * seconds / progress.bytes_done.max(1) as f64);
        let pieces = [
            format!("height {}", grouped(progress.height.0.into())),
            format!("{:.0} MB/s", progress.bytes_done as f64 / 1e6 / seconds),
            format!("{} left", duration(eta)),
            format!("{} rows", grouped(progress.rows)),
            format!("memory {} MB", Resident::now().private_bytes / 1_000_000),
            format!(
                "{} of {} MB",
                grouped(progress.bytes_done / 1_000_000),
                grouped(progress.bytes / 1_000_000)
            ),
            format!("to {}", grouped(progress.last.0.into())),
        ];
        let columns = self.bar.as_ref().map(|_| columns_for_words());
        let text = fitting(&pieces, columns.unwrap_or(usize::MAX));
        self.show(progress.bytes_done, progress.bytes, &text);
    }

    /// Says how far a long reading is.
    pub fn reading(&mut self, progress: &Reading) {
        if self.is_quiet || !self.is_due() {
            return;
        }
        if self.work.replace(progress.work) != Some(progress.work) {
            self.began = Instant::now();
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let left = progress.all.saturating_sub(progress.done) as f64;
        let eta = Duration::from_secs_f64(left * seconds / progress.done.max(1) as f64);
        let height = grouped(progress.height.0.into());
        let text = match progress.work {
            Work::Coins => format!(
                "coins: height {height} of {}",
                grouped(progress.last.0.into())
            ),
            Work::Undo => format!("undo files: block {height}"),
            Work::Sorting => format!(
                "sorting: {} of {}",
                grouped(progress.done),
                grouped(progress.all)
            ),
        };
        let text = format!("{text}, {} left", duration(eta));
        self.show(progress.done, progress.all, &text);
    }

    fn show(&mut self, done: u64, all: u64, text: &str) {
        // A terminal may go away. What the bar cannot draw it would keep, more and more of it.
        if self.bar.is_some() && !stderr().is_terminal() {
            self.bar = None;
        }
        match &self.bar {
            Some(bar) => {
                let style = ProgressStyle::with_template(BAR);
                bar.set_style(style.expect("the template is a constant and right"));
                bar.set_length(all);
                bar.set_position(done);
                bar.set_message(text.to_owned());
            }
            None => say(&format!(
                "{:.1} %, {text}",
                done as f64 * 100.0 / all.max(1) as f64
            )),
        }
    }
}

/// Whether the terminal cannot draw over what it has drawn: it gets the lines that a pipe gets.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Columns of the terminal that the bar leaves for words.
fn columns_for_words() -> usize {
    let (_, columns) = Term::stderr().size();
    usize::from(columns).saturating_sub(BAR_COLUMNS)
}

/// As many of the pieces, from the first on, as fit into the columns whole; the first in any case.
fn fitting(pieces: &[String], columns: usize) -> String {
    let mut text = String::new();
    for piece in pieces {
        if !text.is_empty() && text.len() + ", ".len() + piece.len() > columns {
            break;
        }
        text += if text.is_empty() { "" } else { ", " };
        text += piece;
    }
    text
}

/// A time to wait, in the two largest units.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_most_fits_80_columns() {
        let pieces = [
            "height 9,999,999",
            "9999 MB/s",
            "99 h 59 min left",
            "memory 99999 MB",
            "99999 blocks/s",
        ];
        let pieces = pieces.map(str::to_owned);
        let text = fitting(&pieces, 80 - BAR_COLUMNS);
        assert_eq!(text, pieces[..4].join(", "));
        assert_eq!(fitting(&pieces, text.len() - 1), pieces[..3].join(", "));
        assert_eq!(fitting(&pieces, 3), pieces[0]);
        assert_eq!(fitting(&pieces, usize::MAX), pieces.join(", "));
    }

    #[test]
    fn times_are_shown_in_their_two_largest_units() {
        let shown =
            [5, 65, 3599, 3600, 90_061].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(
            shown,
            [
                "5 s",
                "1 min 05 s",
                "59 min 59 s",
                "1 h 00 min",
                "25 h 01 min"
            ]
        );
    }
}
