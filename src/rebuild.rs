//! The rebuild: a new index beside the old one, checked, and only then in its place.
//!
//! Invariant: under the index's own name there is, at every moment, either the old file, untouched, or
//! the new one, imported to the end, checked and safe on disk. A rebuild that was cut off is gone on
//! with by the next.

use crate::import::{self, import};
use crate::index::Index;
use crate::memory::READ_CACHE_BYTES;
use crate::report::{Event, Summary};
use crate::system;
use crate::utxo::Watch;
use crate::verify::proof::{self, Verified, verify};
use crate::{Error, Result};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// What a rebuild has done.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// The import.
    pub summary: Summary,
    /// What the check of the new file has found; `None` if the import was interrupted, and the old
    /// file is still there.
    pub verified: Option<Verified>,
}

/// The new file, while it is not in place.
pub fn new_path(index: &Path) -> PathBuf {
    let mut name = index.as_os_str().to_owned();
    name.push(".rebuild");
    name.into()
}

/// Makes the index at `options.index` anew.
///
/// # Errors
/// [`Error::IndexInUse`]; those of the import and of the check. The old file
/// is then as it was.
pub fn rebuild(
    options: &import::Options,
    stop: &AtomicBool,
    hear: &mut dyn FnMut(Event<'_>),
    watch: &mut Watch<'_>,
) -> Result<Rebuilt> {
    let index = &options.index;
    refuse_used(index)?;
    let options = import::Options {
        index: new_path(index),
        ..options.clone()
    };
    let summary = import(&options, stop, hear)?;
    if summary.interrupted {
        return Ok(Rebuilt {
            summary,
            verified: None,
        });
    }
    let verified = check(&options, watch)?;
    // Another import may have begun meanwhile.
    refuse_used(index)?;
    put_in_place(&options.index, index)?;
    Ok(Rebuilt {
        summary,
        verified: Some(verified),
    })
}

/// Refuses an index that another process writes to. The file itself is not looked into: it may be
/// damaged.
fn refuse_used(path: &Path) -> Result<()> {
    let Ok(file) = File::open(path) else {
        return Ok(());
    };
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Err(Error::IndexInUse {
            path: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Recomputes the coins from the block files, and compares their number with the one that the import
/// counted on its way.
fn check(options: &import::Options, watch: &mut Watch<'_>) -> Result<Verified> {
    let check = proof::Options {
        at: None,
        location: None,
        memory_bytes: options.memory_bytes,
        hash_serialized: false,
        expect: None,
        undo: false,
    };
    let verified = verify(&options.index, &check, watch)?;
    let index = Index::open(&options.index, READ_CACHE_BYTES)?;
    if let Some((height, row)) = index
        .tip()
        .filter(|(_, r)| r.coins != verified.stats.txouts)
    {
        return Err(Error::Differs {
            height,
            field: "txouts",
            found: verified.stats.txouts.to_string(),
            expected: row.coins.to_string(),
        });
    }
    Ok(verified)
}

/// Makes the new file safe on disk, and gives it the old one's name.
fn put_in_place(new: &Path, index: &Path) -> Result<()> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    };
    let folder = system::folder_of(index);
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    sync(new).map_err(failed("sync", new))?;
    fs::rename(new, index).map_err(failed("replace", index))?;
    sync(folder).map_err(failed("sync", folder))
}
