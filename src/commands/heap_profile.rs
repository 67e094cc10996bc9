//! Snapshots of the heap by call site, after chosen commits.
//!
//! Invariant: each snapshot holds what was allocated since the one before, and so, as what is live
//! "at t-end", exactly what the heap has grown by between the two.

use blkdex::import::Event;
use blkdex::ledger::Moment;
use blkdex::primitives::Height;

/// Profiles from one height to the next.
pub struct Profile {
    profiler: Option<dhat::Profiler>,
    /// Heights still to come, the next one last.
    heights: Vec<Height>,
}

impl Profile {
    /// A profile from now on, if there is a height to write it at.
    pub fn new(heights: &[Height]) -> Profile {
        let mut heights = heights.to_vec();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        heights.dedup();
        let profiler = heights.last().copied().map(profile_until);
        Profile { profiler, heights }
    }

    /// Writes the snapshot of a height after the first commit at or above it.
    pub fn hear(&mut self, event: &Event<'_>) {
        let Event::Ledger(record) = event else { return };
        let is_reached = |height: &Height| *height <= record.height;
        if record.moment != Moment::Commit || !self.heights.last().is_some_and(is_reached) {
            return;
        }
        // Dropping a profiler writes its file; only one may be there at a time.
        drop(self.profiler.take());
        while self.heights.last().is_some_and(is_reached) {
            self.heights.pop();
        }
        self.profiler = self.heights.last().copied().map(profile_until);
    }
}

/// A profiler that will write the snapshot of this height.
fn profile_until(height: Height) -> dhat::Profiler {
    let name = format!("heap-{height}.json");
    dhat::Profiler::builder().file_name(name).build()
}
