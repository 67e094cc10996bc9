//! Who may read what, and what is left alone.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::SystemTime;

use super::{blkdex, import, words};
use crate::common::chain::Chain;
use crate::common::trial::Trial;

/// Every path below a folder, with its length and times.
fn listing(dir: &Path) -> Vec<(String, u64, SystemTime, i64)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let meta = folder.metadata().unwrap();
        found.push((
            folder.display().to_string(),
            0,
            meta.modified().unwrap(),
            meta.ctime_nsec(),
        ));
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.metadata().unwrap();
            match meta.is_dir() {
                true => folders.push(path),
                false => found.push((
                    path.display().to_string(),
                    meta.len(),
                    meta.modified().unwrap(),
                    meta.ctime_nsec(),
                )),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn an_index_is_for_its_owner_alone_whatever_the_umask() {
    for (umask, mode) in [(0o000, 0o600), (0o077, 0o600), (0o277, 0o400)] {
        let trial = Trial::new(&Chain::of_coinbases(3));
        let index = &trial.options.index;
        let mut command = import(&trial.datadir.path, index);
        // SAFETY: between fork and exec only one plain system call is made.
        unsafe {
            command.pre_exec(move || {
                libc::umask(umask);
                Ok(())
            });
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", words(&output));
        assert_eq!(index.metadata().unwrap().mode() & 0o777, mode);
    }
}

#[test]
fn nothing_is_written_into_the_datadir() {
    let trial = Trial::new(&Chain::of_coinbases(120));
    let (datadir, index) = (&trial.datadir.path, &trial.options.index);
    let before = listing(datadir);
    for _ in 0..2 {
        assert!(import(datadir, index).output().unwrap().status.success());
    }
    for (command, args) in [
        (
            "doctor",
            vec!["--deep", "--datadir", datadir.to_str().unwrap()],
        ),
        ("verify", vec![]),
        ("status", vec![]),
        ("block", vec!["5"]),
        ("rebuild", vec![]),
    ] {
        let output = blkdex(command, index).args(args).output().unwrap();
        assert!(output.status.success(), "{command}: {}", words(&output));
    }
    assert_eq!(listing(datadir), before);
}

#[test]
fn a_read_only_datadir_is_enough() {
    let chain = Chain::of_coinbases(20);
    let trial = Trial::new(&chain);
    let blocks = &trial.datadir.blocks;
    let modes = |file: u32, folder: u32| {
        for entry in fs::read_dir(blocks).unwrap() {
            let path = entry.unwrap().path();
            fs::set_permissions(path, fs::Permissions::from_mode(file)).unwrap();
        }
        fs::set_permissions(blocks, fs::Permissions::from_mode(folder)).unwrap();
    };
    modes(0o444, 0o555);
    let output = import(&trial.datadir.path, &trial.options.index)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", words(&output));
    trial.check(&chain);
    modes(0o644, 0o755);
}

#[test]
fn an_index_in_use_is_said_to_be() {
    let trial = Trial::new(&Chain::of_coinbases(3));
    let index = &trial.options.index;
    assert!(
        import(&trial.datadir.path, index)
            .output()
            .unwrap()
            .status
            .success()
    );
    let writer = redb::Database::open(index).unwrap();
    for mut command in [
        import(&trial.datadir.path, index),
        blkdex("status", index),
        blkdex("verify", index),
    ] {
        let output = command.output().unwrap();
        let words = words(&output);
        assert_eq!(output.status.code(), Some(75));
        assert!(
            words.contains("in use by another blkdex") && words.contains("`--wait`"),
            "{words}"
        );
    }
    drop(writer);
    let reader = trial.open();
    assert!(blkdex("status", index).output().unwrap().status.success());
    let output = import(&trial.datadir.path, index).output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    drop(reader);
}
