//! A coin, and the bytes Bitcoin Core hashes for it.
//!
//! Invariant: the bytes given to a hash are those of `TxOutSer` (Bitcoin Core,
//! `kernel/coinstats.cpp`), whichever hash it is.
//!
//! | bytes | field |
//! | --- | --- |
//! | 32 | txid, as in a block |
//! | 4 | vout |
//! | 4 | height × 2 + coinbase |
//! | 8 | amount_sat |
//! | 1, 3, 5 | length of the script, a compact size |
//! | | script |
//!
//! Numbers are little-endian.

use bitcoin::hashes::{HashEngine, sha256};
use byteorder::{ByteOrder, LittleEndian};

const VOUT_AT: usize = 32;
const CODE_AT: usize = 36;
const AMOUNT_AT: usize = 40;
const LENGTH_AT: usize = 48;
const HEAD_BYTES_MAX: usize = LENGTH_AT + 5;
const _: () = assert!(
    HEAD_BYTES_MAX == 53,
    "32 + 4 + 4 + 8 + a compact size of at most 5"
);

/// What a coin weighs in Core's "bogosize" besides its script: outpoint, code, amount, and 2 for
/// the length.
const BOGOSIZE_FIXED: u64 = 32 + 4 + 4 + 8 + 2;

/// The largest height that leaves room for the coinbase flag.
pub const HEIGHT_MAX: u32 = u32::MAX >> 1;

/// An unspent output with what Core remembers of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Coin<'a> {
    /// The transaction that made it, in the byte order of a block.
    pub txid: [u8; 32],
    /// Which of its outputs.
    pub vout: u32,
    /// Height of the block that made it.
    pub height: u32,
    /// Whether that transaction is a coinbase.
    pub coinbase: bool,
    /// What it is worth.
    pub amount_sat: u64,
    /// What locks it.
    pub script: &'a [u8],
}

impl Coin<'_> {
    /// Height and coinbase flag in one number, as Core keeps them everywhere.
    pub fn code(&self) -> u32 {
        debug_assert!(self.height <= HEIGHT_MAX);
        self.height << 1 | u32::from(self.coinbase)
    }

    /// Core's measure of the set that does not depend on a database (`GetBogoSize`).
    pub fn bogosize(&self) -> u64 {
        BOGOSIZE_FIXED + self.script.len() as u64
    }

    /// Gives the coin's bytes to a hash that is being computed. Does not allocate.
    pub fn hash_into(&self, engine: &mut sha256::HashEngine) {
        let mut head = [0; HEAD_BYTES_MAX];
        head[..VOUT_AT].copy_from_slice(&self.txid);
        LittleEndian::write_u32(&mut head[VOUT_AT..], self.vout);
        LittleEndian::write_u32(&mut head[CODE_AT..], self.code());
        LittleEndian::write_u64(&mut head[AMOUNT_AT..], self.amount_sat);
        let length_bytes = write_compact_size(&mut head[LENGTH_AT..], self.script.len());
        engine.input(&head[..LENGTH_AT + length_bytes]);
        engine.input(self.script);
    }
}

/// Writes a length as a compact size and returns how many bytes that took, at most five.
pub fn write_compact_size(out: &mut [u8], length: usize) -> usize {
    match length {
        0..=0xfc => {
            out[0] = length as u8;
            1
        }
        0xfd..=0xffff => {
            out[0] = 0xfd;
            LittleEndian::write_u16(&mut out[1..], length as u16);
            3
        }
        _ => {
            assert!(length <= u32::MAX as usize);
            out[0] = 0xfe;
            LittleEndian::write_u32(&mut out[1..], length as u32);
            5
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash;

    fn hashed(coin: &Coin) -> sha256::Hash {
        let mut engine = sha256::HashEngine::default();
        coin.hash_into(&mut engine);
        sha256::Hash::from_engine(engine)
    }

    #[test]
    fn the_hashed_bytes_are_outpoint_code_amount_and_script() {
        let coin = Coin {
            txid: [7; 32],
            vout: 0x0102_0304,
            height: 3,
            coinbase: true,
            amount_sat: 5,
            script: b"ab",
        };
        let mut golden = vec![7; 32];
        golden.extend([
            4, 3, 2, 1, 7, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 2, b'a', b'b',
        ]);
        assert_eq!(hashed(&coin), sha256::Hash::hash(&golden));
        assert_eq!(coin.bogosize(), 52);
    }

    #[test]
    fn a_compact_size_equals_the_bitcoin_crates() {
        for length in [0, 1, 0xfc, 0xfd, 0xfe, 0xffff, 0x1_0000, 0xffff_ffff] {
            let mut out = [0; 5];
            let bytes = write_compact_size(&mut out, length);
            let theirs = bitcoin::consensus::serialize(&bitcoin::VarInt(length as u64));
            assert_eq!(out[..bytes], theirs);
        }
    }
}
