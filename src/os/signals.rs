//! What this process does at a signal.
//!
//! Invariant: asking changes nothing.
#![allow(unsafe_code)]

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
