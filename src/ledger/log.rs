//! A memory log on disk: begun, or gone on with.
//!
//! Invariant: what is in the file is lines, each written whole by one call, behind a first one that
//! says that the file is a log. A file of another kind is never written to.

use super::Fault;
use super::record::{Head, LOG_NAME, LOG_VERSION, Line, PlannedPart, Record};
use crate::memory::plan::Plan;
use crate::os::io_error;
use crate::os::opening::open_with;
use crate::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest line of a memory log. A record with a dozen parts and four relations has under 4,000
/// bytes; this is for a wrong file given by mistake.
pub const LOG_LINE_BYTES_MAX: usize = 1 << 16;

/// See the module documentation.
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens the log at `path`, or makes it. The end of a line that a killed process left is cut off.
    ///
    /// # Errors
    /// [`Fault::NotToGoOnWith`] for a file of another kind; [`crate::os::Fault::Io`].
    pub fn open(path: &Path) -> Result<Log> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = open_with(&mut options, path)?;
        let log = Log {
            path: path.to_owned(),
            file,
        };
        let meta = log.file.metadata();
        let bytes = log.check(meta, "look at")?.len();
        if bytes > 0 {
            let kept = log.kept_bytes(bytes)?;
            if kept < bytes {
                log.check(log.file.set_len(kept), "shorten")?;
            }
        }
        Ok(log)
    }

    /// Begins a run.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn begin(&mut self, plan: &Plan) -> Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let parts = plan.parts().iter().map(|planned| PlannedPart {
            part: planned.part.into(),
            planned_bytes: planned.bytes as u64,
            why: planned.why.to_owned(),
        });
        self.write(&Line::Head(Head {
            log: LOG_NAME.to_owned(),
            version: LOG_VERSION,
            blkdex: env!("CARGO_PKG_VERSION").to_owned(),
            time: since.map_or(0, |since| since.as_secs()),
            budget_bytes: plan.budget_bytes() as u64,
            parts: parts.collect(),
        }))
    }

    /// Goes on.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn add(&mut self, record: &Record) -> Result<()> {
        self.write(&Line::Record(Box::new(record.clone())))
    }

    /// One call writes the whole line, so that a kill leaves at most the last one incomplete.
    fn write(&mut self, line: &Line) -> Result<()> {
        let mut bytes = serde_json::to_vec(line).expect("numbers, texts and lists become JSON");
        bytes.push(b'\n');
        let written = self.file.write_all(&bytes);
        self.check(written, "write to")
    }

    /// Bytes up to the end of the last whole line; the first says that this is a log.
    fn kept_bytes(&self, bytes: u64) -> Result<u64> {
        let first = self.read(0, bytes.min(LOG_LINE_BYTES_MAX as u64))?;
        let Some(end) = first.iter().position(|byte| *byte == b'\n') else {
            let head = format!("{{\"log\":\"{LOG_NAME}\"");
            return match first.starts_with(head.as_bytes()) && first.len() as u64 == bytes {
                true => Ok(0),
                false => Err(self.not_a_log("it does not begin with a line of one")),
            };
        };
        match serde_json::from_slice(&first[..end]) {
            Ok(Line::Head(head)) if head.log == LOG_NAME && head.version == LOG_VERSION => {}
            Ok(Line::Head(head)) if head.log == LOG_NAME => {
                let why = format!("its version is {}, not {LOG_VERSION}", head.version);
                return Err(self.not_a_log(&why));
            }
            _ => return Err(self.not_a_log("it does not begin with a line of one")),
        }
        let tail = bytes.saturating_sub(LOG_LINE_BYTES_MAX as u64);
        let last = self.read(tail, bytes - tail)?;
        match last.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => Ok(tail + end as u64 + 1),
            None => Err(self.not_a_log("its last line is too long for one")),
        }
    }

    fn read(&self, from: u64, bytes: u64) -> Result<Vec<u8>> {
        let mut read = vec![0; bytes as usize];
        self.check(self.file.read_exact_at(&mut read, from), "read")?;
        Ok(read)
    }

    fn not_a_log(&self, why: &str) -> Error {
        Fault::NotToGoOnWith {
            path: self.path.clone(),
            why: why.to_owned(),
        }
        .into()
    }

    fn check<T>(&self, result: std::io::Result<T>, action: &'static str) -> Result<T> {
        result.map_err(io_error(action, &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::record::Moment;
    use crate::memory::part::Part;
    use crate::memory::plan::Planned;
    use std::fs;

    fn write(path: &Path) {
        let all = Planned {
            part: Part::Rows,
            bytes: 128 << 20,
            why: "all there is",
        };
        let plan = Plan::new(128 << 20, vec![all]);
        let mut log = Log::open(path).expect("opens");
        log.begin(&plan).expect("writes");
        for moment in [Moment::Commit, Moment::BeforeMerge] {
            log.add(&Record::empty(moment)).expect("writes");
        }
    }

    #[test]
    fn a_log_that_a_kill_cut_off_is_gone_on_with() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log");
        write(&path);
        let whole = fs::read(&path).expect("a file");
        let lines: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
        assert_eq!(lines.len(), 3);
        for cut in [
            40,
            lines[0],
            lines[0] + 1,
            lines[1] + 9,
            lines[2],
            lines[2] + 1,
        ] {
            fs::write(&path, &whole[..cut]).expect("a file");
            write(&path);
            let kept = lines.iter().filter(|end| **end < cut).count();
            let text = fs::read_to_string(&path).expect("text");
            let parsed: Vec<Line> = text
                .lines()
                .map(|line| serde_json::from_str(line).expect("a line of a log"))
                .collect();
            assert_eq!(parsed.len(), kept + 3, "cut at byte {cut}");
            assert!(matches!(parsed[kept], Line::Head(_)), "cut at byte {cut}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log");
        let other_version = format!(
            "{{\"log\":\"{LOG_NAME}\",\"version\":2,\"blkdex\":\"9\",\"time\":1,\"budget_bytes\":1,\"parts\":[]}}\n"
        );
        for other in [
            "x",
            "\n",
            "{}\n",
            "[1, 2",
            "{\"log\":\"other\"}\n",
            &other_version,
        ] {
            fs::write(&path, other).expect("a file");
            let refused = Log::open(&path).err().expect("it is refused").to_string();
            assert!(refused.contains("is not a memory log"), "{refused}");
            assert_eq!(fs::read_to_string(&path).expect("a file"), other);
        }
        assert!(Log::open(folder.path()).is_err(), "a folder");
    }
}
