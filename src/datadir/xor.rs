//! The obfuscation of block files: every byte is XORed with a key by its offset in the file.
//!
//! Invariant: applying the key twice at the same offset changes nothing.
//!
//! Bitcoin Core, `node/blockstorage.cpp` (`InitBlocksdirXorKey`) and `streams.h` (`AutoFile`):
//! byte `i` of a file is XORed with byte `i mod 8` of `xor.dat`.

/// The key in `blocks/xor.dat`; all zero where the files are not obfuscated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct XorKey(pub [u8; 8]);

impl XorKey {
    /// Whether the files are as they are.
    pub fn is_zero(self) -> bool {
        self.0 == [0; 8]
    }

    /// The key as it falls on eight bytes that begin at `offset_bytes` of a file.
    pub fn at(self, offset_bytes: u64) -> [u8; 8] {
        let mut key = self.0;
        key.rotate_left((offset_bytes % 8) as usize);
        key
    }

    /// Un-XORs `bytes`, which begin at `offset_bytes` of a file, where they are.
    pub fn apply(self, bytes: &mut [u8], offset_bytes: u64) {
        if self.is_zero() {
            return;
        }
        let key = self.at(offset_bytes);
        let word = u64::from_ne_bytes(key);
        let (words, rest) = bytes.as_chunks_mut::<8>();
        for bytes in words {
            *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
        }
        for (byte, key) in rest.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: XorKey = XorKey([1, 2, 4, 8, 16, 32, 64, 128]);

    #[test]
    fn every_offset_and_length_equals_byte_by_byte() {
        let plain: Vec<u8> = (0..60).map(|i| i * 3).collect();
        for offset in 0..17u64 {
            for length in 0..plain.len() {
                let expected: Vec<u8> = (0..length)
                    .map(|i| plain[i] ^ KEY.0[(offset as usize + i) % 8])
                    .collect();
                let mut applied = plain[..length].to_vec();
                KEY.apply(&mut applied, offset);
                assert_eq!(applied, expected);
                KEY.apply(&mut applied, offset);
                assert_eq!(applied, plain[..length]);
            }
        }
    }

    #[test]
    fn the_zero_key_changes_nothing() {
        let mut bytes = *b"as it is";
        XorKey::default().apply(&mut bytes, 3);
        assert_eq!(&bytes, b"as it is");
    }
}
