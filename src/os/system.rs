//! What the operating system is asked: how much room a disk has, who locks a file, what to read
//! ahead, which signals are ignored.
//!
//! Invariant: asking changes nothing; no file is opened for writing, and no lock is taken.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes that an ordinary user may still write to the disk that holds `path`; `None` if the
/// operating system does not say.
pub fn free_disk_bytes(path: &Path) -> Option<u64> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: a zeroed statvfs is a valid one, the path ends in a zero byte, and both live for as
    // long as the call. A call that fails leaves the numbers unused.
    let (done, found) = unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(path.as_ptr(), &mut found), found)
    };
    (done == 0).then(|| found.f_bavail.saturating_mul(found.f_frsize))
}

/// Whether this process may write to `path`, as far as its mode says.
pub fn is_writable(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: the path ends in a zero byte and lives for as long as the call.
    unsafe { libc::access(path.as_ptr(), libc::W_OK) == 0 }
}

/// The process that has a write lock on `file`, as fcntl makes them; `None` if nobody has.
pub fn locked_by(file: &File) -> Option<i32> {
    // SAFETY: a zeroed flock asks for the whole file; F_GETLK only reads and writes this struct. A
    // call that fails leaves it as it was, which counts as "no lock known".
    let (done, found) = unsafe {
        let mut asked: libc::flock = std::mem::zeroed();
        asked.l_type = libc::F_WRLCK as libc::c_short;
        asked.l_whence = libc::SEEK_SET as libc::c_short;
        (
            libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &mut asked),
            asked,
        )
    };
    let is_locked = done == 0 && found.l_type != libc::F_UNLCK as libc::c_short;
    is_locked.then_some(found.l_pid)
}

/// Whether this process was started with the signal ignored, as `nohup` does with SIGHUP.
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: a zeroed sigaction is a valid one and lives for as long as the call, which changes nothing,
    // for no new action is given. A call that fails leaves it as it was: the default action.
    let found = unsafe {
        let mut found: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut found);
        found
    };
    found.sa_sigaction == libc::SIG_IGN
}

/// Tells the kernel that these bytes of `file` will be read soon. It may do as it likes.
pub fn will_need(file: &File, from: u64, bytes: u64) {
    let (from, bytes) = (from as libc::off_t, bytes as libc::off_t);
    // SAFETY: the call takes numbers only, and the file is open for as long as it lasts. What it
    // answers is of no use: reading works either way.
    let _ =
        unsafe { libc::posix_fadvise(file.as_raw_fd(), from, bytes, libc::POSIX_FADV_WILLNEED) };
}

/// The folder of a file; of a bare name, the one we are in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
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

    #[test]
    fn a_file_that_nobody_locks_is_free() {
        let file = tempfile::tempfile().expect("temporary file");
        assert_eq!(locked_by(&file), None);
    }
}
