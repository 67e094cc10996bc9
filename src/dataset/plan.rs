//! What is to be written: which blocks of which table, out of what is there and what is wanted.
//!
//! Invariant: after the plan is done, every wanted block is in exactly one file of its table; no file that is
//! right and has blocks from below `--from` is touched, so that processes with ranges of their own do not
//! meet.

use super::Table;
use super::piece::Piece;
use crate::primitives::position::Height;
use std::cmp::Reverse;

/// What is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// The first block.
    pub from: Height,
    /// The last.
    pub until: Height,
    /// Blocks of a range.
    pub blocks_per_file: u32,
    /// The tables.
    pub tables: Vec<Table>,
}

/// The files of one range that are written in one pass.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Task {
    /// One a table at most.
    pub pieces: Vec<Piece>,
    /// What they take the place of.
    pub replaced: Vec<Piece>,
}

impl Task {
    /// The first block.
    pub fn first(&self) -> Height {
        let firsts = self.pieces.iter().map(|piece| piece.first);
        firsts.min().unwrap_or_default()
    }

    /// The last.
    pub fn last(&self) -> Height {
        let lasts = self.pieces.iter().map(|piece| piece.last);
        lasts.max().unwrap_or_default()
    }
}

/// What is to be done.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    /// In the order of heights.
    pub tasks: Vec<Task>,
    /// Files to be removed without any in their place.
    pub removed: Vec<Piece>,
}

/// Files of which no block is in two, and the others.
#[derive(Default)]
pub(crate) struct Apart {
    /// Those of which none is.
    pub kept: Vec<Piece>,
    /// All that these have is in one that is kept.
    pub doubles: Vec<Piece>,
    /// Some of what these have is: processes had ranges that overlapped.
    pub crossing: Vec<Piece>,
}

impl Apart {
    /// Of files in any order.
    pub fn of(pieces: &[Piece]) -> Apart {
        let mut pieces = pieces.to_vec();
        pieces.sort_unstable_by_key(|piece| (piece.table, piece.first, Reverse(piece.last)));
        let mut apart = Apart::default();
        for piece in pieces {
            match apart.kept.last() {
                Some(last) if last.contains(&piece) => apart.doubles.push(piece),
                Some(last) if last.overlaps(&piece) => apart.crossing.push(piece),
                _ => apart.kept.push(piece),
            }
        }
        apart
    }
}

/// Blocks of a table, whether or not they are wanted, that are written anew.
#[derive(Clone, Copy)]
struct Again {
    table: Table,
    first: u32,
    last: u32,
}

/// Plans it. `good` are the files that are right, `stale` those of blocks that have left the chain, up to
/// `until` and above.
pub(crate) fn plan(wish: &Wish, good: &[Piece], stale: &[Piece]) -> Plan {
    let mut plan = Plan::default();
    let Apart {
        kept: good,
        doubles,
        crossing,
    } = Apart::of(good);
    let again = |piece: &Piece, until: Height| Again {
        table: piece.table,
        first: piece.first.0,
        last: piece.last.min(until).0,
    };
    // What crosses is of the chain, and not to be lost above the end.
    let redone = stale.iter().map(|piece| again(piece, wish.until));
    let redone = redone.chain(crossing.iter().map(|piece| again(piece, piece.last)));
    let redone: Vec<Again> = redone.filter(|again| again.first <= again.last).collect();
    let firsts = redone.iter().map(|again| again.first);
    let lowest = firsts.fold(wish.from.0, u32::min);
    let lasts = redone.iter().map(|again| again.last);
    let highest = lasts.fold(wish.until.0, u32::max);
    let step = wish.blocks_per_file;
    for range in lowest / step..=highest / step {
        let range = (
            range * step,
            range.saturating_mul(step).saturating_add(step - 1),
        );
        let mut task = Task::default();
        for table in Table::ALL {
            // Those that have blocks of the range, or end right before it.
            let of_table = |pieces: &[Piece]| -> Vec<Piece> {
                let near = |piece: &&Piece| {
                    let (first, last) = (piece.first.0, piece.last.0);
                    piece.table == table && first <= range.1 && range.0 <= last + 1
                };
                pieces.iter().filter(near).copied().collect()
            };
            let (good, stale) = (of_table(&good), of_table(stale));
            if let Some(piece) = piece_of(wish, table, range, &good, &redone) {
                let overlapped = good.iter().chain(&stale);
                task.replaced
                    .extend(overlapped.filter(|other| other.overlaps(&piece)));
                task.pieces.push(piece);
            }
        }
        if !task.pieces.is_empty() {
            plan.tasks.push(task);
        }
    }
    let is_replaced = |piece: &Piece| plan.tasks.iter().any(|task| task.replaced.contains(piece));
    let rest = stale.iter().filter(|piece| !is_replaced(piece)).copied();
    plan.removed = rest.chain(doubles).chain(crossing).collect();
    plan
}

/// The file of `table` that the range needs; `None` if all that is wanted is there.
fn piece_of(
    wish: &Wish,
    table: Table,
    (range_first, range_last): (u32, u32),
    good: &[Piece],
    redone: &[Again],
) -> Option<Piece> {
    let selected = (wish.from.0, wish.until.0);
    let is_selected = wish.tables.contains(&table);
    let wanted = is_selected.then_some(selected).into_iter();
    let redone = redone.iter().filter(|again| again.table == table);
    let redone = redone.map(|again| (again.first, again.last));
    let cut = |(first, last): (u32, u32)| {
        let (first, last) = (first.max(range_first), last.min(range_last));
        (first <= last).then_some((first, last))
    };
    let wanted: Vec<(u32, u32)> = wanted.chain(redone).filter_map(cut).collect();
    let first = wanted.iter().map(|(first, _)| *first).min()?;
    let last = wanted.iter().map(|(_, last)| *last).max()?;
    let is_there = |height: u32| {
        let mut good = good.iter();
        good.any(|piece| (piece.first.0..=piece.last.0).contains(&height))
    };
    let mut first = (first..=last).find(|height| !is_there(*height))?;
    let last = (first..=last).rfind(|height| !is_there(*height))?;
    // A range that was not over is made longer.
    let may_be_touched = wish.from.0.max(range_first);
    let shorter = good.iter().find(|piece| piece.last.0 + 1 == first);
    if let Some(shorter) = shorter.filter(|piece| piece.first.0 >= may_be_touched) {
        first = shorter.first.0;
    }
    Some(Piece {
        table,
        first: Height(first),
        last: Height(last),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(first: u32, last: u32) -> Piece {
        Piece {
            table: Table::Outputs,
            first: Height(first),
            last: Height(last),
        }
    }

    fn wish(from: u32, until: u32) -> Wish {
        Wish {
            from: Height(from),
            until: Height(until),
            blocks_per_file: 10,
            tables: vec![Table::Outputs],
        }
    }

    fn written(plan: &Plan) -> Vec<(u32, u32)> {
        let pieces = plan.tasks.iter().flat_map(|task| &task.pieces);
        pieces.map(|piece| (piece.first.0, piece.last.0)).collect()
    }

    #[test]
    fn ranges_are_aligned_and_the_last_ends_where_it_ends() {
        let plan = plan(&wish(0, 24), &[], &[]);
        assert_eq!(written(&plan), [(0, 9), (10, 19), (20, 24)]);
    }

    #[test]
    fn a_range_that_was_not_over_is_replaced_by_a_longer_one() {
        let plan = plan(&wish(0, 31), &[piece(0, 9), piece(10, 14)], &[]);
        assert_eq!(written(&plan), [(10, 19), (20, 29), (30, 31)]);
        assert_eq!(plan.tasks[0].replaced, [piece(10, 14)]);
        assert!(plan.removed.is_empty());
    }

    #[test]
    fn what_lies_below_from_is_not_touched() {
        let plan = plan(&wish(15, 19), &[piece(10, 14)], &[]);
        assert_eq!(written(&plan), [(15, 19)]);
        assert!(plan.tasks[0].replaced.is_empty());
    }

    #[test]
    fn what_has_left_the_chain_is_redone_and_what_is_above_the_end_removed() {
        let good = [piece(0, 9), piece(10, 17)];
        let stale = [piece(18, 19), piece(20, 25), piece(30, 31)];
        let plan = plan(&wish(0, 21), &good, &stale);
        assert_eq!(written(&plan), [(10, 19), (20, 21)]);
        assert_eq!(plan.tasks[0].replaced, [piece(10, 17), piece(18, 19)]);
        assert_eq!(plan.tasks[1].replaced, [piece(20, 25)]);
        assert_eq!(plan.removed, [piece(30, 31)]);
    }

    #[test]
    fn of_two_that_were_to_become_one_the_shorter_goes() {
        let plan = plan(
            &wish(0, 19),
            &[piece(0, 9), piece(10, 14), piece(10, 19)],
            &[],
        );
        assert!(plan.tasks.is_empty());
        assert_eq!(plan.removed, [piece(10, 14)]);
    }

    #[test]
    fn what_crosses_another_is_written_apart_and_then_removed() {
        let good = [piece(0, 9), piece(5, 24), piece(10, 14)];
        let plan = plan(&wish(0, 12), &good, &[]);
        // Also what lies above the end: it was there.
        assert_eq!(written(&plan), [(10, 19), (20, 24)]);
        assert_eq!(plan.tasks[0].replaced, [piece(10, 14)]);
        assert_eq!(plan.removed, [piece(5, 24)]);
    }

    proptest! {
        /// Whatever processes with ranges that overlapped have left, a run makes one file of each block.
        #[test]
        fn every_block_that_was_in_two_files_is_in_one(
            there in prop::collection::btree_set((0u32..60, 0u32..30), 1..8),
            (one, other, blocks_per_file) in (0u32..60, 0u32..60, 1u32..25),
        ) {
            let there: Vec<Piece> = there.iter().map(|(first, more)| piece(*first, first + more)).collect();
            let wish = Wish { blocks_per_file, ..wish(one.min(other), one.max(other)) };
            let plan = plan(&wish, &there, &[]);
            let mut after = there.clone();
            for task in &plan.tasks {
                after.retain(|piece| !task.replaced.contains(piece));
                after.extend(&task.pieces);
            }
            after.retain(|piece| !plan.removed.contains(piece));
            for height in 0..100 {
                let has = |piece: &&Piece| (piece.first.0..=piece.last.0).contains(&height);
                let count = after.iter().filter(has).count();
                let was_there = there.iter().any(|piece| has(&piece));
                let is_wanted = (wish.from.0..=wish.until.0).contains(&height);
                prop_assert!(count <= 1, "{} is in {}", height, count);
                prop_assert!(count == 1 || !(was_there || is_wanted), "{} is gone", height);
            }
        }

        /// Runs with any ends, over what earlier runs wrote: every block is in one file then.
        #[test]
        fn every_wanted_block_is_in_one_file(
            runs in prop::collection::vec((0u32..60, 0u32..60, 1u32..25), 1..8),
        ) {
            let mut there: Vec<Piece> = Vec::new();
            let mut wanted = std::collections::BTreeSet::new();
            for (one, other, blocks_per_file) in runs {
                let wish = Wish { blocks_per_file, ..wish(one.min(other), one.max(other)) };
                let plan = plan(&wish, &there, &[]);
                prop_assert!(plan.removed.is_empty());
                for task in &plan.tasks {
                    there.retain(|piece| !task.replaced.contains(piece));
                    there.extend(&task.pieces);
                }
                wanted.extend(wish.from.0..=wish.until.0);
                for height in &wanted {
                    let has = |piece: &&Piece| (piece.first.0..=piece.last.0).contains(height);
                    prop_assert_eq!(there.iter().filter(has).count(), 1, "{}", height);
                }
                prop_assert!(super::plan(&wish, &there, &[]).tasks.is_empty());
            }
        }
    }
}
