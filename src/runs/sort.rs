//! Sorting rows in place: one pass of buckets by the leading key bits that differ, then each bucket.
//!
//! Invariant: takes no memory but the rows and a fixed array of bucket ends on the stack.

use super::row::Row;

const BUCKET_BITS_MAX: u32 = 11;

/// Rows a bucket should hold, so that it is sorted inside the second-level cache.
const BUCKET_ROWS: usize = 512;

/// Sorts by key.
pub fn sort_rows<R: Row>(rows: &mut [R]) {
    let Some(shift_and_bits) = buckets_for(rows) else {
        rows.sort_unstable_by_key(|row| row.key());
        return;
    };
    let (low, shift, bits) = shift_and_bits;
    let bucket_of = |row: &R| ((row.key() - low) >> shift) as usize;
    let mut ends = [0usize; (1 << BUCKET_BITS_MAX) + 1];
    for row in rows.iter() {
        ends[bucket_of(row) + 1] += 1;
    }
    for bucket in 0..1 << bits {
        ends[bucket + 1] += ends[bucket];
    }
    permute(rows, &ends[..=1 << bits], bucket_of);
    for bucket in 0..1 << bits {
        rows[ends[bucket]..ends[bucket + 1]].sort_unstable_by_key(|row| row.key());
    }
}

/// The smallest key, how far to shift a key less that one, and how many bits are left then.
fn buckets_for<R: Row>(rows: &[R]) -> Option<(u128, u32, u32)> {
    if rows.len() < 4 * BUCKET_ROWS {
        return None;
    }
    let (mut low, mut high) = (u128::MAX, 0);
    for row in rows {
        low = low.min(row.key());
        high = high.max(row.key());
    }
    let span_bits = u128::BITS - (high - low).leading_zeros();
    let bits = (rows.len() / BUCKET_ROWS)
        .ilog2()
        .clamp(1, BUCKET_BITS_MAX)
        .min(span_bits);
    (span_bits > 0).then_some((low, span_bits - bits, bits))
}

/// Moves every row into its bucket, cycle by cycle (American flag sort). `starts[b]..starts[b + 1]`
/// is bucket `b`.
fn permute<R: Row>(rows: &mut [R], starts: &[usize], bucket_of: impl Fn(&R) -> usize) {
    let mut next = [0usize; 1 << BUCKET_BITS_MAX];
    let buckets = starts.len() - 1;
    next[..buckets].copy_from_slice(&starts[..buckets]);
    for bucket in 0..buckets {
        while next[bucket] < starts[bucket + 1] {
            let mut row = rows[next[bucket]];
            loop {
                let home = bucket_of(&row);
                if home == bucket {
                    break;
                }
                std::mem::swap(&mut row, &mut rows[next[home]]);
                next[home] += 1;
            }
            rows[next[bucket]] = row;
            next[bucket] += 1;
        }
    }
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
