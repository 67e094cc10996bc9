//! Compact sizes: the counts and lengths that stand before what they count (Bitcoin Core, `serialize.h`:
//! `ReadCompactSize`, `WriteCompactSize`).
//!
//! Invariant: a number has one form, the shortest.
//!
//! | first byte | the number |
//! | --- | --- |
//! | below 0xfd | this byte |
//! | 0xfd | the next 2 bytes, little-endian |
//! | 0xfe | the next 4 |
//! | 0xff | the next 8 |

use byteorder::{ByteOrder, LittleEndian};

/// The smallest first byte that others follow, and the smallest number that takes them.
pub const LONG_MIN: u8 = 0xfd;

/// Most bytes of one.
pub const BYTES_MAX: usize = 9;

/// A number in a form that is longer than it has to be ("non-canonical ReadCompactSize()").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotShortest(pub u64);

/// How many bytes follow this first one.
pub fn bytes_behind(first: u8) -> usize {
    match first {
        0xfd => 2,
        0xfe => 4,
        0xff => 8,
        _ => 0,
    }
}

/// The number that begins with the byte `first`; `behind` are the [`bytes_behind`] it.
///
/// # Errors
/// [`NotShortest`].
pub fn decode(first: u8, behind: &[u8]) -> Result<u64, NotShortest> {
    let (number, least) = match first {
        0xfd => (u64::from(LittleEndian::read_u16(behind)), 0xfd),
        0xfe => (u64::from(LittleEndian::read_u32(behind)), 0x1_0000),
        0xff => (LittleEndian::read_u64(behind), 0x1_0000_0000),
        short => (u64::from(short), 0),
    };
    match number < least {
        true => Err(NotShortest(number)),
        false => Ok(number),
    }
}

/// The number at the start of these bytes, if they hold a whole one.
pub fn first_of(bytes: &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    let behind = rest.get(..bytes_behind(*first))?;
    decode(*first, behind).ok()
}

/// How many bytes a number takes.
pub fn bytes_of(number: u64) -> usize {
    match number {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => BYTES_MAX,
    }
}

/// Writes a length, which is below 2^32, and returns how many bytes that took, at most five.
pub fn write(out: &mut [u8], length: usize) -> usize {
    match length {
        0..=0xfc => out[0] = length as u8,
        0xfd..=0xffff => {
            out[0] = 0xfd;
            LittleEndian::write_u16(&mut out[1..], length as u16);
        }
        _ => {
            assert!(length <= u32::MAX as usize);
            out[0] = 0xfe;
            LittleEndian::write_u32(&mut out[1..], length as u32);
        }
    }
    bytes_of(length as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [u64; 8] = [0, 1, 0xfc, 0xfd, 0xfe, 0xffff, 0x1_0000, 0xffff_ffff];

    fn theirs(number: u64) -> Vec<u8> {
        bitcoin::consensus::serialize(&bitcoin::VarInt(number))
    }

    #[test]
    fn a_compact_size_equals_the_bitcoin_crates() {
        for number in NUMBERS {
            let mut out = [0; 5];
            let bytes = write(&mut out, number as usize);
            assert_eq!(out[..bytes], theirs(number));
        }
        for number in NUMBERS.into_iter().chain([1 << 32, u64::MAX]) {
            let bytes = theirs(number);
            assert_eq!(bytes_of(number), bytes.len());
            assert_eq!(first_of(&bytes), Some(number));
            assert_eq!(first_of(&bytes[..bytes.len() - 1]), None);
            assert_eq!(bytes_behind(bytes[0]), bytes.len() - 1);
        }
    }

    #[test]
    fn a_number_in_a_longer_form_than_it_needs_is_none() {
        for (number, bytes) in [
            (0xfc, &[0xfd, 0xfc, 0][..]),
            (0xffff, &[0xfe, 0xff, 0xff, 0, 0]),
            (1, &[0xff, 1, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(decode(bytes[0], &bytes[1..]), Err(NotShortest(number)));
            assert_eq!(first_of(bytes), None);
        }
    }
}
