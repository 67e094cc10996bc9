//! One index, several processes: who may do what beside whom, who is told to wait, and who waits.
#![allow(clippy::unwrap_used)]

mod common;

use blkdex::error::unwatched;
use blkdex::import::{Event, Watch, import};
use blkdex::index::Index;
use blkdex::primitives::Height;
use blkdex::query::View;
use common::chain::Chain;
use common::parts::owner;
use common::program::told;
use common::trial::Trial;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, scope, sleep, spawn};
use std::time::Duration;

/// More blocks than a bulk import needs.
const BULK: u64 = 1_200;

fn blkdex(trial: &Trial, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    command.args(words).arg("--index").arg(trial.index());
    command.stdin(Stdio::null());
    command
}

fn importing(trial: &Trial, more: &[&str]) -> Command {
    let mut command = blkdex(trial, &["import", "--quiet", "--memory", "128M"]);
    command.args(more);
    command.arg("--datadir").arg(&trial.datadir.path);
    command
}

fn ended(mut command: Command) -> (Option<i32>, String) {
    let (code, _, words) = told(command.output().unwrap());
    (code, words)
}

/// An import that stands still at a block until it is told to go on.
struct Paused {
    import: JoinHandle<()>,
    go: Sender<()>,
}

impl Paused {
    /// With a commit every so many blocks.
    fn at(trial: &Trial, height: u32, commit_every: u32) -> Paused {
        let mut options = trial.options.clone();
        options.commit_every = commit_every;
        let (there, is_there) = channel();
        let (go, goes): (_, Receiver<()>) = channel();
        let import = spawn(move || {
            let stop = AtomicBool::new(false);
            let mut watch = Watch {
                stop: &stop,
                tell: &mut |event| {
                    if matches!(event, Event::Progress(progress) if progress.height == Height(height))
                    {
                        there.send(()).unwrap();
                        goes.recv().unwrap();
                    }
                },
            };
            import(&options, &mut watch).unwrap();
        });
        is_there.recv().unwrap();
        Paused { import, go }
    }

    fn go_on(self) {
        self.go.send(()).unwrap();
        self.import.join().unwrap();
    }
}

#[test]
fn beside_a_short_import_every_question_is_answered_as_of_the_last_commit() {
    let chain = Chain::of_coinbases(20);
    let trial = Trial::new(&chain);
    let paused = Paused::at(&trial, 12, 1);
    assert_eq!(trial.status().height, Height(11));
    let first = owner(1).to_hex_string();
    for words in [
        &["balance", first.as_str()][..],
        &["utxos", &first],
        &["history", &first],
        &["block", "11"],
        &["verify", "--quiet"],
        &["export", "balances", "--format", "csv", "--output", "-"],
    ] {
        let (code, words) = ended(blkdex(&trial, words));
        assert_eq!(code, Some(0), "{words}");
    }
    let (code, words) = ended(blkdex(&trial, &["block", "12"]));
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("11"), "it names the tip: {words}");
    for writing in [importing(&trial, &[]), blkdex(&trial, &["rebuild"])] {
        let (code, words) = ended(writing);
        assert_eq!(code, Some(75), "{words}");
        assert!(words.contains("in use by another blkdex"), "{words}");
    }
    paused.go_on();
    trial.check(&chain);
}

#[test]
fn a_reader_sees_one_moment_whatever_is_imported_and_reorganised_meanwhile() {
    let mut chain = Chain::of_coinbases(30);
    let mut trial = Trial::new(&chain).imported_every(1);
    let index = Index::open(trial.index()).unwrap();
    let mut view = View::new(&index, None, None).unwrap();
    let told = |view: &mut View<'_>| {
        let status = view.status().unwrap();
        let coins: Vec<_> = (1..=30)
            .map(|number| {
                serde_json::to_string(&view.utxos(&owner(number), false).unwrap()).unwrap()
            })
            .collect();
        (status.height, status.hash, coins)
    };
    let before = told(&mut view);
    let path = chain.path(chain.tip());
    chain.mine_empty(path[25], 40);
    trial.append(&chain);
    unwatched(|watch| import(&trial.options, watch)).unwrap();
    assert_eq!(told(&mut view), before);
    drop(view);
    // A view made now is of the same moment: it is the index that was opened then.
    assert_eq!(told(&mut View::new(&index, None, None).unwrap()), before);
    drop(index);
    trial.check(&chain);
    assert_eq!(trial.status().height, Height(65));
}

#[test]
fn a_reader_that_comes_between_a_scan_and_its_rollback_reads_the_old_chain() {
    let mut chain = Chain::of_coinbases(30);
    let mut trial = Trial::new(&chain).imported_every(1);
    let path = chain.path(chain.tip());
    chain.mine_empty(path[25], 40);
    trial.append(&chain);
    let mut seen = None;
    let (index, options) = (trial.index().to_owned(), trial.options.clone());
    let stop = AtomicBool::new(false);
    let mut watch = Watch {
        stop: &stop,
        tell: &mut |event| {
            // The scan is done, and nothing is rolled back yet.
            if matches!(event, Event::Chain(_)) {
                let index = Index::open(&index).unwrap();
                let mut view = View::new(&index, None, None).unwrap();
                let utxos = view.utxos(&owner(30), false).unwrap();
                seen = Some((view.status().unwrap().height, utxos.utxos.len()));
            }
        },
    };
    import(&options, &mut watch).unwrap();
    assert_eq!(seen, Some((Height(30), 1)));
    trial.check(&chain);
}

#[test]
fn a_bulk_import_says_how_far_it_is_to_who_comes_and_who_waits_is_answered() {
    let chain = Chain::of_coinbases(BULK);
    let trial = Trial::new(&chain);
    let paused = Paused::at(&trial, 600, 100);
    for command in [
        blkdex(&trial, &["status"]),
        blkdex(&trial, &["verify"]),
        blkdex(&trial, &["status", "--wait=0.3"]),
        importing(&trial, &[]),
    ] {
        let (code, words) = ended(command);
        assert_eq!(code, Some(75), "{words}");
        let last = words.lines().last().unwrap();
        assert!(last.contains("in use by another blkdex"), "{last}");
        assert!(last.contains("`--wait`"), "{last}");
    }
    let mut waits = blkdex(&trial, &["status", "--json", "--wait"]);
    let waiting = waits.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut waiting = waiting.unwrap();
    sleep(Duration::from_millis(600));
    assert!(waiting.try_wait().unwrap().is_none(), "it waits");
    paused.go_on();
    let output = waiting.wait_with_output().unwrap();
    let (code, answer, words) = told(output);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((code, answer["height"].as_u64()), (Some(0), Some(BULK)));
    assert_eq!(words.lines().count(), 1, "{words}");
    assert!(words.contains("waits for the index"), "{words}");
    trial.check(&chain);
}

#[test]
fn who_asks_before_the_first_import_has_written_a_block_is_told_to_come_again() {
    let chain = Chain::of_coinbases(BULK);
    let trial = Trial::new(&chain);
    let mut told = Vec::new();
    let stop = AtomicBool::new(false);
    let mut watch = Watch {
        stop: &stop,
        tell: &mut |event| {
            if matches!(event, Event::Chain(_) | Event::Begin) && told.len() < 2 {
                told.push(ended(blkdex(&trial, &["status"])));
            }
        },
    };
    import(&trial.options, &mut watch).unwrap();
    assert_eq!(told.len(), 2, "after the scan, and before the first block");
    for (code, words) in told {
        assert_eq!(code, Some(75), "{words}");
    }
    trial.check(&chain);
}

#[test]
fn how_far_a_bulk_import_is_goes_with_the_index_on_file_systems_that_keep_attributes() {
    let chain = Chain::of_coinbases(BULK);
    let trial = Trial::new(&chain);
    let paused = Paused::at(&trial, 600, 100);
    let (_, words) = ended(blkdex(&trial, &["status"]));
    let keep = |name| {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(trial.folder.path(), name, b"x", flags)
    };
    let tells =
        words.contains("which imports: at height") && words.contains(&format!(" of {BULK},"));
    assert_eq!(tells, keep("user.test").is_ok(), "{words}");
    paused.go_on();
    let path = trial.index();
    let mut bytes = [0; 64];
    let left = rustix::fs::getxattr(path, "user.blkdex.import", &mut bytes);
    assert!(left.is_err(), "the note is taken away");
}

#[test]
fn a_bulk_import_goes_on_beside_readers_that_are_there() {
    let mut chain = Chain::of_coinbases(5);
    let mut trial = Trial::new(&chain).imported();
    let index = trial.open();
    chain.mine_empty(chain.tip(), BULK as u32);
    trial.append(&chain);
    let paused = Paused::at(&trial, 600, 100);
    let (code, words) = ended(blkdex(&trial, &["status"]));
    assert_eq!(code, Some(0), "{words}");
    paused.go_on();
    let status = View::new(&index, None, None).unwrap().status().unwrap();
    assert_eq!(status.height, Height(5));
    drop(index);
    trial.check(&chain);
}

/// Makes the index what a writer leaves that is killed.
fn leave_open(trial: &Trial) {
    let writer = redb::Database::open(trial.index()).unwrap();
    let left = std::fs::read(trial.index()).unwrap();
    drop(writer);
    std::fs::write(trial.index(), left).unwrap();
}

#[test]
fn who_reads_an_index_that_was_left_open_keeps_writers_out_and_no_reader() {
    let chain = Chain::of_coinbases(5);
    let trial = Trial::new(&chain).imported();
    leave_open(&trial);
    let (first, second) = (trial.open(), trial.open());
    assert_eq!(ended(blkdex(&trial, &["status"])).0, Some(0));
    let (code, words) = ended(importing(&trial, &[]));
    assert_eq!(code, Some(75), "{words}");
    drop(first);
    let waits = importing(&trial, &["--wait=600"]).spawn();
    sleep(Duration::from_millis(400));
    drop(second);
    assert!(waits.unwrap().wait().unwrap().success());
    trial.check(&chain);
}

#[test]
fn a_writer_has_an_index_that_was_left_open_though_one_question_comes_after_the_other() {
    let chain = Chain::of_coinbases(5);
    let trial = Trial::new(&chain).imported();
    leave_open(&trial);
    let is_over = AtomicBool::new(false);
    scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // Each has it most of the time, so that it is never let go by all, and none is refused.
                    let index = Index::open(trial.index()).unwrap();
                    sleep(Duration::from_millis(150));
                    drop(index);
                }
            });
        }
        sleep(Duration::from_millis(300));
        let (code, words) = ended(importing(&trial, &[]));
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(code, Some(0), "{words}");
    });
    trial.check(&chain);
}
