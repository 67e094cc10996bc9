//! Reads a log, line by line.
//!
//! Invariant: one line is in memory at a time, of at most [`LOG_LINE_BYTES_MAX`] bytes. Every line is
//! understood or refused, but for one kind: a line that a killed process did not end.

use super::Fault;
use super::record::{Head, LOG_NAME, LOG_VERSION, Line, Record};
use crate::ledger::log::LOG_LINE_BYTES_MAX;
use crate::os::io_error;
use crate::os::opening::open_file;
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

const BUFFER_BYTES: usize = 256 << 10;

/// What a line of a log begins with, if it is a head.
const HEAD_MARK: &[u8] = b"{\"log\":\"blkdex memory\"";

/// Gives every line of the log at `path` to `take`, in order: first a head, then what belongs to it.
///
/// Returns the numbers of the lines that were cut short, from 1 on: the last one, if its end is
/// missing, and each before a head that another import appended.
///
/// # Errors
/// [`crate::os::Fault::Io`]; [`Fault`] for everything that is no such log.
pub fn read(path: &Path, mut take: impl FnMut(Line)) -> Result<Vec<u64>> {
    let mut lines = Lines::open(path)?;
    let (mut cut, mut broken) = (Vec::new(), None);
    let mut has_head = false;
    while lines.next()? {
        let line = parse(path, &lines.bytes)?;
        if !has_head && !matches!(line, Parsed::Head(_)) {
            return Err(lines.not_a_log());
        }
        match (line, broken.take()) {
            (Parsed::Head(head), was_broken) => {
                cut.extend(was_broken.map(|(number, _)| number));
                has_head = true;
                take(Line::Head(head));
            }
            (_, Some((line, why))) => return Err(damaged(path, line, why)),
            (Parsed::Record(record), None) => take(Line::Record(record)),
            (Parsed::CutThenHead(head), None) => {
                cut.push(lines.number);
                take(Line::Head(head));
            }
            (Parsed::Broken(why), None) => broken = Some((lines.number, why)),
        }
    }
    match broken {
        Some((line, why)) if lines.ends_whole => return Err(damaged(path, line, why)),
        Some((line, _)) => cut.push(line),
        None if !has_head => return Err(not_a_log(path, "it is empty")),
        None => {}
    }
    Ok(cut)
}

fn damaged(path: &Path, line: u64, why: String) -> Error {
    let path = path.to_owned();
    Fault::DamagedLine { path, line, why }.into()
}

fn not_a_log(path: &Path, why: &'static str) -> Error {
    let path = path.to_owned();
    Fault::NotALog { path, why }.into()
}

/// What a line turned out to be.
enum Parsed {
    Head(Head),
    Record(Box<Record>),
    /// A line without its end, and behind it the head of a run that went on.
    CutThenHead(Head),
    /// Something else, and why.
    Broken(String),
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Parsed> {
    // A head is told by how it begins, because nearly all lines are records, which are read once.
    if let Some(head) = parse_head(path, bytes)? {
        return Ok(Parsed::Head(head));
    }
    let error = match serde_json::from_slice::<Record>(bytes) {
        Ok(record) => return Ok(Parsed::Record(Box::new(record))),
        Err(error) => error,
    };
    let at = bytes.windows(HEAD_MARK.len()).rposition(|w| w == HEAD_MARK);
    if let Some(head) = at.map(|at| parse_head(path, &bytes[at..])).transpose()? {
        return Ok(head.map_or_else(|| Parsed::Broken(why(&error)), Parsed::CutThenHead));
    }
    Ok(Parsed::Broken(why(&error)))
}

/// A head, if it is one; its version is looked at before its other fields, which may be others there.
fn parse_head(path: &Path, bytes: &[u8]) -> Result<Option<Head>> {
    #[derive(serde::Deserialize)]
    struct Mark {
        log: String,
        version: u64,
    }
    if !bytes.trim_ascii_start().starts_with(b"{\"log\"") {
        return Ok(None);
    }
    match serde_json::from_slice::<Mark>(bytes) {
        Ok(mark) if mark.log == LOG_NAME && mark.version != u64::from(LOG_VERSION) => {
            Err(Error::from(Fault::OtherVersion {
                path: path.to_owned(),
                found: mark.version,
                expected: LOG_VERSION,
            }))
        }
        Ok(mark) if mark.log == LOG_NAME => Ok(serde_json::from_slice(bytes).ok()),
        _ => Ok(None),
    }
}

/// What serde says, without its "line 1": the line is ours to count.
fn why(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let fault = said.split(" at line ").next().unwrap_or_default();
    format!("no record: {fault} at column {}", error.column())
}

/// The lines of a file.
struct Lines<'a> {
    path: &'a Path,
    file: BufReader<File>,
    /// The line read last, without its end.
    bytes: Vec<u8>,
    /// Its number, from 1 on.
    number: u64,
    /// Whether it had an end.
    ends_whole: bool,
}

impl Lines<'_> {
    fn open(path: &Path) -> Result<Lines<'_>> {
        let file = open_file(path)?;
        Ok(Lines {
            path,
            file: BufReader::with_capacity(BUFFER_BYTES, file),
            bytes: Vec::new(),
            number: 0,
            ends_whole: true,
        })
    }

    /// Reads the next line; false at the end of the file.
    fn next(&mut self) -> Result<bool> {
        self.bytes.clear();
        let mut bounded = (&mut self.file).take(LOG_LINE_BYTES_MAX as u64 + 1);
        let count = bounded.read_until(b'\n', &mut self.bytes);
        if count.map_err(io_error("read", self.path))? == 0 {
            return Ok(false);
        }
        self.number += 1;
        self.ends_whole = self.bytes.pop_if(|byte| *byte == b'\n').is_some();
        match self.bytes.len() > LOG_LINE_BYTES_MAX {
            true if self.number == 1 => Err(self.not_a_log()),
            true => {
                let why = format!("longer than {LOG_LINE_BYTES_MAX} bytes");
                Err(damaged(self.path, self.number, why))
            }
            false => Ok(true),
        }
    }

    fn not_a_log(&self) -> Error {
        not_a_log(self.path, "its first line is not a log's")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{commit, head, line};
    use super::*;
    use crate::error::fault_of;
    use std::io::Write;

    /// Lines read, and those that were cut.
    fn read_text(text: &[u8]) -> Result<(usize, Vec<u64>)> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text).expect("writes");
        let mut count = 0;
        let cut = read(file.path(), |_| count += 1)?;
        Ok((count, cut))
    }

    fn text(lines: &[Line]) -> String {
        let json = |line| serde_json::to_string(line).expect("is JSON") + "\n";
        lines.iter().map(json).collect()
    }

    #[test]
    fn a_head_begins_as_its_mark_says() {
        assert!(text(&[head()]).as_bytes().starts_with(HEAD_MARK));
    }

    #[test]
    fn wherever_a_log_ends_what_is_whole_is_read() {
        let lines = [head(), line(commit(1, 1)), line(commit(2, 2))];
        let whole = text(&lines);
        let begins = |number: usize| text(&lines[..number]).len();
        for end in begins(1)..=whole.len() {
            let (count, cut) = read_text(&whole.as_bytes()[..end]).expect("reads");
            // A line that lacks nothing but its end is whole.
            let lines_whole = (1..=3).filter(|number| begins(*number) - 1 <= end).count();
            assert_eq!(count, lines_whole, "up to byte {end}");
            let is_cut = lines_whole < 3 && end > begins(lines_whole);
            assert_eq!(cut.len(), usize::from(is_cut), "up to byte {end}");
        }
        for end in 0..begins(1) - 1 {
            assert!(
                read_text(&whole.as_bytes()[..end]).is_err(),
                "half a head is none"
            );
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_or_harmless() {
        let whole = text(&[head(), line(commit(1, 1)), line(commit(2, 2))]).into_bytes();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x80;
            if let Ok((count, _)) = read_text(&changed) {
                // Only the last line's end can be missed without a word.
                assert!(count < 3 || at + 1 == whole.len(), "byte {at}");
            }
        }
    }

    #[test]
    fn a_line_has_a_limit() {
        let spaces = |count| " ".repeat(count);
        let record = text(&[line(commit(1, 1))]);
        let padded = spaces(LOG_LINE_BYTES_MAX + 1 - record.len()) + &record;
        let head = text(&[head()]);
        assert_eq!(
            read_text((head.clone() + &padded).as_bytes())
                .expect("reads")
                .0,
            2
        );
        let over = head + " " + &padded;
        assert!(matches!(
            fault_of(&read_text(over.as_bytes())),
            Some(Fault::DamagedLine { line: 2, .. })
        ));
    }
}
