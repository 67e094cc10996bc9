//! What a batch holds of each part of the memory plan.
//!
//! Invariant: a part that is a map of ours has the capacity that the plan gave it.

use super::{Batch, BufferedBlock};
use crate::batch::table::Table;
use crate::memory::region::Buffer;
use crate::runs::row::Row;

/// Bytes of a part of the memory plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartBytes {
    /// Its name there.
    pub name: &'static str,
    /// Bytes it was made with.
    pub capacity: usize,
    /// Bytes in use now.
    pub in_use: usize,
    /// The most that were.
    pub most: usize,
}

impl Batch {
    /// What its parts of the memory plan hold, by the plan's names.
    pub fn parts(&self) -> [PartBytes; 6] {
        let of = |name, capacity, in_use, most| PartBytes {
            name,
            capacity,
            in_use,
            most,
        };
        fn list<R: Row>(name: &'static str, list: &Buffer<R>) -> PartBytes {
            PartBytes {
                name,
                capacity: list.capacity() * size_of::<R>(),
                in_use: list.len() * size_of::<R>(),
                most: list.most() * size_of::<R>(),
            }
        }
        let (table, rows) = (&self.table, &self.rows);
        let table_bytes = Table::bytes_for(table.slots_max());
        let used = table.used_bytes();
        let block = self.digest.most_bytes() + self.block_bytes_most + self.marks_bytes_most;
        [
            of("table", table_bytes, used, used),
            of("rows", rows.bytes(), rows.held_bytes(), rows.most_bytes()),
            list("pending", self.pending.buffer()),
            list("deletes", &self.deletes),
            of("block", Batch::BLOCK_BYTES, self.waiting_bytes(), block),
            of("pages", Batch::PAGES_BYTES, 0, self.staging.most_bytes()),
        ]
    }

    /// Bytes of the rows of blocks that wait to be written.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.new_blocks.len() * size_of::<BufferedBlock>() + self.marks.len()
    }
}
