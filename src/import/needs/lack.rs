//! What an import needs and has not: room on the disk, memory, rights.
//!
//! Invariant: each is one line that says what, where, and what helps.

use crate::memory::plan::BUDGET_BYTES_MIN;
use crate::os::disk::is_writable;
use crate::os::paths::{behind_links, folder_of};
use std::fmt;
use std::path::{Path, PathBuf};

/// Something that is needed and not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lack {
    /// Room on the disk of the index.
    Disk {
        /// The index.
        index: PathBuf,
        /// Bytes that it will still take, estimated.
        needed_bytes: u64,
        /// Bytes that are free.
        free_bytes: u64,
    },
    /// Memory that `--memory` promises.
    Memory {
        /// Bytes of it that will be filled, estimated.
        used_bytes: u64,
        /// Bytes that the machine or its control group has.
        available_bytes: u64,
    },
    /// The folder of the index.
    Folder {
        /// It is not there, or no folder.
        folder: PathBuf,
    },
    /// The right to write the index, or into its folder.
    Rights {
        /// The file or folder.
        path: PathBuf,
    },
}

impl Lack {
    /// Whether an index can be made, or written to, at `index`.
    pub(crate) fn of_rights(index: &Path) -> Option<Lack> {
        let real = behind_links(index);
        let folder = folder_of(&real);
        if !folder.is_dir() {
            let folder = folder.to_owned();
            return Some(Lack::Folder { folder });
        }
        let written = if index.exists() { index } else { folder };
        let path = written.to_owned();
        (!is_writable(written)).then_some(Lack::Rights { path })
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Disk {
                index,
                needed_bytes,
                free_bytes,
            } => write!(
                f,
                "the index {} needs about {} MB more, {} MB are free on its disk: \
                 name a file on another disk with --index",
                index.display(),
                needed_bytes.div_ceil(1_000_000),
                free_bytes / 1_000_000
            ),
            Lack::Memory {
                used_bytes,
                available_bytes,
            } => write!(
                f,
                "of --memory {} MiB would be filled, {} MiB are available: give --memory {}M",
                used_bytes >> 20,
                available_bytes >> 20,
                (available_bytes / 2).max(BUDGET_BYTES_MIN as u64) >> 20
            ),
            Lack::Folder { folder } => write!(
                f,
                "the folder {} of the index is not there: make it, or name another file with --index",
                folder.display()
            ),
            Lack::Rights { path } => write!(
                f,
                "cannot write to {}: name another file with --index",
                path.display()
            ),
        }
    }
}

/// Several of them, a line each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lacks(pub Vec<Lack>);

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, lack) in self.0.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{lack}")?;
        }
        write!(f, "; --force imports all the same")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_index_needs_of_its_folder_is_told_apart() {
        let dir = tempfile::tempdir().expect("temporary folder");
        assert_eq!(Lack::of_rights(&dir.path().join("x")), None);
        let folder = dir.path().join("not/there");
        let found = Lack::of_rights(&folder.join("x"));
        assert_eq!(found, Some(Lack::Folder { folder }));
        let file = dir.path().join("file");
        std::fs::write(&file, b"").expect("written");
        assert_eq!(Lack::of_rights(&file), None);
        let found = Lack::of_rights(&file.join("x"));
        assert_eq!(found, Some(Lack::Folder { folder: file }));
    }

    #[test]
    fn several_lacks_are_a_line_each_and_the_way_on_comes_last() {
        let lacks = Lacks(vec![
            Lack::Memory {
                used_bytes: 4 << 30,
                available_bytes: 1 << 30,
            },
            Lack::Rights { path: "x".into() },
        ]);
        assert_eq!(
            lacks.to_string(),
            "of --memory 4096 MiB would be filled, 1024 MiB are available: give --memory 512M\n\
             cannot write to x: name another file with --index; --force imports all the same"
        );
    }
}
