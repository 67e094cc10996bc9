//! Imports that stay, killed and without power or room at any moment, while a node writes block after block
//! and reorganises.
//!
//! Invariant: the node writes on only when what it wrote is told, so every block is a commit of its own.

use std::fs::remove_file;
use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;

use bitcoin::BlockHash;

use crate::common::datadir::{Datadir, Layout, write_datadir};
use crate::common::rng::Rng;
use crate::kills;
use crate::power::Cuts;
use crate::recorder::record;
use crate::scene::Scene;
use crate::tracer::{Deed, End, follow, run};

/// Blocks that come while it stays.
const BLOCKS: usize = 16;

/// States that are tried for each kill that is asked for: between two of them lie many syncs.
const STATES_A_KILL: u64 = 8;

/// A rest is half of what a watchdog allows: short, so that a test is.
const WATCHDOG_US: &str = "20000";

/// A scene whose last blocks come while it is imported.
struct Following {
    scene: Scene,
    node: Mutex<Node>,
    /// Whether it was told that the first tip is reached.
    is_at_tip: AtomicBool,
}

struct Node {
    datadir: Datadir,
    written: usize,
}

impl Following {
    fn of(mut scene: Scene) -> Following {
        let node = Mutex::new(node(&scene));
        assert!(scene.import().status().unwrap().success());
        scene.begin_with_index();
        Following {
            scene,
            node,
            is_at_tip: AtomicBool::new(false),
        }
    }

    /// With an index of the first blocks, and without the last ones.
    fn begin_anew(&self) {
        self.scene.begin_anew();
        *self.node.lock().unwrap() = node(&self.scene);
    }

    /// Lets `work` run an import that stays, beside the node. When all blocks are told it is ended.
    fn beside<T>(&self, work: impl FnOnce(&mut Command) -> T) -> T {
        let (told, tells) = pipe().unwrap();
        self.is_at_tip.store(false, Ordering::Relaxed);
        let mut command = self.scene.import();
        command
            .args(["--follow", "--json"])
            .env("WATCHDOG_USEC", WATCHDOG_US)
            .stdout(tells);
        scope(|scope| {
            scope.spawn(|| self.write_on(told));
            let done = work(&mut command);
            // It holds the other end of the pipe.
            drop(command);
            done
        })
    }

    /// The node: writes until the tip is another one, and waits until that is told; to the end, or until the
    /// import is gone.
    fn write_on(&self, told: PipeReader) {
        let mut node = self.node.lock().unwrap();
        let (chain, made) = (&self.scene.chain, self.scene.chain.made());
        let mut tip = chain.tip_of(&made[..node.written]).to_string();
        for line in BufReader::new(told).lines() {
            self.is_at_tip.store(true, Ordering::Relaxed);
            let line = line.unwrap();
            let said: serde_json::Value = serde_json::from_str(&line).unwrap();
            if said["hash"] != tip {
                continue;
            }
            let before = tip.clone();
            while tip == before {
                let Some(next) = made.get(node.written) else {
                    end(self.scene.index());
                    return;
                };
                node.datadir.append(chain, &[*next]);
                node.written += 1;
                tip = chain.tip_of(&made[..node.written]).to_string();
            }
        }
    }

    /// Undisturbed, to the end: what is in the index then is right.
    fn go_on(&self, what: &str) {
        let status = self.beside(|command| command.status().unwrap());
        assert_eq!(status.code(), Some(0), "{what}: {}", self.scene.words());
        assert_eq!(
            self.node.lock().unwrap().written,
            self.scene.chain.made().len()
        );
        self.scene.check();
    }

    /// Calls that an undisturbed one makes, and how many of them before the first tip is told.
    fn calls(&self) -> (u64, u64) {
        self.begin_anew();
        let (mut total, mut early) = (0, 0);
        let end = self.beside(|command| {
            follow(command, &mut |_| {
                total += 1;
                early += u64::from(!self.is_at_tip.load(Ordering::Relaxed));
                None
            })
        });
        assert!(
            matches!(end, End::Ended(status) if status.success()),
            "{end:?}"
        );
        self.scene.check();
        (total, early)
    }

    /// Blocks that the node has written.
    fn written(&self) -> Vec<BlockHash> {
        self.scene.chain.made()[..self.node.lock().unwrap().written].to_vec()
    }
}

fn node(scene: &Scene) -> Node {
    let made = scene.chain.made();
    let written = made.len() - BLOCKS;
    let _ = remove_file(scene.trial.datadir.file(0));
    let layout = Layout {
        tail_bytes: 1000,
        ..Layout::default()
    };
    let datadir = write_datadir(&scene.chain, scene.datadir(), &made[..written], layout);
    Node { datadir, written }
}

/// Sends SIGTERM to the program that has this index open.
fn end(index: &Path) {
    let index = index.to_str().unwrap();
    for process in std::fs::read_dir("/proc").unwrap() {
        let path = process.unwrap().path();
        let arguments = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let mut arguments = arguments.split(|byte| *byte == 0);
        let pid = path.file_name().unwrap().to_string_lossy().parse();
        if let (true, Ok(pid)) = (arguments.any(|argument| argument == index.as_bytes()), pid) {
            // SAFETY: it is the import of this test, whose folder has a name of its own.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
    }
}

#[test]
fn an_import_that_stays_killed_at_any_call_goes_on() {
    let following = Following::of(Scene::followed());
    let (total, _) = following.calls();
    let step = (total / kills()).max(1);
    let mut killed = 0;
    for nth in (1..=total).step_by(step as usize) {
        following.begin_anew();
        match following.beside(|command| run(command, nth, Deed::Kill)).0 {
            // How often it looks, and so what it notes of the files, is up to the clock.
            End::Ended(status) => assert!(status.success() && nth > total / 2, "call {nth}"),
            End::Killed => killed += 1,
        }
        let tip = following.scene.check_answers();
        assert!(tip.is_none_or(|tip| following.written().contains(&tip)));
        following.go_on(&format!("killed at {nth} of {total}"));
    }
    assert!(killed >= kills() - 1, "{killed} of {}", kills());
}

#[test]
fn a_power_cut_while_it_stays_loses_nothing_that_was_safe() {
    let following = Following::of(Scene::followed_straight());
    following.begin_anew();
    let mut cuts = Cuts::new(&following.scene);
    let files = cuts.files();
    let events = following.beside(|command| record(command, &files));
    cuts.try_all(&events, (45, STATES_A_KILL), false);
}

/// The disk is full for a while: that is said once, and it goes on when there is room.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_full_disk_is_waited_for() {
    let following = Following::of(Scene::followed());
    let ((total, early), mut rng) = (following.calls(), Rng::new(46));
    for _ in 0..kills() {
        following.begin_anew();
        // So near its end it may be over before.
        let nth = 1 + rng.below((total - early) / 2);
        let (mut calls, mut is_over) = (0, false);
        let end = following.beside(|command| {
            follow(command, &mut |_| {
                calls += u64::from(following.is_at_tip.load(Ordering::Relaxed));
                is_over = is_over || following.scene.words().contains("blkdex waits");
                (calls >= nth && !is_over).then_some(Deed::Fail(libc::ENOSPC))
            })
        });
        let words = following.scene.words();
        assert!(
            matches!(end, End::Ended(status) if status.success()),
            "{end:?}: {words}"
        );
        assert_eq!(
            words.matches("blkdex waits, and tries again").count(),
            1,
            "{words}"
        );
        assert!(words.contains("No space left"), "{words}");
        following.scene.check();
    }
}
