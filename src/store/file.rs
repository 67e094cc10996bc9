//! The index file, as redb is called on it.
//!
//! Invariant: redb is called through [`IndexFile::call`] alone, and what it gives out is dropped through
//! [`IndexFile::let_go`]. Once it has panicked it is not called any more: every later call returns the same
//! fault. Of a file that is open for writing nothing is even dropped, for redb might write then: the file
//! stays as a kill would leave it, and what redb holds, memory and the lock, stays until the process ends.

use super::fault::{Fault, of_opening, of_work};
use super::panics::{caught, keep_quiet};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// See the module documentation.
pub(super) struct IndexFile {
    path: PathBuf,
    is_written: bool,
    /// What redb said when it panicked.
    panic: OnceLock<String>,
}

impl IndexFile {
    /// Not opened yet; `is_written`: to be opened for writing.
    pub(super) fn new(path: &Path, is_written: bool) -> IndexFile {
        keep_quiet();
        IndexFile {
            path: path.to_owned(),
            is_written,
            panic: OnceLock::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Calls redb to open the file.
    pub(super) fn open<T>(
        &self,
        call: impl FnOnce() -> std::result::Result<T, redb::DatabaseError>,
    ) -> Result<T> {
        let opened = self.try_call(call)?;
        opened.map_err(|error| of_opening(&self.path, error.into()).into())
    }

    /// Calls redb.
    #[inline]
    pub(super) fn call<T, E: Into<redb::Error>>(
        &self,
        call: impl FnOnce() -> std::result::Result<T, E>,
    ) -> Result<T> {
        let done = self.try_call(call)?;
        done.map_err(|error| self.failed(error.into()))
    }

    #[inline]
    fn try_call<T>(&self, call: impl FnOnce() -> T) -> Result<T> {
        self.expect_usable()?;
        caught(call).map_err(|words| self.panicked(words))
    }

    /// Refuses once redb has panicked.
    #[inline]
    pub(super) fn expect_usable(&self) -> Result<()> {
        match self.panic.get() {
            None => Ok(()),
            Some(words) => Err(self.damaged(words)),
        }
    }

    /// Drops a thing of redb's.
    #[inline]
    pub(super) fn let_go<T>(&self, thing: T) {
        if self.is_written && self.panic.get().is_some() {
            std::mem::forget(thing);
        } else if let Err(words) = caught(|| drop(thing)) {
            // There is nobody to be told here: the next call is.
            let _ = self.panicked(words);
        }
    }

    #[cold]
    fn failed(&self, error: redb::Error) -> Error {
        of_work(&self.path, error).into()
    }

    #[cold]
    fn panicked(&self, words: String) -> Error {
        // If several threads panic at once, all tell of the first.
        let words = self.panic.get_or_init(|| words);
        self.damaged(words)
    }

    /// The error for a file in which something cannot be read.
    #[cold]
    pub(super) fn damaged(&self, what: &str) -> Error {
        Fault::DamagedIndex {
            path: self.path.clone(),
            what: what.to_owned(),
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A thing of redb's, which notes that it was dropped.
    struct Thing<'c>(&'c Cell<bool>);

    impl Drop for Thing<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }

    fn panics(file: &IndexFile) -> String {
        let done: Result<()> = file.call(|| -> std::result::Result<_, redb::Error> { panic!("x") });
        done.expect_err("it panics").to_string()
    }

    #[test]
    fn after_a_panic_nothing_is_called_and_the_fault_stays_the_same() {
        let file = IndexFile::new(Path::new("i"), false);
        assert!(
            file.call(|| Ok::<_, redb::Error>(7))
                .is_ok_and(|it| it == 7)
        );
        let words = panics(&file);
        assert!(words.starts_with("the index i is damaged (redb, file.rs:"));
        assert!(words.ends_with(": x): `blkdex rebuild` makes it anew"));
        let is_called = Cell::new(false);
        let again = file.call(|| {
            is_called.set(true);
            Ok::<_, redb::Error>(())
        });
        assert_eq!(again.expect_err("refused").to_string(), words);
        assert!(!is_called.get());
    }

    #[test]
    fn what_was_open_for_writing_is_left_alone_after_a_panic_and_what_was_read_is_dropped() {
        for is_written in [false, true] {
            let file = IndexFile::new(Path::new("i"), is_written);
            let (before, after) = (Cell::new(false), Cell::new(false));
            file.let_go(Thing(&before));
            assert!(before.get());
            panics(&file);
            file.let_go(Thing(&after));
            assert_eq!(after.get(), !is_written);
        }
    }

    #[test]
    fn a_panic_of_a_thing_that_is_dropped_is_told_by_the_next_call() {
        struct Loud;
        impl Drop for Loud {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let file = IndexFile::new(Path::new("i"), true);
        file.let_go(Loud);
        let words = file.call(|| Ok::<_, redb::Error>(())).expect_err("refused");
        assert!(words.to_string().contains(": dropped)"), "{words}");
    }
}
