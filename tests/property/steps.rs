//! A scenario: a tree of blocks, and what happens to the files between imports.
//!
//! Invariant: a scenario is plain numbers, each of which means something whatever the others are, so
//! that parts of it can be left out to find the smallest that fails.

use std::path::Path;

use bitcoin::BlockHash;
use blkdex::datadir::EndState;
use proptest::prelude::*;

use super::disk::{Disk, Layout, Rot};
use super::judge::{self, Before, Said};
use super::tree::{Fault, Grow, Tree};
use crate::common::check::check;
use crate::common::rng::Rng;
use crate::common::truth::Truth;

/// What happens to the files before an import.
#[derive(Clone, Debug)]
pub enum Step {
    /// So many percent of the blocks that are not written yet are, one at least.
    Append(u8),
    /// The same, and one of the new records is spoilt.
    AppendRotten { percent: u8, rot: Rot, at: u16 },
    /// The same, and of the last record only so many bytes are there.
    AppendPart { percent: u8, bytes: u16 },
    /// A record is spoilt: counted from the last one, or from the first.
    Rot { rot: Rot, at: u16, is_late: bool },
    /// A file ends early.
    Cut { file: u16, record: u16, bytes: u16 },
    /// A file is gone.
    Remove(u16),
    /// One damage is undone.
    Mend(u16),
    /// Every damage is undone.
    MendAll,
}

/// See the module documentation.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub grows: Vec<Grow>,
    pub layout: Layout,
    /// Blocks come up to so many places earlier or later than they were made.
    pub disorder: u8,
    /// One block in so many is written twice; 0: none.
    pub twice_every: u8,
    pub steps: Vec<Step>,
}

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
}

fn grow() -> impl Strategy<Value = Grow> {
    let fault = prop_oneof![Just(Fault::Missing), Just(Fault::Twice), Just(Fault::Young)];
    // As many small depths as large ones.
    let depth = || prop_oneof![1..6u32, 1..60u32, 60..300u32];
    prop_oneof![
        3 => (1..140u32).prop_map(Grow::Extend),
        4 => (depth(), -3..5i32).prop_map(|(depth, more)| Grow::Fork {
            depth,
            blocks: depth.saturating_add_signed(more).max(1),
        }),
        1 => (1..20u32).prop_map(Grow::Last),
        2 => (fault, prop_oneof![3 => Just(0), 1 => 0..20u32], 0..5u32)
            .prop_map(|(fault, depth, above)| Grow::Bad { fault, depth, above }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let hole = || prop_oneof![Just(Rot::Zeros), Just(Rot::Junk), Just(Rot::Header)];
    let any_rot = prop_oneof![hole(), Just(Rot::Root), Just(Rot::Body)];
    prop_oneof![
        6 => (5..=100u8).prop_map(Step::Append),
        1 => (5..=100u8, any_rot, any::<u16>())
            .prop_map(|(percent, rot, at)| Step::AppendRotten { percent, rot, at }),
        1 => (5..=100u8, any::<u16>())
            .prop_map(|(percent, bytes)| Step::AppendPart { percent, bytes }),
        2 => (hole(), any::<u16>(), any::<bool>())
            .prop_map(|(rot, at, is_late)| Step::Rot { rot, at, is_late }),
        1 => (any::<u16>(), any::<u16>(), any::<u16>())
            .prop_map(|(file, record, bytes)| Step::Cut { file, record, bytes }),
        1 => any::<u16>().prop_map(Step::Remove),
        2 => any::<u16>().prop_map(Step::Mend),
        4 => Just(Step::MendAll),
    ]
}

fn layout() -> impl Strategy<Value = Layout> {
    let sizes = prop_oneof![Just(5000), Just(30_000), Just(128 << 20)];
    (sizes, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(file_bytes_max, has_key, has_tail, is_old)| Layout {
            file_bytes_max,
            has_key,
            tail_bytes: if has_tail { 65_536 } else { 0 },
            is_old,
        },
    )
}

/// Every scenario.
pub fn scenarios() -> impl Strategy<Value = Scenario> {
    (
        any::<u64>(),
        (1..200u32, prop::collection::vec(grow(), 0..6)),
        layout(),
        prop_oneof![2 => Just(0u8), 1 => 1..30u8],
        prop_oneof![2 => Just(0u8), 1 => 2..30u8],
        prop::collection::vec(step(), 5..8),
    )
        .prop_map(
            |(seed, (first, grows), layout, disorder, twice_every, steps)| Scenario {
                seed,
                grows: [vec![Grow::Extend(first)], grows].concat(),
                layout,
                disorder,
                twice_every,
                steps,
            },
        )
}

/// Scenarios without damage, in which parents come first: what a node itself would write.
pub fn sound_scenarios() -> impl Strategy<Value = Scenario> {
    let steps = prop::collection::vec((5..=100u8).prop_map(Step::Append), 4..7);
    (scenarios(), steps).prop_map(|(scenario, steps)| Scenario {
        disorder: 0,
        steps,
        ..scenario
    })
}

impl Scenario {
    /// The blocks in the order in which they are written.
    pub fn order(&self, tree: &Tree) -> Vec<BlockHash> {
        let mut rng = Rng::new(self.seed ^ 1);
        let mut keyed: Vec<_> = (0u64..).zip(tree.chain.made().iter().copied()).collect();
        keyed.sort_by_cached_key(|(nth, _)| nth + rng.below(u64::from(self.disorder) + 1));
        let mut order = Vec::new();
        for (_, hash) in keyed {
            order.push(hash);
            if self.twice_every > 0 && rng.below(self.twice_every.into()) == 0 {
                order.push(hash);
            }
        }
        order
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
        let kept = judge::options(&datadir, self.folder.join("kept.redb"));
        let new = judge::options(&datadir, self.folder.join("new.redb"));
        let before = judge::before(&kept.index);
        let is_deep = self.disk.has_bad_bodies();
        let foreseen = [&new, &kept].map(|options| judge::diagnose(options, is_deep));
        let said_new = judge::import_said(&new);
        let said = judge::import_said(&kept);
        self.note(before, &said);
        self.log
            .push(format!("    new:  {said_new:?}\n    kept: {said:?}"));
        judge::judge_new(&self.tree, &self.disk, &said_new)?;
        judge::judge_kept(&self.tree, before, &said_new, &said)?;
        for (report, said) in foreseen.iter().zip([&said_new, &said]) {
            judge::judge_doctor(report, said)?;
        }
        for said in [&said_new, &said] {
            judge::judge_left_out(&self.tree, &self.disk, said)?;
        }
        for (options, said) in [(&new, &said_new), (&kept, &said)] {
            self.check_answers(&options.index, said);
        }
        std::fs::remove_file(&new.index).ok();
        Ok((said_new, said))
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
    }
}
