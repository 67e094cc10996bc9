//! A new index file gets its name when it is whole.
//!
//! Invariant: under the index's own name there is nothing, or a file that redb can open and that is locked
//! while it is made. Nothing that has the name is ever replaced.
//!
//! An empty file that somebody has put there becomes an index where it is, with its mode and owner.

use super::contention::in_use;
use crate::Result;
use crate::os::growing::Growing;
use crate::os::io_error;
use crate::os::paths::{behind_links, folder_of};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// Makes the index at `index`: `fill` makes one of a new and empty file, and locks it.
///
/// # Errors
/// [`super::Fault::IndexInUse`] if another process has made it meanwhile; [`crate::os::Fault::Io`]; those of
/// `fill`. Nothing is left then.
pub(super) fn make<T>(index: &Path, fill: impl FnOnce(File) -> Result<T>) -> Result<T> {
    let path = behind_links(index);
    let folder = folder_of(&path);
    let growing = Growing::new(folder)?;
    let file = growing.file().try_clone();
    let made = fill(file.map_err(io_error("open", index))?)?;
    let synced = growing.file().sync_all();
    synced.map_err(io_error("write", index))?;
    growing
        .name(&path, false)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => in_use(index).into(),
            _ => io_error("name", index)(error),
        })?;
    // Where the folder cannot be opened or synced, a power cut may take the name back: then there is no
    // index, and nothing is wrong.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::fault_of;
    use crate::store::Fault;
    use crate::store::{Sharing, Store};
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::PathBuf;

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
    fn it_has_no_name_until_it_is_whole_and_is_private() {
        let desk = Desk::new();
        let made = make(&desk.at("i"), |file| {
            assert!(desk.names().is_empty());
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
        assert!(
            words.contains(&desk.at("no").display().to_string()),
            "{words}"
        );
    }

    #[test]
    fn no_file_beside_it_is_touched_and_a_long_name_can_be_had() {
        let desk = Desk::new();
        let long = "i".repeat(255);
        let others = [
            "i.creating".to_owned(),
            format!("{}.creating", &long[..246]),
        ];
        for other in &others {
            fs::write(desk.at(other), "mine").expect("writes");
        }
        for name in ["i", &long] {
            Store::create(&desk.at(name), 1 << 20, Sharing::WithReaders).expect("an index");
        }
        assert_eq!(desk.names().len(), 4);
        for other in &others {
            assert_eq!(fs::read(desk.at(other)).expect("reads"), b"mine");
        }
    }

    #[test]
    fn a_link_stays_and_the_file_it_leads_to_is_made() {
        let desk = Desk::new();
        fs::create_dir(desk.at("disk")).expect("folder");
        symlink("disk/real", desk.at("i")).expect("a link");
        make(&desk.at("i"), fill).expect("made");
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
        assert_eq!(fs::read(desk.at("i")).expect("reads"), b"theirs");
    }

    #[test]
    fn of_two_who_make_it_at_once_one_has_it_and_the_other_is_told() {
        for _ in 0..50 {
            let desk = Desk::new();
            let create = || Store::create(&desk.at("i"), 1 << 20, Sharing::WithReaders);
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
        Store::create(&desk.at("i"), 1 << 20, Sharing::WithReaders).expect("an index");
        let after = desk.at("i").metadata().expect("is there");
        assert_eq!((before.ino(), before.mode()), (after.ino(), after.mode()));
        Store::open_read_only(&desk.at("i"), 1 << 20).expect("an index");
    }
}
