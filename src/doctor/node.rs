//! Whether a node is running on these files.
//!
//! Invariant: only what a running node holds is a sign of one. A copied folder has its files, and files
//! written to a moment ago, but no lock.

use crate::datadir::Datadir;
use crate::os::io_kind;
use crate::os::locks::locked_by;
use crate::os::opening::open_file;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::SystemTime;

/// A pid file holds a number; what is longer is something else.
const PID_BYTES_MAX: u64 = 32;

/// What was seen of a node.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Node {
    /// Whether one is running.
    pub running: bool,
    /// By which sign.
    pub sign: Option<String>,
    /// Seconds since the newest file was written to: no sign of a node, but worth knowing.
    pub written_seconds_ago: Option<u64>,
}

/// Looks for the locks that bitcoind holds on `.lock` in its folder and in that of the blocks
/// (Bitcoin Core, `util/fs_helpers.cpp`: `LockDirectory`), and at the age of the files.
pub fn look(datadir: &Datadir) -> Node {
    let blocks_dir = datadir.blocks_dir();
    let folders = [Some(blocks_dir), blocks_dir.parent()];
    let sign = folders.into_iter().flatten().find_map(sign_in);
    let newest = datadir.files().iter().map(|file| file.modified).max();
    let age = newest.and_then(|newest| SystemTime::now().duration_since(newest).ok());
    Node {
        running: sign.is_some(),
        sign,
        written_seconds_ago: age.map(|age| age.as_secs()),
    }
}

/// A lock that somebody holds. Only where we may not ask of it does the pid file count: it is copied with
/// the folder, and may then name a node that runs on another.
fn sign_in(folder: &Path) -> Option<String> {
    let lock = folder.join(".lock");
    match open_file(&lock) {
        Ok(file) => {
            locked_by(&file).map(|pid| format!("process {pid} has locked {}", lock.display()))
        }
        Err(error) if io_kind(&error) == Some(ErrorKind::PermissionDenied) => {
            pid_file(&folder.join("bitcoind.pid"))
        }
        Err(_) => None,
    }
}

/// The process that the pid file names, if there is one by that number that is a bitcoind.
fn pid_file(path: &Path) -> Option<String> {
    let text = std::io::read_to_string(open_file(path).ok()?.take(PID_BYTES_MAX));
    let pid: u32 = text.ok()?.trim().parse().ok()?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let is_node = name.starts_with("bitcoin") || name.starts_with("b-");
    is_node.then(|| format!("{} names process {pid}, which runs", path.display()))
}
