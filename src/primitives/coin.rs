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

use super::compact_size;
use super::position::Height;
use super::script::is_unspendable;
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
    /// Height and coinbase flag in one number, as Core keeps them everywhere; [`height_and_flag`] takes them
    /// apart.
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
        head[..LENGTH_AT].copy_from_slice(&self.head());
        let length_bytes = compact_size::write(&mut head[LENGTH_AT..], self.script.len());
        engine.input(&head[..LENGTH_AT + length_bytes]);
        engine.input(self.script);
    }

    /// All but the script, in the bytes that are hashed.
    pub fn head(&self) -> [u8; LENGTH_AT] {
        let mut head = [0; LENGTH_AT];
        head[..VOUT_AT].copy_from_slice(&self.txid);
        LittleEndian::write_u32(&mut head[VOUT_AT..], self.vout);
        LittleEndian::write_u32(&mut head[CODE_AT..], self.code());
        LittleEndian::write_u64(&mut head[AMOUNT_AT..], self.amount_sat);
        head
    }
}

/// Whether an output with this script, made at this height, is ever a coin. Those of the genesis block are not
/// (Bitcoin Core, `validation.cpp`: `ConnectBlock`), nor those that can never be spent.
#[inline(always)]
pub fn makes_coin(height: Height, script: &[u8]) -> bool {
    height > Height(0) && !is_unspendable(script)
}

/// Height and coinbase flag of a [`Coin::code`].
pub fn height_and_flag(code: u32) -> (u32, bool) {
    (code >> 1, code & 1 == 1)
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
}
