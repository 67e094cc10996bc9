//! Sorting rows in place: two passes of buckets by the leading key bits that differ, then each bucket.
//!
//! Invariant: takes no memory but the rows and two small arrays on the stack.
//!
//! A pass walks all buckets in turn and swaps each row to where its bucket goes on, so that many
//! swaps are under way at once; following one row from place to place took twice as long (measured:
//! 16 M rows of 24 bytes, 76 ns a row against 170, and 173 of the standard library, on a busy machine).

use super::row::Row;
use std::convert::Infallible;

/// 256 buckets: as many streams as the processor's translation buffers follow.
const BUCKET_BITS_MAX: u32 = 8;
const BUCKETS_MAX: usize = 1 << BUCKET_BITS_MAX;

/// Rows a bucket should be left with.
const BUCKET_ROWS: usize = 32;

/// Where each bucket begins; one more for the end of the last.
type Starts = [usize; BUCKETS_MAX + 1];

/// Sorts by key.
pub fn sort_rows<R: Row>(rows: &mut [R]) {
    let sorted = sort_by_parts(rows, |_| Ok::<(), Infallible>(()));
    sorted.expect("nothing can go wrong");
}

/// Sorts by key, and hands out one part after the other, as soon as it is in order and while it is
/// still in the processor's cache.
///
/// # Errors
/// What `each` returns; the rest is then not in order.
pub fn sort_by_parts<R: Row, E>(
    rows: &mut [R],
    mut each: impl FnMut(&[R]) -> Result<(), E>,
) -> Result<(), E> {
    let mut starts: Starts = [0; BUCKETS_MAX + 1];
    let buckets = scatter(rows, &mut starts);
    for bucket in 0..buckets {
        let rows = &mut rows[starts[bucket]..starts[bucket + 1]];
        let mut starts: Starts = [0; BUCKETS_MAX + 1];
        let buckets = scatter(rows, &mut starts);
        for bucket in 0..buckets {
            let rows = &mut rows[starts[bucket]..starts[bucket + 1]];
            rows.sort_unstable_by_key(|row| row.key());
        }
        each(rows)?;
    }
    Ok(())
}

/// Moves the rows into buckets, which follow each other in order. Returns how many there are.
fn scatter<R: Row>(rows: &mut [R], starts: &mut Starts) -> usize {
    let (low, shift, bits) = bits_that_differ(rows);
    let buckets = 1 << bits;
    if buckets == 1 {
        starts[1] = rows.len();
        return 1;
    }
    let bucket_of = |row: &R| ((row.key() - low) >> shift) as usize;
    for row in rows.iter() {
        starts[bucket_of(row) + 1] += 1;
    }
    for bucket in 0..buckets {
        starts[bucket + 1] += starts[bucket];
    }
    let mut next = [0; BUCKETS_MAX];
    next[..buckets].copy_from_slice(&starts[..buckets]);
    let mut is_done = false;
    while !is_done {
        is_done = true;
        for bucket in 0..buckets {
            for at in next[bucket]..starts[bucket + 1] {
                let home = bucket_of(&rows[at]);
                rows.swap(at, next[home]);
                next[home] += 1;
            }
            is_done &= next[bucket] == starts[bucket + 1];
        }
    }
    buckets
}

/// The smallest key, how far to shift a key less that one, and how many bits are left then.
fn bits_that_differ<R: Row>(rows: &[R]) -> (u128, u32, u32) {
    if rows.len() < 4 * BUCKET_ROWS {
        return (0, 0, 0);
    }
    let (mut low, mut high) = (u128::MAX, 0);
    for row in rows {
        low = low.min(row.key());
        high = high.max(row.key());
    }
    let span_bits = u128::BITS - (high - low).leading_zeros();
    let bits = (rows.len() / BUCKET_ROWS)
        .ilog2()
        .min(BUCKET_BITS_MAX)
        .min(span_bits);
    (low, span_bits - bits, bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Txo;
    use crate::runs::row::{CoinRow, FundingRow};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn it_sorts_as_the_standard_library_does(
            seed in any::<u64>(), count in 0usize..30_000, span_bits in 1u32..88,
        ) {
            let mut state = u128::from(seed) | 1;
            let mut rows: Vec<CoinRow> = (0..count)
                .map(|at| {
                    state = state.wrapping_mul(0xDA94_2042_E4DD_58B5_9E37_79B9_7F4A_7C15).wrapping_add(1);
                    CoinRow::put((state >> 40) & ((1 << span_bits) - 1), Txo(at as u64 + 1))
                })
                .collect();
            let mut model = rows.clone();
            model.sort();
            sort_rows(&mut rows);
            prop_assert_eq!(rows, model);
        }
    }

    #[test]
    fn a_bucket_with_nearly_every_row_is_sorted_too() {
        let mut rows: Vec<FundingRow> = (0..20_000u64)
            .map(|at| FundingRow::new(if at == 0 { 1 << 79 } else { 5 }, Txo(20_000 - at), at))
            .collect();
        sort_rows(&mut rows);
        assert!(rows.windows(2).all(|pair| pair[0].key() < pair[1].key()));
    }
}
