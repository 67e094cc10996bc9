//! Checksums of rows that lie in redb's tables one by one, and not in pages of our own: redb does not
//! verify its checksums on reading.
//!
//! Invariant: a row that opens holds what was written under that number. Behind the row stand 8
//! bytes: its XXH3-64 seeded with its number, little-endian.

use byteorder::{ByteOrder, LittleEndian};
use twox_hash::XxHash3_64;

/// Bytes that a seal adds.
pub const SEAL_BYTES: usize = 8;

/// The row with its seal.
pub fn seal(number: u64, row: &[u8]) -> Vec<u8> {
    let sum = XxHash3_64::oneshot_with_seed(number, row);
    [row, &sum.to_le_bytes()].concat()
}

/// Seals a row in place: its last bytes are for the seal.
pub fn seal_in_place(number: u64, sealed: &mut [u8]) {
    let (row, sum) = sealed.split_at_mut(sealed.len() - SEAL_BYTES);
    LittleEndian::write_u64(sum, XxHash3_64::oneshot_with_seed(number, row));
}

/// The row without its seal; `None` if it is not what was sealed.
pub fn open(number: u64, sealed: &[u8]) -> Option<&[u8]> {
    let (row, sum) = sealed.split_at_checked(sealed.len().checked_sub(SEAL_BYTES)?)?;
    let is_right = XxHash3_64::oneshot_with_seed(number, row) == LittleEndian::read_u64(sum);
    is_right.then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_under_the_same_number_open() {
        let sealed = seal(7, b"row");
        let mut in_place = *b"row.to seal";
        seal_in_place(7, &mut in_place);
        assert_eq!(sealed, in_place);
        assert_eq!(open(7, &sealed), Some(&b"row"[..]));
        assert_eq!(open(8, &sealed), None);
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert_eq!(open(7, &other), None);
            assert_eq!(open(7, &sealed[..at]), None);
        }
    }
}
