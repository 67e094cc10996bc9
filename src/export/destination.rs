//! Where an export or a report goes: a file that gets its name when it is whole, or stdout.
//!
//! Invariant: the name is given by one rename after everything is on disk; a process that dies before
//! leaves at most a file whose name begins with `.blkdex-`, of mode 0600 less the umask.

use crate::error::io_error;
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 256 << 10;

/// See the module documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// The process's output.
    Stdout,
    /// A file.
    File {
        /// Its name.
        path: PathBuf,
        /// Whether a file of that name may be replaced.
        force: bool,
    },
}

/// What is written to; names itself in errors.
pub(crate) struct Out<'a> {
    /// The stream.
    pub stream: BufWriter<Box<dyn Write + 'a>>,
    /// Its name.
    pub path: PathBuf,
}

impl Out<'_> {
    /// Writes bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.stream.write_all(bytes);
        written.map_err(io_error("write", &self.path))
    }
}

impl Destination {
    /// Whether something could be written there: said before hours of work.
    ///
    /// # Errors
    /// [`Error::Exists`], also for what is no file; [`Error::Io`] if the folder is not there.
    pub fn check(&self) -> Result<()> {
        let Destination::File { path, force } = self else {
            return Ok(());
        };
        let folder = folder(path);
        std::fs::metadata(folder).map_err(io_error("open", folder))?;
        match std::fs::symlink_metadata(path) {
            Ok(meta) if !force || !meta.is_file() => Err(Error::Exists { path: path.clone() }),
            _ => Ok(()),
        }
    }

    /// Lets `work` write, then gives the file its name.
    ///
    /// # Errors
    /// Those of [`Destination::check`] and of `work`; [`Error::Io`].
    pub(crate) fn write<T>(&self, work: impl FnOnce(&mut Out<'_>) -> Result<T>) -> Result<T> {
        self.check()?;
        let (path, force) = match self {
            Destination::Stdout => {
                let path = PathBuf::from("stdout");
                return write_to(std::io::stdout().lock(), path, work);
            }
            Destination::File { path, force } => (path, force),
        };
        let folder = folder(path);
        let mut unnamed = tempfile::Builder::new();
        let unnamed = unnamed
            .prefix(".blkdex-")
            .suffix(".part")
            .tempfile_in(folder);
        let unnamed = unnamed.map_err(io_error("write into", folder))?;
        let done = write_to(unnamed.as_file(), path.clone(), work)?;
        unnamed
            .as_file()
            .sync_all()
            .map_err(io_error("write", path))?;
        let named = match force {
            true => unnamed.persist(path),
            false => unnamed.persist_noclobber(path),
        };
        named.map_err(|failed| match failed.error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists { path: path.clone() },
            _ => io_error("name", path)(failed.error),
        })?;
        let folder_file = File::open(folder).map_err(io_error("open", folder))?;
        folder_file.sync_all().map_err(io_error("write", folder))?;
        Ok(done)
    }
}

fn write_to<T>(
    stream: impl Write,
    path: PathBuf,
    work: impl FnOnce(&mut Out<'_>) -> Result<T>,
) -> Result<T> {
    let mut out = Out {
        stream: BufWriter::with_capacity(BUFFER_BYTES, Box::new(stream)),
        path,
    };
    let done = work(&mut out)?;
    out.stream.flush().map_err(io_error("write", &out.path))?;
    Ok(done)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(path: &Path, force: bool) -> Destination {
        let path = path.to_owned();
        Destination::File { path, force }
    }

    #[test]
    fn a_whole_file_appears_private_and_is_replaced_only_by_force() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("out");
        to(&path, false)
            .write(|out| out.write(b"one"))
            .expect("writes");
        let mode = std::fs::metadata(&path)
            .expect("is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = to(&path, false).write(|out| out.write(b"two"));
        assert!(matches!(again, Err(Error::Exists { .. })));
        assert_eq!(std::fs::read(&path).expect("reads"), b"one");
        to(&path, true)
            .write(|out| out.write(b"two"))
            .expect("writes");
        assert_eq!(std::fs::read(&path).expect("reads"), b"two");
    }

    #[test]
    fn nothing_is_left_of_a_failure() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("out");
        let failed: Result<()> = to(&path, false).write(|out| {
            out.write(b"half")?;
            Err(Error::Interrupted)
        });
        assert!(matches!(failed, Err(Error::Interrupted)));
        assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 0);
        assert!(to(&dir.path().join("no/out"), false).check().is_err());
        assert!(to(dir.path(), true).check().is_err());
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_replaced() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("out");
        let late = to(&path, false).write(|out| {
            std::fs::write(&path, b"other").expect("writes");
            out.write(b"ours")
        });
        assert!(matches!(late, Err(Error::Exists { .. })));
        assert_eq!(std::fs::read(&path).expect("reads"), b"other");
    }
}
