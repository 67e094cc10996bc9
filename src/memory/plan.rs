//! One number, split into parts.
//!
//! Invariant: the parts add up to the budget, each stands there once. Who makes a plan knows what the
//! parts need (`import/plan.rs`); here is what all plans have in common.

use super::part::Part;
use crate::os::memory_limits::{available_bytes, data_limit_bytes};

/// Program, libraries, stack, lists of files and runs, what mimalloc holds.
pub const PROCESS_BYTES: usize = 8 << 20;

/// The least that the budget of an import can be.
pub const BUDGET_BYTES_MIN: usize = 64 << 20;

/// The most that `--memory auto` takes.
const AUTO_BYTES_MAX: u64 = 4 << 30;

/// The budget that `--memory auto` stands for: half of what is allowed, at most 4 GiB, and at least the least
/// that works.
pub fn auto_bytes() -> usize {
    (half_of_allowed().min(AUTO_BYTES_MAX) as usize).max(BUDGET_BYTES_MIN)
}

/// The most that questions take unasked.
pub const QUESTION_BYTES_MAX: usize = 256 << 20;

/// The least that they work with.
pub const QUESTION_BYTES_MIN: usize = 32 << 20;

/// The budget that `--memory auto` stands for where questions are answered: half of what is allowed, between
/// 32 and 256 MiB.
pub fn auto_question_bytes() -> usize {
    (half_of_allowed().min(QUESTION_BYTES_MAX as u64) as usize).max(QUESTION_BYTES_MIN)
}

/// Half of what the machine, its control group or the limit of the process (`prlimit --data`) allows.
fn half_of_allowed() -> u64 {
    let limits = available_bytes().into_iter().chain(data_limit_bytes());
    limits.min().map_or(u64::MAX, |bytes| bytes / 2)
}

/// What a part may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Planned {
    /// The part.
    pub part: Part,
    /// How much it may take.
    pub bytes: usize,
    /// What for.
    pub why: &'static str,
}

/// The plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    budget_bytes: usize,
    parts: Vec<Planned>,
}

impl Plan {
    /// The budget, split so.
    pub(crate) fn new(budget_bytes: usize, parts: Vec<Planned>) -> Plan {
        let sum: usize = parts.iter().map(|planned| planned.bytes).sum();
        assert_eq!(sum, budget_bytes, "the parts add up to the budget");
        let is_new = |(at, planned): (usize, &Planned)| {
            let earlier = &parts[..at];
            earlier.iter().all(|earlier| earlier.part != planned.part)
        };
        assert!(parts.iter().enumerate().all(is_new), "a part stands once");
        Plan {
            budget_bytes,
            parts,
        }
    }

    /// The one number.
    pub fn budget_bytes(&self) -> usize {
        self.budget_bytes
    }

    /// The parts, in the order in which they are told.
    pub fn parts(&self) -> &[Planned] {
        &self.parts
    }

    /// What `part` may take: nothing, if it has no place in the plan.
    pub fn bytes_of(&self, part: Part) -> usize {
        let mut parts = self.parts.iter();
        let planned = parts.find(|planned| planned.part == part);
        planned.map_or(0, |planned| planned.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(part: Part, bytes: usize) -> Planned {
        let why = "a test";
        Planned { part, bytes, why }
    }

    #[test]
    fn a_part_may_take_what_was_planned_and_no_other_takes_anything() {
        let parts = vec![planned(Part::Table, 30), planned(Part::Rows, 12)];
        let plan = Plan::new(42, parts);
        assert_eq!(plan.bytes_of(Part::Rows), 12);
        assert_eq!(plan.bytes_of(Part::Sorting), 0);
    }

    #[test]
    #[should_panic(expected = "the parts add up to the budget")]
    fn parts_that_leave_a_byte_are_no_plan() {
        Plan::new(43, vec![planned(Part::Table, 42)]);
    }

    #[test]
    #[should_panic(expected = "a part stands once")]
    fn a_part_that_stands_twice_makes_no_plan() {
        Plan::new(4, vec![planned(Part::Table, 2), planned(Part::Table, 2)]);
    }
}
