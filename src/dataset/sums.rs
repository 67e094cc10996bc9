//! What is counted of a stretch of blocks, whichever tables of it are written.
//!
//! Invariant: sums of neighbouring stretches add up to those of both; those of all blocks up to a height tell
//! the UTXO set there.

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// See the module documentation. Sums of amounts are wider than an amount.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sums {
    /// Blocks.
    pub blocks: u64,
    /// Transactions.
    pub transactions: u64,
    /// Inputs; coinbases have none.
    pub inputs: u64,
    /// Outputs.
    pub outputs: u64,
    /// What all outputs are worth.
    pub output_sat: u128,
    /// Outputs that became coins...
    pub spendable_outputs: u64,
    /// ...and what they are worth.
    pub spendable_sat: u128,
    /// What inputs spent...
    pub spent_sat: u128,
    /// ...but these, of which it was not read.
    pub inputs_unknown: u64,
    /// Fees, as far as that is known.
    pub fees_sat: u128,
    /// Coins that a coinbase with the same id overwrote (BIP 30)...
    pub overwritten_outputs: u64,
    /// ...what they were worth...
    pub overwritten_sat: u128,
    /// ...and how many of them were, though nobody knows which of an older coinbase's they are.
    pub overwritten_unknown: u64,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Sums) {
        self.blocks += other.blocks;
        self.transactions += other.transactions;
        self.inputs += other.inputs;
        self.outputs += other.outputs;
        self.output_sat += other.output_sat;
        self.spendable_outputs += other.spendable_outputs;
        self.spendable_sat += other.spendable_sat;
        self.spent_sat += other.spent_sat;
        self.inputs_unknown += other.inputs_unknown;
        self.fees_sat += other.fees_sat;
        self.overwritten_outputs += other.overwritten_outputs;
        self.overwritten_sat += other.overwritten_sat;
        self.overwritten_unknown += other.overwritten_unknown;
    }
}

impl Sums {
    /// Rows of a table.
    pub fn rows(&self, table: super::Table) -> u64 {
        match table {
            super::Table::Blocks => self.blocks,
            super::Table::Transactions => self.transactions,
            super::Table::Inputs => self.inputs,
            super::Table::Outputs => self.outputs,
        }
    }

    /// Coins that are left, if these are the sums of all blocks; `None` if they cannot be.
    pub fn coins(&self) -> Option<u64> {
        let gone = self.inputs + self.overwritten_outputs;
        self.spendable_outputs.checked_sub(gone)
    }

    /// What they are worth; `None` if that is not known.
    pub fn coins_sat(&self) -> Option<u128> {
        if self.inputs_unknown + self.overwritten_unknown > 0 {
            return None;
        }
        let gone = self.spent_sat + self.overwritten_sat;
        self.spendable_sat.checked_sub(gone)
    }
}
