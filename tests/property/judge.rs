//! What an import and the doctor said, and whether it is what they had to say.
//!
//! Invariant: nothing here knows how the index came about, only what it was before and what the files
//! hold now.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use blkdex::datadir::EndState;
use blkdex::doctor::{self, Findings, State};
use blkdex::error::unwatched;
use blkdex::import::{Event, Notice, Options, Watch, import};

use super::disk::Disk;
use super::tree::Tree;
use crate::common::trial::status_of;

/// What an import came to.
#[derive(Clone, Debug)]
pub enum Said {
    /// It ended at this block.
    Tip {
        height: u32,
        hash: BlockHash,
        end: EndState,
        is_behind: bool,
        /// Blocks that it left out as invalid, as it said.
        left_out: Vec<BlockHash>,
    },
    /// It refused: the kind of error, and its words.
    Refused { kind: String, words: String },
}

/// An index before an import.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    pub tip: BlockHash,
    pub settled: u32,
}

/// Imports, and listens.
pub fn import_said(options: &Options) -> Said {
    let mut notices = Vec::new();
    let mut watch = Watch {
        stop: &AtomicBool::new(false),
        tell: &mut |event| {
            if let Event::Notice(notice) = event {
                notices.push(notice);
            }
        },
    };
    let result = import(options, &mut watch);
    match result {
        Ok(summary) => {
            let (height, hash) = summary.tip.expect("an import that is done has a tip");
            Said::Tip {
                height: height.0,
                hash: BlockHash::from_byte_array(hash),
                end: summary.chain_end.state,
                is_behind: notices.iter().any(|n| matches!(n, Notice::Behind { .. })),
                left_out: summary.left_out.iter().map(|block| block.hash).collect(),
            }
        }
        Err(error) => {
            let debug = format!("{error:?}");
            let kind = debug.split(|c: char| !c.is_alphanumeric()).next();
            Said::Refused {
                kind: kind.unwrap_or_default().to_owned(),
                words: error.to_string(),
            }
        }
    }
}

/// The index as it is; `None` if it has no block yet.
pub fn before(index: &Path) -> Option<Before> {
    status_of(index).map(|status| Before {
        tip: status.hash,
        settled: status.settled_height.unwrap_or_default().0,
    })
}

/// Whether nothing is damaged, and no block is there before its parent.
pub fn is_whole(tree: &Tree, disk: &Disk) -> bool {
    let there: HashSet<_> = disk.intact().into_iter().collect();
    let has_parent = |hash: &BlockHash| {
        let parent = tree.chain.block(*hash).header.prev_blockhash;
        tree.chain.height(*hash) == 0 || there.contains(&parent)
    };
    disk.is_whole() && there.iter().all(has_parent)
}

/// What a new index has to come to, given what the files hold. It may refuse only if something is
/// wrong with them, and is complete only if nothing is missing below a valid block.
pub fn judge_new(tree: &Tree, disk: &Disk, new: &Said) -> Result<(), String> {
    let there: HashSet<_> = disk.intact().into_iter().collect();
    let is_connected =
        |hash: &BlockHash| tree.path(*hash).iter().all(|block| there.contains(block));
    let valid = there.iter().filter(|hash| !tree.bad.contains(*hash));
    let highest = |hashes: &mut dyn Iterator<Item = &BlockHash>| {
        hashes.map(|hash| tree.chain.height(*hash)).max()
    };
    let best = highest(&mut valid.clone().filter(|hash| is_connected(hash)));
    let above = highest(&mut valid.clone());
    let is_whole = is_whole(tree, disk);
    match new {
        Said::Refused { kind, words } if is_whole && kind != "InvalidSettledBlock" => Err(format!(
            "nothing is wrong with the files, but: {kind}: {words}"
        )),
        Said::Tip { .. } if disk.has_bad_bodies() => Ok(()),
        Said::Tip { height, hash, .. } if best != Some(*height) || !is_connected(hash) => Err(
            format!("ends at {height} {hash}, the best chain at {best:?}"),
        ),
        Said::Tip {
            end: EndState::Complete,
            height,
            ..
        } if above > Some(*height) => Err(format!(
            "is complete at {height}, but a valid block of height {above:?} is there"
        )),
        _ => Ok(()),
    }
}

/// Whether what was left out is said, each time: all of it is invalid, and where invalid blocks reach
/// above the tip, some are named.
pub fn judge_left_out(tree: &Tree, disk: &Disk, said: &Said) -> Result<(), String> {
    let Said::Tip {
        height, left_out, ..
    } = said
    else {
        return Ok(());
    };
    let there: HashSet<_> = disk.intact().into_iter().collect();
    let reaches_above = |hash: &&BlockHash| {
        let path = || tree.path(**hash);
        tree.bad.contains(*hash)
            && tree.chain.height(**hash) > *height
            && path().iter().all(|block| there.contains(block))
    };
    match there.iter().find(reaches_above) {
        Some(above) if left_out.is_empty() && !disk.has_bad_bodies() => Err(format!(
            "{above} is left out, and nothing is said of it: {said:?}"
        )),
        _ if !left_out.iter().all(|hash| tree.bad.contains(hash)) => {
            Err(format!("a valid block is left out: {said:?}"))
        }
        _ => Ok(()),
    }
}

/// What a kept index has to come to, given what a new one came to on the same files.
pub fn judge_kept(
    tree: &Tree,
    before: Option<Before>,
    new: &Said,
    kept: &Said,
) -> Result<(), String> {
    let wanted = wanted(tree, before, new);
    let is_same = match (&wanted, kept) {
        (Said::Refused { kind: a, .. }, Said::Refused { kind: b, .. }) => {
            // That a block of the best chain is damaged is met after the chain has left the index.
            let is_met_first = a == "StopsAbove" && b == "ForkTooDeep" && may_leave(tree, before);
            a == b || is_met_first
        }
        (
            Said::Tip {
                hash: a,
                end: a_end,
                is_behind: a_behind,
                ..
            },
            Said::Tip {
                hash: b,
                end: b_end,
                is_behind: b_behind,
                ..
            },
        ) => (a, a_end, a_behind) == (b, b_end, b_behind),
        _ => false,
    };
    match is_same {
        true => Ok(()),
        false => Err(format!(
            "kept index: {kept:?}\n  wanted: {wanted:?}\n  before: {before:?}"
        )),
    }
}

/// Whether there is a higher chain that leaves the index where it is settled.
fn may_leave(tree: &Tree, before: Option<Before>) -> bool {
    before.is_some_and(|before| {
        let tip = tree.chain.height(before.tip);
        let mut made = tree.chain.made().iter();
        made.any(|hash| {
            tree.chain.height(*hash) > tip && tree.last_common(before.tip, *hash) < before.settled
        })
    })
}

fn wanted(tree: &Tree, before: Option<Before>, new: &Said) -> Said {
    let (
        Some(before),
        Said::Tip {
            height, hash, end, ..
        },
    ) = (before, new)
    else {
        return new.clone();
    };
    let fork = tree.last_common(before.tip, *hash);
    if fork == *height {
        // Files that end on the index's own chain leave it as it is.
        return Said::Tip {
            height: tree.chain.height(before.tip),
            hash: before.tip,
            end: *end,
            is_behind: *hash != before.tip,
            left_out: Vec::new(),
        };
    }
    match fork < before.settled {
        true => Said::Refused {
            kind: "ForkTooDeep".to_owned(),
            words: format!("it leaves at {fork}"),
        },
        false => new.clone(),
    }
}

/// Whether the index ends higher than before.
pub fn has_grown(tree: &Tree, before: Option<Before>, said: &Said) -> bool {
    let tip = before.map(|before| tree.chain.height(before.tip));
    matches!(said, Said::Tip { height, .. } if Some(*height) > tip && tip.is_some())
}

/// What an index has to come to where files are missing that a new one would need: its own blocks count as there.
/// It may refuse only if blocks above it lack an ancestor, if something is damaged, or if the best chain leaves it
/// so deep that blocks are missing or settled.
pub fn judge_pruned(tree: &Tree, disk: &Disk, before: Before, kept: &Said) -> Result<(), String> {
    let there: HashSet<_> = disk.intact().into_iter().collect();
    let own = tree.path(before.tip);
    let known: HashSet<_> = own.iter().chain(&there).copied().collect();
    let is_connected =
        |hash: &&BlockHash| tree.path(**hash).iter().all(|block| known.contains(block));
    let has_orphans = !there.iter().all(|hash| is_connected(&hash));
    let valid = there.iter().filter(|hash| !tree.bad.contains(*hash));
    let connected: Vec<_> = valid.filter(is_connected).copied().collect();
    let best = connected.iter().map(|hash| tree.chain.height(*hash)).max();
    let tip = tree.chain.height(before.tip);
    let leads_on = |hash: &&BlockHash| {
        Some(tree.chain.height(**hash)) == best && tree.path(**hash).contains(&before.tip)
    };
    match kept {
        Said::Refused { kind, words } => {
            let has_cause = has_orphans || disk.is_damaged() || !tree.bad.is_empty();
            let is_led_on = best > Some(tip)
                && connected
                    .iter()
                    .all(|hash| Some(tree.chain.height(*hash)) != best || leads_on(&hash));
            match is_led_on && !has_cause {
                true => Err(format!(
                    "the best chain, to {best:?}, goes on above it, but: {kind}: {words}"
                )),
                false => Ok(()),
            }
        }
        _ if disk.has_bad_bodies() => Ok(()),
        Said::Tip { height, hash, .. } => {
            let is_its_own = *hash == before.tip;
            let wanted = if best > Some(tip) {
                best
            } else {
                Some(*height)
            };
            match is_its_own || connected.contains(hash) {
                true if Some(*height) == wanted => Ok(()),
                _ => Err(format!(
                    "ends at {height} {hash}, the best chain at {best:?}, before at {tip}"
                )),
            }
        }
    }
}

/// What the doctor says before an import.
pub fn diagnose(index: &Options, is_deep: bool) -> Findings {
    let asked = doctor::Options {
        memory_bytes: index.memory_bytes,
        deep: is_deep,
        checks_witness: true,
        ..doctor::Options::new(index.source.clone(), &index.index)
    };
    unwatched(|watch| doctor::examine(&asked, watch)).unwrap()
}

/// Whether the doctor, asked before the import, foresaw what it said. That a block breaks the rules of
/// spending no doctor sees.
pub fn judge_doctor(findings: &Findings, said: &Said) -> Result<(), String> {
    let chain = findings.chain.as_ref();
    let state = chain.map(|chain| chain.state);
    let is_complete = match state {
        Some(State::Pruned) => chain.is_some_and(|chain| chain.reach.complete),
        state => state == Some(State::Complete),
    };
    let agrees = match said {
        Said::Refused { kind, .. } => !findings.works || kind == "InvalidSettledBlock",
        Said::Tip { end, .. } => findings.works && is_complete == (*end == EndState::Complete),
    };
    match agrees {
        true => Ok(()),
        false => Err(format!(
            "the doctor: works {}, {state:?}, problems {:?}, warnings {:?}\n  the import: {said:?}",
            findings.works, findings.problems, findings.warnings
        )),
    }
}
