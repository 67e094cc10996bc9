//! What the program makes of it: its lines, its exit codes, its one thread.

use std::ffi::OsStr;
use std::process::Stdio;

use crate::common::chain::Chain;
use crate::common::fixtures::data;
use crate::common::trial::Trial;
use crate::running::{Running, blkdex, command};

#[test]
fn a_signal_at_the_tip_ends_it_with_0_and_what_was_told_is_in_the_index() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let mut chain = Chain::of_coinbases(120);
        let mut trial = Trial::new(&chain);
        let mut running = Running::begin(&mut command(&trial.datadir.path, trial.index()));
        let summary = running.line();
        assert_eq!(
            (&summary["height"], &summary["interrupted"]),
            (&120.into(), &false.into())
        );
        for height in 121..124 {
            let hash = chain.mine_empty(chain.tip(), 1);
            trial.append(&chain);
            let block = running.line();
            assert_eq!(
                (&block["height"], &block["txs"]),
                (&height.into(), &1.into())
            );
            assert_eq!(block["hash"], hash.to_string());
            let parent = chain.block(hash).header.prev_blockhash;
            assert_eq!(block["previous_hash"], parent.to_string());
            assert_eq!(block["reorganised_from"], serde_json::Value::Null);
        }
        running.signal(signal);
        let (status, rest, words) = running.end();
        assert_eq!((status.code(), rest.as_str()), (Some(0), ""), "{words}");
        let said = format!("blkdex: ended at height 123 ({})", chain.tip());
        assert!(words.starts_with(&said), "{words}");
        assert_eq!(words.lines().count(), 1, "{words}");
        trial.check(&chain);
    }
}

#[test]
fn a_reorganisation_is_seen_in_the_first_of_its_blocks() {
    let mut chain = Chain::of_coinbases(120);
    let mut trial = Trial::new(&chain);
    let mut running = Running::begin(&mut command(&trial.datadir.path, trial.index()));
    running.line();
    let fork = chain.path(chain.tip())[118];
    chain.mine_empty(fork, 3);
    trial.append(&chain);
    let from = [0, 1, 2].map(|_| running.line()["reorganised_from"].as_u64());
    assert_eq!(from, [Some(120), None, None]);
    running.signal(libc::SIGTERM);
    let (status, _, words) = running.end();
    assert_eq!(status.code(), Some(0));
    assert!(
        words.starts_with("reorganised: from height 120 back to 118"),
        "{words}"
    );
    trial.check(&chain);
}

#[test]
fn a_signal_on_the_way_to_the_tip_interrupts_as_it_does_any_import() {
    let chain = Chain::of_coinbases(4000);
    let trial = Trial::new(&chain);
    let mut import = command(&trial.datadir.path, trial.index());
    let running = Running::begin(import.args(["--commit-every", "1"]));
    while !trial.index().exists() {
        std::thread::yield_now();
    }
    running.signal(libc::SIGTERM);
    let (status, summary, words) = running.end();
    assert_eq!(status.code(), Some(130), "{words}");
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["interrupted"], true);
    assert!(words.contains("interrupted"), "{words}");
    trial.import_and_check(&chain);
}

#[test]
fn one_thread_does_it_all_and_another_import_is_told_to_come_later() {
    let trial = Trial::of(&data());
    let mut running = Running::begin(&mut command(&trial.datadir.path, trial.index()));
    running.line();
    let tasks = std::fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap();
    assert_eq!(tasks.count(), 1);
    let args = ["import", "--datadir", "data", "--index"].map(OsStr::new);
    let (code, _, words) = blkdex(&[&args[..], &[trial.index().as_os_str()]].concat());
    assert_eq!(code, Some(75), "{words}");
    assert!(words.contains("in use by another blkdex"), "{words}");
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().0.code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_does_not_stop_it() {
    let mut chain = Chain::of_coinbases(120);
    let mut trial = Trial::new(&chain);
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    for (stdout, code) in [(Stdio::piped(), 0), (Stdio::from(full), 1)] {
        let mut import = command(&trial.datadir.path, trial.index());
        let mut child = import.stdout(stdout).spawn().unwrap();
        drop(child.stdout.take());
        chain.mine_empty(chain.tip(), 2);
        trial.append(&chain);
        let pid = child.id() as libc::pid_t;
        let mut words = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut words, &mut line).unwrap();
        assert!(line.contains("the import goes on without it"), "{line}");
        // SAFETY: the child is ours and was not waited for, so the number is its own.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGTERM) }, 0);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        trial.import_and_check(&chain);
    }
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    let refused = ["import", "--follow", "--until", "5", "--datadir", "data"];
    assert_eq!(blkdex(&refused).0, Some(2));
    // Before the tip is reached, what is in the way ends it as it ends any import.
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("i");
    let args = ["import", "--follow", "--datadir", "/nowhere", "--index"].map(OsStr::new);
    let (code, out, words) = blkdex(&[&args[..], &[index.as_os_str()]].concat());
    assert_eq!((code, out.as_str()), (Some(1), ""), "{words}");
}
