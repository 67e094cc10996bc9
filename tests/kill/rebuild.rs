//! Rebuilds that are killed at any call: the index answers rightly all the time, and in the end it is
//! the new one.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::rng::Rng;
use crate::kills;
use crate::scene::Scene;
use crate::tracer::{Deed, End, run};

pub fn rebuild(scene: &Scene) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    command
        .args(["rebuild", "--quiet", "--memory", "128M", "--index"])
        .arg(scene.index())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn new_file(scene: &Scene) -> PathBuf {
    blkdex::rebuild::new_path(scene.index())
}

#[test]
fn a_rebuild_killed_anywhere_leaves_an_index_that_answers() {
    let scene = Scene::small();
    scene.calls();
    let file_before = scene.index().metadata().unwrap().ino();
    let (end, total) = run(&mut rebuild(&scene), u64::MAX, Deed::Kill);
    assert!(matches!(end, End::Ended(status) if status.success()));
    assert_ne!(scene.index().metadata().unwrap().ino(), file_before);
    scene.check();
    let (mut rng, mut done) = (Rng::new(31), 0);
    while done < kills() {
        match run(&mut rebuild(&scene), 1 + rng.below(total), Deed::Kill).0 {
            End::Killed => done += 1,
            End::Ended(status) => assert!(status.success()),
        }
        scene.check();
        if let Ok(file) = new_file(&scene).metadata() {
            assert_eq!(file.mode() & 0o777, 0o600);
        }
    }
    assert!(rebuild(&scene).status().unwrap().success());
    scene.check();
    assert!(!new_file(&scene).exists());
    assert_eq!(scene.unfinished_files(), 0);
}

#[test]
fn a_damaged_index_is_rebuilt_if_the_block_files_are_named() {
    let scene = Scene::small();
    scene.calls();
    std::fs::write(scene.index(), vec![0x5a; 100_000]).unwrap();
    let mut unnamed = rebuild(&scene);
    let output = unnamed.stderr(Stdio::piped()).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(words.contains("--datadir DIR`"), "{words}");
    // Nothing tells it from a file of somebody else.
    let mut named = rebuild(&scene);
    named.arg("--datadir").arg(scene.datadir());
    assert!(!named.status().unwrap().success());
    assert!(named.arg("--force").status().unwrap().success());
    scene.check();
}

#[test]
fn an_index_in_use_is_not_replaced() {
    let scene = Scene::small();
    scene.calls();
    let writer = redb::Database::open(scene.index()).unwrap();
    let mut command = rebuild(&scene);
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75));
    assert!(words.contains("in use by another blkdex"), "{words}");
    drop(writer);
    assert!(rebuild(&scene).status().unwrap().success());
}
