//! What is asked of disks: how much room there is, what may be written, what to read ahead.
//!
//! Invariant: asking changes nothing; no file is opened.

use rustix::fs::{Access, Advice, access, fadvise, statvfs};
use std::fs::File;
use std::num::NonZeroU64;
use std::path::Path;

/// Bytes that an ordinary user may still write to the disk that holds `path`; `None` if the
/// operating system does not say.
pub fn free_disk_bytes(path: &Path) -> Option<u64> {
    let found = statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Whether this process may write to `path`, as far as its mode says.
pub fn is_writable(path: &Path) -> bool {
    access(path, Access::WRITE_OK).is_ok()
}

/// Tells the kernel that these bytes of `file` will be read soon. It may do as it likes.
pub fn will_need(file: &File, from: u64, bytes: u64) {
    if let Some(bytes) = NonZeroU64::new(bytes) {
        // What it answers is of no use: reading works either way.
        let _ = fadvise(file, from, Some(bytes), Advice::WillNeed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_room_and_a_path_that_is_not_there_has_none() {
        assert!(free_disk_bytes(Path::new("/")).is_some_and(|bytes| bytes > 0));
        assert_eq!(free_disk_bytes(Path::new("/not/there")), None);
    }

    #[test]
    fn what_is_not_there_cannot_be_written() {
        let dir = tempfile::tempdir().expect("temporary folder");
        assert!(is_writable(dir.path()));
        assert!(!is_writable(&dir.path().join("x")));
    }
}
