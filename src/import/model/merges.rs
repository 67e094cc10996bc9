//! The runs that a predicted import has, and what merging them reads.
//!
//! Invariant: what merges when is decided by the import's own policy; only rows are estimated.

use super::super::merging::{Phase, appetite};
use super::ROW_BYTES;
use crate::limits::PAGE_BYTES;
use crate::runs::policy::{Generation, choose};
use crate::runs::row::Relation;

/// The runs of one relation.
#[derive(Clone, Debug)]
pub struct Runs {
    relation: Relation,
    generations: Vec<Generation>,
    /// Runs that one merge takes.
    fan_in: usize,
    /// Rows that merges have read.
    pub merged_rows: f64,
}

impl Runs {
    /// None.
    pub fn new(relation: Relation, fan_in: usize) -> Runs {
        Runs {
            relation,
            generations: Vec::new(),
            fan_in,
            merged_rows: 0.0,
        }
    }

    /// Rows of all runs.
    pub fn rows(&self) -> f64 {
        self.generations.iter().map(|one| one.rows as f64).sum()
    }

    /// A commit adds so many runs with so many rows.
    pub fn add(&mut self, runs: u64, rows: f64) {
        if runs > 0 {
            self.generations.push(generation(runs as usize, rows));
        }
    }

    /// Merges as an import does. `left`: of the rows of all runs, how many are left once they cancel.
    pub fn merge(&mut self, phase: Phase, left: f64) {
        let appetite = appetite(self.relation, phase);
        while let Some(window) = choose(&self.generations, appetite, self.fan_in) {
            let merged = &self.generations[window.generations.clone()];
            let rows: f64 = merged.iter().map(|one| one.rows as f64).sum();
            let overlap: usize = merged.iter().map(|one| one.overlap).sum();
            self.merged_rows += rows * window.overlap as f64 / overlap as f64;
            let is_all = window.generations.len() == self.generations.len();
            let rows = if is_all { rows.min(left) } else { rows };
            let one = generation(overlap - window.overlap + 1, rows);
            self.generations.splice(window.generations, [one]);
        }
    }
}

fn generation(overlap: usize, rows: f64) -> Generation {
    let pages = (rows * ROW_BYTES as f64 / PAGE_BYTES as f64).ceil();
    Generation {
        runs: Vec::new(),
        rows: rows as u64,
        bytes: pages as u64 * PAGE_BYTES as u64,
        overlap,
    }
}
