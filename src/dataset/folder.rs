//! The folder of a set: what is in it, and how files come into it.
//!
//! Invariant: a file under a final name is whole and on disk. What is being written has no name; where a file
//! system has no files without one, and for the moment in which a file takes another's place, the name begins
//! with `.blkdex-`, and the file is locked by who writes it: so what nobody locks is a leftover.

use super::piece::Piece;
use super::{Fault, Table};
use crate::Result;
use crate::os::growing::Growing;
use crate::os::io_error;
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// See the module documentation.
pub(crate) struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// Opens it, and makes it with the folders of these tables, where they are not there.
    ///
    /// # Errors
    /// [`Fault::NotAFolder`], [`crate::os::Fault::Io`].
    pub fn open(dir: &Path, tables: &[Table]) -> Result<Folder> {
        let folder = Folder {
            dir: dir.to_owned(),
        };
        make_folder(dir)?;
        for table in tables {
            make_folder(&folder.of(*table))?;
        }
        Ok(folder)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// A table's folder.
    pub fn of(&self, table: Table) -> PathBuf {
        self.dir.join(table.name())
    }

    /// The path of a piece.
    pub fn file_of(&self, piece: &Piece) -> PathBuf {
        self.of(piece.table).join(piece.file_name())
    }

    /// All pieces that are there, in order, with the bytes of their files.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn pieces(&self) -> Result<Vec<(Piece, u64)>> {
        let mut pieces = Vec::new();
        for table in Table::ALL {
            for name in names_in(&self.of(table))? {
                let Some(piece) = Piece::named(table, &name) else {
                    continue;
                };
                let path = self.file_of(&piece);
                match fs::metadata(&path) {
                    Ok(meta) => pieces.push((piece, meta.len())),
                    // Another process has a longer one.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(io_error("look at", &path)(error)),
                }
            }
        }
        pieces.sort_unstable();
        Ok(pieces)
    }

    /// Removes what killed processes left; how many files.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn remove_leftovers(&self) -> Result<u64> {
        let folders = Table::ALL.map(|table| self.of(table));
        let mut count = 0;
        for folder in folders.iter().chain([&self.dir]) {
            for name in names_in(folder)? {
                if name.starts_with(".blkdex-") && name.ends_with(".part") {
                    count += u64::from(remove_if_free(&folder.join(name))?);
                }
            }
        }
        Ok(count)
    }

    /// A file that is to become one of the folder's.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn begin(&self, folder: &Path) -> Result<Growing> {
        loop {
            let growing = Growing::new(folder)?;
            let lock = growing.file().lock();
            lock.map_err(io_error("lock a file in", folder))?;
            // Between its making and its lock it may have been taken for a leftover.
            let is_there = match &growing {
                Growing::Unnamed(_) => true,
                Growing::Named(file) => {
                    file.as_file().metadata().is_ok_and(|meta| meta.nlink() > 0)
                }
            };
            if is_there {
                return Ok(growing);
            }
        }
    }

    /// Gives a whole file its name, in place of what has it.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn name(&self, growing: Growing, path: &Path) -> Result<()> {
        let synced = growing.file().sync_all();
        synced.map_err(io_error("write", path))?;
        growing.name(path, true).map_err(io_error("name", path))?;
        sync_folder_of(path)
    }

    /// Removes a piece.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn remove(&self, piece: &Piece) -> Result<()> {
        let path = self.file_of(piece);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(io_error("remove", &path)(error))
            }
            _ => sync_folder_of(&path),
        }
    }
}

/// As other exports' files, for the owner alone; the umask of who wants it otherwise does not say so.
fn make_folder(dir: &Path) -> Result<()> {
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(_) => {
            return Err(Fault::NotAFolder {
                path: dir.to_owned(),
            }
            .into());
        }
        Err(_) => {}
    }
    let made = DirBuilder::new().recursive(true).create(dir);
    made.map_err(io_error("make the folder", dir))?;
    sync_folder_of(dir)
}

fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = crate::os::paths::folder_of(path);
    let file = File::open(folder).map_err(io_error("open", folder))?;
    file.sync_all().map_err(io_error("write", folder))
}

/// The names in a folder; none if it is not there.
fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io_error("list", folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error("list", folder))?;
        names.extend(entry.file_name().into_string().ok());
    }
    Ok(names)
}

/// Removes a leftover, unless somebody is writing it.
fn remove_if_free(path: &Path) -> Result<bool> {
    let gone = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Ok(false),
        _ => Err(io_error("remove", path)(error)),
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return gone(error),
    };
    if file.try_lock().is_err() {
        return Ok(false);
    }
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) => gone(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_writes_is_no_leftover_until_it_is_dead() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(dir.path(), &[Table::Blocks]).expect("opens");
        let growing = Growing::named(&folder.of(Table::Blocks)).expect("makes");
        growing.file().lock().expect("locks");
        let dead = dir.path().join(".blkdex-dead.part");
        fs::write(&dead, "half").expect("writes");
        fs::write(dir.path().join("mine.part"), "whole").expect("writes");
        assert_eq!(folder.remove_leftovers().expect("removes"), 1);
        assert!(!dead.exists());
        drop(growing);
        let names = names_in(&folder.of(Table::Blocks)).expect("lists");
        assert!(names.is_empty(), "{names:?}");
    }

    #[test]
    fn pieces_are_what_has_their_names_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(dir.path(), &[Table::Blocks]).expect("opens");
        for name in ["blocks_0000000_to_0000009.parquet", "_SUCCESS", "x.parquet"] {
            fs::write(folder.of(Table::Blocks).join(name), "12").expect("writes");
        }
        let pieces = folder.pieces().expect("lists");
        assert_eq!(pieces.len(), 1);
        assert_eq!((pieces[0].0.last.0, pieces[0].1), (9, 2));
    }
}
