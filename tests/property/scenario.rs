//! A scenario: a tree of blocks, and what happens to the files between imports.
//!
//! Invariant: a scenario is plain numbers, each of which means something whatever the others are, so
//! that parts of it can be left out to find the smallest that fails.

use bitcoin::BlockHash;
use proptest::prelude::*;

use super::disk::Layout;
use super::rot::Rot;
use super::tree::{Fault, Grow, Tree};
use crate::common::rng::Rng;

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
    /// All files up to one are gone, but for the last.
    Prune(u16),
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
        1 => any::<u16>().prop_map(|file| match file % 3 {
            0 => Step::Remove(file / 3),
            _ => Step::Prune(file / 3),
        }),
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
