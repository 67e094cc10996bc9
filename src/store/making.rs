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
    if !is_at(&file, new) {
        return Ok(());
    }
    match fs::remove_file(new) {
        // Another process has done it.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(io_error("remove", new)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::fault_of;
    use crate::store::Store;
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Desk(tempfile::TempDir);

    impl Desk {
        fn new() -> Desk {
            Desk(tempfile::tempdir().expect("temporary folder"))
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.0.path()).expect("lists");
            let names = entries.map(|entry| entry.expect("lists").file_name());
            let mut names: Vec<_> = names.map(|name| name.display().to_string()).collect();
            names.sort();
            names
        }
    }

    /// As redb would: it locks the file, and fills it.
    fn fill(mut file: File) -> Result<File> {
        file.try_lock().expect("nobody else has it");
        file.write_all(b"index").expect("writes");
        Ok(file)
    }

    fn is_in_use<T>(made: &Result<T>) -> bool {
        matches!(fault_of(made), Some(Fault::IndexInUse { .. }))
    }

    #[test]
    fn it_has_another_name_until_it_is_whole_and_is_private() {
        let desk = Desk::new();
        let made = make(&desk.at("i"), |file| {
            assert_eq!(desk.names(), ["i.creating"]);
            fill(file)
        });
        made.expect("made");
        assert_eq!(desk.names(), ["i"]);
        assert_eq!(fs::read(desk.at("i")).expect("reads"), b"index");
        let mode = desk.at("i").metadata().expect("is there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn nothing_is_left_of_a_failure() {
        let desk = Desk::new();
        let failed = make(&desk.at("i"), |file| -> Result<()> {
            drop(file);
            Err(crate::error::Interrupted.into())
        });
        assert!(failed.is_err());
        assert!(desk.names().is_empty());
        let nowhere = make(&desk.at("no/i"), fill);
        let words = nowhere.expect_err("there is no folder").to_string();
        assert!(words.starts_with(&format!("cannot open {}", desk.at("no/i").display())));
    }

    #[test]
    fn what_a_kill_has_left_is_taken_away_unless_somebody_is_at_it() {
        let desk = Desk::new();
        fs::write(desk.at("i.creating"), "half").expect("writes");
        let other = File::open(desk.at("i.creating")).expect("opens");
        other.try_lock().expect("nobody else has it");
        assert!(is_in_use(&make(&desk.at("i"), fill)));
        tidy(&desk.at("i"));
        assert_eq!(desk.names(), ["i.creating"]);
        drop(other);
        tidy(&desk.at("i"));
        assert!(desk.names().is_empty());
        fs::write(desk.at("i.creating"), "half").expect("writes");
        make(&desk.at("i"), fill).expect("made");
        assert_eq!(desk.names(), ["i"]);
    }

    #[test]
    fn what_is_no_file_is_named_and_stays() {
        let desk = Desk::new();
        fs::write(desk.at("mine"), "mine").expect("writes");
        symlink("mine", desk.at("i.creating")).expect("a link");
        let refused = make(&desk.at("i"), fill);
        let words = refused.expect_err("a link is in the way").to_string();
        assert!(words.contains("i.creating is a symbolic link"), "{words}");
        tidy(&desk.at("i"));
        assert_eq!(desk.names(), ["i.creating", "mine"]);
    }

    #[test]
    fn a_link_stays_and_the_file_it_leads_to_is_made() {
        let desk = Desk::new();
        fs::create_dir(desk.at("disk")).expect("folder");
        symlink("disk/real", desk.at("i")).expect("a link");
        make(&desk.at("i"), |file| {
            assert!(desk.at("disk/real.creating").exists());
            fill(file)
        })
        .expect("made");
        assert_eq!(fs::read(desk.at("disk/real")).expect("reads"), b"index");
        assert_eq!(desk.names(), ["disk", "i"]);
    }

    #[test]
    fn what_another_process_makes_meanwhile_stays() {
        let desk = Desk::new();
        let late = make(&desk.at("i"), |file| {
            fs::write(desk.at("i"), "theirs").expect("writes");
            fill(file)
        });
        assert!(is_in_use(&late));
        assert_eq!(desk.names(), ["i"]);
        fs::remove_file(desk.at("i")).expect("removes");
        let robbed = make(&desk.at("i"), |file| {
            fs::remove_file(desk.at("i.creating")).expect("removes");
            fs::write(desk.at("i.creating"), "theirs").expect("writes");
            fill(file)
        });
        assert!(is_in_use(&robbed));
        assert_eq!(desk.names(), ["i.creating"]);
        assert_eq!(fs::read(desk.at("i.creating")).expect("reads"), b"theirs");
    }

    #[test]
    fn of_two_who_make_it_at_once_one_has_it_and_the_other_is_told() {
        for _ in 0..50 {
            let desk = Desk::new();
            let create = || Store::create(&desk.at("i"), 1 << 20);
            let made = std::thread::scope(|scope| {
                let two = [scope.spawn(create), scope.spawn(create)];
                two.map(|one| one.join().expect("no panic"))
            });
            let count = |is: fn(&Result<Store>) -> bool| made.iter().filter(|one| is(one)).count();
            assert_eq!((count(Result::is_ok), count(is_in_use)), (1, 1));
            assert_eq!(desk.names(), ["i"]);
        }
    }

    #[test]
    fn an_empty_file_becomes_an_index_where_it_is() {
        let desk = Desk::new();
        fs::write(desk.at("i"), "").expect("writes");
        let before = desk.at("i").metadata().expect("is there");
        Store::create(&desk.at("i"), 1 << 20).expect("an index");
        let after = desk.at("i").metadata().expect("is there");
        assert_eq!((before.ino(), before.mode()), (after.ino(), after.mode()));
        Store::open_read_only(&desk.at("i"), 1 << 20).expect("an index");
    }
}
