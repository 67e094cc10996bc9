//! Outputs never replace what they are made from, and what is no file is named at once.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use super::{blkdex, import, words};
use crate::common::chain::Chain;
use crate::common::trial::Trial;

/// A datadir and its index.
fn imported() -> Trial {
    let trial = Trial::new(&Chain::of_coinbases(30));
    let output = import(&trial.datadir.path, &trial.options.index).output();
    assert!(output.unwrap().status.success());
    trial
}

/// Asserts exit code 1 and one line with these words.
fn refused(output: &Output, said: &str) {
    let words = words(output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains(said), "{said}: {words}");
    assert_eq!(words.lines().count(), 1, "{words}");
}

#[test]
fn no_output_replaces_the_index_or_a_block_file_by_any_name() {
    let trial = imported();
    let (index, blocks) = (&trial.options.index, &trial.datadir.blocks);
    let at = |name: &str| trial.folder.path().join(name);
    fs::hard_link(index, at("hard-index")).unwrap();
    fs::hard_link(blocks.join("blk00000.dat"), at("hard-block")).unwrap();
    symlink(blocks, at("folder")).unwrap();
    fs::write(blocks.join("empty"), "").unwrap();
    let read = || {
        [index, &blocks.join("blk00000.dat"), &blocks.join("xor.dat")]
            .map(|path| fs::read(path).unwrap())
    };
    let before = read();
    for (name, said) in [
        ("index.redb", "is the index"),
        ("datadir/../index.redb", "is the index"),
        ("hard-index", "is the index"),
        (
            "datadir/regtest/blocks/blk00000.dat",
            "is a file of the node",
        ),
        ("folder/blk00000.dat", "is a file of the node"),
        ("folder/blk00099.dat", "is a file of the node"),
        ("folder/xor.dat", "is a file of the node"),
        ("hard-block", "is a file of the node"),
        ("folder/empty", "in the folder of the block files"),
    ] {
        for what in [["utxos", "csv"], ["balances", "jsonl"]] {
            let mut export = blkdex("export", index);
            export.args([what[0], "--format", what[1], "--force", "-o"]);
            refused(&export.arg(at(name)).output().unwrap(), said);
        }
        let mut logged = import(&trial.datadir.path, index);
        refused(
            &logged.arg("--memory-log").arg(at(name)).output().unwrap(),
            said,
        );
        assert!(read() == before, "{name}");
    }
    assert_eq!(fs::read(blocks.join("empty")).unwrap(), b"");
    assert!(!blocks.join("blk00099.dat").exists());
}

#[test]
fn an_index_is_never_made_of_a_block_file() {
    let trial = Trial::new(&Chain::of_coinbases(3));
    // As a node allocates it.
    let ahead = trial.datadir.blocks.join("blk00001.dat");
    fs::write(&ahead, vec![0; 1 << 20]).unwrap();
    for name in ["blk00001.dat", "blk00002.dat", "rev00000.dat"] {
        let index = trial.datadir.blocks.join(name);
        let output = import(&trial.datadir.path, &index).output().unwrap();
        refused(&output, "is a file of the node");
        let mut rebuild = blkdex("rebuild", &index);
        rebuild.args(["--quiet", "--memory", "128M", "--force", "--datadir"]);
        let output = rebuild.arg(&trial.datadir.path).output().unwrap();
        refused(&output, "is a file of the node");
    }
    assert_eq!(fs::read(&ahead).unwrap(), vec![0; 1 << 20]);
    assert_eq!(fs::read_dir(&trial.datadir.blocks).unwrap().count(), 3);
}

#[test]
fn a_report_never_replaces_its_log() {
    let trial = imported();
    let log = trial.folder.path().join("log.html");
    let linked = trial.folder.path().join("linked.html");
    let mut command = blkdex("rebuild", &trial.options.index);
    command.args(["--quiet", "--memory", "128M", "--memory-log"]);
    assert!(command.arg(&log).output().unwrap().status.success());
    fs::hard_link(&log, &linked).unwrap();
    for output in [&log, &linked] {
        let mut report = blkdex("memory", Path::new("unused"));
        report
            .arg("report")
            .arg(&log)
            .args(["--force", "-o"])
            .arg(output);
        refused(&report.output().unwrap(), "is the log");
    }
}

/// Puts something somewhere.
type Put<'a> = Box<dyn Fn() + 'a>;

/// Things that are no files, to be put there, and what is said of them.
fn odd_things(path: &Path) -> [(&'static str, Put<'_>); 3] {
    let fifo = move || {
        let made = Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    };
    // The name stays when the listener is gone.
    let socket = move || drop(UnixListener::bind(path).unwrap());
    let folder = move || fs::create_dir(path).unwrap();
    [
        ("is a FIFO, not a file", Box::new(fifo)),
        ("is a socket, not a file", Box::new(socket)),
        ("is a folder, not a file", Box::new(folder)),
    ]
}

fn remove(path: &Path) {
    match path.is_dir() {
        true => fs::remove_dir(path).unwrap(),
        false => fs::remove_file(path).unwrap(),
    }
}

/// Runs it under a watch: what hangs is ended, with another exit code.
fn at_once(command: &Command) -> Output {
    let mut watched = Command::new("timeout");
    watched
        .args(["--signal=KILL", "60"])
        .arg(command.get_program());
    watched.args(command.get_args()).output().unwrap()
}

#[test]
fn what_is_no_file_is_named_and_never_waited_for() {
    let trial = imported();
    let (index, blocks) = (trial.options.index.clone(), trial.datadir.blocks.clone());
    let datadir = &trial.datadir.path;
    let at = |name: &str| trial.folder.path().join(name);
    let (other, log) = (at("other"), at("log"));
    let importing = import(datadir, &other);
    let mut rebuilding = blkdex("rebuild", &index);
    rebuilding.args(["--quiet", "--memory", "128M"]);
    let mut undoing = blkdex("verify", &index);
    undoing.args(["--quiet", "--memory", "128M", "--undo"]);
    let mut logging = import(datadir, &other);
    logging.arg("--memory-log").arg(&log);
    let mut reading = blkdex("memory", Path::new("unused"));
    reading.arg("show").arg(&log);
    for (path, commands) in [
        (blocks.join("blk00001.dat"), vec![&importing]),
        (blocks.join("rev00000.dat"), vec![&undoing]),
        (at("index.redb.rebuild"), vec![&rebuilding]),
        (other.clone(), vec![&importing, &blkdex("status", &other)]),
        (log.clone(), vec![&logging, &reading]),
    ] {
        for (said, put) in odd_things(&path) {
            put();
            for command in commands.iter() {
                refused(&at_once(command), said);
            }
            remove(&path);
        }
    }
    let key = fs::read(blocks.join("xor.dat")).unwrap();
    fs::remove_file(blocks.join("xor.dat")).unwrap();
    for (said, put) in odd_things(&blocks.join("xor.dat")) {
        put();
        refused(&at_once(&importing), said);
        remove(&blocks.join("xor.dat"));
    }
    fs::write(blocks.join("xor.dat"), key).unwrap();
    assert!(at_once(&importing).status.success());
}
