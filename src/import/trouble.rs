//! Which faults time, or a node, may mend: an import that stays waits for that instead of ending.
//!
//! Invariant: what would be the same at every further try is no trouble, but an error.

use crate::Error;
use crate::datadir::{self, is_vanished};
use crate::error::Family;
use crate::os;
use crate::os::paths::folder_of;
use crate::store;

/// What to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Remedy {
    /// For a while: another process ends, somebody makes room on the disk.
    Time,
    /// For block files that change: a node fetches what is missing, or files are put back.
    Files,
}

/// What may help; `None` if nothing that comes by itself.
pub(super) fn remedy(error: &Error) -> Option<Remedy> {
    let is_full = error.fault().is_some_and(store::Fault::is_disk_full);
    if is_full || error.family() == Family::Contention {
        return Some(Remedy::Time);
    }
    let is_gap = matches!(
        error.fault(),
        Some(datadir::Fault::Gap { .. } | datadir::Fault::Vanishing { .. })
    );
    (is_gap || is_lost_file(error)).then_some(Remedy::Files)
}

/// Whether a block file went away between its listing and its reading. That the folder is gone is another
/// matter.
fn is_lost_file(error: &Error) -> bool {
    match error.fault() {
        Some(os::Fault::Io { path, .. }) => is_vanished(error) && folder_of(path).is_dir(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Fault;
    use std::io::{self, ErrorKind};
    use std::path::PathBuf;

    #[test]
    fn what_goes_by_itself_is_waited_for_and_nothing_else() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let io = |path: PathBuf, kind| os::Fault::Io {
            action: "open",
            path,
            source: io::Error::from(kind),
        };
        let file = folder.path().join("blk00001.dat");
        let path = PathBuf::from("i");
        let end = Box::default();
        for (error, expected) in [
            (
                store::Fault::IndexInUse {
                    path: path.clone(),
                    note: None,
                }
                .into(),
                Some(Remedy::Time),
            ),
            (
                datadir::Fault::Gap { end, until: None }.into(),
                Some(Remedy::Files),
            ),
            (
                io(file.clone(), ErrorKind::NotFound).into(),
                Some(Remedy::Files),
            ),
            (io(file, ErrorKind::PermissionDenied).into(), None),
            (
                io(folder.path().join("gone"), ErrorKind::NotFound).into(),
                None,
            ),
            (
                io("gone/blk00001.dat".into(), ErrorKind::NotFound).into(),
                None,
            ),
            (Fault::KeyChanged { dir: "d".into() }.into(), None),
            (store::Fault::NoBlocks { path }.into(), None),
        ] {
            assert_eq!(remedy(&error), expected, "{error}");
        }
    }
}
