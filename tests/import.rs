//! `blkdex import` as a user meets it: one thread, signals, words, JSON, refusals.

use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

fn blkdex(index: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    command
        .args(args)
        .arg("--index")
        .arg(index)
        .env_remove("BLKDEX_INDEX");
    command
}

fn run(index: &Path, args: &[&str]) -> Output {
    blkdex(index, args).output().expect("the program runs")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", words(output));
    serde_json::from_slice(&output.stdout).expect("stdout is JSON")
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An import that commits after every block, and so takes a while.
fn slow_import(index: &Path) -> Child {
    blkdex(
        index,
        &[
            "import",
            "--datadir",
            DATA,
            "--commit-every",
            "1",
            "--memory",
            "128M",
        ],
    )
    .stdout(Stdio::null())
    .stderr(Stdio::piped())
    .spawn()
    .expect("the program starts")
}

/// Waits until `index` has been begun.
fn wait_for(index: &Path) {
    let begun = Instant::now();
    while std::fs::metadata(index).map_or(0, |file| file.len()) < 200_000 {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the import begins"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_import_says_what_it_did_as_json_and_again_has_nothing_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let index = folder.path().join("index");
    let first = json(&run(&index, &["import", "--datadir", DATA, "--json"]));
    assert_eq!(first["height"], 267);
    assert_eq!(
        first["hash"],
        "0c10cf4590792748854df34201a540f0d4e92c2301f063f2efcfc7e08f8d1cd9"
    );
    let counts = ["blocks", "txs", "inputs", "outputs", "coins"].map(|name| first[name].as_u64());
    assert_eq!(counts, [268, 1609, 3254, 5258, 1648].map(Some));
    for name in [
        "seconds",
        "index_bytes",
        "peak_memory_bytes",
        "memory_budget_bytes",
    ] {
        assert!(first[name].as_f64() > Some(0.0), "{name}: {}", first[name]);
    }
    for stage in [
        "scan",
        "read",
        "parse_and_hash",
        "table",
        "resolve",
        "sort",
        "write",
        "merge",
        "commit",
    ] {
        assert!(
            first["stages"][stage].is_f64(),
            "{stage}: {}",
            first["stages"]
        );
    }
    assert_eq!(first["table"]["hits"], 3254);
    let planned = first["memory"].as_array().expect("a list of parts").iter();
    let planned: u64 = planned
        .filter_map(|part| part["planned_bytes"].as_u64())
        .sum();
    assert_eq!(Some(planned), first["memory_budget_bytes"].as_u64());

    let again = json(&run(&index, &["import", "--datadir", DATA, "--json"]));
    assert_eq!(
        (&again["height"], &again["imported"]["blocks"]),
        (&first["height"], &Value::from(0))
    );
    let shown = run(&index, &["import", "--datadir", DATA]);
    assert!(
        String::from_utf8_lossy(&shown.stdout)
            .starts_with("nothing to do: the index is at height 267")
    );
}

#[test]
fn an_import_has_one_thread_all_the_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut child = slow_import(&folder.path().join("index"));
    let tasks = format!("/proc/{}/task", child.id());
    let mut looks = 0;
    while child.try_wait().expect("the child can be asked").is_none() {
        let threads = std::fs::read_dir(&tasks).map_or(0, Iterator::count);
        assert!(threads <= 1, "{threads} threads");
        looks += threads;
    }
    assert!(looks > 20, "only {looks} looks at a running import");
}

#[test]
fn a_signal_ends_an_import_after_a_commit_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let index = folder.path().join("index");
    let child = slow_import(&index);
    wait_for(&index);
    let killed = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .expect("kill runs");
    assert!(killed.success());
    let ended = child.wait_with_output().expect("the child ends");
    assert_eq!(ended.status.code(), Some(130), "{}", words(&ended));
    assert!(
        words(&ended).contains("the same command goes on"),
        "{}",
        words(&ended)
    );
    let height = json(&run(&index, &["status", "--json"]))["height"].as_u64();
    assert!(height < Some(267), "stopped at {height:?}");
    let rest = json(&run(&index, &["import", "--datadir", DATA, "--json"]));
    assert_eq!(
        (rest["height"].as_u64(), rest["coins"].as_u64()),
        (Some(267), Some(1648))
    );
}

#[test]
fn beside_an_import_questions_are_answered_and_a_second_writer_is_told_to_wait() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let index = folder.path().join("index");
    let mut child = slow_import(&index);
    wait_for(&index);
    let refused = run(&index, &["import", "--datadir", DATA]);
    assert_eq!(refused.status.code(), Some(75), "{}", words(&refused));
    assert!(
        words(&refused).contains("is in use by another blkdex"),
        "{}",
        words(&refused)
    );
    let mut heights = Vec::new();
    while child.try_wait().expect("can be asked").is_none() {
        let answer = run(&index, &["status", "--json"]);
        // Before the first commit there is nothing to answer.
        if answer.status.success() {
            heights.push(json(&answer)["height"].as_u64().expect("a height"));
        }
    }
    assert!(heights.is_sorted(), "{heights:?}");
    heights.dedup();
    assert!(heights.len() > 1, "{heights:?}");
}

#[test]
fn until_stops_at_a_height_and_every_answer_there_is_that_of_at() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (short, long) = (folder.path().join("short"), folder.path().join("long"));
    assert_eq!(
        json(&run(
            &short,
            &["import", "--datadir", DATA, "--until", "150", "--json"]
        ))["coins"],
        1025
    );
    json(&run(&long, &["import", "--datadir", DATA, "--json"]));
    let at_tip = json(&run(&short, &["status", "--json"]));
    let at_150 = json(&run(&long, &["status", "--at", "150", "--json"]));
    for name in [
        "height", "hash", "blocks", "txs", "inputs", "outputs", "coins",
    ] {
        assert_eq!(at_tip[name], at_150[name], "{name}");
    }
}

#[test]
fn refusals_are_one_line_and_leave_no_index_that_lies() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let index = folder.path().join("index");
    let text = folder.path().join("text");
    std::fs::write(&text, "not a database, but long enough to look at twice").expect("a file");
    let nowhere = folder.path().join("nowhere");
    let nowhere = nowhere.to_str().expect("a plain path");
    for (index, args, code, expected) in [
        (
            &index,
            &["import", "--datadir", nowhere][..],
            1,
            "cannot open",
        ),
        (
            &index,
            &["import", "--datadir", DATA, "--network", "main"],
            1,
            "no blk*.dat",
        ),
        (
            &index,
            &["import", "--datadir", DATA, "--memory", "1M"],
            2,
            "is too small",
        ),
        (
            &text,
            &["import", "--datadir", DATA],
            1,
            "is not a blkdex index",
        ),
        (&text, &["status"], 1, "is not a blkdex index"),
        (&index, &["status"], 1, "there is no index"),
        (&index, &["import"], 2, "--datadir"),
    ] {
        let refused = run(index, args);
        assert_eq!(
            refused.status.code(),
            Some(code),
            "{args:?}: {}",
            words(&refused)
        );
        assert!(
            words(&refused).contains(expected),
            "{args:?}: {}",
            words(&refused)
        );
        assert!(
            code == 2
                || words(&refused)
                    .lines()
                    .last()
                    .is_some_and(|l| l.starts_with("blkdex: "))
        );
        assert!(refused.stdout.is_empty());
    }
    assert_eq!(std::fs::read(&text).expect("still there").len(), 48);
}
