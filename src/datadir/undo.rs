//! The undo files beside the block files (Bitcoin Core, `node/blockstorage.cpp`: `rev?????.dat`), un-XORed.
//!
//! Invariant: what is read is what was there when it was read; a node may be writing.

use super::XorKey;
use super::files::read_at;
use crate::Result;
use crate::os::opening::open_file;
use crate::os::{io_error, io_kind};
use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;

/// The undo files of a folder of block files.
pub struct UndoFiles {
    dir: PathBuf,
    key: XorKey,
}

impl UndoFiles {
    pub(super) fn new(dir: PathBuf, key: XorKey) -> UndoFiles {
        UndoFiles { dir, key }
    }

    /// The one that belongs to block file `number`.
    pub fn path(&self, number: u32) -> PathBuf {
        self.dir.join(format!("rev{number:05}.dat"))
    }

    /// Opens it; `None` if it is not there.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn open(&self, number: u32) -> Result<Option<UndoFile>> {
        let path = self.path(number);
        let file = match open_file(&path) {
            Err(error) if io_kind(&error) == Some(ErrorKind::NotFound) => return Ok(None),
            opened => opened?,
        };
        let bytes = file.metadata().map_err(io_error("look at", &path))?.len();
        let key = self.key;
        Ok(Some(UndoFile {
            path,
            file,
            bytes,
            key,
        }))
    }
}

/// An open undo file.
pub struct UndoFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    key: XorKey,
}

impl UndoFile {
    /// Its length when it was opened.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads from byte `at` on; fewer bytes than `into` has only at the file's end.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn read_at(&self, into: &mut [u8], at: u64) -> Result<usize> {
        let read = read_at(&self.file, into, at).map_err(io_error("read", &self.path))?;
        self.key.apply(&mut into[..read], at);
        Ok(read)
    }
}
