//! The power is cut at any moment of an import or a rebuild: the next question answers from a commit that
//! was made, no older than the last that was safe, and the next import goes on to the right end.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use bitcoin::BlockHash;

use crate::common::check::check;
use crate::common::rng::Rng;
use crate::common::truth::Truth;
use crate::disk_model::Disk;
use crate::kills;
use crate::recorder::{Event, Inode, record};
use crate::scene::{Scene, tip_of};

/// States that are tried for each kill that is asked for.
const STATES_A_KILL: u64 = 38;

pub struct Cuts<'s> {
    scene: &'s Scene,
    /// The index, and the new file of a rebuild.
    names: [PathBuf; 2],
    /// The index as it is at the beginning.
    first: Option<(Inode, Vec<u8>)>,
    truths: HashMap<BlockHash, Truth>,
}

impl<'s> Cuts<'s> {
    /// Of the index as it is now.
    pub fn new(scene: &'s Scene) -> Cuts<'s> {
        let index = scene.index().to_owned();
        let new = blkdex::rebuild::new_path(&index);
        Cuts {
            scene,
            names: [index.clone(), new],
            first: std::fs::read(&index)
                .ok()
                .map(|bytes| (index.metadata().unwrap().ino(), bytes)),
            truths: HashMap::new(),
        }
    }

    /// The files that are watched.
    pub fn files(&self) -> Vec<PathBuf> {
        self.names.to_vec()
    }

    /// Cuts the power of `command` again and again.
    fn try_command(&mut self, mut command: Command, seed: u64, rebuilds: bool) {
        let events = record(&mut command, &self.files());
        self.try_all(&events, (seed, STATES_A_KILL), rebuilds);
    }

    /// Cuts the power again and again while this happens, in so many states for each kill.
    pub fn try_all(&mut self, events: &[Event], (seed, states): (u64, u64), rebuilds: bool) {
        let safe = self.safe_tips(events);
        let mut rng = Rng::new(seed);
        let wanted = kills() * states;
        let mut moments: Vec<u64> = (0..wanted)
            .map(|_| rng.below(events.len() as u64 + 1))
            .collect();
        moments.sort_unstable();
        let (mut disk, mut done, mut different) = (self.disk(), 0, Vec::new());
        for (number, moment) in moments.into_iter().enumerate() {
            events[done..moment as usize]
                .iter()
                .for_each(|event| disk.apply(event));
            done = moment as usize;
            self.put(&disk.cut(&mut rng));
            let syncs = events[..done].iter().filter(|event| is_sync(event)).count();
            let allowed = [safe[syncs], *safe.get(syncs + 1).unwrap_or(&safe[syncs])];
            let tip = self.ask();
            assert!(
                allowed.contains(&tip),
                "call {done}: {tip:?}, not of {allowed:?}"
            );
            if !different.contains(&tip) {
                different.push(tip);
            }
            match rebuilds && number % 16 == 0 {
                true => self.rebuild(),
                false => self.go_on(),
            }
        }
        assert!(different.len() > 1, "cuts before and after something");
        println!(
            "{wanted} states, {} calls, {} tips",
            events.len(),
            different.len()
        );
    }

    fn disk<'e>(&self) -> Disk<'e> {
        match &self.first {
            Some((file, bytes)) => Disk::with(&self.names[0], *file, bytes.clone()),
            None => Disk::default(),
        }
    }

    /// What the index answers for at the beginning, and after each sync.
    fn safe_tips(&self, events: &[Event]) -> Vec<Option<BlockHash>> {
        let mut disk = self.disk();
        let mut safe = Vec::new();
        let mut rng = Rng::new(0);
        let mut ask = |disk: &Disk<'_>| {
            self.put(&disk.cut(&mut rng));
            safe.push(tip_of(&self.names[0]));
        };
        ask(&disk);
        for event in events {
            disk.apply(event);
            if is_sync(event) {
                ask(&disk);
            }
        }
        safe
    }

    fn put(&self, found: &BTreeMap<PathBuf, Vec<u8>>) {
        for name in &self.names {
            match found.get(name) {
                Some(bytes) => std::fs::write(name, bytes).unwrap(),
                None => drop(std::fs::remove_file(name)),
            }
        }
    }

    /// The tip that the index answers for; what it answers is right.
    fn ask(&mut self) -> Option<BlockHash> {
        let tip = tip_of(&self.names[0])?;
        let chain = &self.scene.chain;
        let truth = self
            .truths
            .entry(tip)
            .or_insert_with(|| Truth::of(chain, tip).unwrap());
        check(&self.names[0], truth);
        Some(tip)
    }

    fn go_on(&self) {
        self.scene.trial.import().result.unwrap();
        assert_eq!(self.scene.unfinished_files(), 0);
        self.scene.check();
    }

    fn rebuild(&self) {
        let status = rebuild(self.scene).status().unwrap();
        assert!(status.success());
        assert!(self.names[1..].iter().all(|name| !name.exists()));
        self.scene.check();
    }
}

fn is_sync(event: &Event) -> bool {
    matches!(event, Event::Sync(_) | Event::SyncFolder)
}

fn rebuild(scene: &Scene) -> Command {
    crate::rebuild::rebuild(scene)
}

fn cut_the_import(scene: &Scene, seed: u64) {
    scene.begin_anew();
    let mut cuts = Cuts::new(scene);
    cuts.try_command(scene.import(), seed, false);
}

#[test]
fn a_power_cut_in_a_first_import_loses_nothing_that_was_safe() {
    cut_the_import(&Scene::small(), 41);
}

#[test]
fn a_power_cut_in_merges_loses_nothing_that_was_safe() {
    let scene = Scene::often();
    cut_the_import(&scene, 42);
    scene.begin_anew();
    assert!(scene.import().status().unwrap().success());
    let runs = scene.trial.index_file().runs();
    let merged = runs.iter().filter(|run| run.to - run.from >= 4).count();
    println!("{merged} of {} runs were merged", runs.len());
    assert!(merged > 3, "of several commits each");
}

#[test]
fn a_power_cut_in_a_reorganisation_loses_nothing_that_was_safe() {
    cut_the_import(&Scene::forked(), 43);
}

#[test]
fn a_power_cut_in_a_rebuild_leaves_the_old_index_or_the_new() {
    let scene = Scene::small();
    scene.begin_anew();
    let half = scene.import().args(["--until", "60"]).status().unwrap();
    assert!(half.success());
    let mut cuts = Cuts::new(&scene);
    cuts.try_command(rebuild(&scene), 44, true);
}
