//! Exports that are killed, or whose disk fails, at any call that changes a file.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::common::chain::Chain;
use crate::common::random::Options;
use crate::set::{Scene, TABLES, names_in};
use crate::tracer::{Call, Deed, End, follow, run};

/// An earlier run left a range that is not over; the next one replaces it and adds others.
struct Half {
    scene: Scene,
    last: u32,
}

const FIRST: [&str; 4] = ["--until", "13", "--blocks-per-file", "60"];
const THEN: [&str; 5] = ["--until", "tip", "--blocks-per-file", "60", "--quiet"];

/// Of the writes into files without a name, which nobody sees, so many are passed over.
const WRITES_PASSED: u64 = 12;

impl Half {
    fn new() -> Half {
        let options = Options {
            blocks: 22,
            txs_max: 2,
            fork_every: 0,
            ..Options::default()
        };
        let scene = Scene::of(&Chain::random(31, options), 1 << 20);
        let last = scene.trial.status().height.0;
        scene.export(&FIRST);
        std::fs::rename(scene.dir(), scene.trial.folder.path().join("first")).unwrap();
        Half { scene, last }
    }

    fn begin_anew(&self) {
        let _ = std::fs::remove_dir_all(self.scene.dir());
        let first = self.scene.trial.folder.path().join("first");
        for table in TABLES {
            std::fs::create_dir_all(self.scene.dir().join(table)).unwrap();
            for name in names_in(&first.join(table)) {
                let name = format!("{table}/{name}");
                std::fs::copy(first.join(&name), self.scene.dir().join(name)).unwrap();
            }
        }
        let manifest = "manifest.json";
        std::fs::copy(first.join(manifest), self.scene.dir().join(manifest)).unwrap();
    }

    /// The numbers of the calls at which something is done: all that are seen, and some of the writes.
    fn calls(&self) -> Vec<u64> {
        self.begin_anew();
        let (mut count, mut writes, mut chosen) = (0, 0, Vec::new());
        let end = follow(&mut self.command(), &mut |call: &Call| {
            count += 1;
            let is_write = call.number == libc::SYS_write;
            writes += u64::from(is_write);
            if !is_write || writes % WRITES_PASSED == 1 {
                chosen.push(count);
            }
            None
        });
        assert!(
            matches!(end, End::Ended(status) if status.success()),
            "{}",
            self.words()
        );
        self.scene.check_whole(self.last);
        chosen
    }

    fn command(&self) -> Command {
        let mut command = self.scene.command(&THEN);
        let words = self.scene.trial.folder.path().join("words");
        command
            .stdout(Stdio::null())
            .stderr(File::create(words).unwrap());
        command
    }

    fn words(&self) -> String {
        std::fs::read_to_string(self.scene.trial.folder.path().join("words")).unwrap()
    }

    /// Whatever happened: what has a final name is whole, and no block is in less than it was.
    fn check_files(&self, what: &str) {
        for table in TABLES {
            let mut reach = 0;
            for (name, (first, last)) in self
                .scene
                .names(table)
                .iter()
                .filter(|name| !name.starts_with('.'))
                .zip(self.scene.ranges_of_whole(table))
            {
                let rows = crate::set::rows_of(&self.scene.dir().join(table).join(name));
                assert!(
                    table != "blocks" || rows.len() as u32 == last - first + 1,
                    "{what}"
                );
                assert!(first <= reach, "{what}: {table} has a hole before {first}");
                reach = reach.max(last + 1);
            }
            assert!(reach > 13, "{what}: {table} ends at {reach}");
        }
    }

    fn go_on(&self, what: &str) {
        let status = self.command().status().unwrap();
        assert!(status.success(), "{what}: {}", self.words());
        self.scene.check_whole(self.last);
    }
}

impl Scene {
    /// As `ranges`, of files with final names.
    fn ranges_of_whole(&self, table: &str) -> Vec<(u32, u32)> {
        let parse = |name: &String| {
            let rest = name.strip_prefix(&format!("{table}_"))?;
            let (first, last) = rest.strip_suffix(".parquet")?.split_once("_to_")?;
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        self.names(table).iter().filter_map(parse).collect()
    }
}

#[test]
fn an_export_killed_at_any_call_leaves_whole_files_and_goes_on() {
    let half = Half::new();
    half.begin_anew();
    let (end, total) = run(&mut half.command(), u64::MAX, Deed::Kill);
    assert!(
        matches!(end, End::Ended(status) if status.success()),
        "{}",
        half.words()
    );
    half.scene.check_whole(half.last);
    for nth in 1..=total {
        half.begin_anew();
        let (end, _) = run(&mut half.command(), nth, Deed::Kill);
        let what = format!("killed at call {nth} of {total}");
        assert!(matches!(end, End::Killed), "{what}");
        half.check_files(&what);
        half.go_on(&what);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_disk_that_is_full_from_any_call_on_is_said_and_the_export_goes_on() {
    let half = Half::new();
    for nth in half.calls().into_iter().step_by(3) {
        half.begin_anew();
        let (end, _) = run(&mut half.command(), nth, Deed::Fail(libc::ENOSPC));
        let what = format!("no room from call {nth} on");
        let End::Ended(status) = end else {
            panic!("{what}")
        };
        let words = half.words();
        if !status.success() {
            assert_eq!(status.code(), Some(1), "{what}: {words}");
            assert_eq!(words.lines().count(), 1, "{what}: {words}");
            assert!(words.contains("No space left on device"), "{what}: {words}");
        }
        half.check_files(&what);
        half.go_on(&what);
    }
}

#[test]
fn an_export_that_is_asked_to_stop_lists_what_is_whole() {
    let half = Half::new();
    half.begin_anew();
    let mut child = half.command().spawn().unwrap();
    // SAFETY: the child is ours and not reaped yet.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
    let status = child.wait().unwrap();
    // It may have been done already, or not yet have begun to listen.
    let words = half.words();
    assert!(
        status.success() || status.code() != Some(1),
        "{status}: {words}"
    );
    half.check_files("stopped");
    half.go_on("stopped");
}
