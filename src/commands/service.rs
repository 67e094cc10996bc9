//! What the service manager is told (systemd's `sd_notify`): ready, status, alive, stopping.
//!
//! Invariant: a word is sent only where something has happened: a watchdog that is content means that the
//! import goes on. That the manager cannot be told is nobody's error.
//!
//! The protocol is a datagram of lines. Crates for it connect to a path alone; the name of a socket may be
//! abstract as well (it begins with `@`), as those of some container managers are.

use super::words::grouped;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use blkdex::import::{Event, Notice};
use std::env::{var, var_os};
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time between two texts about work that goes on.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// While it starts or stops, it asks for so much more time, as long as it goes on.
const EXTENSION: Duration = Duration::from_secs(60);
const EXTEND_EVERY: Duration = Duration::from_secs(10);

/// Who is told.
pub struct Service<'a> {
    stop: &'a AtomicBool,
    manager: Option<Manager>,
    /// The manager wants to hear at least so often that it goes on.
    watchdog: Option<Duration>,
    alive_at: Option<Instant>,
    status_at: Option<Instant>,
    extended_at: Option<Instant>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before it is known whether the work can begin.
    Starting,
    /// On the way to the end of the chain.
    Importing,
    /// There.
    Following,
    Stopping,
}

struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Manager {
    fn at(name: &OsStr) -> Option<Manager> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(name),
        };
        let socket = UnixDatagram::unbound().ok()?;
        // A manager that does not read must not hold up the work.
        socket.set_nonblocking(true).ok()?;
        let address = address.ok()?;
        Some(Manager { socket, address })
    }
}

impl<'a> Service<'a> {
    /// As the environment says; of a process that no manager waits for, nothing is sent.
    pub fn of_environment(stop: &'a AtomicBool) -> Service<'a> {
        let number = |name| var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let limit_us = number("WATCHDOG_USEC").filter(|limit_us| is_ours && *limit_us > 0);
        Service {
            stop,
            manager: var_os("NOTIFY_SOCKET").and_then(|name| Manager::at(&name)),
            watchdog: limit_us.map(|limit_us| Duration::from_micros(limit_us / 2)),
            alive_at: None,
            status_at: None,
            extended_at: None,
            stage: Stage::Starting,
        }
    }

    /// The longest rest after which the manager hears in time.
    pub fn rest_max(&self) -> Duration {
        self.watchdog.unwrap_or(Duration::MAX)
    }

    /// Tells what it means for the service.
    pub fn hear(&mut self, event: &Event<'_>) {
        self.alive();
        if self.stop.load(Ordering::Relaxed) && self.stage != Stage::Stopping {
            self.stage = Stage::Stopping;
            self.send("STOPPING=1\nSTATUS=stopping: what was read is being committed");
        }
        if matches!(self.stage, Stage::Starting | Stage::Stopping) {
            self.extend();
        }
        match (self.stage, event) {
            (Stage::Stopping, _) => {}
            (_, Event::Notice(Notice::Trouble { words })) => self.status(words),
            // It is ready when all it needs is there: the way to the end of the chain may take hours, and
            // whoever waits for a start has a limit of its own (`TimeoutStartSec`).
            (Stage::Starting, Event::Begin) => {
                self.stage = Stage::Importing;
                self.send("READY=1\nSTATUS=importing");
            }
            (_, Event::Tip(summary)) => {
                self.stage = Stage::Following;
                let tip = summary.tip;
                tip.into_iter()
                    .for_each(|(height, hash)| self.at(height.0, hash));
            }
            (_, Event::Added(block)) => self.at(block.height.0, block.hash),
            (Stage::Starting | Stage::Importing, _) => self.progress(event),
            _ => {}
        }
    }

    /// It is over, in whatever way.
    pub fn end(&mut self) {
        if self.stage != Stage::Stopping {
            self.send("STOPPING=1");
        }
    }

    fn progress(&mut self, event: &Event<'_>) {
        let percent = |done: u64, all: u64| done as f64 * 100.0 / all.max(1) as f64;
        let text = match event {
            _ if !is_due(self.status_at, STATUS_EVERY) => return,
            Event::Scan(scan) => format!(
                "looking at the block files: {:.1} %",
                percent(scan.bytes_done, scan.bytes)
            ),
            Event::Progress(progress) => format!(
                "importing: height {} of {}, {:.1} %",
                grouped(progress.height.0.into()),
                grouped(progress.end.0.into()),
                percent(progress.bytes_done, progress.bytes)
            ),
            _ => return,
        };
        self.status(&text);
    }

    fn at(&mut self, height: u32, hash: [u8; 32]) {
        let hash = BlockHash::from_byte_array(hash);
        self.status(&format!("at height {} ({hash})", grouped(height.into())));
    }

    fn status(&mut self, text: &str) {
        self.status_at = Some(Instant::now());
        self.send(&format!("STATUS={}", text.replace('\n', " ")));
    }

    fn alive(&mut self) {
        let due = self.watchdog.filter(|half| is_due(self.alive_at, *half));
        if due.is_some() {
            self.alive_at = Some(Instant::now());
            self.send("WATCHDOG=1");
        }
    }

    fn extend(&mut self) {
        if is_due(self.extended_at, EXTEND_EVERY) {
            self.extended_at = Some(Instant::now());
            self.send(&format!("EXTEND_TIMEOUT_USEC={}", EXTENSION.as_micros()));
        }
    }

    fn send(&self, state: &str) {
        if let Some(manager) = &self.manager {
            // Nobody is left to tell if it does not listen.
            let _ = manager
                .socket
                .send_to_addr(state.as_bytes(), &manager.address);
        }
    }
}

fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= every)
}
