//! `--memory-log` and `--strict-memory` as a user meets them.

#[path = "common/mod.rs"]
mod common;

use blkdex::ledger::{Line, Moment, Record};
use common::limits::limit_files;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Scene { folder }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn command(&self, log: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
        command
            .args(["import", "--datadir", DATA, "--memory", "128M", "--index"])
            .arg(self.folder.path().join("index"))
            .arg("--memory-log")
            .arg(log)
            .args(args);
        command
    }

    fn import(&self, args: &[&str]) -> Output {
        let mut command = self.command(&self.log(), args);
        command.output().expect("the program runs")
    }

    fn lines(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(self.log()).expect("there is a log");
        assert!(text.ends_with('\n'));
        let line = |line: &str| serde_json::from_str(line).expect("a line of a log");
        text.lines().map(line).collect()
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The records of each run.
fn runs(lines: Vec<Line>) -> Vec<Vec<Record>> {
    let mut runs = Vec::new();
    for line in lines {
        match line {
            Line::Head(head) => {
                let planned: u64 = head.parts.iter().map(|part| part.planned_bytes).sum();
                assert_eq!((planned, head.budget_bytes), (128 << 20, 128 << 20));
                runs.push(Vec::new());
            }
            Line::Record(record) => runs.last_mut().expect("a head comes first").push(*record),
        }
    }
    runs
}

fn commits(records: &[Record]) -> Vec<&Record> {
    let commits = records.iter().filter(|r| r.moment == Moment::Commit);
    commits.collect()
}

#[test]
fn every_commit_and_merge_is_a_line_and_the_next_import_appends() {
    let scene = Scene::new();
    let first = scene.import(&["--commit-every", "5", "--until", "150"]);
    assert!(first.status.success(), "{}", words(&first));
    let second = scene.import(&["--commit-every", "5"]);
    assert!(second.status.success(), "{}", words(&second));
    let runs = runs(scene.lines());
    assert_eq!(runs.len(), 2);
    let heights: Vec<u32> = commits(&runs[0]).iter().map(|r| r.height.0).collect();
    assert_eq!(heights[..3], [4, 9, 14]);
    assert_eq!(heights.last(), Some(&150));
    for records in &runs {
        let before = records.iter().filter(|r| r.moment == Moment::BeforeMerge);
        let after = records.iter().filter(|r| r.moment == Moment::AfterMerge);
        assert!(before.clone().all(|record| record.relation.is_some()));
        assert_eq!(before.count(), after.count());
    }
    assert!(runs[0].len() > commits(&runs[0]).len(), "there were merges");
    let last = commits(&runs[1]);
    let last = last.last().expect("there were commits");
    assert_eq!((last.height.0, last.blocks), (267, 117));
}

/// Figures that are known, or can be told from others.
#[test]
fn a_record_says_what_there_is() {
    let scene = Scene::new();
    let done = scene.import(&["--commit-every", "20"]);
    assert!(done.status.success(), "{}", words(&done));
    let runs = runs(scene.lines());
    let commits = commits(&runs[0]);
    let last = commits.last().expect("there were commits");
    assert_eq!((last.height.0, last.blocks), (267, 268));
    assert_eq!(
        (last.table.coins, last.table.hits, last.table.misses),
        (1648, 3254, 0)
    );
    assert!(last.table.homes <= last.table.slots);
    assert!(last.table.probe_slots < 2.0 && last.table.probe_slots_max > 0);
    let rows: Vec<u64> = last.relations.iter().map(|r| r.rows).collect();
    assert_eq!((rows[2], rows[3]), (3254, 1609));
    let (heap, process) = (&last.heap, &last.process);
    assert!(
        heap.redb_bytes > 100_000 && heap.redb_bytes < heap.live_bytes,
        "{heap:?}"
    );
    assert!(heap.allocated_bytes > heap.live_bytes && heap.allocations > 1000);
    assert!(heap.committed_bytes > heap.live_bytes, "{heap:?}");
    assert!(process.private_bytes > heap.live_bytes && process.file_bytes > 0);
    assert!(process.minor_faults > 0 && process.open_files > 3 && process.mappings > 10);
    assert!(last.index_bytes > 100_000);
    assert!(last.stages_ms.contains_key("parse_and_hash"));
    for part in &last.parts {
        let most = part.most_bytes.unwrap_or(0);
        assert!(
            part.in_use_bytes.unwrap_or(0) <= most.max(part.capacity_bytes),
            "{part:?}"
        );
        assert!(most <= part.capacity_bytes, "{part:?}");
    }
    let outside: Vec<u64> = commits.iter().map(|r| r.heap.outside_bytes()).collect();
    assert!(
        outside[9..].iter().all(|bytes| *bytes == outside[9]),
        "{outside:?}"
    );
}

#[test]
fn a_line_a_commit_goes_to_stderr_unless_it_is_to_be_quiet() {
    let scene = Scene::new();
    let loud = words(&scene.import(&["--commit-every", "50", "--until", "120"]));
    let lines: Vec<&str> = loud.lines().filter(|l| l.starts_with("[memory]")).collect();
    assert!(lines[0].starts_with("[memory] height 49: heap "), "{loud}");
    for words in [" MiB (+0), resident ", "table 0 % full, hit rate 0.0 %"] {
        assert!(lines[0].contains(words), "{loud}");
    }
    let quiet = words(&scene.import(&["--quiet"]));
    assert!(!quiet.contains("[memory]"), "{quiet}");
}

#[test]
fn a_file_that_is_no_log_is_refused_and_kept() {
    let scene = Scene::new();
    std::fs::write(scene.log(), "my only copy\n").expect("a file");
    let refused = scene.import(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        words(&refused).contains("is not a memory log"),
        "{}",
        words(&refused)
    );
    assert_eq!(words(&refused).lines().count(), 1, "{}", words(&refused));
    let kept = std::fs::read_to_string(scene.log()).expect("still there");
    assert_eq!(kept, "my only copy\n");
    assert!(!scene.folder.path().join("index").exists());
}

#[test]
fn a_log_that_cannot_be_written_is_an_error_after_a_whole_import() {
    let scene = Scene::new();
    assert!(scene.import(&["--until", "50"]).status.success());
    // The log is as long as files may be, and far longer than the index.
    let full: u64 = 64 << 20;
    let log = std::fs::File::options().append(true).open(scene.log());
    let mut log = log.expect("a log");
    log.set_len(full - 1).expect("a long log");
    std::io::Write::write_all(&mut log, b"\n").expect("its last line ends");
    let mut command = scene.command(&scene.log(), &["--commit-every", "20"]);
    limit_files(&mut command, full);
    let ended = command.output().expect("the program runs");
    let (out, words) = (String::from_utf8_lossy(&ended.stdout), words(&ended));
    assert_eq!(ended.status.code(), Some(1), "{words}");
    assert!(out.starts_with("height    267"), "{out}");
    let warnings = words.lines().filter(|line| line.starts_with("warning: "));
    assert_eq!(warnings.count(), 1, "{words}");
    let last = words.lines().last().unwrap_or_default();
    assert!(last.starts_with("blkdex: cannot write to "), "{words}");
}

#[test]
fn a_killed_import_leaves_a_log_that_the_next_one_goes_on_with() {
    let scene = Scene::new();
    let mut command = scene.command(&scene.log(), &["--commit-every", "1", "--quiet"]);
    let mut child = command.stdout(Stdio::null()).spawn().expect("it starts");
    let begun = Instant::now();
    while std::fs::metadata(scene.log()).map_or(0, |file| file.len()) < 50_000 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the log grows");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("it is still there");
    child.wait().expect("it ends");
    let mut cut = std::fs::read(scene.log()).expect("a log");
    cut.truncate(cut.len() - 7);
    std::fs::write(scene.log(), cut).expect("a log");
    let again = scene.import(&["--commit-every", "1", "--quiet"]);
    assert!(again.status.success(), "{}", words(&again));
    let runs = runs(scene.lines());
    assert_eq!(runs.len(), 2);
    assert!(runs[0].len() > 5, "{}", runs[0].len());
    assert_eq!(
        commits(&runs[1]).last().map(|record| record.height.0),
        Some(267)
    );
}

/// `--leak-every` is there in builds for tests only.
#[cfg(debug_assertions)]
#[test]
fn a_planted_leak_warns_and_with_strict_memory_it_ends_the_import() {
    let scene = Scene::new();
    let leak = ["--commit-every", "10", "--leak-every", "3"];
    let warned = scene.import(&[&leak[..], &["--quiet", "--until", "140"]].concat());
    assert!(warned.status.success(), "{}", words(&warned));
    assert_eq!(words(&warned).lines().count(), 1, "{}", words(&warned));
    let line = words(&warned);
    assert!(
        line.starts_with("warning: heap outside the plan: it grew by "),
        "{line}"
    );
    assert!(line.contains(" bytes a block"), "{line}");
    let strict = [&leak[..], &["--quiet", "--strict-memory"]].concat();
    let ended = scene.import(&strict);
    assert_eq!(ended.status.code(), Some(1), "{}", words(&ended));
    let line = words(&ended);
    assert!(
        line.starts_with("blkdex: heap outside the plan: it grew by "),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1, "{line}");
    let runs = runs(scene.lines());
    let committed = commits(&runs[1]).last().map(|record| record.height.0);
    assert!(
        Some(140) < committed && committed < Some(267),
        "{committed:?}"
    );
    let rest = scene.import(&["--quiet", "--strict-memory", "--commit-every", "5"]);
    assert!(rest.status.success(), "without a leak: {}", words(&rest));
}
