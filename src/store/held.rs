//! A thing of redb's: a database, a transaction, a table, a value.
//!
//! Invariant: it is called, and dropped, inside redb ([`super::file`]): what it allocates and frees is
//! charged to redb, and a panic of it becomes a fault.

use super::file::IndexFile;
use crate::Result;
use std::sync::Arc;

/// See the module documentation.
pub struct Held<T> {
    /// There until it is dropped.
    thing: Option<T>,
    file: Arc<IndexFile>,
}

impl<T> Held<T> {
    pub(super) fn new(file: &Arc<IndexFile>, thing: T) -> Held<T> {
        Held {
            thing: Some(thing),
            file: Arc::clone(file),
        }
    }

    pub(super) fn file(&self) -> &Arc<IndexFile> {
        &self.file
    }

    #[inline]
    pub(super) fn thing(&self) -> &T {
        self.thing
            .as_ref()
            .expect("it is there until it is dropped")
    }

    /// Calls redb on it.
    #[inline]
    pub(super) fn call<'a, R, E: Into<redb::Error>>(
        &'a self,
        call: impl FnOnce(&'a T) -> std::result::Result<R, E>,
    ) -> Result<R> {
        self.file.call(|| call(self.thing()))
    }

    /// Calls redb on it, which changes it.
    #[inline]
    pub(super) fn call_mut<'a, R, E: Into<redb::Error>>(
        &'a mut self,
        call: impl FnOnce(&'a mut T) -> std::result::Result<R, E>,
    ) -> Result<R> {
        let (file, thing) = self.parts_mut();
        file.call(|| call(thing))
    }

    #[inline]
    pub(super) fn parts_mut(&mut self) -> (&Arc<IndexFile>, &mut T) {
        let thing = self.thing.as_mut();
        (&self.file, thing.expect("it is there until it is dropped"))
    }

    /// Calls redb on it for the last time.
    pub(super) fn finish<R, E: Into<redb::Error>>(
        mut self,
        call: impl FnOnce(T) -> std::result::Result<R, E>,
    ) -> Result<R> {
        // Asked first: a call that is refused would drop the thing.
        self.file.expect_usable()?;
        let thing = self.thing.take();
        let thing = thing.expect("it is there until it is dropped");
        self.file.call(|| call(thing))
    }
}

impl<T> Drop for Held<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(thing) = self.thing.take() {
            self.file.let_go(thing);
        }
    }
}
