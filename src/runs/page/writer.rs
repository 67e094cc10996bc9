//! Packing rows into one page after another.
//!
//! Invariant: rows are written in strictly ascending order, and a page is given away only when it is whole.
//!
//! | offset | bytes | field (little-endian) |
//! | --- | --- | --- |
//! | 0 | 8 | XXH3-64 of everything behind it |
//! | 8 | 4 | run |
//! | 12 | 4 | ordinal of the page in its run, from 0 |
//! | 16 | 16 | key of the first row |
//! | 32 | 16 | key of the next page's first row, `u128::MAX` behind the last page |
//! | 48 | 2 | rows |
//! | 50 | 1 | bits that are left of a key's 40 bits of position |
//! | 51 | 1 | 1 (0: a page of index format 3 or 4, see `rows.rs`; there the rows follow) |
//! | 52 | 8 | what is subtracted from positions |
//! | 60 | | code of the keys (`code.rs`), code of the values; rows; behind them zeros |
//!
//! The key, squeezed (its position, less what is subtracted, cut to the bits of offset 50), is kept as the
//! difference to the row before, less one; the first row's as 0. A row is, in bits, the highest first: how
//! many bits the difference has, by the code of the keys; how many the value has, by the code of the values;
//! the value; the difference. Of both numbers, the first bit, which is a one, is left out. In rows of a relation
//! without values nothing is told of one. A row begins right behind the one before.
//!
//! The codes of a page are made of the rows of the pages before, older ones counting less; the first page of
//! a run knows none.
//!
//! redb keeps a page under the key at offset 32, less one ([`kept_under`]).

use super::bits::{AT_ONCE_MAX, Pen, SPARE_BYTES, last_of};
use super::code::{CODE_BYTES_MAX, Code, Counts, LENGTHS, TOLD_BITS_MAX, Word};
use super::rows::bits_behind_first;
use super::{HEAD_BYTES, NO_NEXT, Packing, PageHead, Squeeze, kept_under};
use crate::runs::page_rows_max;
use crate::runs::row::{POSITION_BITS, Row};
use byteorder::{ByteOrder, LittleEndian};
use multiversion::multiversion;
use std::ops::Range;
use twox_hash::XxHash3_64;

const _: () = assert!(8 + 4 + 4 + 16 + 16 + 2 + 1 + 1 + 8 == HEAD_BYTES);

/// The most bytes of a row.
const ROW_BYTES_MAX: usize = (2 * TOLD_BITS_MAX + u128::BITS + u64::BITS).div_ceil(8) as usize;

/// Bytes of the smallest page, which has room for a row whatever its codes are.
const PAGE_BYTES_MIN: usize = HEAD_BYTES + 2 * CODE_BYTES_MAX + ROW_BYTES_MAX + SPARE_BYTES;
const _: () = assert!(PAGE_BYTES_MIN <= crate::limits::PAGE_BYTES);

/// A code that is used, and what the next is made of.
struct Lengths {
    code: Code,
    words: [Word; LENGTHS],
    counts: Counts,
}

impl Lengths {
    fn of(code: Code) -> Lengths {
        Lengths {
            words: code.words(),
            counts: [0; LENGTHS],
            code,
        }
    }

    /// Makes the code of the next page.
    fn renew(&mut self) {
        self.code = Code::of(&self.counts);
        self.words = self.code.words();
        for count in &mut self.counts {
            *count /= 2;
        }
    }

    /// How a number of so many bits begins.
    #[inline(always)]
    fn word(&self, bits: u32) -> Word {
        self.words[bits as usize]
    }

    /// Notes that there was one of so many bits.
    #[inline(always)]
    fn count(&mut self, bits: u32) {
        self.counts[bits as usize] += 1;
    }
}

/// See the module documentation. Owns no page: it is given with each call.
pub struct PageWriter {
    run: u32,
    ordinal: u32,
    squeeze: Squeeze,
    keys: Lengths,
    values: Lengths,
    /// Where the page is written on.
    pen: Pen,
    rows: u16,
    /// One more than the last row's key, squeezed.
    next: u128,
    first_key: u128,
}

impl PageWriter {
    /// A writer of the pages of `run`, in whose keys these positions are.
    pub fn new(run: u32, positions: Range<u64>) -> PageWriter {
        let largest = (positions.end - positions.start).saturating_sub(1);
        PageWriter {
            run,
            ordinal: 0,
            squeeze: Squeeze {
                start: positions.start,
                bits: (u64::BITS - largest.leading_zeros()).min(POSITION_BITS),
            },
            keys: Lengths::of(Code::EMPTY),
            values: Lengths::of(Code::EMPTY),
            pen: Pen::default(),
            rows: 0,
            next: 0,
            first_key: 0,
        }
    }

    /// A writer that begins with the last page of a run, which is written again.
    ///
    /// # Errors
    /// [`crate::runs::Damage::PageHead`].
    pub fn again(
        head: &PageHead,
        page: &[u8],
        positions: Range<u64>,
    ) -> Result<PageWriter, crate::runs::Damage> {
        let (keys, values, _) = head.codes(page)?;
        Ok(PageWriter {
            ordinal: head.ordinal,
            keys: Lengths::of(keys),
            values: Lengths::of(values),
            ..PageWriter::new(head.run, positions)
        })
    }

    /// Appends rows, as many as the page has room for, and returns how many those were. If not all:
    /// [`PageWriter::finish`] it and go on with the rest.
    #[inline]
    pub fn fill<R: Row>(&mut self, page: &mut [u8], rows: &[R]) -> usize {
        let Some(first) = rows.first() else {
            return 0;
        };
        if self.rows == 0 {
            self.begin(page, first.key());
        }
        let rows_max = page_rows_max(R::RELATION) - usize::from(self.rows);
        let taken = fill(self, page, &rows[..rows.len().min(rows_max)]);
        self.rows += taken as u16;
        taken
    }

    /// Begins a page.
    fn begin(&mut self, page: &mut [u8], first_key: u128) {
        let mut at = HEAD_BYTES;
        at += self.keys.code.write(&mut page[at..]);
        at += self.values.code.write(&mut page[at..]);
        self.pen = Pen::at_byte(at);
        self.first_key = first_key;
        self.next = self.squeeze.squeeze(first_key);
    }

    /// Whether the current page has rows.
    pub fn has_rows(&self) -> bool {
        self.rows > 0
    }

    /// Completes the page and begins the next. Returns the key under which the page is kept.
    pub fn finish(&mut self, page: &mut [u8], next_key: u128) -> u128 {
        assert!(self.rows > 0, "an empty page is never written");
        page[self.pen.position().div_ceil(8)..].fill(0);
        LittleEndian::write_u32(&mut page[8..], self.run);
        LittleEndian::write_u32(&mut page[12..], self.ordinal);
        LittleEndian::write_u128(&mut page[16..], self.first_key);
        LittleEndian::write_u128(&mut page[32..], next_key);
        LittleEndian::write_u16(&mut page[48..], self.rows);
        page[50] = self.squeeze.bits as u8;
        page[51] = Packing::Bits as u8;
        LittleEndian::write_u64(&mut page[52..], self.squeeze.start);
        let checksum = XxHash3_64::oneshot(&page[8..]);
        LittleEndian::write_u64(page, checksum);
        if next_key != NO_NEXT {
            self.keys.renew();
            self.values.renew();
        }
        self.ordinal += 1;
        self.rows = 0;
        kept_under(next_key)
    }
}

/// Writes rows until the page is full; returns how many.
#[multiversion(targets("x86_64+bmi1+bmi2+lzcnt"))]
fn fill<R: Row>(writer: &mut PageWriter, page: &mut [u8], rows: &[R]) -> usize {
    let end = (page.len() - SPARE_BYTES) * 8;
    let (mut pen, mut next) = (writer.pen, writer.next);
    let (mut in_order, mut in_range) = (true, true);
    let mut taken = 0;
    for row in rows {
        let squeezed = writer.squeeze.squeeze(row.key());
        let (difference, is_smaller) = squeezed.overflowing_sub(next);
        if !put::<R>(writer, &mut pen, page, end, difference, row.value()) {
            break;
        }
        in_order &= !is_smaller;
        in_range &= writer.squeeze.has_room_for(row.key());
        next = squeezed.wrapping_add(1);
        taken += 1;
    }
    assert!(in_order, "rows are sorted before a run is written");
    assert!(in_range, "the caller says which positions a run has");
    (writer.pen, writer.next) = (pen, next);
    taken
}

/// Writes a row if it ends before bit `end`; says whether it did.
#[inline(always)]
fn put<R: Row>(
    writer: &mut PageWriter,
    pen: &mut Pen,
    page: &mut [u8],
    end: usize,
    difference: u128,
    value: u64,
) -> bool {
    let key_bits = u128::BITS - difference.leading_zeros();
    let told = writer.keys.word(key_bits);
    let (mut front, mut front_bits) = (u64::from(told.word), u32::from(told.bits));
    let value_bits = u64::BITS - value.leading_zeros();
    let mut value_rest = 0;
    if R::HAS_VALUE {
        let told = writer.values.word(value_bits);
        front = front << told.bits | u64::from(told.word);
        front_bits += u32::from(told.bits);
        value_rest = bits_behind_first(value_bits);
    }
    let key_rest = bits_behind_first(key_bits);
    if pen.position() + (front_bits + value_rest + key_rest) as usize > end {
        return false;
    }
    writer.keys.count(key_bits);
    if R::HAS_VALUE {
        writer.values.count(value_bits);
    }
    let (high, low) = (
        key_rest.saturating_sub(AT_ONCE_MAX),
        key_rest.min(AT_ONCE_MAX),
    );
    if front_bits + value_rest + high > AT_ONCE_MAX {
        pen.put(page, front, front_bits);
        pen.put_long(page, u128::from(value), value_rest);
        pen.put_long(page, difference, key_rest);
        return true;
    }
    let front = front << value_rest | last_of(value, value_rest);
    let key_high = last_of((difference >> AT_ONCE_MAX) as u64, high);
    pen.put(
        page,
        front << high | key_high,
        front_bits + value_rest + high,
    );
    pen.put(page, last_of(difference as u64, low), low);
    true
}
