//! A scenario being played: files change, indexes are made, and every judge is asked.
//!
//! Invariant: the kept index is never looked at to find out what is right.

use std::path::Path;

use bitcoin::BlockHash;
use blkdex::datadir::EndState;
use blkdex::import::Options;
use blkdex::primitives::Height;

use super::disk::Disk;
use super::judge::{self, Before, Said};
use super::scenario::{Scenario, Step};
use super::tree::Tree;
use crate::common::check::check;
use crate::common::trial::options;
use crate::common::truth::Truth;

/// What was seen in a run, so that a test can tell that it tests something.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    pub steps: u32,
    pub blocks: u32,
    pub refused: u32,
    pub too_deep: u32,
    pub being_written: u32,
    pub reorganised: u32,
    pub behind: u32,
    pub left_out: u32,
    /// Imports that went on where files were missing.
    pub pruned: u32,
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, more: Seen) {
        self.steps += more.steps;
        self.blocks += more.blocks;
        self.refused += more.refused;
        self.too_deep += more.too_deep;
        self.being_written += more.being_written;
        self.reorganised += more.reorganised;
        self.behind += more.behind;
        self.left_out += more.left_out;
        self.pruned += more.pruned;
    }
}

/// A scenario under way.
pub struct Run<'s> {
    pub tree: Tree,
    pub disk: Disk,
    /// Blocks still to be written, the next one last.
    pub waiting: Vec<BlockHash>,
    pub seen: Seen,
    /// What was done so far, for whoever reads of a failure.
    pub log: Vec<String>,
    pub scenario: &'s Scenario,
    pub folder: &'s Path,
}

impl<'s> Run<'s> {
    /// In this folder, with nothing written yet.
    pub fn new(scenario: &'s Scenario, folder: &'s Path) -> Run<'s> {
        let tree = Tree::new(scenario.seed, &scenario.grows);
        let mut waiting = scenario.order(&tree);
        waiting.reverse();
        let seen = Seen {
            blocks: waiting.len() as u32,
            ..Seen::default()
        };
        let disk = Disk::new(&folder.join("datadir"), &scenario.layout);
        Run {
            tree,
            disk,
            waiting,
            seen,
            log: Vec::new(),
            scenario,
            folder,
        }
    }

    /// All steps, each judged.
    pub fn run(&mut self) -> Result<(), String> {
        for step in &self.scenario.steps {
            let said = self.change(step);
            self.log.push(format!("{step:?}: {said}"));
            self.disk.flush();
            self.import_and_judge()?;
        }
        Ok(())
    }

    /// Does to the files what the step says, in memory.
    pub fn change(&mut self, step: &Step) -> String {
        let before = self.disk.records();
        match *step {
            Step::Append(percent) => return self.append(percent),
            Step::AppendRotten { percent, .. } | Step::AppendPart { percent, .. } => {
                self.append(percent);
            }
            _ if before == 0 => return self.append(50),
            _ => {}
        }
        let new = self.disk.records() - before;
        let disk = &mut self.disk;
        match *step {
            Step::Append(_) => unreachable!("returned above"),
            Step::AppendRotten { rot, at, .. } => match new {
                0 => "nothing".to_owned(),
                new => disk.rot(before + at as usize % new, rot),
            },
            Step::AppendPart { bytes, .. } => disk.cut_last(bytes as usize),
            Step::Rot { rot, at, is_late } => {
                let late = || before - 1 - at as usize % before.min(8);
                disk.rot(if is_late { late() } else { at as usize }, rot)
            }
            Step::Cut {
                file,
                record,
                bytes,
            } => disk.cut(
                file as usize % disk.files(),
                record as usize,
                bytes as usize,
            ),
            Step::Remove(file) => disk.remove(file as usize % disk.files()),
            Step::Prune(file) => disk.prune(file as usize % disk.files()),
            Step::Mend(nth) => disk.mend(nth as usize),
            Step::MendAll => {
                while !disk.is_whole() {
                    disk.mend(0);
                }
                String::new()
            }
        }
    }

    fn append(&mut self, percent: u8) -> String {
        let blocks = (self.waiting.len() * percent as usize).div_ceil(100);
        for _ in 0..blocks {
            let hash = self.waiting.pop().expect("so many wait");
            self.disk.append(hash, self.tree.chain.bytes(hash));
        }
        format!("{blocks} blocks, {} are left", self.waiting.len())
    }

    /// Imports into a new index and into the kept one, asks the doctor about both, and judges. Returns
    /// what they said, in this order.
    pub fn import_and_judge(&mut self) -> Result<(Said, Said), String> {
        let datadir = self.folder.join("datadir");
        let mut kept = options(&datadir, self.folder.join("kept.redb"));
        let mut new = options(&datadir, self.folder.join("new.redb"));
        // One of them keeps txids, or both do, or neither.
        kept.keeps_txids = self.scenario.seed & 1 == 1;
        new.keeps_txids = self.scenario.seed & 2 == 2;
        let before = judge::before(&kept.index);
        let is_deep = self.disk.has_bad_bodies();
        let foreseen = [&new, &kept].map(|options| judge::diagnose(options, is_deep));
        let said_new = judge::import_said(&new);
        let said = judge::import_said(&kept);
        self.note(before, &said);
        let goes_on = self.disk.is_partial() && judge::has_grown(&self.tree, before, &said);
        self.seen.pruned += u32::from(goes_on);
        self.log
            .push(format!("    new:  {said_new:?}\n    kept: {said:?}"));
        judge::judge_new(&self.tree, &self.disk, &said_new)?;
        match before.filter(|_| self.disk.is_partial()) {
            Some(before) => judge::judge_pruned(&self.tree, &self.disk, before, &said)?,
            None => judge::judge_kept(&self.tree, before, &said_new, &said)?,
        }
        // What no spend was looked up for, the doctor may take for the chain whose end it judges.
        let has_bad = self
            .disk
            .intact()
            .iter()
            .any(|hash| self.tree.bad.contains(hash));
        if judge::is_whole(&self.tree, &self.disk) || !has_bad {
            for (report, said) in foreseen.iter().zip([&said_new, &said]) {
                judge::judge_doctor(report, said)?;
            }
        }
        for said in [&said_new, &said] {
            judge::judge_left_out(&self.tree, &self.disk, said)?;
        }
        for (options, said) in [(&new, &said_new), (&kept, &said)] {
            self.judge_advice(options, said)?;
            self.check_answers(&options.index, said);
        }
        std::fs::remove_file(&new.index).ok();
        Ok((said_new, said))
    }

    /// Whether an import until the height that a refusal names works, tried on a copy of the index. Where
    /// bytes further down are damaged too, it names a lower height, until one works.
    fn judge_advice(&self, options: &Options, said: &Said) -> Result<(), String> {
        let advised = Options {
            index: self.folder.join("advised.redb"),
            ..options.clone()
        };
        if advice(said).is_none() {
            return Ok(());
        }
        std::fs::copy(&options.index, &advised.index).unwrap();
        let (mut said, mut last) = (said.clone(), u32::MAX);
        while let Some((words, until)) = advice(&said) {
            let options = Options {
                until: Some(Height(until)),
                ..advised.clone()
            };
            let next = judge::import_said(&options);
            let is_better = until < last && (advice(&next).is_some() || is_done(&next));
            if !is_better {
                return Err(format!("advised by: {words}\n  but: {next:?}"));
            }
            (said, last) = (next, until);
        }
        Ok(())
    }

    /// Compares the whole index with the truth about the chain that it says it ends on.
    fn check_answers(&self, index: &Path, said: &Said) {
        if let Said::Tip { hash, .. } = said {
            let truth = Truth::of(&self.tree.chain, *hash).expect("only valid blocks are indexed");
            check(index, &truth);
        }
    }

    fn note(&mut self, before: Option<Before>, said: &Said) {
        let seen = &mut self.seen;
        seen.steps += 1;
        match said {
            Said::Refused { kind, .. } if kind == "ForkTooDeep" => seen.too_deep += 1,
            Said::Refused { .. } => seen.refused += 1,
            Said::Tip {
                hash,
                end,
                is_behind,
                left_out,
                ..
            } => {
                let left = |before: Before| !self.tree.path(*hash).contains(&before.tip);
                seen.being_written += u32::from(*end == EndState::BeingWritten);
                seen.behind += u32::from(*is_behind);
                seen.left_out += u32::from(!left_out.is_empty());
                seen.reorganised += u32::from(before.is_some_and(left));
            }
        }
    }
}

/// The words of a refusal that names an `--until`, and its height.
fn advice(said: &Said) -> Option<(String, u32)> {
    let Said::Refused { words, .. } = said else {
        return None;
    };
    let (_, advice) = words.split_once("--until ")?;
    let digits = advice.split(|c: char| !c.is_ascii_digit()).next();
    Some((words.clone(), digits.unwrap_or_default().parse().unwrap()))
}

fn is_done(said: &Said) -> bool {
    matches!(said, Said::Tip { .. })
}
