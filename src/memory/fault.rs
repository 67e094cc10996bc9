//! Memory that is not there, or was not given.

use super::part::Part;
use crate::error::Family;
use std::path::PathBuf;

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The operating system did not give the memory that the plan asks for.
    #[error("cannot map {bytes} bytes of memory for {part}: {source}; a smaller --memory may help")]
    Memory {
        /// What for.
        part: Part,
        /// How much it asked for.
        bytes: usize,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The memory budget is too small.
    #[error("--memory {budget_bytes} is too small: {least_bytes} bytes are the least that works")]
    BudgetTooSmall {
        /// What was given.
        budget_bytes: usize,
        /// What would do.
        least_bytes: usize,
    },
    /// The table's share, set by hand, does not fit into the budget.
    #[error(
        "--table {asked_bytes} is more than the {most_bytes} bytes that --memory leaves for it"
    )]
    TableTooLarge {
        /// What was given.
        asked_bytes: usize,
        /// What fits.
        most_bytes: usize,
    },
    /// What was written to a temporary file did not come back.
    #[error("a temporary file in {} does not hold what was written there", dir.display())]
    TemporaryDamaged {
        /// The folder.
        dir: PathBuf,
    },
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        match self {
            Fault::Memory { .. } => Family::Machine,
            Fault::TemporaryDamaged { .. } => Family::Data,
            _ => Family::User,
        }
    }
}
