//! Whether a node seems to be running on these files.
//!
//! Invariant: a guess, by signs that a node leaves: nothing else in the crate depends on it.

use crate::datadir::Datadir;
use crate::opening::open_file;
use crate::system::locked_by;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A newest file written to more recently than this is a sign of a node at work.
const RECENT: Duration = Duration::from_secs(120);

/// A pid file holds a number; what is longer is something else.
const PID_BYTES_MAX: u64 = 32;

/// What was seen of a node.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Node {
    /// Whether one seems to be running.
    pub running: bool,
    /// By which sign.
    pub sign: Option<String>,
}

/// Looks for the locks that bitcoind holds on `.lock` in its folder and in that of the blocks
/// (Bitcoin Core, `util/fs_helpers.cpp`: `LockDirectory`), for its pid file, and at the files' age.
pub fn look(datadir: &Datadir) -> Node {
    let blocks_dir = datadir.blocks_dir();
    let folders = [Some(blocks_dir), blocks_dir.parent()];
    let signs = folders.into_iter().flatten().flat_map(|folder| {
        let lock = folder.join(".lock");
        let locked = open_file(&lock).ok().and_then(|file| locked_by(&file));
        let locked = locked.map(|pid| format!("process {pid} has locked {}", lock.display()));
        [locked, pid_file(&folder.join("bitcoind.pid"))]
    });
    let sign = signs.flatten().next().or_else(|| written(datadir));
    Node {
        running: sign.is_some(),
        sign,
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

/// How recently the newest file was written to, if very.
fn written(datadir: &Datadir) -> Option<String> {
    let newest = datadir.files().iter().max_by_key(|file| file.modified)?;
    let age = SystemTime::now().duration_since(newest.modified).ok()?;
    (age < RECENT).then(|| {
        format!(
            "blk{:05}.dat was written to {} seconds ago",
            newest.number,
            age.as_secs()
        )
    })
}
