//! Opens what has to be a file.
//!
//! Invariant: opening never waits, and what is opened is a file: no FIFO, which would be waited for, no
//! device, no folder, no socket.

use crate::Result;
use crate::os::{Fault, io_error};
use rustix::fs::OFlags;
use std::fs::{File, FileType, OpenOptions};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Opens a file for reading.
///
/// # Errors
/// [`crate::os::Fault::NotAFile`], [`crate::os::Fault::Io`].
pub fn open_file(path: &Path) -> Result<File> {
    open_with(File::options().read(true), path)
}

/// Opens a file as `options` say.
///
/// # Errors
/// [`crate::os::Fault::NotAFile`], [`crate::os::Fault::Io`].
pub fn open_with(options: &mut OpenOptions, path: &Path) -> Result<File> {
    // Of a file, reading and writing wait as ever.
    let without_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let file = match options.custom_flags(without_waiting).open(path) {
        Ok(file) => file,
        Err(source) => {
            // A socket, or a folder that was to be written to: cannot be opened, and is named.
            if let Ok(meta) = path.metadata() {
                expect_file(path, meta.file_type())?;
            }
            return Err(io_error("open", path)(source));
        }
    };
    // Of what was opened, not of what has that name by now.
    let meta = file.metadata().map_err(io_error("open", path))?;
    expect_file(path, meta.file_type()).map(|()| file)
}

fn expect_file(path: &Path, kind: FileType) -> Result<()> {
    match kind_of(kind) {
        None => Ok(()),
        Some(what) => Err(Fault::NotAFile {
            path: path.to_owned(),
            what,
        }
        .into()),
    }
}

/// What something is that is no file.
pub fn kind_of(kind: FileType) -> Option<&'static str> {
    let kinds = [
        (kind.is_dir(), "a folder"),
        (kind.is_symlink(), "a symbolic link"),
        (kind.is_fifo(), "a FIFO"),
        (kind.is_socket(), "a socket"),
        (kind.is_block_device() || kind.is_char_device(), "a device"),
    ];
    let other = (!kind.is_file()).then_some("something else");
    let found = kinds.into_iter().find(|(is_it, _)| *is_it);
    found.map(|(_, what)| what).or(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::fault_of;
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_is_no_file_is_named_at_once() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let [fifo, socket, link] = ["fifo", "socket", "link"].map(|name| dir.path().join(name));
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).expect("a FIFO");
        let _listener = UnixListener::bind(&socket).expect("a socket");
        std::os::unix::fs::symlink("fifo", &link).expect("a link");
        for (path, kind) in [
            (dir.path(), "a folder"),
            (&fifo, "a FIFO"),
            (&link, "a FIFO"),
            (&socket, "a socket"),
            (Path::new("/dev/null"), "a device"),
        ] {
            for mut options in [
                File::options().read(true),
                File::options().read(true).append(true),
            ]
            .map(|options| options.clone())
            {
                let refused = open_with(&mut options, path);
                assert!(
                    matches!(fault_of(&refused), Some(Fault::NotAFile { what, .. }) if *what == kind),
                    "{kind}: {refused:?}"
                );
            }
        }
    }

    #[test]
    fn a_file_is_opened_through_links_and_a_missing_one_is_not_made() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let [file, link, no] = ["file", "link", "no"].map(|name| dir.path().join(name));
        std::fs::write(&file, "x").expect("writes");
        std::os::unix::fs::symlink("file", &link).expect("a link");
        assert!(open_file(&file).is_ok() && open_file(&link).is_ok());
        assert!(matches!(
            fault_of(&open_file(&no)),
            Some(Fault::Io { action: "open", .. })
        ));
        assert!(!no.exists());
    }
}
