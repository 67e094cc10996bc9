//! The page: sorted rows packed by their differences, filling one redb page exactly.
//!
//! Invariant: a page that reads back without [`Damage`] holds exactly the rows that were written, in
//! strictly ascending order, and belongs where it was found: run, ordinal and keys are in it.
//!
//! | file | what |
//! | --- | --- |
//! | `writer.rs` | packs rows into pages; the format |
//! | `rows.rs` | the rows of a page |
//! | `code.rs` | how a page tells how many bits its numbers have |
//! | `bits.rs` | bits of a page |

mod bits;
mod code;
mod rows;
#[cfg(test)]
mod tests;
mod writer;

pub use rows::{PageRows, RowCursor};
pub use writer::PageWriter;

use super::row::{POSITION_BITS, position_in};
use crate::runs::Damage;
use byteorder::{ByteOrder, LittleEndian};
use code::{Code, Table};
use std::ops::Range;
use twox_hash::XxHash3_64;

/// Key of the page behind the last.
pub const NO_NEXT: u128 = u128::MAX;

/// The key under which a page is kept: the last before the next page. So the first page at or above a key is
/// the one that has its row, and redb finds it without reading another.
pub const fn kept_under(next_key: u128) -> u128 {
    next_key - 1
}

/// Bytes in front of the codes.
const HEAD_BYTES: usize = 60;

/// The same of a page that was written before index format 5.
const OLD_HEAD_BYTES: usize = 52;

/// How the rows of a page are packed; the number is in the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Packing {
    /// In whole bytes, as until index format 4.
    Bytes = 0,
    /// In bits.
    Bits = 1,
}

/// How keys are made shorter before differences are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Squeeze {
    /// Is subtracted from every position.
    start: u64,
    /// Bits that are left of a position.
    bits: u32,
}

impl Squeeze {
    #[inline(always)]
    fn squeeze(self, key: u128) -> u128 {
        let position = position_in(key).wrapping_sub(self.start);
        key >> POSITION_BITS << self.bits | u128::from(position)
    }

    /// Whether the key can be had again.
    #[inline(always)]
    fn has_room_for(self, key: u128) -> bool {
        position_in(key).wrapping_sub(self.start) >> self.bits == 0
    }

    /// The key again, and whether its position is one.
    #[inline(always)]
    fn widen(self, squeezed: u128) -> (u128, bool) {
        let position = (squeezed & ((1 << self.bits) - 1)) as u64 + self.start;
        let key = squeezed >> self.bits << POSITION_BITS | u128::from(position);
        (key, position >> POSITION_BITS == 0)
    }
}

/// The head of a page that was found whole.
#[derive(Clone, Copy, Debug)]
pub struct PageHead {
    /// Key of the next page, or [`NO_NEXT`].
    pub next_key: u128,
    /// Ordinal of the page in its run.
    pub ordinal: u32,
    /// Key of the first row.
    pub first_key: u128,
    run: u32,
    rows: u16,
    squeeze: Squeeze,
    packing: Packing,
}

impl PageHead {
    /// Checks the page that is kept under `key` in `run`: until index format 4, under its first row's.
    ///
    /// # Errors
    /// [`Damage`] that says which check failed.
    pub fn read(page: &[u8], run: u32, key: u128) -> Result<PageHead, Damage> {
        if page.len() < HEAD_BYTES + bits::SPARE_BYTES {
            return Err(Damage::PageLength(page.len()));
        }
        if XxHash3_64::oneshot(&page[8..]) != LittleEndian::read_u64(page) {
            return Err(Damage::Checksum);
        }
        let (packing, start) = match page[51] {
            0 => (Packing::Bytes, 0),
            1 => (Packing::Bits, LittleEndian::read_u64(&page[52..])),
            _ => return Err(Damage::PageHead),
        };
        let head = PageHead {
            next_key: LittleEndian::read_u128(&page[32..]),
            ordinal: LittleEndian::read_u32(&page[12..]),
            first_key: LittleEndian::read_u128(&page[16..]),
            run: LittleEndian::read_u32(&page[8..]),
            rows: LittleEndian::read_u16(&page[48..]),
            squeeze: Squeeze {
                start,
                bits: u32::from(page[50]),
            },
            packing,
        };
        let first_key = head.first_key;
        let is_wrong = head.rows == 0 || first_key == 0 || head.next_key <= first_key;
        let is_squeezed = head.squeeze.bits <= POSITION_BITS
            && start <= position_in(first_key)
            && head.squeeze.has_room_for(first_key);
        if is_wrong || !is_squeezed {
            return Err(Damage::PageHead);
        }
        let kept_under = match packing {
            Packing::Bits => kept_under(head.next_key),
            Packing::Bytes => first_key,
        };
        if head.run != run || kept_under != key {
            return Err(Damage::Misplaced);
        }
        Ok(head)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        usize::from(self.rows)
    }

    /// The positions that its run may have, as they are in keys.
    pub fn positions(&self) -> Range<u64> {
        let start = self.squeeze.start;
        start..start + (1 << self.squeeze.bits)
    }

    /// The codes of the page this head was read from, and how many bytes are in front of its rows.
    fn codes(&self, page: &[u8]) -> Result<(Code, Code, usize), Damage> {
        if self.packing == Packing::Bytes {
            return Ok((Code::EMPTY, Code::EMPTY, OLD_HEAD_BYTES));
        }
        let (keys, key_bytes) = Code::read(&page[HEAD_BYTES..])?;
        let at = HEAD_BYTES + key_bytes;
        let (values, value_bytes) = Code::read(&page[at..])?;
        Ok((keys, values, at + value_bytes))
    }

    /// The rows of the page this head was read from.
    ///
    /// # Errors
    /// [`Damage::PageHead`] if they cannot be read.
    pub fn rows_of(&self, page: &[u8]) -> Result<PageRows, Damage> {
        let (keys, values, rows_at) = self.codes(page)?;
        Ok(PageRows::new(self, rows_at, keys.table(), values.table()))
    }
}
