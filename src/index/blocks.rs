//! What the index keeps of each block: its header, its place among all outputs, and where its
//! transactions begin.
//!
//! Invariant: rows at heights above the tip are left over from work that was never committed, and
//! mean nothing; every reader stops at the tip.
//!
//! `blocks`, height (u32) → little-endian:
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 80 | header |
//! | 80 | 32 | hash |
//! | 112 | 8 | txo of the block's first output |
//! | 120 | 8 | transactions through this block |
//! | 128 | 8 | inputs through this block, coinbases' not counted |
//! | 136 | 8 | outputs through this block |
//! | 144 | 8 | coins after this block |
//!
//! Rows of `blocks`, `offsets` and `coinbases` are sealed (`sealed.rs`) with their height.
//!
//! `offsets`, height → for every 16th transaction but the first, two LEB128 numbers: bytes, and
//! outputs, since the one before. `coinbases`, height → outputs of the coinbase (u32): what the next hundred
//! blocks may not spend, told without the block file. An index of an earlier version has some rows of it, or
//! none. `hashes`: hash (32 bytes) → height. `positions`: height → file
//! (u32), offset of the block's first byte (u64), bytes (u32).

use crate::primitives::header::HEADER_BYTES;
use crate::primitives::position::{Place, TxNum, Txo};
use crate::primitives::wire::Hash32;
use crate::store::{TableDefinition, sealed};
use byteorder::{ByteOrder, LittleEndian};

/// Every 16th transaction's byte offset is kept: the others are found by walking from there.
const OFFSET_EVERY_TXS: usize = 16;

/// Height → [`BlockRow`].
pub const BLOCKS: TableDefinition<'static, u32, &[u8]> = TableDefinition::new("blocks");
/// Height → [`TxMarks`].
pub const OFFSETS: TableDefinition<'static, u32, &[u8]> = TableDefinition::new("offsets");
/// Height → outputs of the coinbase.
pub const COINBASES: TableDefinition<'static, u32, &[u8]> = TableDefinition::new("coinbases");
/// Block hash → height.
pub const HASHES: TableDefinition<'static, &[u8; 32], u32> = TableDefinition::new("hashes");
/// Height → [`Place`].
pub const PLACES: TableDefinition<'static, u32, &[u8]> = TableDefinition::new("positions");

/// Bytes of a [`BlockRow`].
pub const BLOCK_ROW_BYTES: usize = 152;
const HASH_AT: usize = HEADER_BYTES;
const NUMBERS_AT: usize = HASH_AT + 32;
const _: () = assert!(NUMBERS_AT + 5 * 8 == BLOCK_ROW_BYTES);

/// Bytes of a [`Place`] in the index.
pub const PLACE_BYTES: usize = 16;
const _: () = assert!(4 + 8 + 4 == PLACE_BYTES);

/// A block of the indexed chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, bytemuck::Zeroable)]
pub struct BlockRow {
    /// The serialized header.
    pub header: [u8; HEADER_BYTES],
    /// Its hash, in internal byte order.
    pub hash: Hash32,
    /// Position of the block's first output.
    pub first_txo: Txo,
    /// Transactions from genesis through this block.
    pub txs: u64,
    /// Inputs through this block; the null inputs of coinbases are not counted.
    pub inputs: u64,
    /// Outputs through this block, which makes it the first position of the next block.
    pub outputs: u64,
    /// Unspent, spendable outputs after this block.
    pub coins: u64,
}

impl BlockRow {
    /// The block's coinbase.
    pub fn coinbase(&self) -> TxNum {
        TxNum::of_first(self.first_txo)
    }

    /// The row as it is kept.
    pub fn seal(&self, height: u32) -> Vec<u8> {
        sealed::seal(height.into(), &self.encode())
    }

    /// The row that was kept so at that height.
    pub fn open(height: u32, stored: &[u8]) -> Option<BlockRow> {
        sealed::open(height.into(), stored).and_then(BlockRow::decode)
    }

    /// The row's bytes.
    pub fn encode(&self) -> [u8; BLOCK_ROW_BYTES] {
        let mut bytes = [0; BLOCK_ROW_BYTES];
        bytes[..HASH_AT].copy_from_slice(&self.header);
        bytes[HASH_AT..NUMBERS_AT].copy_from_slice(&self.hash);
        let numbers = [
            self.first_txo.0,
            self.txs,
            self.inputs,
            self.outputs,
            self.coins,
        ];
        LittleEndian::write_u64_into(&numbers, &mut bytes[NUMBERS_AT..]);
        bytes
    }

    /// The row of these bytes; `None` if they are none.
    pub fn decode(bytes: &[u8]) -> Option<BlockRow> {
        if bytes.len() != BLOCK_ROW_BYTES {
            return None;
        }
        let mut numbers = [0; 5];
        LittleEndian::read_u64_into(&bytes[NUMBERS_AT..], &mut numbers);
        Some(BlockRow {
            header: bytes[..HASH_AT].try_into().expect("length checked above"),
            hash: bytes[HASH_AT..NUMBERS_AT]
                .try_into()
                .expect("length checked above"),
            first_txo: Txo(numbers[0]),
            txs: numbers[1],
            inputs: numbers[2],
            outputs: numbers[3],
            coins: numbers[4],
        })
    }
}

/// How the index keeps a place.
pub fn encode_place(place: &Place) -> [u8; PLACE_BYTES] {
    let mut bytes = [0; PLACE_BYTES];
    LittleEndian::write_u32(&mut bytes, place.file);
    LittleEndian::write_u64(&mut bytes[4..], place.offset_bytes);
    LittleEndian::write_u32(&mut bytes[12..], place.bytes);
    bytes
}

/// The place of these bytes; `None` if they are none.
pub fn decode_place(bytes: &[u8]) -> Option<Place> {
    (bytes.len() == PLACE_BYTES).then(|| Place {
        file: LittleEndian::read_u32(bytes),
        offset_bytes: LittleEndian::read_u64(&bytes[4..]),
        bytes: LittleEndian::read_u32(&bytes[12..]),
    })
}

/// Collects where every 16th transaction of a block begins.
#[derive(Default)]
pub struct TxMarks {
    bytes: Vec<u8>,
    txs: usize,
    last: (u64, u64),
}

impl TxMarks {
    /// An empty collection that never grows beyond what one block can need.
    pub fn new() -> TxMarks {
        // Two LEB128 numbers a mark, of at most 4 bytes each, since a block has 4 MB.
        let marks_max = crate::primitives::consensus::BLOCK_TXS_MAX as usize / OFFSET_EVERY_TXS + 1;
        TxMarks {
            bytes: Vec::with_capacity(marks_max * 8),
            ..TxMarks::default()
        }
    }

    /// Begins with a new block.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.txs = 0;
    }

    /// Notes the next transaction: its first byte in the block, and its number.
    pub fn add(&mut self, offset_bytes: usize, number: TxNum) {
        let here = (offset_bytes as u64, number.first_output().0);
        if self.txs.is_multiple_of(OFFSET_EVERY_TXS) {
            if self.txs > 0 {
                push_leb128(&mut self.bytes, here.0 - self.last.0);
                push_leb128(&mut self.bytes, here.1 - self.last.1);
            }
            self.last = here;
        }
        self.txs += 1;
    }

    /// As the index keeps them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Where one of a block's transactions begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Index of the transaction in its block.
    pub tx_index: usize,
    /// Its first byte in the block.
    pub offset_bytes: usize,
    /// Its number.
    pub number: TxNum,
}

/// The last mark at or before the output `wanted`, and the mark behind it, given the first transaction of the
/// block as a mark. `None` if the bytes are no marks.
pub fn marks_around(bytes: &[u8], first: Mark, wanted: Txo) -> Option<(Mark, Option<Mark>)> {
    let (mut mark, mut rest) = (first, bytes);
    while !rest.is_empty() {
        let offset = mark.offset_bytes as u64 + take_leb128(&mut rest)?;
        let first_txo = Txo(mark.number.first_output().0 + take_leb128(&mut rest)?);
        let next = Mark {
            tx_index: mark.tx_index + OFFSET_EVERY_TXS,
            offset_bytes: offset as usize,
            number: TxNum::of_first(first_txo),
        };
        if wanted.existed_before(next.number) {
            return Some((mark, Some(next)));
        }
        mark = next;
    }
    Some((mark, None))
}

fn push_leb128(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_leb128(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_row_reads_back_and_one_byte_less_does_not() {
        let row = BlockRow {
            header: [1; 80],
            hash: [2; 32],
            first_txo: Txo(3),
            txs: 4,
            inputs: 5,
            outputs: 6,
            coins: 7,
        };
        let bytes = row.encode();
        assert_eq!(BlockRow::decode(&bytes), Some(row));
        assert_eq!(BlockRow::decode(&bytes[..151]), None);
        assert_eq!(
            [bytes[112], bytes[120], bytes[128], bytes[136], bytes[144]],
            [3, 4, 5, 6, 7]
        );
    }

    #[test]
    fn a_place_reads_back() {
        let place = Place {
            file: 12,
            offset_bytes: 1 << 33,
            bytes: 81,
        };
        assert_eq!(decode_place(&encode_place(&place)), Some(place));
        assert_eq!(decode_place(&[0; 15]), None);
    }

    #[test]
    fn a_mark_is_found_at_or_before_every_transaction() {
        let mut marks = TxMarks::new();
        let tx = |n: usize| (81 + 300 * n, TxNum::of_first(Txo(1000 + 3 * n as u64)));
        for n in 0..100 {
            marks.add(tx(n).0, tx(n).1);
        }
        let first = Mark {
            tx_index: 0,
            offset_bytes: 81,
            number: tx(0).1,
        };
        for n in 0..100 {
            let (mark, next) = marks_around(marks.bytes(), first, tx(n).1.output(2)).unwrap();
            assert_eq!(mark.tx_index, n / 16 * 16);
            assert_eq!((mark.offset_bytes, mark.number), tx(mark.tx_index));
            let last = mark.tx_index == 96;
            assert_eq!(
                next.map(|next| (next.offset_bytes, next.number)),
                (!last).then(|| tx(mark.tx_index + 16))
            );
        }
        assert_eq!(
            marks_around(&[0x80], first, Txo(5000)),
            None,
            "cut in the middle of a number"
        );
    }
}
