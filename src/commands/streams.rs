//! The two streams of the program: answers go to stdout, words about the work to stderr.
//!
//! Invariant: nothing of ours outside of this file, but for the progress bar and the last words of SIGBUS,
//! writes to stderr. That stderr cannot
//! be written (closed, full, a terminal that went away) is nobody's error: there is nobody left to
//! tell, and the work matters more. Text out of files cannot steer a terminal: what would is escaped, in
//! both streams.

use std::borrow::Cow;
use std::io::{BufWriter, Result, Write, stderr};

/// Says a line on stderr.
pub fn say(text: &str) {
    let line = format!("{}\n", plain(text));
    // One call, so that lines of several processes do not mix.
    let _ = stderr().write_all(line.as_bytes());
}

/// The text with everything that steers a terminal escaped, as JSON does it.
pub fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, steers)
}

/// Whether a terminal takes it for a command, or changes the order in which text is read.
fn steers(letter: char) -> bool {
    let is_of_direction = matches!(
        letter,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    letter.is_control() || is_of_direction
}

fn escaped(text: &str, is_bad: fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(is_bad) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 5);
    for letter in text.chars() {
        match is_bad(letter) {
            // All of them have four digits, so this is JSON too, of the same text.
            true => escaped += &format!("\\u{:04x}", u32::from(letter)),
            false => escaped.push(letter),
        }
    }
    escaped.into()
}

/// Stdout, or whatever takes answers; lines end, and all else that steers a terminal is escaped. JSON
/// stays the same JSON.
pub struct Answers<W: Write>(BufWriter<W>);

impl<W: Write> Answers<W> {
    /// Writes into it.
    pub fn new(out: W) -> Answers<W> {
        Answers(BufWriter::new(out))
    }
}

impl<W: Write> Write for Answers<W> {
    /// A call brings whole letters: that is how texts are formatted.
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = escaped(&text, |letter| letter != '\n' && steers(letter));
        self.0.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped_and_nothing_else() {
        for (text, shown) in [
            ("", ""),
            (
                "blk00000.dat, 1 %, é, 漢, \u{1f600}",
                "blk00000.dat, 1 %, é, 漢, \u{1f600}",
            ),
            ("\u{1b}[31mred", "\\u001b[31mred"),
            ("two\nlines\r", "two\\u000alines\\u000d"),
            ("\u{9b}2J\u{7f}", "\\u009b2J\\u007f"),
            ("a\u{202e}b\u{2066}", "a\\u202eb\\u2066"),
        ] {
            assert_eq!(plain(text), shown);
        }
    }

    #[test]
    fn an_answer_keeps_its_lines_and_json_its_text() {
        let texts = ["\u{1b}\u{9b}\u{7f}\n\"é", "\u{202e}"];
        let json = serde_json::to_string(&texts).expect("texts");
        let mut out = Answers::new(Vec::new());
        writeln!(out, "{json}\n\u{1b}").expect("a Vec takes everything");
        out.flush().expect("a Vec takes everything");
        let written = String::from_utf8(out.0.get_ref().clone()).expect("text");
        let (first, rest) = written.split_once('\n').expect("two lines");
        assert_eq!(rest, "\\u001b\n");
        assert!(!first.contains(steers), "{first}");
        let read: Vec<String> = serde_json::from_str(first).expect("JSON");
        assert_eq!(read, texts);
    }
}
