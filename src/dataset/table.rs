//! The tables, and which of them are wanted.
//!
//! Invariant: a table's name is its folder's, and what its files begin with.

use super::Fault;
use crate::Error;
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// See the module documentation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    /// A row a block.
    Blocks,
    /// A row a transaction.
    Transactions,
    /// A row an input, with what it spent.
    Inputs,
    /// A row an output.
    Outputs,
}

impl Table {
    /// How many there are.
    pub const COUNT: usize = Table::ALL.len();

    /// All of them, each at its number.
    pub const ALL: [Table; 4] = [
        Table::Blocks,
        Table::Transactions,
        Table::Inputs,
        Table::Outputs,
    ];

    /// Their names.
    pub const NAMES: [&str; 4] = ["blocks", "transactions", "inputs", "outputs"];

    /// Its name.
    pub const fn name(self) -> &'static str {
        Table::NAMES[self as usize]
    }

    /// Whether some of its columns tell what inputs spent.
    pub const fn tells_spent_coins(self) -> bool {
        !matches!(self, Table::Outputs)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Table {
    type Err = Error;

    fn from_str(name: &str) -> Result<Table, Error> {
        let found = Table::ALL.into_iter().find(|table| table.name() == name);
        let none = || {
            Error::from(Fault::NoTable {
                name: name.to_owned(),
            })
        };
        found.ok_or_else(none)
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_stands_at_its_number_and_is_found_by_its_name() {
        for (number, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table as usize, number);
            assert_eq!(table.name().parse::<Table>().ok(), Some(table));
        }
        assert!("Blocks".parse::<Table>().is_err());
    }
}
