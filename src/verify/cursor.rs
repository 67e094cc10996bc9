//! Reading forward through bytes that may be damaged, and the numbers Bitcoin Core writes there.
//!
//! Invariant: no read goes past the end, and no number read sizes anything before it met a limit.

use crate::primitives::compact_size::{self, NotShortest};
use crate::verify::{CodedFault, Fault};
use crate::{Error, Result};

/// Most bytes Core's VARINT takes for 64 bits.
pub const VARINT_BYTES_MAX: usize = 10;

/// Reads forward through a slice; knows where the slice begins in its file, for errors.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    origin_bytes: u64,
}

impl<'a> Cursor<'a> {
    /// Starts at the first of `bytes`, which is byte `origin_bytes` of its file.
    pub fn new(bytes: &'a [u8], origin_bytes: u64) -> Cursor<'a> {
        Cursor {
            bytes,
            at: 0,
            origin_bytes,
        }
    }

    /// Where the next byte is in the file.
    pub fn offset_bytes(&self) -> u64 {
        self.origin_bytes + self.at as u64
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `count` bytes.
    pub fn take(&mut self, what: &'static str, count: usize) -> Result<&'a [u8]> {
        let left = &self.bytes[self.at..];
        let Some((taken, _)) = left.split_at_checked(count) else {
            let fault = CodedFault::CutShort {
                needed: count as u64,
                left: left.len() as u64,
            };
            return Err(self.fault(what, self.offset_bytes(), fault));
        };
        self.at += count;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N]> {
        let taken = self.take(what, N)?;
        Ok(taken.try_into().expect("N bytes were taken above"))
    }

    /// Core's VARINT (`serialize.h`, `ReadVarInt`), at most `limit`.
    pub fn varint(&mut self, what: &'static str, limit: u64) -> Result<u64> {
        let start = self.offset_bytes();
        let over = |found| {
            Error::from(Fault::Coded {
                what,
                offset_bytes: start,
                fault: CodedFault::Over { found, limit },
            })
        };
        let mut number = 0_u64;
        loop {
            let [byte] = self.array(what)?;
            if number > limit >> 7 {
                return Err(over(number));
            }
            number = number << 7 | u64::from(byte & 0x7f);
            if number > limit {
                return Err(over(number));
            }
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            if number == limit {
                return Err(over(number));
            }
            number += 1;
        }
    }

    /// A compact size (`serialize.h`, `ReadCompactSize`), at most `limit` and as short as can be.
    pub fn compact_size(&mut self, what: &'static str, limit: u64) -> Result<u64> {
        let start = self.offset_bytes();
        let [first] = self.array(what)?;
        let behind = self.take(what, compact_size::bytes_behind(first))?;
        let fault = match compact_size::decode(first, behind) {
            Ok(number) if number <= limit => return Ok(number),
            Ok(found) => CodedFault::Over { found, limit },
            Err(NotShortest(found)) => CodedFault::NotMinimal { found },
        };
        Err(self.fault(what, start, fault))
    }

    /// An error about the piece at `offset_bytes` of the file.
    pub fn fault(&self, what: &'static str, offset_bytes: u64, fault: CodedFault) -> Error {
        Fault::Coded {
            what,
            offset_bytes,
            fault,
        }
        .into()
    }
}

/// Writes Core's VARINT (`serialize.h`, `WriteVarInt`): seven bits a byte, the high ones first,
/// and one less in each but the last, so that every number has one form.
pub fn write_varint(out: &mut Vec<u8>, number: u64) {
    let mut bytes = [0; VARINT_BYTES_MAX];
    let mut first = VARINT_BYTES_MAX - 1;
    let mut left = number;
    bytes[first] = (left & 0x7f) as u8;
    while left > 0x7f {
        left = (left >> 7) - 1;
        first -= 1;
        bytes[first] = (left & 0x7f) as u8 | 0x80;
    }
    out.extend_from_slice(&bytes[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(number: u64) -> Vec<u8> {
        let mut out = Vec::new();
        write_varint(&mut out, number);
        out
    }

    #[test]
    fn varints_have_the_bytes_of_cores_comment() {
        for (number, bytes) in [
            (0, "00"),
            (1, "01"),
            (127, "7f"),
            (128, "8000"),
            (255, "807f"),
            (256, "8100"),
            (16383, "fe7f"),
            (16384, "ff00"),
            (16511, "ff7f"),
            (16512, "808000"),
            (65535, "82fe7f"),
            (1 << 32, "8efefeff00"),
        ] {
            assert_eq!(written(number), hex(bytes), "{number}");
        }
        assert_eq!(written(u64::MAX).len(), VARINT_BYTES_MAX);
    }

    fn hex(text: &str) -> Vec<u8> {
        bitcoin::hex::FromHex::from_hex(text).expect("written above")
    }

    #[test]
    fn a_varint_one_over_the_limit_is_refused() {
        for limit in [0, 127, 128, 20_000, u64::from(u32::MAX), u64::MAX - 1] {
            let fits = written(limit);
            assert_eq!(Cursor::new(&fits, 0).varint("n", limit).ok(), Some(limit));
            assert!(
                Cursor::new(&written(limit + 1), 0)
                    .varint("n", limit)
                    .is_err()
            );
        }
        let mut endless = Cursor::new(&[0xff; 64], 0);
        assert!(endless.varint("n", u64::MAX).is_err());
    }

    #[test]
    fn a_compact_size_longer_than_needed_is_refused() {
        assert!(
            Cursor::new(&[0xfd, 0xfc, 0], 0)
                .compact_size("n", 300)
                .is_err()
        );
        assert_eq!(
            Cursor::new(&[0xfd, 0xfd, 0], 0).compact_size("n", 300).ok(),
            Some(0xfd)
        );
        assert!(
            Cursor::new(&[0xfd, 0xfd, 0], 0)
                .compact_size("n", 0xfc)
                .is_err()
        );
        assert!(
            Cursor::new(&[0xfe, 0xfd, 0, 0], 0)
                .compact_size("n", 300)
                .is_err()
        );
    }

    #[test]
    fn an_error_names_the_byte_of_the_file() {
        let mut cursor = Cursor::new(&[1, 2], 100);
        cursor.take("first", 1).expect("two bytes");
        let error = cursor.take("second", 2).expect_err("one byte is left");
        assert_eq!(
            error.to_string(),
            "second at byte 101: cut short: 2 bytes needed, 1 left"
        );
    }

    proptest! {
        #[test]
        fn a_varint_reads_back(number: u64, rest: [u8; 3]) {
            let mut bytes = written(number);
            bytes.extend(rest);
            let mut cursor = Cursor::new(&bytes, 0);
            prop_assert_eq!(cursor.varint("n", u64::MAX).ok(), Some(number));
            prop_assert_eq!(cursor.left(), rest.len());
        }

        #[test]
        fn a_varint_cut_short_is_refused(number: u64) {
            let bytes = written(number);
            prop_assert!(Cursor::new(&bytes[..bytes.len() - 1], 0).varint("n", u64::MAX).is_err());
        }
    }
}
