//! The deep look: every block of the best chain, read, parsed and hashed.
//!
//! Invariant: the loop is the plain floor of the work (see `needs::sample`), against which the bench
//! measures an import.
//!
//! Memory: one block's window and its txids.

use super::{Deep, WrongBlock};
use crate::Result;
use crate::datadir::{ChainBlock, Datadir, HeaderTree};
use crate::import::needs::sample::Checker;
use crate::limits::PLACES_LISTED_MAX;
use crate::primitives::position::Height;
use std::time::Instant;

/// Checks every block of the best chain; `tell` hears how many bytes are done. A block that has a
/// good copy elsewhere is named, but is no fault of the chain: an import takes the copy.
pub(super) fn check_all(
    datadir: &Datadir,
    tree: &HeaderTree<'_>,
    checks_witness: bool,
    tell: &mut dyn FnMut(Height, u64),
) -> Result<Deep> {
    let mut checker = Checker::new(datadir)?;
    let began = Instant::now();
    let mut suspects = Vec::new();
    let mut suspects_count = 0;
    for block in tree.best_chain() {
        if let Some(fault) = checker.check_at(block.place, checks_witness.then_some(block.height)) {
            suspects_count += 1;
            if suspects.len() < PLACES_LISTED_MAX {
                suspects.push((block, fault));
            }
        }
        tell(block.height, checker.tally.bytes);
    }
    let seconds = began.elapsed().as_secs_f64();
    let tally = checker.tally;
    let listed = suspects
        .into_iter()
        .map(|(block, fault)| {
            let height = checks_witness.then_some(block.height);
            let mut copies = tree.copies(block.node);
            let has_good_copy = copies.any(|copy| checker.check_at(copy, height).is_none());
            describe(block, fault, has_good_copy)
        })
        .collect();
    Ok(Deep {
        seconds,
        tally,
        checked_witness: checks_witness,
        wrong_blocks: suspects_count,
        wrong: listed,
    })
}

fn describe(block: ChainBlock, fault: String, has_good_copy: bool) -> WrongBlock {
    WrongBlock {
        height: block.height,
        file: block.place.file,
        offset_bytes: block.place.offset_bytes,
        fault,
        has_good_copy,
    }
}
