//! Where the new index is made, and how it takes the old one's place.
//!
//! Invariant: links stay links; the file at their end is replaced by one of its mode and owner, beside
//! which it was made.

use crate::Result;
use crate::import::events::Notice;
use crate::os;
use crate::os::io_error;
use crate::os::opening::{kind_of, open_file};
use crate::os::paths::{behind_links, folder_of};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// The new file, while it is not in place: beside the real file, wherever links lead.
pub fn new_path(index: &Path) -> PathBuf {
    let mut name = behind_links(index).into_os_string();
    name.push(".rebuild");
    name.into()
}

/// Whether an earlier rebuild left its file. What is no file, or is the index itself, is refused.
pub(super) fn check_leftover(new: &Path, index: &Path) -> Result<bool> {
    let Ok(meta) = fs::symlink_metadata(new) else {
        return Ok(false);
    };
    let path = new.to_owned();
    if let Some(what) = kind_of(meta.file_type()) {
        return Err(os::Fault::NotAFile { path, what }.into());
    }
    let is_same = |index: fs::Metadata| (index.dev(), index.ino()) == (meta.dev(), meta.ino());
    if index.metadata().is_ok_and(is_same) {
        let what = "another name of the index";
        return Err(os::Fault::Kept { path, what }.into());
    }
    Ok(true)
}

/// Makes the new file safe on disk, and gives it the old one's name, mode and owner. Returns what is to
/// be said of that.
pub(super) fn put_in_place(new: &Path, index: &Path) -> Result<Option<Notice>> {
    let file = open_file(new)?;
    let notice = match fs::metadata(index) {
        Ok(old) => dress(&file, &old, index).map_err(io_error("set the mode of", new))?,
        // It was removed meanwhile, or never there.
        Err(_) => None,
    };
    file.sync_all().map_err(io_error("sync", new))?;
    fs::rename(new, index).map_err(io_error("replace", index))?;
    let folder = folder_of(index);
    let synced = File::open(folder).and_then(|file| file.sync_all());
    synced.map_err(io_error("sync", folder))?;
    Ok(notice)
}

/// Gives the file the mode and, if that is allowed, the owner of `old`.
fn dress(file: &File, old: &fs::Metadata, index: &Path) -> std::io::Result<Option<Notice>> {
    let own = file.metadata()?;
    let (uid, gid) = (old.uid(), old.gid());
    let mut is_group_kept = true;
    let mut notice = None;
    if (own.uid(), own.gid()) != (uid, gid) && fchown(file, Some(uid), Some(gid)).is_err() {
        is_group_kept = own.gid() == gid || fchown(file, None, Some(gid)).is_ok();
        notice = Some(Notice::OwnerNotKept {
            path: index.to_owned(),
            uid,
            gid,
        });
    }
    let mode = mode_of(old.mode(), is_group_kept);
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(notice)
}

/// The mode of the new file. Another group may do what everybody may, and not what the old one might.
fn mode_of(old: u32, is_group_kept: bool) -> u32 {
    let of_others = old & 0o007;
    match is_group_kept {
        true => old & 0o777,
        false => old & (0o707 | of_others << 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::fault_of;
    use std::os::unix::fs::symlink;

    #[test]
    fn another_group_gets_no_more_than_everybody_has() {
        for (old, kept, lost) in [
            (0o100640, 0o640, 0o600),
            (0o100644, 0o644, 0o644),
            (0o100664, 0o664, 0o644),
            (0o104600, 0o600, 0o600),
        ] {
            assert_eq!((mode_of(old, true), mode_of(old, false)), (kept, lost));
        }
    }

    #[test]
    fn the_new_file_is_made_beside_the_real_one() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("disk")).expect("folder");
        symlink("disk/real", at("link")).expect("a link");
        symlink(at("link"), at("far")).expect("a link");
        for name in ["disk/real", "link", "far"] {
            assert_eq!(new_path(&at(name)), at("disk/real.rebuild"), "{name}");
        }
        symlink("loop", at("loop")).expect("a link");
        assert_eq!(new_path(&at("loop")), at("loop.rebuild"));
    }

    #[test]
    fn a_leftover_that_is_no_file_or_the_index_is_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let [index, new] = ["i", "i.rebuild"].map(|name| dir.path().join(name));
        fs::write(&index, "index").expect("writes");
        assert!(!check_leftover(&new, &index).expect("nothing there"));
        symlink("i", &new).expect("a link");
        assert!(matches!(
            fault_of(&check_leftover(&new, &index)),
            Some(os::Fault::NotAFile { .. })
        ));
        fs::remove_file(&new).expect("removes");
        fs::hard_link(&index, &new).expect("a link");
        assert!(matches!(
            fault_of(&check_leftover(&new, &index)),
            Some(os::Fault::Kept { .. })
        ));
        fs::remove_file(&new).expect("removes");
        fs::write(&new, "leftover").expect("writes");
        assert!(check_leftover(&new, &index).expect("a file"));
    }
}
