//! Where an export or a report goes: a file that gets its name when it is whole, or stdout.
//!
//! Invariant: the name is given after everything is on disk, to a file that had none. So a process that
//! dies before leaves nothing behind. (Where a file system cannot have files without a name, the name
//! begins with `.blkdex-` until then, and a kill leaves that.) The mode is 0600 less the umask.

use crate::Result;
use crate::export::Fault;
use crate::os;
use crate::os::growing::Growing;
use crate::os::io_error;
use crate::os::kept::Kept;
use crate::os::opening::kind_of;
use crate::os::paths::folder_of;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::PathBuf;

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
    pub stream: BufWriter<Box<dyn Write + Send + 'a>>,
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
    /// Whether something could be written there, and nothing that is kept would be lost: said before
    /// hours of work.
    ///
    /// # Errors
    /// [`crate::export::Fault::Exists`]; [`crate::os::Fault::NotAFile`]; [`crate::os::Fault::Kept`];
    /// [`crate::os::Fault::Io`] if the folder is not there.
    pub fn check(&self, kept: &Kept) -> Result<()> {
        let Destination::File { path, force } = self else {
            return Ok(());
        };
        let folder = folder_of(path);
        std::fs::metadata(folder).map_err(io_error("open", folder))?;
        kept.check(path)?;
        let Ok(meta) = std::fs::symlink_metadata(path) else {
            return Ok(());
        };
        let path = path.clone();
        match kind_of(meta.file_type()) {
            Some(what) => Err(os::Fault::NotAFile { path, what }.into()),
            None if !force => Err(Fault::Exists { path }.into()),
            None => Ok(()),
        }
    }

    /// Lets `work` write, then gives the file its name.
    ///
    /// # Errors
    /// Those of [`Destination::check`] and of `work`; [`crate::os::Fault::Io`].
    pub(crate) fn write<T>(
        &self,
        kept: &Kept,
        work: impl FnOnce(&mut Out<'_>) -> Result<T>,
    ) -> Result<T> {
        self.check(kept)?;
        let (path, force) = match self {
            Destination::Stdout => {
                let path = PathBuf::from("stdout");
                return write_to(std::io::stdout(), path, work);
            }
            Destination::File { path, force } => (path, *force),
        };
        let folder = folder_of(path);
        let growing = Growing::new(folder)?;
        let done = write_to(growing.file(), path.clone(), work)?;
        let synced = growing.file().sync_all();
        synced.map_err(io_error("write", path))?;
        // Whatever came to be there meanwhile.
        self.check(kept)?;
        growing
            .name(path, force)
            .map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => Fault::Exists { path: path.clone() }.into(),
                _ => io_error("name", path)(error),
            })?;
        let folder_file = File::open(folder).map_err(io_error("open", folder))?;
        folder_file.sync_all().map_err(io_error("write", folder))?;
        Ok(done)
    }
}

fn write_to<T>(
    stream: impl Write + Send,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Interrupted;
    use crate::error::fault_of;
    use crate::os::growing::unnamed;
    use std::path::Path;

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
            .write(&Kept::new(), |out| out.write(b"one"))
            .expect("writes");
        let mode = std::fs::metadata(&path)
            .expect("is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = to(&path, false).write(&Kept::new(), |out| out.write(b"two"));
        assert!(matches!(fault_of(&again), Some(Fault::Exists { .. })));
        assert_eq!(std::fs::read(&path).expect("reads"), b"one");
        to(&path, true)
            .write(&Kept::new(), |out| out.write(b"two"))
            .expect("writes");
        assert_eq!(std::fs::read(&path).expect("reads"), b"two");
    }

    #[test]
    fn nothing_is_left_of_a_failure() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("out");
        let failed: Result<()> = to(&path, false).write(&Kept::new(), |out| {
            out.write(b"half")?;
            Err(Interrupted.into())
        });
        assert!(matches!(fault_of(&failed), Some(Interrupted)));
        assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 0);
        assert!(
            to(&dir.path().join("no/out"), false)
                .check(&Kept::new())
                .is_err()
        );
        assert!(to(dir.path(), true).check(&Kept::new()).is_err());
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_replaced() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("out");
        let late = to(&path, false).write(&Kept::new(), |out| {
            std::fs::write(&path, b"other").expect("writes");
            out.write(b"ours")
        });
        assert!(matches!(fault_of(&late), Some(Fault::Exists { .. })));
        assert_eq!(std::fs::read(&path).expect("reads"), b"other");
    }

    #[test]
    fn while_it_grows_a_file_has_no_name_and_then_its_own_alone() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let names = || -> Vec<_> {
            let entries = std::fs::read_dir(dir.path()).expect("lists");
            entries
                .map(|entry| entry.expect("lists").file_name())
                .collect()
        };
        assert!(
            unnamed(dir.path()).is_some(),
            "tests run where it can be had"
        );
        let path = dir.path().join("out");
        for (force, text) in [(false, "one"), (true, "two"), (true, "three")] {
            to(&path, force)
                .write(&Kept::new(), |out| {
                    assert_eq!(names().len(), usize::from(force));
                    out.write(text.as_bytes())
                })
                .expect("writes");
            assert_eq!(names(), ["out"]);
            assert_eq!(std::fs::read_to_string(&path).expect("reads"), text);
        }
    }

    #[test]
    fn where_files_must_have_names_the_same_comes_of_it() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("out");
        let write = |text: &str, force| {
            let growing = Growing::named(dir.path()).expect("a file");
            growing.file().write_all(text.as_bytes()).expect("writes");
            growing.name(&path, force)
        };
        write("one", false).expect("names");
        let refused = write("two", false).expect_err("it is there");
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        write("three", true).expect("names");
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), "three");
        assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 1);
    }

    #[test]
    fn what_is_no_file_is_never_replaced_and_said_to_be_none() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("elsewhere", &link).expect("a link");
        for (path, kind) in [
            (dir.path(), "a folder"),
            (&link, "a symbolic link"),
            (Path::new("/dev/null"), "a device"),
        ] {
            let refused = to(path, true).check(&Kept::new());
            assert!(
                matches!(fault_of(&refused), Some(os::Fault::NotAFile { what, .. }) if *what == kind),
                "{refused:?}"
            );
        }
    }
}
