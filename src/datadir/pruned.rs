//! Datadirs that have only part of the chain: a node has pruned them, or began at a snapshot.
//!
//! Invariant: that files are missing is no fault in itself. It is one where a block is needed that no file
//! has, and then the heights of those blocks are named.

use super::claimed::claimed_height;
use super::conf::Conf;
use super::{BlockFile, Datadir, Fault, HeaderTree, Location, Source};
use crate::os::io_kind;
use crate::os::paths::is_there_still;
use crate::primitives::network::NetworkName;
use crate::primitives::position::Height;
use crate::{Error, Result};
use std::io::ErrorKind;
use std::path::Path;

/// Folder of a chainstate that was loaded (Bitcoin Core, `node/utxo_snapshot.h`:
/// `SNAPSHOT_CHAINSTATE_SUFFIX`).
const SNAPSHOT: &str = "chainstate_snapshot";

/// Orphans whose heights are looked up: a node downloads at most 1,024 blocks ahead, and nearly all of them
/// follow one another.
const CLAIMS_MAX: usize = 1024;

/// Times that files are looked at because a node deletes some meanwhile. It deletes the lowest, and these are
/// read first: more than once or twice would be strange.
pub(crate) const LOOKS_MAX: u32 = 8;

/// Blocks that are needed, and in no file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Gone {
    /// Height of the first of them.
    pub first: Height,
    /// Height of the last; `None` if the blocks above name none (BIP 34).
    pub last: Option<Height>,
}

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.last {
            Some(last) if last == self.first => write!(f, "block {last} is"),
            Some(last) => write!(f, "blocks {} to {last} are", self.first),
            None => write!(f, "block {} and some above it are", self.first),
        }
    }
}

impl Gone {
    /// From `first` to below the lowest block above it that lacks an ancestor.
    pub(super) fn above(datadir: &Datadir, tree: &HeaderTree<'_>, first: Height) -> Gone {
        let orphans = tree.orphan_roots().take(CLAIMS_MAX);
        let heights = orphans.filter_map(|place| claimed_height(datadir, place));
        let next = heights.filter(|height| *height > first).min();
        Gone {
            first,
            last: next.map(|next| Height(next.0 - 1)),
        }
    }
}

impl Datadir {
    /// Why it is no datadir for a first import: the first file that is missing.
    pub fn gap(&self) -> Option<Fault> {
        let numbers = self.files.iter().map(|file| file.number);
        let (missing, next) = (0..).zip(numbers).find(|(wanted, found)| wanted != found)?;
        let dir = self.blocks_dir.clone();
        Some(match missing {
            0 => Fault::FirstFileMissing {
                dir,
                first: next,
                height: claimed_height(self, self.first_block),
            },
            _ => Fault::FileMissing { dir, missing, next },
        })
    }

    /// Whether blocks at the bottom of the chain, or in its middle, may be missing for good reason.
    pub fn is_partial(&self) -> bool {
        self.is_any_missing(0..=u32::MAX) || self.begins_at_snapshot()
    }

    /// Whether the node began at a snapshot, and may still be fetching what lies before it.
    pub fn begins_at_snapshot(&self) -> bool {
        let snapshot = self.blocks_dir.parent().map(|dir| dir.join(SNAPSHOT));
        snapshot.is_some_and(|dir| dir.exists())
    }

    /// Whether a file with one of these numbers is missing, as far as there are files above it.
    pub(super) fn is_any_missing(&self, numbers: std::ops::RangeInclusive<u32>) -> bool {
        let last = self.files.last().map_or(0, |file| file.number);
        let last = last.min(*numbers.end());
        let wanted = u64::from(last) + 1;
        let wanted = wanted.saturating_sub(u64::from(*numbers.start()));
        let is_wanted = |file: &&BlockFile| numbers.contains(&file.number);
        (self.files.iter().filter(is_wanted).count() as u64) < wanted
    }

    /// The same without the files of these numbers: a node deleted them since they were listed.
    pub(crate) fn without(mut self, vanished: &[u32]) -> Datadir {
        self.files.retain(|file| !vanished.contains(&file.number));
        self
    }
}

/// Bytes of block and undo files that `bitcoin.conf` says the node may keep; `None` if it says nothing of
/// it, or 0, or 1: then it deletes files only when it is told to.
pub(super) fn prune_bytes(source: &Source, network: NetworkName) -> Option<u64> {
    let Location::Datadir(dir) = &source.location else {
        return None;
    };
    let mebibytes: u64 = Conf::of(dir).value("prune", network)?.parse().ok()?;
    (mebibytes > 1).then_some(mebibytes << 20)
}

/// Whether the error says that a block file is not there: of those that were listed, a node has deleted it.
pub(crate) fn is_vanished(error: &Error) -> bool {
    let is_block_file = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| super::files::number_of(name).is_some())
    };
    match error.fault() {
        Some(crate::os::Fault::Io { path, .. }) => {
            io_kind(error) == Some(ErrorKind::NotFound)
                && is_block_file(path)
                && !is_there_still(path)
        }
        _ => false,
    }
}

/// What was read of a file; `None` if it has vanished.
///
/// # Errors
/// All others.
pub(super) fn unless_vanished<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(error) if is_vanished(&error) => Ok(None),
        read => read.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::list;
    use super::super::testing::{folder_with, regtest_source};
    use super::super::{Location, block_file_path};
    use super::*;
    use crate::error::fault_of;
    use std::fs;
    use std::path::PathBuf;

    /// `data/` as a folder of its own, without the files of these numbers.
    fn without(gone: &[u32]) -> (tempfile::TempDir, Datadir) {
        let whole = Datadir::open(&regtest_source()).expect("opens");
        let read = |file: &BlockFile| {
            let path = block_file_path(whole.blocks_dir(), file.number);
            fs::read(path).expect("file")
        };
        let files: Vec<_> = whole.files().iter().map(read).collect();
        let dir = folder_with(&files);
        let key = whole.blocks_dir().join("xor.dat");
        fs::copy(key, dir.path().join("xor.dat")).expect("copy");
        for number in gone {
            fs::remove_file(block_file_path(dir.path(), *number)).expect("remove");
        }
        let location = Location::BlocksDir(dir.path().to_path_buf());
        let datadir = Datadir::open(&Source::new(location)).expect("opens");
        (dir, datadir)
    }

    #[test]
    fn files_that_are_missing_are_named_with_the_height_where_it_goes_on() {
        let (_dir, whole) = without(&[]);
        assert!(whole.gap().is_none() && !whole.is_partial());
        let (_dir, pruned) = without(&[0, 1, 2]);
        assert!(pruned.is_partial());
        let Some(Fault::FirstFileMissing {
            first: 3, height, ..
        }) = pruned.gap()
        else {
            panic!("{:?}", pruned.gap());
        };
        assert!(
            height.is_some_and(|height| height > Height(20)),
            "{height:?}"
        );
        let (_dir, gap) = without(&[4, 5]);
        assert!(gap.is_any_missing(5..=6) && !gap.is_any_missing(6..=20));
        let Some(Fault::FileMissing {
            missing: 4,
            next: 6,
            ..
        }) = gap.gap()
        else {
            panic!("{:?}", gap.gap());
        };
        let (_dir, shorter) = without(&[11]);
        assert!(shorter.gap().is_none() && !shorter.is_partial());
    }

    #[test]
    fn only_a_block_file_whose_name_is_gone_has_vanished() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let open = |name: &str| {
            let opened = crate::os::opening::open_file(&dir.path().join(name));
            opened.expect_err("it is not there")
        };
        assert!(is_vanished(&open("blk00003.dat")));
        assert!(!is_vanished(&open("rev00003.dat")));
        std::os::unix::fs::symlink("nowhere", dir.path().join("blk00004.dat")).expect("link");
        assert!(!is_vanished(&open("blk00004.dat")));
        let listed = list(dir.path());
        assert!(fault_of::<_, crate::os::Fault>(&listed).is_some());
    }

    #[test]
    fn what_bitcoin_conf_says_of_pruning_is_read_for_its_network() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let conf = dir.path().join("bitcoin.conf");
        let said = |text: &str, location: fn(PathBuf) -> Location| {
            fs::write(&conf, text).expect("write");
            let source = Source::new(location(dir.path().to_path_buf()));
            prune_bytes(&source, NetworkName::Regtest)
        };
        for (text, bytes) in [
            ("prune=600", Some(600 << 20)),
            ("prune=600\n[regtest]\nprune=700", Some(700 << 20)),
            ("[main]\nprune=600", None),
            ("prune=1", None),
            ("prune=0", None),
            ("prune=much", None),
            ("", None),
        ] {
            assert_eq!(said(text, Location::Datadir), bytes, "{text}");
        }
        assert_eq!(said("prune=600", Location::BlocksDir), None);
    }
}
