//! Lists of questions, one a line, from a file or stdin.
//!
//! Invariant: a line is a question, empty, or a comment; what is wrong with one is told of it alone. Texts are kept as
//! they were given, but for the spaces and the comment around them.
//!
//! Memory: a line.

use crate::args::ListFile;
use anyhow::{Context, Result};
use blkdex::query::script::names_secret;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};

/// The longest line that is read: a script of the most bytes that can be spent, or a descriptor of many keys.
const LINE_BYTES_MAX: usize = 64 << 10;

/// A list that is read.
pub struct Lines {
    lines: Box<dyn BufRead>,
    name: String,
    number: u64,
    /// Lines that were questions.
    pub count: u64,
}

/// A line that is a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its number, from 1 on.
    pub number: u64,
    /// What is asked, as it is given.
    pub text: String,
    /// Whether that is all of it.
    is_whole: bool,
}

impl Lines {
    /// Opens a list.
    pub fn open(file: &ListFile) -> Result<Lines> {
        let (lines, name): (Box<dyn BufRead>, _) = match file {
            ListFile::Stdin => (Box::new(BufReader::new(stdin().lock())), "stdin".to_owned()),
            ListFile::Path(path) => {
                let name = path.display().to_string();
                let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
                (Box::new(BufReader::new(file)), name)
            }
        };
        Ok(Lines {
            lines,
            name,
            number: 0,
            count: 0,
        })
    }

    /// What the list is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next question; `None`: there is no more.
    pub fn next_line(&mut self) -> Result<Option<Line>> {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let is_whole = self.read(&mut bytes)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            self.number += 1;
            let text = String::from_utf8_lossy(&bytes);
            let text = question(&text);
            if !text.is_empty() {
                self.count += 1;
                return Ok(Some(Line {
                    number: self.number,
                    text: text.to_owned(),
                    is_whole,
                }));
            }
        }
    }

    /// Reads a line, or the beginning of one that is too long; tells whether it is whole.
    fn read(&mut self, bytes: &mut Vec<u8>) -> Result<bool> {
        let cannot = || format!("cannot read {}", self.name);
        let mut most = self.lines.by_ref().take(LINE_BYTES_MAX as u64);
        most.read_until(b'\n', bytes).with_context(cannot)?;
        if bytes.len() < LINE_BYTES_MAX || bytes.ends_with(b"\n") {
            return Ok(true);
        }
        self.lines.skip_until(b'\n').with_context(cannot)?;
        Ok(false)
    }
}

impl Line {
    /// What it is understood as.
    pub fn parse<T, E: ToString>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, String> {
        match self.is_whole {
            true => parse(&self.text).map_err(|error| error.to_string()),
            false => Err(format!("longer than {LINE_BYTES_MAX} bytes")),
        }
    }

    /// The text, if it may be shown.
    pub fn shown(&self) -> &str {
        match names_secret(&self.text) {
            true => "***",
            false => &self.text,
        }
    }
}

/// A line without what is around the question.
fn question(line: &str) -> &str {
    let is_around = |c: char| c.is_whitespace() || c == '\u{feff}';
    let line = line.trim_matches(is_around);
    let mut marks = line.match_indices('#');
    // A descriptor has one in front of its checksum.
    let comment = marks.find(|(at, _)| line[..*at].chars().next_back().is_none_or(is_around));
    let end = comment.map_or(line.len(), |(at, _)| at);
    line[..end].trim_end_matches(is_around)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Lines {
        Lines {
            lines: Box::new(std::io::Cursor::new(text.to_vec())),
            name: "list".into(),
            number: 0,
            count: 0,
        }
    }

    fn read(text: &[u8]) -> Vec<(u64, String)> {
        let mut lines = lines(text);
        let next = || lines.next_line().expect("reads");
        std::iter::from_fn(next)
            .map(|line| (line.number, line.text))
            .collect()
    }

    #[test]
    fn comments_empty_lines_and_spaces_are_no_questions() {
        let text = "\u{feff}a\r\n\n  # b\n\t c d \t\nraw(51)#8lvh9jxk # why\n#\n\r\n# \u{e4}\nlast";
        let expected = [(1, "a"), (4, "c d"), (5, "raw(51)#8lvh9jxk"), (9, "last")];
        assert_eq!(
            read(text.as_bytes()),
            expected.map(|(at, text)| (at, text.to_owned()))
        );
        assert_eq!(read(b""), []);
        assert_eq!(read(b"\xff\n"), [(1, "\u{fffd}".to_owned())]);
    }

    #[test]
    fn a_line_that_is_too_long_is_wrong_and_the_next_is_not() {
        for (more, is_whole) in [(0, true), (1, false), (LINE_BYTES_MAX, false)] {
            let text = "a".repeat(LINE_BYTES_MAX - 1 + more) + "\nb";
            let mut lines = lines(text.as_bytes());
            let line = lines.next_line().expect("reads").expect("a line");
            let parsed = line.parse(|text| text.parse::<String>());
            assert_eq!(parsed.is_ok(), is_whole, "{more}");
            let next = lines.next_line().expect("reads").expect("a line");
            assert_eq!((next.number, next.text.as_str()), (2, "b"));
            assert_eq!(lines.next_line().expect("reads"), None);
        }
    }
}
