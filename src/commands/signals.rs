//! Ctrl-C and its like.
//!
//! Invariant: the first signal only sets a flag, and ends a rest; a second Ctrl-C or SIGTERM ends the process
//! at once.

use anyhow::{Context, Result};
use blkdex::error::Family;
use blkdex::os::is_ignored;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What a shell expects of a program that ended on Ctrl-C: 128 and the signal's number.
pub const INTERRUPTED: u8 = Family::Interruption.exit_code();

/// Signals that end a process when they come twice.
const INSISTENT: [i32; 2] = [SIGINT, SIGTERM];

/// The flag that a signal sets.
pub fn caught() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicBool::new(false));
    for signal in INSISTENT {
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

/// What ends a rest at once: a signal sends a byte through it.
pub struct Alarm(UnixStream);

impl Alarm {
    /// Rung by the signals that set the flag; made after it, so that the flag is set when it rings.
    pub fn set() -> Result<Alarm> {
        let (rung, ringing) = UnixStream::pair().context("cannot catch signals")?;
        let hangup = Some(SIGHUP).filter(|signal| !is_ignored(*signal));
        for signal in INSISTENT.into_iter().chain(hangup) {
            let ringing = ringing.try_clone().context("cannot catch signals")?;
            pipe::register(signal, ringing).context("cannot catch signals")?;
        }
        Ok(Alarm(rung))
    }

    /// Rests for so long, or until a signal comes.
    pub fn rest(&mut self, time: Duration) {
        // A time of zero would be for ever.
        let time = time.max(Duration::from_millis(1));
        if self.0.set_read_timeout(Some(time)).is_ok() {
            // Whether a byte came, the time was over, or a signal was in between: the flag tells.
            let _ = self.0.read(&mut [0]);
        }
    }
}
