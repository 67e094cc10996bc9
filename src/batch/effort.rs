//! What an import has done beside reading blocks: how many rows it merged and passed.
//!
//! Invariant: counts of a pass only grow. They are what a model of the work predicts.

use crate::runs::row::Relation;

/// See the module documentation.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Effort {
    /// Batches that were committed.
    pub commits: u64,
    /// Runs that were spilled, by relation.
    pub spills: [u64; Relation::ALL.len()],
    /// Rows that merges read, by relation. A row that is merged twice counts twice.
    pub merged_rows: [u64; Relation::ALL.len()],
    /// Rows of coins that became one run at a commit.
    pub joined_rows: u64,
    /// Rows of coins on disk that were passed at commits, to look spends up...
    pub passed_rows: u64,
    /// ...and the bytes of their pages.
    pub passed_bytes: u64,
}

impl Effort {
    /// The names of `spills` and `merged_rows`.
    pub fn relations() -> [&'static str; Relation::ALL.len()] {
        Relation::ALL.map(Relation::name)
    }

    /// Adds what another pass has done.
    pub fn add(&mut self, other: &Effort) {
        self.commits += other.commits;
        self.joined_rows += other.joined_rows;
        self.passed_rows += other.passed_rows;
        self.passed_bytes += other.passed_bytes;
        for relation in Relation::ALL.map(|relation| relation as usize) {
            self.spills[relation] += other.spills[relation];
            self.merged_rows[relation] += other.merged_rows[relation];
        }
    }
}
