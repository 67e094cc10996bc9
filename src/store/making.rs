//! A new index file is made beside its name, and gets it when it is whole.
//!
//! Invariant: under the index's own name there is nothing, or a file that redb can open. Only who holds
//! redb's lock on the file beside it, and finds it there under its name, gives it another. What a kill
//! leaves beside is taken away by the next who opens the index to write.
//!
//! An empty file that somebody has put there becomes an index where it is, with its mode and owner.

use super::Fault;
use crate::os::opening::{kind_of, open_with};
use crate::os::paths::{behind_links, folder_of};
use crate::os::{self, io_error};
use crate::{Error, Result};
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Makes the index at `index`: `fill` makes one of a new and empty file, and locks it.
///
/// # Errors
/// [`Fault::IndexInUse`] if another process makes it too; [`os::Fault::NotAFile`], [`os::Fault::Io`]; those
/// of `fill`. Nothing is left then.
pub(super) fn make<T>(index: &Path, fill: impl FnOnce(File) -> Result<T>) -> Result<T> {
    let path = behind_links(index);
    let new = beside(&path);
    clear(&new, index)?;
    let file = create(&new).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => in_use(index),
        _ => io_error("open", index)(error),
    })?;
    let own = file.try_clone().map_err(io_error("open", index))?;
    let made = fill(file).and_then(|made| {
        name(&own, &new, &path, index)?;
        Ok(made)
    });
    if made.is_err() && is_at(&own, &new) {
        // Tried only: what stays is taken away by the next import.
        let _ = fs::remove_file(&new);
    }
    made
}

/// Takes away what a kill has left beside an index that is there all the same.
pub(super) fn tidy(index: &Path) {
    // If that cannot be, it is no fault of the index, which can be opened.
    let _ = clear(&beside(&behind_links(index)), index);
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(".creating");
    name.into()
}

/// Removes what is left of a process that was cut off, unless it is still at work.
fn clear(new: &Path, index: &Path) -> Result<()> {
    let Ok(meta) = fs::symlink_metadata(new) else {
        return Ok(());
    };
    if let Some(what) = kind_of(meta.file_type()) {
        let path = new.to_owned();
        return Err(os::Fault::NotAFile { path, what }.into());
    }
    let file = open_with(File::options().read(true).write(true), new)?;
    // Where files cannot be locked, redb does not lock them either.
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(in_use(index));
    }
    match is_at(&file, new) {
        true => fs::remove_file(new).map_err(io_error("remove", new)),
        false => Ok(()),
    }
}

fn create(new: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.open(new)
}

/// Gives the file, which is locked, its name.
fn name(own: &File, new: &Path, path: &Path, index: &Path) -> Result<()> {
    own.sync_all().map_err(io_error("sync", index))?;
    // Another process has seen it before it was locked and has taken it away, or has made the index.
    if !is_at(own, new) || fs::symlink_metadata(path).is_ok() {
        return Err(in_use(index));
    }
    fs::rename(new, path).map_err(io_error("name", index))?;
    let folder = File::open(folder_of(path));
    let synced = folder.and_then(|folder| folder.sync_all());
    synced.map_err(io_error("sync the folder of", index))
}

/// Whether the file has that name.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(file), Ok(found)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    (file.dev(), file.ino()) == (found.dev(), found.ino())
}

fn in_use(index: &Path) -> Error {
    let path = index.to_owned();
    Fault::IndexInUse { path }.into()
}
