//! The work between two commits.
//!
//! Invariant: sums stop at their limits, whatever a log says.

use crate::primitives::position::Height;

/// The work between two commits of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// Height before.
    pub from: Height,
    /// Height after.
    pub to: Height,
    /// Commits in it.
    pub commits: u64,
    /// What was done.
    pub done: Totals,
}

/// Sums.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Totals {
    /// Blocks imported.
    pub blocks: u64,
    /// Their bytes.
    pub block_bytes: u64,
    /// Spends that found their coin in the table.
    pub hits: u64,
    /// Spends that did not.
    pub misses: u64,
    /// Milliseconds.
    pub elapsed_ms: u64,
    /// Milliseconds of each stage; the first is the scan.
    pub stages_ms: Vec<u64>,
}

impl Totals {
    /// What was added since `before`.
    pub fn since(&self, before: &Totals) -> Totals {
        self.with(before, u64::saturating_sub)
    }

    /// With `other` added.
    pub fn plus(&self, other: &Totals) -> Totals {
        self.with(other, u64::saturating_add)
    }

    fn with(&self, other: &Totals, join: fn(u64, u64) -> u64) -> Totals {
        let stage = |index: usize| {
            let ms = |totals: &Totals| totals.stages_ms.get(index).copied().unwrap_or(0);
            join(ms(self), ms(other))
        };
        let stages = self.stages_ms.len().max(other.stages_ms.len());
        Totals {
            blocks: join(self.blocks, other.blocks),
            block_bytes: join(self.block_bytes, other.block_bytes),
            hits: join(self.hits, other.hits),
            misses: join(self.misses, other.misses),
            elapsed_ms: join(self.elapsed_ms, other.elapsed_ms),
            stages_ms: (0..stages).map(stage).collect(),
        }
    }

    /// Seconds, without those of the scan, in which no block is imported.
    pub fn seconds(&self) -> f64 {
        let scan_ms = self.stages_ms.first().copied();
        self.elapsed_ms.saturating_sub(scan_ms.unwrap_or(0)) as f64 / 1000.0
    }

    /// `amount` a second.
    pub fn per_second(&self, amount: u64) -> f64 {
        amount as f64 / self.seconds().max(0.001)
    }

    /// The share of lookups that hit, if there were any.
    pub fn hit_rate(&self) -> Option<f64> {
        let lookups = self.hits.saturating_add(self.misses);
        (lookups > 0).then(|| self.hits as f64 / lookups as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scan_does_not_slow_the_blocks() {
        let done = Totals {
            blocks: 10,
            elapsed_ms: 3000,
            stages_ms: vec![1000, 2000],
            ..Totals::default()
        };
        assert_eq!(done.seconds(), 2.0);
        assert_eq!(done.per_second(done.blocks), 5.0);
        let at_once = Totals::default();
        assert!(at_once.per_second(10).is_finite());
        assert_eq!(at_once.hit_rate(), None, "nothing was looked up");
    }

    #[test]
    fn sums_stop_at_their_limits() {
        let most = Totals {
            blocks: u64::MAX,
            stages_ms: vec![u64::MAX],
            ..Totals::default()
        };
        let one = Totals {
            blocks: 1,
            stages_ms: vec![1, 1],
            ..Totals::default()
        };
        let sum = most.plus(&one);
        assert_eq!((sum.blocks, sum.stages_ms), (u64::MAX, vec![u64::MAX, 1]));
        let less = one.since(&most);
        assert_eq!((less.blocks, less.stages_ms), (0, vec![0, 1]));
    }
}
