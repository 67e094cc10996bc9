//! The rows of a page, one after the other.
//!
//! Invariant: rows come in ascending order, none is at or above the next page's first key, and each is one
//! that its relation can have; anything else is [`Damage`].

use super::bits::{self, AT_ONCE_MAX};
use super::{Packing, PageHead, Squeeze, Table};
use crate::runs::Damage;
use crate::runs::row::Row;
use byteorder::{ByteOrder, LittleEndian};

/// What reading the rows of a page takes.
#[derive(Clone, Debug)]
pub struct PageRows {
    keys: Table,
    values: Table,
    first: RowCursor,
}

impl PageRows {
    pub(super) fn new(head: &PageHead, rows_at: usize, keys: Table, values: Table) -> PageRows {
        PageRows {
            keys,
            values,
            first: RowCursor {
                at: match head.packing {
                    Packing::Bits => rows_at * 8,
                    Packing::Bytes => rows_at,
                },
                left: head.rows,
                packing: head.packing,
                squeeze: head.squeeze,
                squeezed: head.squeeze.squeeze(head.first_key).wrapping_sub(1),
                last_key: head.first_key - 1,
                end_key: head.next_key,
            },
        }
    }

    /// A cursor in front of the first row.
    pub fn cursor(&self) -> RowCursor {
        self.first
    }

    /// The row that `cursor` stands in front of, which it passes; `None` behind the last.
    ///
    /// # Errors
    /// [`Damage::PageRows`] where rows are out of order or run past the page's end.
    #[inline(always)]
    pub fn next<R: Row>(&self, cursor: &mut RowCursor, page: &[u8]) -> Result<Option<R>, Damage> {
        if cursor.left == 0 {
            return Ok(None);
        }
        let taken = match cursor.packing {
            Packing::Bits => self.take::<R>(cursor, page),
            Packing::Bytes => cursor.take_bytes(page),
        };
        let (difference, value) = taken.ok_or(Damage::PageRows)?;
        cursor.left -= 1;
        cursor.squeezed = cursor.squeezed.wrapping_add(difference).wrapping_add(1);
        let (key, is_right) = cursor.squeeze.widen(cursor.squeezed);
        if !is_right || key <= cursor.last_key || key >= cursor.end_key {
            return Err(Damage::PageRows);
        }
        cursor.last_key = key;
        let row = R::from_parts(key, value);
        // Rows of one relation have no room for all that another's have.
        if row.key() != key || row.value() != value {
            return Err(Damage::PageRows);
        }
        Ok(Some(row))
    }

    /// The next row's difference and value.
    #[inline(always)]
    fn take<R: Row>(&self, cursor: &mut RowCursor, page: &[u8]) -> Option<(u128, u64)> {
        let loaded = bits::load(page, cursor.at)?;
        let (key_bits, told_bits) = self.keys.first_in(loaded)?;
        let (mut value_bits, mut front) = (0, told_bits);
        if R::HAS_VALUE {
            let told_bits;
            (value_bits, told_bits) = self.values.first_in(loaded << front)?;
            front += told_bits;
        }
        let at = cursor.at + front as usize;
        let (value_rest, key_rest) = (bits_behind_first(value_bits), bits_behind_first(key_bits));
        cursor.at = at + (value_rest + key_rest) as usize;
        let (high, low) = (
            key_rest.saturating_sub(AT_ONCE_MAX),
            key_rest.min(AT_ONCE_MAX),
        );
        if front + value_rest + high > AT_ONCE_MAX {
            return take_long(page, at, key_bits, value_bits);
        }
        let loaded = loaded << front;
        let value = first_bit(value_bits) | bits::first_of(loaded, value_rest);
        let key_high = bits::first_of(loaded << value_rest, high);
        let key_low = bits::first_of(bits::load(page, at + (value_rest + high) as usize)?, low);
        let rest = u128::from(key_high) << AT_ONCE_MAX | u128::from(key_low);
        let first = u128::from(key_bits > 0) << key_rest;
        Some((first | rest, value))
    }
}

/// The same of a row that is too long to be taken in two pieces.
#[cold]
fn take_long(page: &[u8], at: usize, key_bits: u32, value_bits: u32) -> Option<(u128, u64)> {
    if value_bits > u64::BITS {
        return None;
    }
    let value_rest = bits_behind_first(value_bits);
    let value = bits::take_long(page, at, value_rest)? as u64;
    let key_rest = bits_behind_first(key_bits);
    let key = bits::take_long(page, at + value_rest as usize, key_rest)?;
    let first = u128::from(key_bits > 0) << key_rest;
    Some((first | key, first_bit(value_bits) | value))
}

/// The first bit, a one, of a number that has so many, 64 at most.
#[inline(always)]
fn first_bit(bits: u32) -> u64 {
    u64::from(bits > 0) << bits_behind_first(bits)
}

/// How many bits are written of a number that has so many: all but the first.
#[inline(always)]
pub(super) fn bits_behind_first(bits: u32) -> u32 {
    bits.saturating_sub(1)
}

/// A place between two rows of a page. The page itself is given with each call.
#[derive(Clone, Copy, Debug)]
pub struct RowCursor {
    /// In bits, or in bytes, as the page is packed.
    at: usize,
    left: u16,
    packing: Packing,
    squeeze: Squeeze,
    squeezed: u128,
    last_key: u128,
    end_key: u128,
}

/// The most bytes a row took until index format 4: control, 16 of key, 8 of value.
const OLD_ROW_BYTES_MAX: usize = 25;

impl RowCursor {
    /// The next row's difference and value, as they were packed until index format 4: one control byte,
    /// then the difference, then the value, both without leading zeros. The low four bits of the control
    /// byte count the bytes of the difference (15 means 16), the high four those of the value.
    #[cold]
    fn take_bytes(&mut self, page: &[u8]) -> Option<(u128, u64)> {
        // Rows were written only where so many were left, so whole words can be read.
        let bytes: &[u8; OLD_ROW_BYTES_MAX] = page.get(self.at..)?.first_chunk()?;
        let key_bytes = match usize::from(bytes[0] & 15) {
            15 => 16,
            key_bytes => key_bytes,
        };
        let value_bytes = usize::from(bytes[0] >> 4);
        if value_bytes > 8 {
            return None;
        }
        let difference = LittleEndian::read_u128(&bytes[1..]) & lowest_bytes(key_bytes);
        let value = LittleEndian::read_u64(&bytes[1 + key_bytes..]);
        self.at += 1 + key_bytes + value_bytes;
        Some((difference, value & lowest_bytes(value_bytes) as u64))
    }
}

/// A mask that keeps so many bytes.
fn lowest_bytes(bytes: usize) -> u128 {
    u128::MAX.checked_shr((16 - bytes) as u32 * 8).unwrap_or(0)
}
