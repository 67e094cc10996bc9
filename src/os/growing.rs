//! A file that gets its name when it is whole.
//!
//! Invariant: a process that dies before leaves nothing behind, since until then the file has no name. (Where
//! a file system cannot have files without a name, the name begins with `.blkdex-` until then, and a kill
//! leaves that.) The mode is 0600 less the umask.

use super::io_error;
use super::paths::folder_of;
use crate::Result;
use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempPath};

/// A file that is not whole yet.
pub(crate) enum Growing {
    /// Gone if the process dies.
    Unnamed(File),
    /// Removed if it is dropped.
    Named(NamedTempFile),
}

impl Growing {
    /// In the folder.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub(crate) fn new(folder: &Path) -> Result<Growing> {
        match unnamed(folder) {
            Some(file) => Ok(Growing::Unnamed(file)),
            None => Growing::named(folder),
        }
    }

    pub(crate) fn named(folder: &Path) -> Result<Growing> {
        let made = named_builder(|builder| builder.tempfile_in(folder));
        made.map(Growing::Named)
            .map_err(io_error("write into", folder))
    }

    /// What it is written by.
    pub(crate) fn file(&self) -> &File {
        match self {
            Growing::Unnamed(file) => file,
            Growing::Named(file) => file.as_file(),
        }
    }

    /// Gives it its name, in one step, whether there is another file of that name or not.
    pub(crate) fn name(self, path: &Path, force: bool) -> std::io::Result<()> {
        match self {
            Growing::Unnamed(file) => match link(&file, path) {
                // A link never replaces anything: only a name can, so it gets one for a moment.
                Err(error) if force && error.kind() == ErrorKind::AlreadyExists => {
                    let named = named_builder(|builder| {
                        builder.make_in(folder_of(path), |at| link(&file, at))
                    })?;
                    let named: TempPath = named.into_temp_path();
                    named.persist(path).map_err(|failed| failed.error)
                }
                linked => linked,
            },
            Growing::Named(file) => {
                let named = match force {
                    true => file.persist(path),
                    false => file.persist_noclobber(path),
                };
                named.map(drop).map_err(|failed| failed.error)
            }
        }
    }
}

fn named_builder<T>(make: impl FnOnce(&mut tempfile::Builder<'_, 'static>) -> T) -> T {
    make(tempfile::Builder::new().prefix(".blkdex-").suffix(".part"))
}

/// A file without a name in the folder; `None` if it could not be had, or could not be given a name
/// afterwards.
pub(crate) fn unnamed(folder: &Path) -> Option<File> {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    let without_name = OFlags::TMPFILE.bits().cast_signed();
    let file = options.custom_flags(without_name).open(folder).ok()?;
    let (by_fd, by_path) = (file.metadata().ok()?, path_of(&file).metadata().ok()?);
    // Without /proc there is no path to link from.
    ((by_fd.dev(), by_fd.ino()) == (by_path.dev(), by_path.ino())).then_some(file)
}

fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn link(file: &File, path: &Path) -> std::io::Result<()> {
    Ok(linkat(
        CWD,
        path_of(file),
        CWD,
        path,
        AtFlags::SYMLINK_FOLLOW,
    )?)
}
