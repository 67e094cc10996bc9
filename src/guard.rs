//! The one place where a panic of redb becomes an error.
//!
//! Invariant: only redb's panics are caught, which a damaged file can cause; ours are bugs, and end
//! the process as such.

use anyhow::Result;
use std::fmt::{Display, Formatter};
use std::panic::{
    AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind, set_hook, take_hook,
};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Where redb panicked, and what it said.
static REDB_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// redb panicked.
#[derive(Debug)]
pub struct Panicked {
    path: PathBuf,
    words: String,
}

impl Display for Panicked {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        let (path, words) = (self.path.display(), &self.words);
        write!(
            out,
            "the index {path} is damaged ({words}): `blkdex rebuild` makes it anew"
        )
    }
}

impl std::error::Error for Panicked {}

/// Runs `work` on the index at `path`.
pub fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let usual = take_hook();
    set_hook(Box::new(move |info| match of_redb(info) {
        Some(words) => note(words),
        None => usual(info),
    }));
    // Nothing that `work` has touched is used after a panic.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done,
        Err(panic) => match REDB_PANIC.lock().ok().and_then(|mut words| words.take()) {
            Some(words) => {
                let path = path.to_owned();
                Err(Panicked { path, words }.into())
            }
            None => resume_unwind(panic),
        },
    }
}

fn of_redb(info: &PanicHookInfo<'_>) -> Option<String> {
    let location = info.location().filter(|l| l.file().contains("/redb-"))?;
    let name = Path::new(location.file()).file_name()?.to_string_lossy();
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = text.unwrap_or("without a word");
    let line = message.lines().next().unwrap_or_default();
    Some(format!("redb, {name}:{}: {line}", location.line()))
}

/// Keeps the first: others follow from it.
fn note(words: String) {
    if let Ok(mut first) = REDB_PANIC.lock() {
        first.get_or_insert(words);
    }
}
