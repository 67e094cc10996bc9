//! Bits of a page, the highest of a byte first.
//!
//! Invariant: what a [`Pen`] writes at a place is taken from it again, and what stands before it stays.

/// Bytes that are read or written at once, from the byte that a place is in: so many have to be behind it.
pub const SPARE_BYTES: usize = 8;

/// The most bits that are written or taken at once, wherever in a byte they begin.
pub const AT_ONCE_MAX: u32 = u64::BITS - 8;

/// The bits from `at` on, the first as the highest; [`AT_ONCE_MAX`] of them are right. `None` where not
/// enough bytes are left.
#[inline(always)]
pub fn load(page: &[u8], at: usize) -> Option<u64> {
    let bytes = page.get(at / 8..)?.first_chunk::<SPARE_BYTES>()?;
    Some(u64::from_be_bytes(*bytes) << (at % 8))
}

/// The first `count` bits of what was loaded, as a number; fewer than 64.
#[inline(always)]
pub fn first_of(loaded: u64, count: u32) -> u64 {
    loaded >> 1 >> (u64::BITS - 1 - count)
}

/// The low `count` bits of a number; fewer than 64.
#[inline(always)]
pub fn last_of(number: u64, count: u32) -> u64 {
    number & ((1 << count) - 1)
}

/// The `count` bits from `at` on, as a number; 128 at most. `None` where not enough bytes are left.
pub fn take_long(page: &[u8], at: usize, count: u32) -> Option<u128> {
    let (mut number, mut left, mut at) = (0, count, at);
    while left > 0 {
        let piece = left.min(AT_ONCE_MAX);
        number = number << piece | u128::from(first_of(load(page, at)?, piece));
        at += piece as usize;
        left -= piece;
    }
    Some(number)
}

/// A place to write at. The page is given with each call.
#[derive(Clone, Copy, Default)]
pub struct Pen {
    /// The byte it stands in.
    byte: usize,
    /// What is written of this byte, as the highest bits.
    word: u64,
    /// How many bits those are.
    begun: u32,
}

impl Pen {
    /// At the beginning of a byte.
    pub fn at_byte(byte: usize) -> Pen {
        Pen {
            byte,
            ..Pen::default()
        }
    }

    /// Where it stands, in bits.
    #[inline(always)]
    pub fn position(&self) -> usize {
        self.byte * 8 + self.begun as usize
    }

    /// Writes `number`, which has `count` bits, [`AT_ONCE_MAX`] at most; some bits behind it become zero.
    #[inline(always)]
    pub fn put(&mut self, page: &mut [u8], number: u64, count: u32) {
        debug_assert!(count <= AT_ONCE_MAX && number >> count == 0);
        self.word |= number << 1 << (u64::BITS - 1 - count) >> self.begun;
        let bytes = page[self.byte..].first_chunk_mut::<SPARE_BYTES>();
        *bytes.expect("the writer keeps so many bytes free") = self.word.to_be_bytes();
        let end = self.begun + count;
        self.byte += (end / 8) as usize;
        self.word <<= end / 8 * 8;
        self.begun = end % 8;
    }

    /// The same of the low `count` bits of any number.
    pub fn put_long(&mut self, page: &mut [u8], number: u128, count: u32) {
        let mut left = count;
        while left > 0 {
            let piece = left.min(AT_ONCE_MAX);
            left -= piece;
            self.put(page, last_of((number >> left) as u64, piece), piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken_again(
            numbers in prop::collection::vec((any::<u128>(), 0u32..=128), 1..40),
        ) {
            let mut page = vec![0xAB; 40 * 16 + SPARE_BYTES];
            let mask = |count: u32| u128::MAX.checked_shr(128 - count).unwrap_or(0);
            let mut pen = Pen::at_byte(0);
            let mut places = Vec::new();
            for (number, count) in &numbers {
                places.push(pen.position());
                match *count {
                    ..=AT_ONCE_MAX => pen.put(&mut page, (number & mask(*count)) as u64, *count),
                    _ => pen.put_long(&mut page, *number, *count),
                }
            }
            for ((number, count), at) in numbers.iter().zip(places) {
                prop_assert_eq!(take_long(&page, at, *count), Some(number & mask(*count)));
                if *count <= AT_ONCE_MAX {
                    let taken = first_of(load(&page, at).expect("there is enough behind it"), *count);
                    prop_assert_eq!(taken, last_of(*number as u64, *count));
                }
            }
        }
    }

    #[test]
    fn nothing_is_taken_from_behind_the_end() {
        let page = [0xFF; SPARE_BYTES + 1];
        assert_eq!(load(&page, 15), Some(u64::MAX << 7));
        assert_eq!(load(&page, 16), None);
        assert_eq!(take_long(&page, 8, 128), None);
        assert_eq!(take_long(&page, usize::MAX, 1), None);
    }
}
