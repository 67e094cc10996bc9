//! What is wrong with the pages of a run.

use crate::error::Family;
use std::path::PathBuf;

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A page of the index does not hold what was written there.
    #[error(
        "the index {}: {relation} run {run}, page {key:#034x}: {damage}; run `blkdex rebuild`",
        path.display()
    )]
    Damaged {
        /// The index file.
        path: PathBuf,
        /// The relation.
        relation: &'static str,
        /// The run.
        run: u32,
        /// Key of the page.
        key: u128,
        /// What is wrong with it.
        damage: Damage,
    },
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        Family::Data
    }
}

/// How rows can be seen to be damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// A page has a length that no page has.
    #[error("a page of {0} bytes")]
    PageLength(usize),
    /// The bytes do not match their checksum.
    #[error("the checksum is wrong")]
    Checksum,
    /// The page belongs to another run or another key.
    #[error("the page belongs elsewhere")]
    Misplaced,
    /// The head contradicts itself.
    #[error("the page's head cannot be right")]
    PageHead,
    /// Rows run past the end, or are out of order.
    #[error("the page's rows cannot be right")]
    PageRows,
    /// A page that the one before names is not there, or one is there that is not named.
    #[error("a page is missing")]
    PageMissing,
    /// The same key stands in two runs.
    #[error("a row is there twice")]
    RepeatedRow,
    /// A coin ends that was never made.
    #[error("a coin was spent that is not there")]
    DeleteWithoutPut,
}
