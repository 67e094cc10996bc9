//! Fewer points and bars where there are more than can be told apart.
//!
//! Invariant: what is highest and what is lowest stays, and sums stay what they are.

use crate::ledger::step::Step;

/// At most about `most` steps: neighbours become one.
pub fn joined(steps: &[Step], most: usize) -> Vec<Step> {
    let join = |group: &[Step]| {
        let mut group = group.iter();
        let first = group.next()?.clone();
        Some(group.fold(first, |sum, step| Step {
            from: sum.from,
            to: step.to,
            commits: sum.commits + step.commits,
            done: sum.done.plus(&step.done),
        }))
    };
    let group = steps.len().div_ceil(most.max(1)).max(1);
    steps.chunks(group).filter_map(join).collect()
}

/// Which of `count` points to draw, at most about `most`: the ends, and of each stretch between them
/// the lowest and the highest.
pub fn thinned(count: usize, most: usize, value: impl Fn(usize) -> f64) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    let stretch = count.div_ceil((most / 2).max(1));
    let mut kept = vec![0];
    for start in (0..count).step_by(stretch) {
        let range = start..(start + stretch).min(count);
        let by_value = |a: &usize, b: &usize| value(*a).total_cmp(&value(*b));
        kept.extend(range.clone().min_by(by_value));
        kept.extend(range.max_by(by_value));
    }
    kept.push(count - 1);
    kept.sort_unstable();
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::step::Totals;
    use crate::primitives::position::Height;

    #[test]
    fn the_ends_and_the_peaks_stay() {
        let mut values: Vec<f64> = (0..100_000).map(|at| f64::from(at % 7)).collect();
        (values[77_777], values[33_333]) = (1e9, -1e9);
        let kept = thinned(values.len(), 200, |at| values[at]);
        assert!(kept.len() <= 204, "{}", kept.len());
        for at in [0, 33_333, 77_777, 99_999] {
            assert!(kept.contains(&at), "{at}");
        }
        assert!(kept.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn few_points_all_stay() {
        for count in 0..=10 {
            let all: Vec<usize> = (0..count).collect();
            assert_eq!(thinned(count, 10, |at| at as f64), all);
        }
        assert_eq!(thinned(3, 0, |at| at as f64), [0, 2], "the ends, always");
    }

    #[test]
    fn joined_steps_cover_the_same_blocks_and_time() {
        let step = |number: u32| Step {
            from: Height(number * 10),
            to: Height(number * 10 + 10),
            commits: 1,
            done: Totals {
                blocks: 10,
                elapsed_ms: u64::from(number),
                stages_ms: vec![1, u64::from(number)],
                ..Totals::default()
            },
        };
        let steps: Vec<Step> = (0..25).map(step).collect();
        assert_eq!(joined(&steps, 25), steps);
        let joined = joined(&steps, 24);
        assert_eq!(joined.len(), 13, "two each, and one is left over");
        assert_eq!((joined[0].from, joined[0].to), (Height(0), Height(20)));
        assert_eq!((joined[12].commits, joined[12].to), (1, Height(250)));
        let sum = |steps: &[Step]| {
            steps
                .iter()
                .fold(Totals::default(), |sum, step| sum.plus(&step.done))
        };
        assert_eq!(sum(&joined), sum(&steps));
        assert!(super::joined(&[], 0).is_empty());
    }
}
