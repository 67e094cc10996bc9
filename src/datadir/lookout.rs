//! A lookout: whether block files have changed since they were listed, told by a handful of `stat` calls.
//!
//! Invariant: it never misses what a node does, but may say that there is news where there is none. What a
//! node does not do (a file of old blocks is replaced) is seen within [`LIST_EVERY`].

use super::file_state::CHANGE_TICK_NS_MAX;
use super::files::list;
use super::{BlockFile, Datadir, block_file_path};
use std::fs::metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Files that are looked at each time, those written to last. A node writes to one, or to two while it
/// makes up for the blocks below a snapshot (assumeutxo).
const WATCHED_FILES: usize = 4;

/// How often all files are listed: thousands of them take some 20 ms.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// What `stat` says of a file; `None` if it is not there, or cannot be looked at.
type Seen = Option<(u64, u64, i64)>;

/// See the module documentation.
pub struct Lookout {
    blocks_dir: PathBuf,
    /// As they were before they were scanned.
    files: Vec<BlockFile>,
    /// The folder, its key, the files written to last.
    watched: Vec<(PathBuf, Seen)>,
    listed: Instant,
    is_news: bool,
}

impl Lookout {
    /// Of files that were listed when `datadir` was opened.
    pub fn new(datadir: &Datadir) -> Lookout {
        let blocks_dir = datadir.blocks_dir().to_owned();
        // The folder before the files in it: a file that comes meanwhile is in the list, or changes it later.
        let watched = paths(&blocks_dir, datadir.files()).map(|path| (seen(&path), path));
        let watched = watched.map(|(seen, path)| (path, seen)).collect();
        let mut lookout = Lookout {
            blocks_dir,
            files: datadir.files().to_owned(),
            watched,
            listed: Instant::now(),
            is_news: datadir.files().iter().any(is_young),
        };
        lookout.list();
        lookout
    }

    /// Whether anything may have changed.
    pub fn sees_news(&mut self) -> bool {
        let is_same = |(path, was): &(PathBuf, Seen)| seen(path) == *was;
        self.is_news = self.is_news || !self.watched.iter().all(is_same);
        if !self.is_news && self.listed.elapsed() >= LIST_EVERY {
            self.list();
        }
        self.is_news
    }

    /// Lists all files. What cannot be listed is news: who looks will see why.
    fn list(&mut self) {
        self.listed = Instant::now();
        let is_same = list(&self.blocks_dir).is_ok_and(|files| files == self.files);
        self.is_news = self.is_news || !is_same;
    }
}

/// What is looked at each time.
fn paths(blocks_dir: &Path, files: &[BlockFile]) -> impl Iterator<Item = PathBuf> {
    let mut newest: Vec<&BlockFile> = files.iter().collect();
    newest.sort_by_key(|file| std::cmp::Reverse((file.modified, file.number)));
    let newest = newest.into_iter().take(WATCHED_FILES);
    let newest: Vec<PathBuf> = newest
        .map(|file| block_file_path(blocks_dir, file.number))
        .collect();
    [blocks_dir.to_owned(), blocks_dir.join("xor.dat")]
        .into_iter()
        .chain(newest)
}

fn seen(path: &Path) -> Seen {
    let meta = metadata(path).ok()?;
    let changed_ns = meta.ctime() * 1_000_000_000 + meta.ctime_nsec();
    Some((meta.ino(), meta.len(), changed_ns))
}

/// Whether the file was changed so short a while ago that its time does not tell a further change.
fn is_young(file: &BlockFile) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ns = now.map_or(0, |now| now.as_nanos() as i128);
    // Where the clock of another machine is ahead, that is not so for hours.
    (now_ns - i128::from(file.changed_ns)).abs() <= CHANGE_TICK_NS_MAX
}
