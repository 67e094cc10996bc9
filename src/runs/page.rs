//! The page: sorted rows packed by their differences, filling one redb page exactly.
//!
//! Invariant: a page that reads back without [`Damage`] holds exactly the rows that were written, in
//! strictly ascending order, and belongs where it was found: run, ordinal and first key are in it.
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
//! | 51 | 1 | zero |
//! | 52 | | rows; behind them zeros |
//!
//! A row is one control byte, then the key, then the value, both without leading zeros. The low four
//! bits of the control byte count the bytes of the key (15 means 16), the high four those of the value.
//! The key, squeezed (its position cut to the bits of offset 50), is kept as the difference to the
//! row before, less one; the first row's as 0.

use super::page_rows_max;
use super::row::{POSITION_BITS, Row};
use crate::runs::Damage;
use byteorder::{ByteOrder, LittleEndian};
use twox_hash::XxHash3_64;

/// Bytes in front of the rows.
pub const PAGE_HEADER_BYTES: usize = 52;
const _: () = assert!(8 + 4 + 4 + 16 + 16 + 2 + 1 + 1 == PAGE_HEADER_BYTES);

/// The most bytes a row takes: control, 16 of key, 8 of value.
pub const ROW_BYTES_MAX: usize = 25;

/// Key of the page behind the last.
pub const NO_NEXT: u128 = u128::MAX;

fn squeeze(key: u128, position_bits: u32) -> u128 {
    let position = key & ((1 << POSITION_BITS) - 1);
    key >> POSITION_BITS << position_bits | position
}

/// Packs rows into one page after another. Owns no memory: the page is given with each call.
pub struct PageWriter {
    run: u32,
    ordinal: u32,
    position_bits: u32,
    at: usize,
    rows: u16,
    previous: u128,
    first_key: u128,
}

impl PageWriter {
    /// A writer of the pages of `run`, whose positions all stay below `positions_end` (at most 2^39).
    pub fn new(run: u32, positions_end: u64) -> PageWriter {
        // One bit more than a txo has: a coin's key ends in a flag.
        let position_bits = (u64::BITS - positions_end.leading_zeros() + 1).min(POSITION_BITS);
        PageWriter {
            run,
            ordinal: 0,
            position_bits,
            at: PAGE_HEADER_BYTES,
            rows: 0,
            previous: 0,
            first_key: 0,
        }
    }

    /// The same, of a run that has `ordinal` pages already.
    pub fn from_page(ordinal: u32, run: u32, positions_end: u64) -> PageWriter {
        PageWriter {
            ordinal,
            ..PageWriter::new(run, positions_end)
        }
    }

    /// Appends rows, as many as the page has room for, and returns how many those were. If not all:
    /// [`PageWriter::finish`] it and go on with the rest.
    #[inline]
    pub fn fill<R: Row>(&mut self, page: &mut [u8], rows: &[R]) -> usize {
        let Some(first) = rows.first() else {
            return 0;
        };
        let mut previous = self.previous;
        let mut in_order = true;
        if self.rows == 0 {
            let squeezed = squeeze(first.key(), self.position_bits);
            self.first_key = first.key();
            in_order = squeezed > previous;
            previous = squeezed.wrapping_sub(1);
        }
        let rows_max = page_rows_max(R::RELATION) - usize::from(self.rows);
        let at_max = page.len() - ROW_BYTES_MAX;
        let (mut at, mut taken) = (self.at, 0);
        for row in rows.iter().take(rows_max) {
            if at > at_max {
                break;
            }
            let squeezed = squeeze(row.key(), self.position_bits);
            in_order &= squeezed > previous;
            let difference = squeezed.wrapping_sub(previous).wrapping_sub(1);
            previous = squeezed;
            let bytes = page[at..].first_chunk_mut().expect("checked above");
            at += write_row(bytes, difference, row.value());
            taken += 1;
        }
        assert!(in_order, "rows are sorted before a run is written");
        (self.at, self.previous) = (at, previous);
        self.rows += taken as u16;
        taken
    }

    /// Whether the current page has rows.
    pub fn has_rows(&self) -> bool {
        self.rows > 0
    }

    /// Completes the page and begins the next. Returns the key under which the page is kept.
    pub fn finish(&mut self, page: &mut [u8], next_key: u128) -> u128 {
        assert!(self.rows > 0, "an empty page is never written");
        page[self.at..].fill(0);
        LittleEndian::write_u32(&mut page[8..], self.run);
        LittleEndian::write_u32(&mut page[12..], self.ordinal);
        LittleEndian::write_u128(&mut page[16..], self.first_key);
        LittleEndian::write_u128(&mut page[32..], next_key);
        LittleEndian::write_u16(&mut page[48..], self.rows);
        page[50] = self.position_bits as u8;
        page[51] = 0;
        let checksum = XxHash3_64::oneshot(&page[8..]);
        LittleEndian::write_u64(page, checksum);
        self.ordinal += 1;
        self.rows = 0;
        self.at = PAGE_HEADER_BYTES;
        self.first_key
    }
}

/// Writes control byte, key and value; what is behind them is free to be written over. Returns how
/// many bytes the row takes.
#[inline(always)]
fn write_row(bytes: &mut [u8; ROW_BYTES_MAX], difference: u128, value: u64) -> usize {
    let value_bytes = bytes_of(u128::from(value));
    let (code, key_bytes) = match bytes_of(difference) {
        15.. => (15, 16),
        key_bytes => (key_bytes, key_bytes),
    };
    bytes[0] = (code | value_bytes << 4) as u8;
    bytes[1..17].copy_from_slice(&difference.to_le_bytes());
    bytes[1 + key_bytes..9 + key_bytes].copy_from_slice(&value.to_le_bytes());
    1 + key_bytes + value_bytes
}

#[inline(always)]
fn bytes_of(number: u128) -> usize {
    (u128::BITS - number.leading_zeros()).div_ceil(8) as usize
}

/// The head of a page that was found whole.
#[derive(Clone, Copy, Debug)]
pub struct PageHead {
    /// Key of the next page, or [`NO_NEXT`].
    pub next_key: u128,
    /// Ordinal of the page in its run.
    pub ordinal: u32,
    /// Key of the first row, under which the page is kept.
    pub first_key: u128,
    rows: u16,
    position_bits: u32,
}

impl PageHead {
    /// Checks the page that is kept under `key` in `run`.
    ///
    /// # Errors
    /// [`Damage`] that says which check failed.
    pub fn read(page: &[u8], run: u32, key: u128) -> Result<PageHead, Damage> {
        if page.len() < PAGE_HEADER_BYTES + ROW_BYTES_MAX {
            return Err(Damage::PageLength(page.len()));
        }
        if XxHash3_64::oneshot(&page[8..]) != LittleEndian::read_u64(page) {
            return Err(Damage::Checksum);
        }
        let head = PageHead {
            next_key: LittleEndian::read_u128(&page[32..]),
            ordinal: LittleEndian::read_u32(&page[12..]),
            rows: LittleEndian::read_u16(&page[48..]),
            first_key: LittleEndian::read_u128(&page[16..]),
            position_bits: u32::from(page[50]),
        };
        if LittleEndian::read_u32(&page[8..]) != run || head.first_key != key {
            return Err(Damage::Misplaced);
        }
        if head.rows == 0 || key == 0 || head.next_key <= key || head.position_bits > POSITION_BITS
        {
            return Err(Damage::PageHead);
        }
        Ok(head)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        usize::from(self.rows)
    }

    /// A cursor in front of the first row of the page this head was read from.
    pub fn cursor(&self) -> RowCursor {
        RowCursor {
            at: PAGE_HEADER_BYTES,
            left: self.rows,
            squeezed: squeeze(self.first_key, self.position_bits).wrapping_sub(1),
            end_key: self.next_key,
            last_key: self.first_key - 1,
            position_bits: self.position_bits,
        }
    }
}

/// A place between two rows of a page. The page itself is given with each call.
#[derive(Clone, Copy, Debug)]
pub struct RowCursor {
    at: usize,
    left: u16,
    position_bits: u32,
    squeezed: u128,
    last_key: u128,
    end_key: u128,
}

impl RowCursor {
    /// The next row, `None` behind the last.
    ///
    /// # Errors
    /// [`Damage::PageRows`] where rows are out of order or run past the page's end.
    #[inline(always)]
    pub fn next<R: Row>(&mut self, page: &[u8]) -> Result<Option<R>, Damage> {
        if self.left == 0 {
            return Ok(None);
        }
        // Rows are written only where ROW_BYTES_MAX are left, so whole words can be read.
        let Some(bytes) = page.get(self.at..self.at + ROW_BYTES_MAX) else {
            return Err(Damage::PageRows);
        };
        let key_bytes = KEY_BYTES[usize::from(bytes[0] & 15)];
        let value_bytes = usize::from(bytes[0] >> 4);
        if value_bytes > 8 {
            return Err(Damage::PageRows);
        }
        let difference = LittleEndian::read_u128(&bytes[1..17]) & MASKS[key_bytes];
        let value = LittleEndian::read_u64(&bytes[1 + key_bytes..9 + key_bytes]);
        let value = value & MASKS[value_bytes] as u64;
        self.left -= 1;
        self.at += 1 + key_bytes + value_bytes;
        self.squeezed = self.squeezed.wrapping_add(difference).wrapping_add(1);
        let position = self.squeezed & ((1 << self.position_bits) - 1);
        let key = self.squeezed >> self.position_bits << POSITION_BITS | position;
        if key <= self.last_key || key >= self.end_key {
            return Err(Damage::PageRows);
        }
        self.last_key = key;
        let row = R::from_parts(key, value);
        // Rows of one relation have no room for all that another's have.
        if row.key() != key || row.value() != value {
            return Err(Damage::PageRows);
        }
        Ok(Some(row))
    }
}

/// Bytes of the key by the low four bits of the control byte.
const KEY_BYTES: [usize; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16];

/// `MASKS[n]` keeps the low `n` bytes.
const MASKS: [u128; 17] = {
    let mut masks = [u128::MAX; 17];
    let mut bytes = 0;
    while bytes < 16 {
        masks[bytes] = (1 << (8 * bytes)) - 1;
        bytes += 1;
    }
    masks
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::position::{TxNum, Txo};
    use crate::runs::row::{CoinRow, FundingRow, SpendingRow};
    use proptest::prelude::*;

    const PAGE: usize = 1000;

    fn spend(txo: u64, first: u64) -> SpendingRow {
        SpendingRow::new(Txo(txo), TxNum::of_first(Txo(first)))
    }

    fn pages_of<R: Row>(rows: &[R], positions_end: u64) -> Vec<(u128, Vec<u8>)> {
        let mut writer = PageWriter::new(7, positions_end);
        let (mut page, mut pages) = (vec![0xAA; PAGE], Vec::new());
        let mut rest = rows;
        while !rest.is_empty() {
            rest = &rest[writer.fill(&mut page, rest)..];
            if let Some(next) = rest.first() {
                let key = writer.finish(&mut page, next.key());
                pages.push((key, page.clone()));
            }
        }
        if writer.has_rows() {
            let key = writer.finish(&mut page, NO_NEXT);
            pages.push((key, page.clone()));
        }
        pages
    }

    fn read_back<R: Row>(pages: &[(u128, Vec<u8>)]) -> Result<Vec<R>, Damage> {
        let mut rows = Vec::new();
        for (key, page) in pages {
            let head = PageHead::read(page, 7, *key)?;
            let mut cursor = head.cursor();
            while let Some(row) = cursor.next(page)? {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rows_read_back_as_written(
            fingerprints in prop::collection::btree_set(1u128..1 << 80, 1..400),
            amounts in prop::collection::vec(prop_oneof![0u64..9, any::<u64>()], 400),
            txo in 1u64..(1 << 39) - 400,
        ) {
            let funding: Vec<_> = fingerprints.iter().zip(&amounts).zip(txo..)
                .map(|((f, amount), txo)| FundingRow::new(*f, Txo(txo), *amount)).collect();
            let pages = pages_of(&funding, txo + 400);
            prop_assert_eq!(read_back::<FundingRow>(&pages).unwrap(), funding);
            let coins: Vec<_> = fingerprints.iter().zip(txo..)
                .flat_map(|(f, txo)| [CoinRow::put(f << 8, Txo(txo)), CoinRow::delete(f << 8, Txo(txo))])
                .collect();
            prop_assert_eq!(read_back::<CoinRow>(&pages_of(&coins, txo + 400)).unwrap(), coins);
        }

        #[test]
        fn any_changed_byte_is_damage(at in 0usize..PAGE, change in 1u8..=255) {
            let rows: Vec<_> = (1..300).map(|n| spend(n * n, n * n + 9)).collect();
            let mut pages = pages_of(&rows, 1 << 20);
            pages[0].1[at] ^= change;
            prop_assert!(read_back::<SpendingRow>(&pages).is_err());
        }
    }

    #[test]
    fn a_page_of_another_run_or_key_is_refused() {
        let pages = pages_of(&[spend(1, 2)], 10);
        let (key, page) = &pages[0];
        assert_eq!(
            PageHead::read(page, 8, *key).unwrap_err(),
            Damage::Misplaced
        );
        assert_eq!(
            PageHead::read(page, 7, key + 1).unwrap_err(),
            Damage::Misplaced
        );
        assert_eq!(
            PageHead::read(&page[..60], 7, *key).unwrap_err(),
            Damage::PageLength(60)
        );
    }

    /// Found by fuzzing.
    #[test]
    fn rows_that_the_relation_has_no_room_for_are_damage() {
        let wide = [
            FundingRow::new(1 << 79, Txo(2), 5),
            FundingRow::new(1 << 79, Txo(3), 6),
        ];
        let pages = pages_of(&wide, 4);
        assert!(read_back::<FundingRow>(&pages).is_ok());
        let as_spending = read_back::<SpendingRow>(&pages);
        assert_eq!(as_spending.unwrap_err(), Damage::PageRows);
        let long = [FundingRow::new(0, Txo(1), 1 << 40)];
        let as_spending = read_back::<SpendingRow>(&pages_of(&long, 4));
        assert_eq!(as_spending.unwrap_err(), Damage::PageRows);
    }

    #[test]
    fn the_bytes_of_a_page_stay_what_they_are() {
        let rows = [
            FundingRow::new(1, Txo(2), 5),
            FundingRow::new(1, Txo(4), 0x0102),
        ];
        let (_, page) = pages_of(&rows, 4).remove(0);
        let golden = "60bd9352e6d0ee61070000000000000002000000000100000000000000000000ffffffffffffffffffffffffffffffff020004001005210102010000";
        let hex: String = page[..60]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, golden);
    }
}
