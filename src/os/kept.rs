//! What no output may replace, whether it was told to or not: the index, the block files and all
//! else in their folder, the file that is read.
//!
//! Invariant: files are told apart by device and inode, so no other path, link or folder's name leads
//! to one of them.

use crate::Result;
use crate::os::paths::folder_of;
use crate::os::{Fault, io_error};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// See the module documentation.
#[derive(Clone, Default, Debug)]
pub struct Kept {
    files: Vec<(PathBuf, &'static str)>,
    blocks_dirs: Vec<PathBuf>,
}

impl Kept {
    /// Nothing yet.
    pub fn new() -> Kept {
        Kept::default()
    }

    /// And this file, which `what` calls by name: "the index".
    pub fn and_file(mut self, path: &Path, what: &'static str) -> Kept {
        self.files.push((path.to_owned(), what));
        self
    }

    /// And the block files in this folder, with all else in it.
    pub fn and_blocks(mut self, blocks_dir: &Path) -> Kept {
        self.blocks_dirs.push(blocks_dir.to_owned());
        self
    }

    /// Refuses an output that would be written over what is kept.
    ///
    /// # Errors
    /// [`crate::os::Fault::Kept`]; [`crate::os::Fault::Io`] if the folder of the block files cannot be listed.
    pub fn check(&self, output: &Path) -> Result<()> {
        let refused = |what| {
            Err(Fault::Kept {
                path: output.to_owned(),
                what,
            }
            .into())
        };
        for (file, what) in &self.files {
            if are_same(file, output) {
                return refused(what);
            }
        }
        // A folder that the index remembers may have moved since.
        for blocks_dir in self.blocks_dirs.iter().filter(|dir| dir.exists()) {
            if is_block_file(blocks_dir, output)? {
                return refused("a file of the node");
            }
            if output.exists() && is_below(blocks_dir, output) {
                return refused("in the folder of the block files");
            }
        }
        Ok(())
    }
}

/// Refuses an index whose name is that of a file of the node.
///
/// # Errors
/// [`crate::os::Fault::Kept`], [`crate::os::Fault::Io`].
pub fn refuse_block_file(blocks_dir: &Path, index: &Path) -> Result<()> {
    match is_block_file(blocks_dir, index)? {
        false => Ok(()),
        true => Err(Fault::Kept {
            path: index.to_owned(),
            what: "a file of the node",
        }
        .into()),
    }
}

/// Whether `path` is one of the files that a node has in its folder of blocks, or would be taken for
/// one: `blk*.dat`, `rev*.dat`, `xor.dat`.
fn is_block_file(blocks_dir: &Path, path: &Path) -> Result<bool> {
    let folder = folder_of(path);
    let is_there = is_same_place(folder.metadata().ok(), blocks_dir.metadata().ok());
    if is_there && path.file_name().is_some_and(is_name_of_node) {
        return Ok(true);
    }
    let Ok(found) = path.metadata() else {
        return Ok(false);
    };
    for entry in fs::read_dir(blocks_dir).map_err(io_error("list", blocks_dir))? {
        let entry = entry.map_err(io_error("list", blocks_dir))?;
        // Links are followed: the files may lie on several disks.
        let is_of_node = is_name_of_node(&entry.file_name());
        if is_of_node && is_same_place(fs::metadata(entry.path()).ok(), Some(found.clone())) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_name_of_node(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    let is_numbered = name.starts_with("blk") || name.starts_with("rev");
    name == "xor.dat" || (is_numbered && name.ends_with(".dat"))
}

/// Whether both are the same file; of files that are not there yet, whether they would be.
fn are_same(one: &Path, other: &Path) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => is_same_place(Some(one), Some(other)),
        (Err(_), Err(_)) => {
            let folders = [one, other].map(|path| folder_of(path).metadata().ok());
            let [of_one, of_other] = folders;
            one.file_name() == other.file_name() && is_same_place(of_one, of_other)
        }
        _ => false,
    }
}

fn is_same_place(one: Option<Metadata>, other: Option<Metadata>) -> bool {
    let (Some(one), Some(other)) = (one, other) else {
        return false;
    };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether `path`, by its own name or by what that leads to, lies in the folder or below it.
fn is_below(folder: &Path, path: &Path) -> bool {
    let real = [fs::canonicalize(folder_of(path)), fs::canonicalize(path)];
    let folders = real.iter().flatten().flat_map(|path| path.ancestors());
    let mut metas = folders.map(|folder| folder.metadata().ok());
    metas.any(|meta| is_same_place(meta, folder.metadata().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::fault_of;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_path_and_no_link_leads_to_what_is_kept() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("blocks/index")).expect("folders");
        for name in [
            "i",
            "blocks/blk00000.dat",
            "blocks/index/x",
            "blocks/y",
            "far.dat",
            "mine",
        ] {
            fs::write(at(name), name).expect("writes");
        }
        symlink("blocks", at("link")).expect("a link");
        symlink("i", at("to-index")).expect("a link");
        symlink("blocks/blk00000.dat", at("to-block")).expect("a link");
        symlink(at("far.dat"), at("blocks/blk00001.dat")).expect("a link");
        fs::hard_link(at("i"), at("hard-index")).expect("a link");
        fs::hard_link(at("blocks/blk00000.dat"), at("hard-block")).expect("a link");
        let kept = Kept::new()
            .and_file(&at("i"), "the index")
            .and_blocks(&at("blocks"));
        for name in [
            "i",
            "blocks/../i",
            "to-index",
            "hard-index",
            "blocks/blk00000.dat",
            "link/blk00000.dat",
            "to-block",
            "hard-block",
            "far.dat",
            "blocks/y",
            "link/index/x",
            "blocks/index/x",
            "blocks/xor.dat",
            "link/rev00007.dat",
            "blocks/blk00002.dat",
        ] {
            let refused = kept.check(&at(name));
            assert!(
                matches!(fault_of(&refused), Some(Fault::Kept { .. })),
                "{name}: {refused:?}"
            );
        }
        for name in [
            "mine",
            "new",
            "blk00002.dat",
            "blocks/new.csv",
            "no/i",
            "link/new.csv",
        ] {
            kept.check(&at(name)).expect(name);
        }
        let kept = Kept::new().and_file(&at("later"), "the index");
        assert!(kept.check(&at("link/../later")).is_err());
        kept.check(&at("earlier")).expect("another name");
    }
}
