//! The parts that memory is charged to.
//!
//! Invariant: a part's name, in reports, logs and errors, is told here and nowhere else; code goes by the
//! part, never by its name.

use serde::{Serialize, Serializer};
use std::fmt;

/// What memory is taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Part {
    /// The table of coins.
    Table,
    /// Rows that wait to be written.
    Rows,
    /// Spends that missed the table.
    Pending,
    /// Deletes of coins that are on disk.
    Deletes,
    /// redb, on the heap.
    Redb,
    /// One block, and what is made of it.
    Block,
    /// Pages of runs on their way.
    Pages,
    /// The program itself, and all else on the heap.
    Process,
    /// The tree of headers, while scanning.
    Headers,
    /// Which outputs are gone, for a walk over all of them.
    SpentOutputs,
    /// What scripts received.
    Receipts,
    /// The first output of each block.
    FirstOutputs,
    /// Undo files, and what is known of their blocks.
    UndoFiles,
    /// Records that are being sorted.
    Sorting,
}

impl Part {
    /// How many there are.
    pub const COUNT: usize = Part::ALL.len();

    /// All of them, each at its own number.
    pub const ALL: [Part; 14] = [
        Part::Table,
        Part::Rows,
        Part::Pending,
        Part::Deletes,
        Part::Redb,
        Part::Block,
        Part::Pages,
        Part::Process,
        Part::Headers,
        Part::SpentOutputs,
        Part::Receipts,
        Part::FirstOutputs,
        Part::UndoFiles,
        Part::Sorting,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Table => "table",
            Part::Rows => "rows",
            Part::Pending => "pending",
            Part::Deletes => "deletes",
            Part::Redb => "redb",
            Part::Block => "block",
            Part::Pages => "pages",
            Part::Process => "process",
            Part::Headers => "headers",
            Part::SpentOutputs => "spent outputs",
            Part::Receipts => "receipts",
            Part::FirstOutputs => "first outputs",
            Part::UndoFiles => "undo files",
            Part::Sorting => "sorting",
        }
    }

    /// The part of that name; `None`: no part of this version has it.
    pub fn named(name: &str) -> Option<Part> {
        Part::ALL.into_iter().find(|part| part.name() == name)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_stands_at_its_number_and_is_found_by_its_name() {
        for (number, part) in Part::ALL.into_iter().enumerate() {
            assert_eq!(part as usize, number, "{part}");
            assert_eq!(Part::named(part.name()), Some(part));
        }
        assert_eq!(Part::named("Table"), None);
    }
}
