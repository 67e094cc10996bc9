//! Sorting rows: in place into parts that the processor's cache holds, then each part through a small
//! area into its final order.
//!
//! Invariant: parts come in order, and each is handed out once. What is still to be done is a list of
//! ends, which never has more than [`ENDS_MAX`] of them.
//!
//! Memory: [`RowSorter::BYTES`], lent; nothing on the heap, and no large frame on the stack.
//!
//! A pass in place walks all buckets in turn and swaps each row to where its bucket goes on, so that
//! many swaps are under way at once; following one row from place to place took twice as long. A part
//! is then laid out in about as many buckets as it has rows, which leaves neighbours to be swapped here
//! and there. (Measured, 1 M to 1.5 M rows of 24 bytes: 16 ns a row; with two passes in place and the
//! standard library for the rest, 25.)

use super::row::{CoinRow, FundingRow, Row, SpendingRow, TxidRow};
use crate::memory::part::Part;
use crate::memory::region::Region;
use std::convert::Infallible;

/// 256 buckets in place: as many streams as the processor's translation buffers follow.
const BUCKET_BITS_MAX: u32 = 8;
const BUCKETS_MAX: usize = 1 << BUCKET_BITS_MAX;

/// Rows of a part at most: with the area it goes through, a part stays in the second-level cache.
pub const PART_ROWS_MAX: usize = 8192;

/// Buckets of a part at most, and rows of one bucket that are still put in order by insertion.
const FINE_BITS_MAX: u32 = 13;
const FINE_BUCKETS_MAX: usize = 1 << FINE_BITS_MAX;
const INSERTION_ROWS_MAX: u16 = 16;
const _: () = assert!(PART_ROWS_MAX <= FINE_BUCKETS_MAX && PART_ROWS_MAX <= u16::MAX as usize);

/// Buckets whose rows wait. A pass puts 256 in the place of one, and the keys in a bucket differ in 8
/// bits less; a pass that makes fewer buckets makes no more for each bit.
const ENDS_MAX: usize = 4096;
const _: () = assert!(128 / BUCKET_BITS_MAX as usize * (BUCKETS_MAX - 1) < ENDS_MAX);

/// Sorts rows by key. See the module documentation.
pub struct RowSorter<'m, R> {
    /// A part in order.
    area: &'m mut [R],
    /// Of each bucket of a part, how many rows it has; then where it goes on.
    fine: &'m mut [u16],
    /// The same, of each bucket of a pass in place.
    next: &'m mut [u32; BUCKETS_MAX],
    /// Where the buckets end that are still to be done, the nearest last.
    ends: &'m mut [u32],
}

/// Memory to sort rows of any relation in.
pub struct SortArea(Region<u8>);

impl SortArea {
    /// Bytes of memory it takes.
    pub const BYTES: usize = RowSorter::<FundingRow>::BYTES;

    /// The area.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new() -> crate::Result<SortArea> {
        Ok(SortArea(Region::new(Part::Pages, SortArea::BYTES)?))
    }

    /// A sorter in it.
    pub fn sorter<R: Row>(&mut self) -> RowSorter<'_, R> {
        self.0.note_used(RowSorter::<R>::BYTES);
        RowSorter::new(&mut self.0)
    }
}

const _: () = assert!(RowSorter::<CoinRow>::BYTES <= SortArea::BYTES);
const _: () = assert!(RowSorter::<SpendingRow>::BYTES <= SortArea::BYTES);
const _: () = assert!(RowSorter::<TxidRow>::BYTES <= SortArea::BYTES);

impl<'m, R: Row> RowSorter<'m, R> {
    const AREA_BYTES: usize = PART_ROWS_MAX * size_of::<R>();
    const FINE_BYTES: usize = FINE_BUCKETS_MAX * size_of::<u16>();
    const NEXT_BYTES: usize = BUCKETS_MAX * size_of::<u32>();

    /// Bytes of the memory that it needs.
    pub const BYTES: usize =
        Self::AREA_BYTES + Self::FINE_BYTES + Self::NEXT_BYTES + ENDS_MAX * size_of::<u32>();

    /// A sorter in the first [`RowSorter::BYTES`] of `memory`, which is aligned as rows are. The area comes
    /// first.
    pub fn new(memory: &'m mut [u8]) -> RowSorter<'m, R> {
        let (area, rest) = memory[..Self::BYTES].split_at_mut(Self::AREA_BYTES);
        let (fine, rest) = rest.split_at_mut(Self::FINE_BYTES);
        let (next, ends) = rest.split_at_mut(Self::NEXT_BYTES);
        RowSorter {
            area: bytemuck::cast_slice_mut(area),
            fine: bytemuck::cast_slice_mut(fine),
            next: bytemuck::from_bytes_mut(next),
            ends: bytemuck::cast_slice_mut(ends),
        }
    }

    /// Sorts by key.
    pub fn sort(&mut self, rows: &mut [R]) {
        let sorted = self.sort_parts(rows, |part, sorted| {
            part.copy_from_slice(sorted);
            Ok::<(), Infallible>(())
        });
        sorted.expect("nothing can go wrong");
    }

    /// Sorts by key, and hands out one part after the other, as soon as it is in order and while it is
    /// still in the processor's cache. The rows are left in no order.
    ///
    /// # Errors
    /// What `each` returns.
    pub fn sort_by_parts<E>(
        &mut self,
        rows: &mut [R],
        mut each: impl FnMut(&[R]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.sort_parts(rows, |_, sorted| each(sorted))
    }

    /// Sorts part by part into the area, and gives `each` the part and what it becomes.
    fn sort_parts<E>(
        &mut self,
        rows: &mut [R],
        mut each: impl FnMut(&mut [R], &[R]) -> Result<(), E>,
    ) -> Result<(), E> {
        assert!(rows.len() <= u32::MAX as usize, "an end has 32 bits");
        self.ends[0] = rows.len() as u32;
        let (mut start, mut waiting) = (0, 1);
        while waiting > 0 {
            let end = self.ends[waiting - 1] as usize;
            let bucket = &mut rows[start..end];
            let buckets = match bucket.len() > PART_ROWS_MAX {
                true => self.scatter(bucket, start, waiting - 1),
                false => 1,
            };
            if buckets > 1 {
                waiting += buckets - 1;
                continue;
            }
            // Few, or all with the same key.
            for part in bucket.chunks_mut(PART_ROWS_MAX) {
                let sorted = self.sort_part(part);
                each(part, sorted)?;
            }
            (start, waiting) = (end, waiting - 1);
        }
        Ok(())
    }

    /// Moves the rows, of which so many others come before, into buckets that follow each other in order.
    /// Notes where they end, from `ends[at]` on, the last first. Returns how many there are: one if all
    /// rows have the same key; else the first and the last are not empty.
    fn scatter(&mut self, rows: &mut [R], before: usize, at: usize) -> usize {
        let wanted = 2 * rows.len() / PART_ROWS_MAX;
        let (low, shift, bits) = buckets_of(rows, wanted, BUCKET_BITS_MAX);
        let bucket_of = |row: &R| usize::from(((row.key() - low) >> shift) as u8);
        let buckets = 1 << bits;
        let next = &mut *self.next;
        next[..buckets].fill(0);
        for row in rows.iter() {
            next[bucket_of(row)] += 1;
        }
        let ends = &mut self.ends[at..at + buckets];
        let mut start = 0;
        for (next, end) in next.iter_mut().zip(ends.iter_mut().rev()) {
            let count = std::mem::replace(next, start);
            start += count;
            *end = start;
        }
        let mut is_done = false;
        while !is_done {
            is_done = true;
            for (bucket, end) in ends.iter().rev().enumerate() {
                for at in next[bucket]..*end {
                    let home = &mut next[bucket_of(&rows[at as usize])];
                    rows.swap(at as usize, *home as usize);
                    *home += 1;
                }
                is_done &= next[bucket] == *end;
            }
        }
        for end in ends {
            *end += before as u32;
        }
        buckets
    }

    /// The rows, at most [`PART_ROWS_MAX`], in order, in the area.
    pub fn sort_part(&mut self, rows: &[R]) -> &mut [R] {
        let sorted = &mut self.area[..rows.len()];
        let (low, shift, bits) = buckets_of(rows, rows.len(), FINE_BITS_MAX);
        let bucket_of = |row: &R| ((row.key() - low) >> shift) as usize;
        // Counts; then where each bucket goes on.
        let next = &mut self.fine[..1 << bits];
        next.fill(0);
        for row in rows {
            next[bucket_of(row)] += 1;
        }
        let (mut start, mut most) = (0, 0);
        for next in next.iter_mut() {
            let count = std::mem::replace(next, start);
            start += count;
            most = most.max(count);
        }
        for row in rows {
            let next = &mut next[bucket_of(row)];
            sorted[usize::from(*next)] = *row;
            *next += 1;
        }
        if most > INSERTION_ROWS_MAX {
            let mut start = 0;
            for &mut end in next {
                if end - start > INSERTION_ROWS_MAX {
                    sorted[usize::from(start)..usize::from(end)]
                        .sort_unstable_by_key(|row| row.key());
                }
                start = end;
            }
        }
        insert_each(sorted);
        sorted
    }
}

/// Puts rows in order that hardly are out of it.
fn insert_each<R: Row>(rows: &mut [R]) {
    for at in 1..rows.len() {
        let row = rows[at];
        let mut to = at;
        while to > 0 && rows[to - 1].key() > row.key() {
            rows[to] = rows[to - 1];
            to -= 1;
        }
        if to < at {
            rows[to] = row;
        }
    }
}

/// For at least `wanted` buckets, if the keys differ enough and no more than the largest number is
/// needed: the smallest key, how far to shift a key less that one, and how many bits are left then.
fn buckets_of<R: Row>(rows: &[R], wanted: usize, bits_max: u32) -> (u128, u32, u32) {
    let (mut low, mut high) = (u128::MAX, 0);
    for row in rows {
        low = low.min(row.key());
        high = high.max(row.key());
    }
    let span_bits = u128::BITS - high.saturating_sub(low).leading_zeros();
    let bits = wanted.max(1).next_power_of_two().ilog2();
    let bits = bits.min(bits_max).min(span_bits);
    (low, span_bits - bits, bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sorts in both ways, in an area that other rows were sorted in before.
    fn check(area: &mut SortArea, rows: &[CoinRow]) {
        let mut expected = rows.to_vec();
        expected.sort();
        let mut sorter = area.sorter();
        let mut sorted = rows.to_vec();
        sorter.sort(&mut sorted);
        assert!(sorted == expected, "{} rows", rows.len());
        let mut parts = Vec::new();
        let done = sorter.sort_by_parts(&mut rows.to_vec(), |part| {
            assert!((1..=PART_ROWS_MAX).contains(&part.len()));
            parts.extend_from_slice(part);
            Ok::<(), Infallible>(())
        });
        done.unwrap();
        assert!(parts == expected, "{} rows by parts", rows.len());
    }

    /// A key for each number: spread, one and the same, rising, falling, one of a few, nearly all the same,
    /// and each bit as often the highest.
    const KEYS: [fn(u128) -> u128; 7] = [
        spread,
        |_| 5 << 40,
        |at| at + 1,
        |at| (1 << 100) - at,
        |at| spread(at % 3),
        |at| if at == 7 { u128::MAX - 1 } else { 9 },
        |at| spread(at) >> (at * 31 % 120) | 1,
    ];

    fn spread(at: u128) -> u128 {
        (at + 1).wrapping_mul(0xDA94_2042_E4DD_58B5_9E37_79B9_7F4A_7C15) >> 1
    }

    #[test]
    fn rows_are_sorted_whatever_their_keys_and_however_many_they_are() {
        let mut area = SortArea::new().unwrap();
        let around = |count: usize| [count - 1, count, count + 1];
        let few = [0, 1, 2, 3, 17, 300];
        let parts = [1, 2, 3].map(|parts| around(parts * PART_ROWS_MAX));
        // From here on, there are as many buckets as there can be.
        let many = around(BUCKETS_MAX / 2 * PART_ROWS_MAX);
        for key in KEYS {
            for count in few.iter().chain(parts.as_flattened()) {
                let rows: Vec<_> = (0..*count as u128).map(|at| CoinRow(key(at))).collect();
                check(&mut area, &rows);
            }
        }
        for key in [KEYS[0], KEYS[6]] {
            for count in many {
                let rows: Vec<_> = (0..count as u128).map(|at| CoinRow(key(at))).collect();
                check(&mut area, &rows);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn it_sorts_as_the_standard_library_does(
            seed in any::<u64>(), count in 0usize..60_000, span_bits in 1u32..128,
        ) {
            let from = u128::from(seed);
            let rows: Vec<_> = (from..from + count as u128)
                .map(|at| CoinRow(spread(at) & ((1 << span_bits) - 1)))
                .collect();
            check(&mut SortArea::new().unwrap(), &rows);
        }
    }

    #[test]
    fn values_stay_with_their_keys() {
        let mut rows: Vec<FundingRow> = (0..20_000u128)
            .map(|at| FundingRow::from_parts(spread(at) >> 8, at as u64))
            .collect();
        let mut expected = rows.clone();
        expected.sort_by_key(|row| row.key());
        let mut area = SortArea::new().unwrap();
        area.sorter().sort(&mut rows);
        assert!(rows == expected);
    }

    #[test]
    fn what_a_part_is_handed_to_may_fail() {
        let mut rows: Vec<_> = (0..30_000).map(|at| CoinRow(spread(at))).collect();
        let mut area = SortArea::new().unwrap();
        let mut sorter = area.sorter();
        let mut parts = 0;
        let failed = sorter.sort_by_parts(&mut rows, |_| {
            parts += 1;
            if parts == 3 { Err("full") } else { Ok(()) }
        });
        assert_eq!((failed, parts), (Err("full"), 3));
    }
}
