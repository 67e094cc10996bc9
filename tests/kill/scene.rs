//! A datadir, and how it is imported: small chains that make every part of an import happen.
//!
//! Invariant: a scene's import is the same each time; only what disturbs it differs.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bitcoin::BlockHash;

use crate::common::answers;
use crate::common::chain::{Chain, Plan};
use crate::common::check::check;
use crate::common::datadir::Layout;
use crate::common::index_file::{RELATIONS, RUNS_LEFT};
use crate::common::parts::owner;
use crate::common::random::Options;
use crate::common::trial::{Trial, status_of, table_of};
use crate::common::truth::Truth;
use crate::tracer::{Deed, End, run};

/// The last block that the index at `path` answers for.
pub fn tip_of(path: &Path) -> Option<BlockHash> {
    status_of(path).map(|status| status.hash)
}

pub struct Scene {
    pub trial: Trial,
    pub chain: Chain,
    truth: Truth,
    args: Vec<String>,
    /// An index to begin with; a scene without one begins with none.
    first: Option<PathBuf>,
}

impl Scene {
    fn of(chain: Chain, args: &[&str]) -> Scene {
        Scene {
            trial: Trial::new(&chain),
            truth: Truth::of_best(&chain),
            chain,
            args: args.iter().map(|arg| arg.to_string()).collect(),
            first: None,
        }
    }

    /// Few commits, no merges: few calls.
    pub fn small() -> Scene {
        let options = Options {
            blocks: 40,
            ..Options::default()
        };
        Scene::of(Chain::random(1, options), &["--commit-every", "80"])
    }

    /// A commit every few blocks, so that all relations merge, again and again, and a table so small
    /// that coins spill and spends miss; and txids are kept.
    pub fn merging() -> Scene {
        let options = Options {
            blocks: 160,
            txs_max: 6,
            ..Options::default()
        };
        let mut scene = Scene::of(Chain::random(2, options), &["--commit-every", "3"]);
        let table = table_of(64).unwrap().to_string();
        scene.args.extend(["--table".to_string(), table]);
        scene.keeping_txids()
    }

    /// The same, with an index that keeps txids.
    pub fn keeping_txids(mut self) -> Scene {
        self.args.push("--keep-txids".to_string());
        self
    }

    /// A commit every few blocks, as in `merging`, of a chain that is quickly compared: small, but long
    /// enough for settled runs to merge.
    pub fn often() -> Scene {
        let options = Options {
            blocks: 260,
            txs_max: 1,
            fork_every: 0,
            ..Options::default()
        };
        let mut scene = Scene::of(Chain::random(5, options), &["--commit-every", "2"]);
        let table = table_of(64).unwrap().to_string();
        scene.args.extend(["--table".to_string(), table]);
        scene
    }

    /// A bulk import of many commits, with blocks so large that the merge at its end has several segments.
    pub fn bulk() -> Scene {
        let mut chain = Chain::new();
        for number in 0..1150u64 {
            let outputs = if number % 64 == 0 { 4000 } else { 1 };
            let pay = (0..outputs).map(|output| (owner(number + output), 1000 + output));
            chain.grow_with(Plan {
                pay: Some(pay.collect()),
                ..Plan::default()
            });
        }
        Scene::of(chain, &["--commit-every", "30", "--segment", "100K"])
    }

    /// An index that keeps txids, on a chain that is left by another, which is to be followed.
    pub fn forked() -> Scene {
        Scene::forked_in(Layout::default())
    }

    fn forked_in(layout: Layout) -> Scene {
        let options = Options {
            blocks: 60,
            txs_max: 6,
            fork_every: 0,
            ..Options::default()
        };
        let chain = Chain::random(3, options);
        let mut scene = Scene::of(chain, &["--commit-every", "9"]).keeping_txids();
        scene.trial = Trial::with(&scene.chain, scene.chain.made(), layout);
        assert!(
            scene.import().status().unwrap().success(),
            "{}",
            scene.words()
        );
        scene.begin_with_index();
        let best = scene.chain.best();
        let fork = best[best.len() - 31];
        scene.chain.mine_empty(fork, 40);
        scene.trial.append(&scene.chain);
        scene.truth = Truth::of_best(&scene.chain);
        scene
    }

    /// A chain to be followed: an index of its first blocks has a commit for each.
    pub fn followed() -> Scene {
        let options = Options {
            blocks: 40,
            ..Options::default()
        };
        Scene::of(Chain::random(1, options), &["--commit-every", "1"])
    }

    /// The same in a small file: few commits, and no branch, which would take back all of the last one.
    pub fn followed_straight() -> Scene {
        let options = Options {
            blocks: 40,
            fork_every: 0,
            ..Options::default()
        };
        Scene::of(Chain::random(1, options), &[])
    }

    /// From now on it begins with the index that is there.
    pub fn begin_with_index(&mut self) {
        let first = self.trial.folder.path().join("first.redb");
        std::fs::copy(self.index(), &first).unwrap();
        self.first = Some(first);
    }

    /// As `forked`, with files deleted that the index needs no more.
    pub fn pruned() -> Scene {
        let scene = Scene::forked_in(Layout {
            file_bytes_max: 8000,
            ..Layout::default()
        });
        // A rollback reads the last hundred blocks again.
        let order = scene.chain.made();
        let lowest = scene.trial.datadir.prune(&scene.chain, order, 50);
        assert!(lowest > 0);
        scene
    }

    /// The import, with its words kept.
    pub fn import(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
        command
            .args(["import", "--quiet", "--memory", "128M", "--datadir"])
            .arg(&self.trial.datadir.path)
            .arg("--index")
            .arg(self.index())
            .args(&self.args)
            .stdout(Stdio::null())
            .stderr(File::create(self.words_path()).unwrap());
        command
    }

    /// The import, with its words in a pipe.
    pub fn import_piped(&self) -> Command {
        let mut command = self.import();
        command.stderr(Stdio::piped());
        command
    }

    fn words_path(&self) -> PathBuf {
        self.trial.folder.path().join("words")
    }

    /// What the last import said.
    pub fn words(&self) -> String {
        let mut words = String::new();
        let mut file = File::open(self.words_path()).unwrap();
        file.read_to_string(&mut words).unwrap();
        words
    }

    /// Files beside the index that were to become something, and did not.
    pub fn unfinished_files(&self) -> usize {
        let entries = std::fs::read_dir(self.index().parent().unwrap()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        let is_unfinished = |name: &std::ffi::OsString| {
            let name = name.to_string_lossy();
            name.starts_with('.') || name.ends_with(".creating")
        };
        names.filter(is_unfinished).count()
    }

    pub fn index(&self) -> &std::path::Path {
        &self.trial.options.index
    }

    /// Runs of the settled part, which is more commits than an import leaves runs, have merged.
    pub fn check_merged(&self) {
        // At the tip a run may stay that has more rows than all younger ones: of 53 commits no more than these.
        const TIP_RUNS: usize = 6;
        let runs = self.trial.settled_runs();
        for ((relation, left), runs) in RELATIONS.iter().zip(RUNS_LEFT).zip(runs) {
            assert!(runs <= left.max(TIP_RUNS), "{runs} runs of {relation}");
        }
    }

    /// Its datadir.
    pub fn datadir(&self) -> &std::path::Path {
        &self.trial.datadir.path
    }

    pub fn begin_anew(&self) {
        let _ = std::fs::remove_file(self.index());
        if let Some(first) = &self.first {
            std::fs::copy(first, self.index()).unwrap();
        }
    }

    /// Calls that an undisturbed import makes.
    pub fn calls(&self) -> u64 {
        self.begin_anew();
        let (end, calls) = run(&mut self.import(), u64::MAX, Deed::Kill);
        let End::Ended(status) = end else { panic!() };
        assert!(status.success(), "{}", self.words());
        self.check();
        calls
    }

    /// Compares the index with the truth, after an import that came to its end: nothing is left of others.
    pub fn check(&self) {
        assert_eq!(self.unfinished_files(), 0);
        check(self.index(), &self.truth);
    }

    /// Asks the index everything at a height.
    pub fn ask(&self, height: u32) -> blkdex::Result<()> {
        answers::check(self.index(), &self.truth, &[height])
    }

    /// Height of its last block.
    pub fn height(&self) -> u32 {
        self.truth.height()
    }

    /// A question to the index.
    pub fn status(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
        command.args(["status", "--index"]).arg(self.index());
        command
    }

    /// A question to an index whose import ended anyhow is answered from its last commit; none, of none.
    /// Returns what its tip is.
    pub fn check_answers(&self) -> Option<BlockHash> {
        let before = std::fs::read(self.index()).ok();
        let output = self.status().output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        let tip = tip_of(self.index());
        match tip {
            Some(tip) => {
                assert!(output.status.success(), "{words}");
                let truth = Truth::of(&self.chain, tip).unwrap();
                // Of a large chain that takes seconds.
                if truth.outputs.len() < 20_000 {
                    check(self.index(), &truth);
                }
            }
            None => {
                let is_none = ["there is no index", "no blocks"].iter();
                let mut is_none = is_none.map(|known| words.contains(known));
                assert!(is_none.any(|is| is), "{words}");
            }
        }
        let after = std::fs::read(self.index()).ok();
        assert!(after == before, "a question changes nothing");
        tip
    }
}
