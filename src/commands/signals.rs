//! Ctrl-C and its like.
//!
//! Invariant: the first signal only sets a flag; a second Ctrl-C or SIGTERM ends the process at once.

use anyhow::{Context, Result};
use blkdex::error::Family;
use blkdex::os::is_ignored;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What a shell expects of a program that ended on Ctrl-C: 128 and the signal's number.
pub const INTERRUPTED: u8 = Family::Interruption.exit_code();

/// The flag that a signal sets.
pub fn caught() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), Arc::clone(&asked))
            .and_then(|_| flag::register(signal, Arc::clone(&asked)))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .context("cannot catch signals")?;
    }
    // A terminal that goes away sends it more than once: from the shell and from the kernel. So a second
    // one is not somebody who insists. Under nohup it is ignored, and stays so.
    if !is_ignored(SIGHUP) {
        flag::register(SIGHUP, Arc::clone(&stop)).context("cannot catch signals")?;
    }
    Ok(stop)
}
