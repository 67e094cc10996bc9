//! A file mapped for reading.
//!
//! Invariant: the map is shared and read only, so its pages are the kernel's to drop and to read again.
#![allow(unsafe_code)]

use crate::Result;
use crate::os::io_error;
use memmap2::{Advice, Mmap, UncheckedAdvice};
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;

/// See the module documentation.
pub struct FileMap(Mmap);

impl FileMap {
    /// Maps a whole file, which will be read in order and is not written to any more.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn new(file: &File, path: &Path) -> Result<FileMap> {
        // SAFETY: assumed is that nobody writes to the file, which the caller has reason to believe and
        // nobody can promise. If somebody does, bytes may change while they are parsed: checks of that
        // block fail or are void, but no length is used unchecked. If somebody shortens it, reading behind
        // its new end raises SIGBUS, which ends the process with the file's name (`sigbus`). Both are
        // accepted: to copy everything would cost more.
        let map = unsafe { Mmap::map(file) }.map_err(io_error("map", path))?;
        let _ = map.advise(Advice::Sequential);
        Ok(FileMap(map))
    }

    /// Tells the kernel that these bytes, as far as they are there, will be read soon. It may do as it
    /// likes.
    pub fn will_need(&self, bytes: Range<usize>) {
        let (from, to) = (bytes.start.min(self.len()), bytes.end.min(self.len()));
        let _ = self
            .0
            .advise_range(Advice::WillNeed, from, to.saturating_sub(from));
    }

    /// Lets go of the pages that were read; they come back from the file when they are read again.
    pub fn drop_pages(&mut self) {
        // SAFETY: the map is a shared one of a file, and read only, so dropped pages come back with the
        // bytes of the file. No slice of it is alive, for it is borrowed mutably.
        let _ = unsafe { self.0.unchecked_advise(UncheckedAdvice::DontNeed) };
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn pages_that_were_dropped_come_back() {
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(&[7; 10_000]).expect("writes");
        let mut map = FileMap::new(&file, Path::new("x")).expect("maps");
        map.will_need(5000..20_000);
        assert_eq!(map[..], [7; 10_000]);
        map.drop_pages();
        assert_eq!(map[..], [7; 10_000]);
    }
}
