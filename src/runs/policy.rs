//! When to merge which runs.
//!
//! Invariant: only neighbours in height merge, and never across the settled line (the caller gives
//! settled generations only). A generation is all runs of one relation with the same heights: the
//! spills of a batch, or the segments of a merged base.

use super::catalogue::Run;
use super::row::Relation;
use std::ops::Range;

/// Runs of a relation that may cover a key when an import is done. A question reads a page of each: of
/// `funding` and `txids` once, but of `spending` for each output, and a commit reads all of `coins`.
/// Spends of recent outputs are never merged, so `spending` has the fewest rows to merge. (Measured, 8 GB at
/// 128 MiB, 50 runs of `funding`: merging takes 0.4 s; with 32 and 16 of `spending` left 1.2, and the first
/// answer of a cold index 42 and 50 ms.)
pub const fn runs_left(relation: Relation) -> usize {
    match relation {
        Relation::Funding | Relation::Txids => 48,
        Relation::Coins => 16,
        Relation::Spending => 4,
    }
}

/// Runs of one relation and the same heights.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Generation {
    /// Its runs, by lowest key.
    pub runs: Vec<Run>,
    /// Rows of all of them.
    pub rows: u64,
    /// Bytes of their pages.
    pub bytes: u64,
    /// How many of its runs may cover the same key.
    pub overlap: usize,
}

/// Groups runs into generations, oldest first.
pub fn generations(runs: &[Run]) -> Vec<Generation> {
    let mut sorted = runs.to_vec();
    sorted.sort_by_key(|run| (run.from, run.to, run.low_key, run.id));
    let mut generations: Vec<Generation> = Vec::new();
    for run in sorted {
        let same = |g: &&mut Generation| g.runs[0].from == run.from && g.runs[0].to == run.to;
        match generations.last_mut().filter(same) {
            Some(generation) => {
                generation.rows += run.rows;
                generation.bytes += run.bytes();
                generation.runs.push(run);
            }
            None => generations.push(Generation {
                runs: vec![run],
                rows: run.rows,
                bytes: run.bytes(),
                overlap: 1,
            }),
        }
    }
    for generation in &mut generations {
        generation.overlap = overlap(&generation.runs);
    }
    generations
}

/// How eagerly to merge.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Appetite {
    /// Nothing is merged as long as no more than this many runs cover a key.
    pub overlap_free: usize,
    /// If it is, this many may be left.
    pub overlap_left: usize,
    /// An older generation joins if it has at most this many times the rows of all younger ones.
    pub times_younger: f64,
    /// A merge reads at most this many bytes...
    pub bytes_max: u64,
    /// ...unless more than this many runs cover a key.
    pub overlap_max: usize,
    /// What wants to merge does so at once, if it can: rows of coins cancel each other.
    pub at_once: bool,
}

/// The index of the first of the generations (oldest first) that are to become one; `None` if there
/// is nothing to do.
fn first_to_merge(generations: &[Generation], appetite: Appetite) -> Option<usize> {
    let overlap: usize = generations
        .iter()
        .map(|generation| generation.overlap)
        .sum();
    if overlap <= appetite.overlap_free.max(1) {
        return None;
    }
    let bytes_max = if overlap > appetite.overlap_max {
        u64::MAX
    } else {
        appetite.bytes_max
    };
    let (mut younger_rows, mut bytes, mut first) = (0, 0, None);
    for (index, generation) in generations.iter().enumerate().rev() {
        bytes += generation.bytes;
        if bytes > bytes_max {
            break;
        }
        let is_small = generation.rows as f64 <= appetite.times_younger * younger_rows as f64;
        if is_small || generation.overlap > 1 {
            first = Some(index);
        }
        younger_rows += generation.rows;
    }
    first
}

/// How many of these runs cover a key, at most.
pub fn overlap(runs: &[Run]) -> usize {
    let starts = runs.iter().map(|run| (run.low_key, true));
    let ends = runs.iter().map(|run| (run.end_key, false));
    let mut edges: Vec<(u128, bool)> = starts.chain(ends).collect();
    // At one key, runs end before others start.
    edges.sort_unstable();
    let (mut covering, mut most) = (0, 0);
    for (_, is_start) in edges {
        match is_start {
            true => covering += 1,
            false => covering -= 1,
        }
        most = most.max(covering);
    }
    most
}

/// The id up to which the runs of a generation are to merge, so that so many that cover the same key
/// become one: those that were written first, which are the smallest. `u32::MAX` if all are to.
pub fn last_id_of_part(generation: &Generation, overlap_wanted: usize) -> u32 {
    if overlap_wanted >= generation.overlap {
        return u32::MAX;
    }
    let mut runs = generation.runs.clone();
    runs.sort_by_key(|run| run.id);
    let enough = (1..=runs.len()).find(|&count| overlap(&runs[..count]) >= overlap_wanted);
    enough.map_or(u32::MAX, |count| runs[count - 1].id)
}

/// The merge that is to come next, of at most `overlap_max` runs that cover a key; `None` if nothing is to do.
pub fn choose(
    generations: &[Generation],
    appetite: Appetite,
    overlap_max: usize,
) -> Option<Window> {
    let first = first_to_merge(generations, appetite)?;
    let older: usize = generations[..first].iter().map(|g| g.overlap).sum();
    let left = appetite.overlap_left.saturating_sub(older).max(1);
    window(generations, first, left, overlap_max, appetite.at_once)
}

/// A merge costs at least as much as reading so many rows: commits, and pages of each run that are read twice.
const ROWS_A_MERGE: u64 = 50_000;

/// What is to merge next: neighbouring generations, or a part of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    /// The generations.
    pub generations: Range<usize>,
    /// How many of their runs that cover a key are to become one: all, unless it is one generation.
    pub overlap: usize,
}

/// Chooses the neighbouring generations, from `first` on, or the part of one, whose merge reads the fewest rows
/// for each run that is one less afterwards: of the spills of a batch, all that can merge at once, and what was
/// merged before only if nothing else will do. `None` if no two can merge.
///
/// At most `overlap_left` runs per key are left in the end, of however many merges; one merge takes at most
/// `overlap_max` of them. If it can, it takes all, if they are to merge `at_once`.
fn window(
    generations: &[Generation],
    first: usize,
    overlap_left: usize,
    overlap_max: usize,
    at_once: bool,
) -> Option<Window> {
    let overlap: usize = generations[first..].iter().map(|g| g.overlap).sum();
    if at_once && (2..=overlap_max).contains(&overlap) {
        let generations = first..generations.len();
        return Some(Window {
            generations,
            overlap,
        });
    }
    let needed = overlap - overlap.min(overlap_left) + 1;
    let mut best: Option<(f64, Window)> = None;
    for start in first..generations.len() {
        let (mut overlap, mut rows) = (0, 0);
        for (end, generation) in (start + 1..).zip(&generations[start..]) {
            overlap += generation.overlap;
            rows += generation.rows;
            let is_one = end == start + 1;
            if overlap > overlap_max && !is_one {
                break;
            }
            let taken = match is_one {
                true => overlap.min(overlap_max).min(needed),
                false => overlap,
            };
            let fewer = taken.min(needed).saturating_sub(1);
            let read = rows as f64 * taken as f64 / overlap as f64 + ROWS_A_MERGE as f64;
            let cost = read / fewer as f64;
            if fewer > 0 && best.as_ref().is_none_or(|(least, _)| cost < *least) {
                let generations = start..end;
                let overlap = taken;
                best = Some((
                    cost,
                    Window {
                        generations,
                        overlap,
                    },
                ));
            }
        }
    }
    best.map(|(_, window)| window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::position::Height;
    use crate::runs::row::Relation;

    fn run(id: u32, heights: (u32, u32), keys: (u128, u128), rows: u64) -> Run {
        Run {
            relation: Relation::Funding,
            id,
            from: Height(heights.0),
            to: Height(heights.1),
            low_key: keys.0,
            end_key: keys.1,
            rows,
            pages: rows.div_ceil(1000),
            is_old: false,
            is_apart: false,
        }
    }

    const ALL: (u128, u128) = (0, u128::MAX);
    const EAGER: Appetite = Appetite {
        overlap_free: 1,
        overlap_left: 1,
        times_younger: 4.0,
        bytes_max: u64::MAX,
        overlap_max: 512,
        at_once: false,
    };

    #[test]
    fn segments_of_a_base_do_not_overlap_and_spills_do() {
        let runs = [
            run(1, (0, 9), (0, 50), 10),
            run(2, (0, 9), (50, u128::MAX), 10),
            run(3, (10, 19), ALL, 1),
            run(4, (10, 19), ALL, 1),
        ];
        let found = generations(&runs);
        assert_eq!(found.iter().map(|g| g.overlap).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(found.iter().map(|g| g.rows).collect::<Vec<_>>(), [20, 2]);
    }

    #[test]
    fn a_base_is_left_alone_until_the_younger_runs_are_worth_it() {
        let small = generations(&[run(1, (0, 9), ALL, 1000), run(2, (10, 19), ALL, 100)]);
        assert_eq!(first_to_merge(&small, EAGER), None);
        let large = generations(&[run(1, (0, 9), ALL, 1000), run(2, (10, 19), ALL, 250)]);
        assert_eq!(first_to_merge(&large, EAGER), Some(0));
    }

    #[test]
    fn the_spills_of_a_batch_merge_without_the_base() {
        let runs = [
            run(1, (0, 9), ALL, 1000),
            run(2, (10, 19), ALL, 1),
            run(3, (10, 19), ALL, 1),
        ];
        assert_eq!(first_to_merge(&generations(&runs), EAGER), Some(1));
    }

    #[test]
    fn too_many_bytes_wait_until_there_are_too_many_runs() {
        let runs: Vec<Run> = (0..6).map(|n| run(n, (n, n), ALL, 1000)).collect();
        let appetite = Appetite {
            bytes_max: 10,
            overlap_max: 6,
            ..EAGER
        };
        assert_eq!(first_to_merge(&generations(&runs), appetite), None);
        let appetite = Appetite {
            overlap_max: 5,
            ..appetite
        };
        assert_eq!(first_to_merge(&generations(&runs), appetite), Some(0));
    }

    #[test]
    fn runs_that_follow_each_other_do_not_overlap() {
        let runs = [
            run(1, (0, 9), (0, 50), 10),
            run(2, (0, 9), (50, u128::MAX), 10),
            run(3, (10, 19), (20, 60), 1),
        ];
        assert_eq!(overlap(&runs), 2);
        assert_eq!(overlap(&runs[..2]), 1);
        assert_eq!(overlap(&[]), 0);
    }

    /// Generations of so many rows and runs.
    fn generations_of(sizes: &[(u64, usize)]) -> Vec<Generation> {
        let mut id = 0;
        let mut runs = Vec::new();
        for (height, (rows, overlap)) in (0..).zip(sizes) {
            for _ in 0..*overlap {
                runs.push(run(id, (height, height), ALL, rows / *overlap as u64));
                id += 1;
            }
        }
        generations(&runs)
    }

    const M: u64 = 1_000_000;

    fn chosen(
        sizes: &[(u64, usize)],
        first: usize,
        left: usize,
        max: usize,
    ) -> Option<(Range<usize>, usize)> {
        let window = window(&generations_of(sizes), first, left, max, false)?;
        Some((window.generations, window.overlap))
    }

    #[test]
    fn the_fewest_rows_merge_for_each_run_that_is_less() {
        let spills = [(20 * M, 1), (18 * M, 70), (19 * M, 1), (21 * M, 74)];
        assert_eq!(chosen(&spills, 0, 48, 90), Some((1..2, 70)));
        assert_eq!(
            chosen(&spills, 2, 48, 90),
            Some((3..4, 28)),
            "as many as must"
        );
        assert_eq!(
            chosen(&spills, 0, 48, 50),
            Some((1..2, 50)),
            "as many as can"
        );
        let merged = [(20 * M, 1), (10 * M, 1), (9 * M, 1), (30 * M, 1)];
        assert_eq!(chosen(&merged, 0, 3, 90), Some((1..3, 2)));
        assert_eq!(chosen(&merged, 0, 1, 2), Some((1..3, 2)));
        assert_eq!(
            chosen(&merged, 3, 1, 90),
            None,
            "there is nothing to merge with"
        );
        assert_eq!(chosen(&merged, 0, 1, 1), None);
    }

    #[test]
    fn what_cancels_merges_at_once_if_it_can() {
        let coins = generations_of(&[(20 * M, 1), (18 * M, 7), (2 * M, 2)]);
        let all = |first, max| window(&coins, first, 1, max, true).expect("they merge");
        assert_eq!((all(0, 10).generations, all(0, 10).overlap), (0..3, 10));
        assert_eq!((all(1, 9).generations, all(1, 9).overlap), (1..3, 9));
        assert_eq!(all(0, 9).generations.len(), 1);
    }

    #[test]
    fn many_small_generations_merge_at_once() {
        let blocks = [(1000 * M, 1)].into_iter().chain([(7_000, 1); 60]);
        let blocks: Vec<_> = blocks.collect();
        assert_eq!(chosen(&blocks, 1, 1, 512), Some((1..61, 60)));
    }

    /// However many runs there are, so many merges leave few enough, and read each row about once.
    #[test]
    fn merges_end_and_read_hardly_more_than_once() {
        let mut sizes = vec![(18 * M, 74); 11];
        let mut read = 0;
        while let Some((range, overlap)) = chosen(&sizes, 0, 48, 90) {
            let rows: u64 = sizes[range.clone()].iter().map(|(rows, _)| rows).sum();
            let whole: usize = sizes[range.clone()].iter().map(|(_, runs)| runs).sum();
            read += rows * overlap as u64 / whole as u64;
            sizes.splice(range, [(rows, whole - overlap + 1)]);
        }
        assert!(sizes.iter().map(|(_, runs)| runs).sum::<usize>() <= 48);
        assert!(read <= 11 * 18 * M, "{read}");
    }

    #[test]
    fn of_one_generation_the_first_runs_merge() {
        let runs = [
            run(3, (0, 9), ALL, 30),
            run(1, (0, 9), ALL, 10),
            run(4, (0, 9), (0, 50), 20),
            run(5, (0, 9), (50, u128::MAX), 20),
            run(6, (0, 9), ALL, 40),
        ];
        let all = generations(&runs);
        assert_eq!((all.len(), all[0].overlap), (1, 4), "segments count once");
        assert_eq!(last_id_of_part(&all[0], 2), 3);
        assert_eq!(last_id_of_part(&all[0], 3), 4);
        assert_eq!(last_id_of_part(&all[0], 4), u32::MAX, "all of it");
    }
}
