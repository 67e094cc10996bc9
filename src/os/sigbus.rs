//! The last words when a mapped block file cannot be read.
//!
//! Invariant: the handler only reads atomics and calls `write`, `sigaction` and `_exit`, which are
//! safe at any moment.
//!
//! A read of a map has no return value: when the disk fails below it, or the file was shortened, the
//! kernel sends SIGBUS, and the process would die without a word.
#![allow(unsafe_code)]

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Longer paths lose their end.
const NAME_BYTES_MAX: usize = 512;

/// Addresses of the map being read, and the name of its file. One reader at a time: the program has
/// one thread, and with several readers the last one to change files is named.
static FROM: AtomicUsize = AtomicUsize::new(0);
static TO: AtomicUsize = AtomicUsize::new(0);
static NAME_BYTES: AtomicUsize = AtomicUsize::new(0);
static NAME: [AtomicU8; NAME_BYTES_MAX] = [const { AtomicU8::new(0) }; NAME_BYTES_MAX];

/// Says which file is mapped as `map`, should reading it fail.
pub(crate) fn announce(path: &Path, map: &[u8]) {
    let name = path.as_os_str().as_bytes();
    let name = &name[..name.len().min(NAME_BYTES_MAX)];
    for (to, from) in NAME.iter().zip(name) {
        to.store(*from, Ordering::Relaxed);
    }
    NAME_BYTES.store(name.len(), Ordering::Relaxed);
    FROM.store(map.as_ptr() as usize, Ordering::Relaxed);
    TO.store(map.as_ptr() as usize + map.len(), Ordering::Relaxed);
}

/// From now on, a block file whose map cannot be read is named on stderr, and the process exits
/// with 1. Other SIGBUS end it as they always did.
pub fn catch_sigbus() {
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_sigbus;
    // SAFETY: a zeroed sigaction is a valid one (no flags, empty mask); the handler has the
    // signature that SA_SIGINFO asks for. If sigaction failed, the signal would end the process
    // without words, as before.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
    }
}

extern "C" fn on_sigbus(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid siginfo to a handler installed with SA_SIGINFO.
    let address = unsafe { (*info).si_addr() } as usize;
    if !(FROM.load(Ordering::Relaxed)..TO.load(Ordering::Relaxed)).contains(&address) {
        // SAFETY: as above; the read that failed is tried again, and now ends the process.
        unsafe {
            let default: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGBUS, &default, std::ptr::null_mut());
        }
        return;
    }
    let mut name = [0; NAME_BYTES_MAX];
    for (to, from) in name.iter_mut().zip(&NAME) {
        *to = from.load(Ordering::Relaxed);
    }
    let bytes = NAME_BYTES.load(Ordering::Relaxed).min(NAME_BYTES_MAX);
    write_stderr(&name[..bytes]);
    write_stderr(b": disk read failed (SIGBUS); the disk is failing, or the file was shortened\n");
    // SAFETY: _exit may be called at any moment.
    unsafe { libc::_exit(1) }
}

fn write_stderr(bytes: &[u8]) {
    // That writing may fail is accepted: there is nobody left to tell.
    let _ = rustix::io::write(rustix::stdio::stderr(), bytes);
}
