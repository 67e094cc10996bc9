//! The undo file beside a block file (Bitcoin Core, `node/blockstorage.cpp`: `rev?????.dat`), un-XORed.
//!
//! Invariant: what is read is what was there when it was read; a node may be writing.

use super::files::read_at;
use super::{Datadir, XorKey};
use crate::Result;
use crate::os::opening::open_file;
use crate::os::{io_error, io_kind};
use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;

/// An open undo file.
pub struct UndoFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    key: XorKey,
}

impl Datadir {
    /// The undo file of block file `number`; `None` if it is not there.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn open_undo(&self, number: u32) -> Result<Option<UndoFile>> {
        let path = self.blocks_dir().join(format!("rev{number:05}.dat"));
        let file = match open_file(&path) {
            Err(error) if io_kind(&error) == Some(ErrorKind::NotFound) => {
                return Ok(None);
            }
            opened => opened?,
        };
        let bytes = file.metadata().map_err(io_error("look at", &path))?.len();
        Ok(Some(UndoFile {
            path,
            file,
            bytes,
            key: self.xor_key(),
        }))
    }
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
