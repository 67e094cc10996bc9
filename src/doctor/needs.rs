//! What an import would take: time, disk, memory, judged by a sample of the chain.
//!
//! Invariant: estimates, named as such; each factor says where it was measured.

use super::deep::{Checker, Tally};
use crate::Result;
use crate::datadir::{Datadir, HeaderTree};
use crate::machine::available_bytes;
use crate::memory::BUDGET_BYTES_MIN;
use crate::position::{Height, Place};
use std::time::Instant;

/// Stretches of the chain that are read as a sample, evenly spread over its bytes.
const SAMPLE_STRETCHES: u64 = 16;

/// Bytes of one stretch.
const STRETCH_BYTES: u64 = 4 << 20;

/// An index has about so many bytes for each output of the chain: 385 MB for 21.5 M outputs (the
/// bench's chain of 3.0 GB).
const INDEX_BYTES_PER_OUTPUT: f64 = 18.0;

/// An index of hardly anything.
const INDEX_BYTES_MIN: u64 = 2 << 20;

/// Room needed while merging, in percent of the index: the inputs are freed segment by segment, but
/// redb reuses what was freed only from the next commit on.
const DISK_PERCENT: u64 = 130;

/// An import takes about so many times as long as reading, parsing and hashing (bench: 4.5 s of the
/// floor, about 10 s of the import).
const IMPORT_PER_FLOOR: f64 = 2.3;

/// Outputs that are unspent, in percent (mainnet in 2026: 190 of 3,600 million).
const UNSPENT_PERCENT: f64 = 5.5;

/// Memory that makes the table hold a coin: a slot of 16 bytes, three quarters full, in a budget of
/// which the table gets about two fifths.
const BUDGET_BYTES_PER_COIN: f64 = 16.0 / 0.75 / 0.4;

/// Memory beside what grows with the coins.
const BUDGET_BYTES_BASE: u64 = 160 << 20;

/// What an import would take. All of it is estimated, but for what there is.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
pub struct Needs {
    /// Blocks still to import.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that the whole index will have.
    pub index_bytes: u64,
    /// Bytes of disk needed beyond what the index has now.
    pub disk_bytes: u64,
    /// Bytes of disk that are free where the index is to be; `None` if unknown.
    pub free_disk_bytes: Option<u64>,
    /// A `--memory` with which hardly a spend is looked up on disk, or half of what there is.
    pub memory_advised_bytes: u64,
    /// Memory that the machine, or the control group, has; `None` if unknown.
    pub memory_available_bytes: Option<u64>,
    /// Time that the import will take.
    pub seconds: f64,
    /// What the estimates were made from.
    pub sample: Tally,
    /// How long that took.
    pub sample_seconds: f64,
}

/// A measured sample.
pub(super) struct Sample {
    pub(super) tally: Tally,
    pub(super) seconds: f64,
}

/// Checks a few stretches of the chain, about 64 MB in all, and measures how long that takes.
pub(super) fn sample(datadir: &Datadir, tree: &HeaderTree<'_>) -> Result<Sample> {
    let total = total_bytes(tree, None).1;
    let mut checker = Checker::new(datadir)?;
    let every = (total / SAMPLE_STRETCHES).max(STRETCH_BYTES);
    let mut passed = 0;
    let mut chosen: Vec<Place> = Vec::new();
    for block in tree.best_chain() {
        if passed % every < STRETCH_BYTES {
            chosen.push(block.place);
        }
        passed += u64::from(block.place.bytes);
    }
    let began = Instant::now();
    for place in chosen {
        // What is wrong with it is for the deep look to say.
        let _ = checker.check(place);
    }
    Ok(Sample {
        tally: checker.tally,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// Blocks of the best chain above `tip`, and their bytes.
pub(super) fn total_bytes(tree: &HeaderTree<'_>, tip: Option<Height>) -> (u64, u64) {
    let above = tree.best_chain().filter(|block| Some(block.height) > tip);
    above.fold((0, 0), |(blocks, bytes), block| {
        (blocks + 1, bytes + u64::from(block.place.bytes))
    })
}

/// Works the needs out: for the whole chain, and for what is above the `tip` of an index that has
/// `index_bytes` by now.
pub(super) fn estimate(
    tree: &HeaderTree<'_>,
    tip: Option<Height>,
    index_bytes: u64,
    free_disk_bytes: Option<u64>,
    sample: &Sample,
) -> Needs {
    let (_, all_bytes) = total_bytes(tree, None);
    let (blocks, bytes) = total_bytes(tree, tip);
    let sampled = sample.tally.bytes.max(1) as f64;
    let outputs = sample.tally.outputs as f64 * all_bytes as f64 / sampled;
    let whole = (outputs * INDEX_BYTES_PER_OUTPUT) as u64 + INDEX_BYTES_MIN;
    let disk = (whole / 100 * DISK_PERCENT).saturating_sub(index_bytes);
    let available = available_bytes();
    let coins = outputs * UNSPENT_PERCENT / 100.0;
    let wished = BUDGET_BYTES_BASE + (coins * BUDGET_BYTES_PER_COIN) as u64;
    let half = available.map_or(u64::MAX, |available| available / 2);
    Needs {
        blocks,
        bytes,
        index_bytes: whole.max(index_bytes),
        disk_bytes: if blocks == 0 { 0 } else { disk },
        free_disk_bytes,
        memory_advised_bytes: wished.min(half).max(BUDGET_BYTES_MIN as u64),
        memory_available_bytes: available,
        seconds: bytes as f64 * sample.seconds / sampled * IMPORT_PER_FLOOR,
        sample: sample.tally,
        sample_seconds: sample.seconds,
    }
}
