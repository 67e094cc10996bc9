//! The rows of blocks that wait to be written together.
//!
//! Invariant: they come out as they came in; whoever pushes has seen that there is room.
//!
//! Memory: [`Waiting::BYTES`], made once.

use crate::Result;
use crate::index::NewBlock;
use crate::index::blocks::BlockRow;
use crate::memory::part::Part;
use crate::memory::region::Buffer;
use crate::primitives::position::{Height, Place};
use bytemuck::Zeroable;

/// Blocks whose rows wait to be written together.
const BLOCK_ROWS_BUFFERED_MAX: usize = 1024;

/// Bytes for a block: its row, and its transactions' marks. One with many marks takes room of the others.
const BLOCK_BYTES: usize = 1280;

/// Bytes of all marks.
const MARKS_BYTES: usize = BLOCK_ROWS_BUFFERED_MAX * (BLOCK_BYTES - size_of::<WaitingBlock>());

#[derive(Clone, Copy, Zeroable)]
struct WaitingBlock {
    height: Height,
    row: BlockRow,
    place: Place,
    coinbase_outputs: u32,
    marks_end: usize,
}

/// See the module documentation.
pub struct Waiting {
    blocks: Buffer<WaitingBlock>,
    marks: Buffer<u8>,
}

impl Waiting {
    /// Bytes of memory it takes.
    pub const BYTES: usize = BLOCK_ROWS_BUFFERED_MAX * BLOCK_BYTES;

    /// With room for [`BLOCK_ROWS_BUFFERED_MAX`] blocks.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new() -> Result<Waiting> {
        Ok(Waiting {
            blocks: Buffer::new(Part::Block, BLOCK_ROWS_BUFFERED_MAX)?,
            marks: Buffer::new(Part::Block, MARKS_BYTES)?,
        })
    }

    /// Whether it takes one more block, with so many bytes of marks.
    pub fn has_room(&self, marks_bytes: usize) -> bool {
        self.blocks.room() > 0 && self.marks.room() >= marks_bytes
    }

    /// Takes a block.
    pub fn push(&mut self, block: &NewBlock<'_>) {
        self.marks.extend_from_slice(block.marks);
        self.blocks.push(WaitingBlock {
            height: block.height,
            row: block.row,
            place: block.place,
            coinbase_outputs: block.coinbase_outputs,
            marks_end: self.marks.len(),
        });
    }

    /// All blocks.
    pub fn blocks(&self) -> impl Iterator<Item = NewBlock<'_>> {
        let mut start = 0;
        self.blocks.iter().map(move |block| {
            let marks = &self.marks[start..block.marks_end];
            start = block.marks_end;
            NewBlock {
                height: block.height,
                row: block.row,
                marks,
                place: block.place,
                coinbase_outputs: block.coinbase_outputs,
            }
        })
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.marks.clear();
    }

    /// Notes that what waits is in use.
    pub fn note_in_use(&mut self) {
        self.blocks.note_in_use();
        self.marks.note_in_use();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::position::Txo;

    fn block(height: u32, marks: &[u8]) -> NewBlock<'_> {
        let row = BlockRow {
            first_txo: Txo(u64::from(height) * 7),
            ..BlockRow::zeroed()
        };
        NewBlock {
            height: Height(height),
            row,
            marks,
            place: Place::zeroed(),
            coinbase_outputs: height + 1,
        }
    }

    #[test]
    fn blocks_come_out_as_they_came_each_with_its_marks() {
        let mut waiting = Waiting::new().expect("memory");
        for round in 0..2 {
            let marks: Vec<Vec<u8>> = (0..9).map(|height| vec![height; height.into()]).collect();
            for (height, marks) in (round..).zip(&marks) {
                waiting.push(&block(height, marks));
            }
            let out: Vec<_> = waiting.blocks().collect();
            assert_eq!(out.len(), marks.len());
            for (out, (height, marks)) in out.iter().zip((round..).zip(&marks)) {
                let expected = block(height, marks);
                assert_eq!((out.height, out.row), (expected.height, expected.row));
                assert_eq!(out.marks, expected.marks);
                assert_eq!(out.coinbase_outputs, expected.coinbase_outputs);
            }
            waiting.clear();
        }
    }

    #[test]
    fn it_is_full_of_blocks_or_of_marks() {
        let mut waiting = Waiting::new().expect("memory");
        for height in 0..BLOCK_ROWS_BUFFERED_MAX as u32 {
            assert!(waiting.has_room(0));
            waiting.push(&block(height, &[]));
        }
        assert!(!waiting.has_room(0));
        waiting.clear();
        waiting.push(&block(0, &vec![0; MARKS_BYTES - 1]));
        assert!(waiting.has_room(1) && !waiting.has_room(2));
    }
}
