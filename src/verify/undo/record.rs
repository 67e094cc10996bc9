//! Undo records: what each block of a `rev*.dat` file spent, as Bitcoin Core recorded it.
//!
//! Invariant: a record is whole, or it is an error. Nothing is allocated.
//!
//! A file holds records one after another, in the order in which blocks were connected (Bitcoin
//! Core, `node/blockstorage.cpp`, `WriteBlockUndo`; `undo.h`):
//!
//! | bytes | field |
//! | --- | --- |
//! | 4 | magic of the network |
//! | 4 | length of the undo bytes, little-endian |
//! | | undo bytes: for every transaction but the coinbase, for every input, a coin |
//! | 32 | SHA-256, twice, of the previous block's hash and the undo bytes |
//!
//! The undo bytes are read by [`SpentCoins`]. Bytes come here plain: the caller has undone XOR, by
//! file offset.

use bitcoin::hashes::{Hash, HashEngine, sha256d};

use super::SpentCoins;
use crate::Result;
use crate::primitives::consensus::{BLOCK_INPUTS_MAX, SCRIPT_BYTES_MAX};
use crate::primitives::wire::Hash32;
use crate::verify::CodedFault;
use crate::verify::cursor::Cursor;
use byteorder::{ByteOrder, LittleEndian};

/// Largest coin in Core's compressed form (Bitcoin Core, `undo.h`, `compressor.h`): height and
/// coinbase 5, version dummy 1, amount 10, length 3, script.
const COMPRESSED_COIN_BYTES_MAX: u32 = 5 + 1 + 10 + 3 + SCRIPT_BYTES_MAX as u32;

/// Largest undo record: every input of a block spends a coin of the largest size, and each is in
/// a transaction of its own with a count of at most 3 bytes, after one count of at most 5.
pub(super) const UNDO_BYTES_MAX: u32 = 5 + BLOCK_INPUTS_MAX * (3 + COMPRESSED_COIN_BYTES_MAX);

pub(super) const MAGIC_BYTES: usize = 4;
pub(super) const HEAD_BYTES: usize = MAGIC_BYTES + 4;
pub(super) const CHECKSUM_BYTES: usize = 32;

/// What stands before the undo bytes.
pub(super) struct Head(pub [u8; HEAD_BYTES]);

impl Head {
    /// Whether a record of the network with this magic begins here.
    pub fn is_of(&self, magic: [u8; MAGIC_BYTES]) -> bool {
        self.0.starts_with(&magic)
    }

    /// Length of the undo bytes.
    pub fn length(&self) -> u32 {
        LittleEndian::read_u32(&self.0[MAGIC_BYTES..])
    }
}

/// The checksum of a record, while its undo bytes come in.
pub(super) struct Checksum(<sha256d::Hash as Hash>::Engine);

impl Checksum {
    /// Of the record of a child of that block.
    pub fn after(prev_block_hash: &Hash32) -> Checksum {
        let mut engine = sha256d::Hash::engine();
        engine.input(prev_block_hash);
        Checksum(engine)
    }

    /// Takes the next of the undo bytes.
    pub fn add(&mut self, undo: &[u8]) {
        self.0.input(undo);
    }

    /// Whether it is the one that the record bears.
    pub fn is(self, checksum: [u8; CHECKSUM_BYTES]) -> bool {
        sha256d::Hash::from_engine(self.0).to_byte_array() == checksum
    }
}

/// Every record of a file, found by walking it.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    magic: [u8; MAGIC_BYTES],
}

/// One record; its checksum is not checked yet, since that takes the block it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where the undo bytes start in the file.
    pub offset_bytes: u64,
    /// The undo bytes.
    pub undo: &'a [u8],
    /// What the record says its checksum is.
    pub checksum: [u8; CHECKSUM_BYTES],
}

impl<'a> Records<'a> {
    /// Walks the plain bytes of one whole file.
    pub fn new(bytes: &'a [u8], magic: [u8; MAGIC_BYTES]) -> Records<'a> {
        Records {
            bytes,
            at: 0,
            magic,
        }
    }

    /// Where the next magic is. Whatever lies before it, as the tail that Core allocates ahead of
    /// need, is skipped.
    fn next_magic(&self) -> Option<usize> {
        let rest = self.bytes.get(self.at..)?;
        let found = rest
            .windows(MAGIC_BYTES)
            .position(|window| window == self.magic)?;
        Some(self.at + found)
    }

    fn read(&mut self, start: usize) -> Result<Record<'a>> {
        const WHAT: &str = "undo record";
        self.at = self.bytes.len();
        let mut cursor = Cursor::new(&self.bytes[start..], start as u64);
        let length = Head(cursor.array(WHAT)?).length();
        if length > UNDO_BYTES_MAX {
            let fault = CodedFault::Over {
                found: length.into(),
                limit: UNDO_BYTES_MAX.into(),
            };
            return Err(cursor.fault(WHAT, start as u64, fault));
        }
        let undo = cursor.take(WHAT, length as usize)?;
        let checksum = cursor.array(WHAT)?;
        self.at = cursor.offset_bytes() as usize;
        Ok(Record {
            offset_bytes: (start + HEAD_BYTES) as u64,
            undo,
            checksum,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>>;

    /// The next record. After an error there is no next: where it would start is not known.
    fn next(&mut self) -> Option<Self::Item> {
        let start = self.next_magic()?;
        Some(self.read(start))
    }
}

impl<'a> Record<'a> {
    /// Whether this is the undo record of a child of `prev_block_hash`, undamaged. The checksum does
    /// not say which child: blocks with the same parent each have a record that passes, so a
    /// caller that finds several has to see which one fits.
    pub fn belongs_after(&self, prev_block_hash: &Hash32) -> bool {
        let mut checksum = Checksum::after(prev_block_hash);
        checksum.add(self.undo);
        checksum.is(self.checksum)
    }

    /// The coins it holds, in the order of the block's inputs.
    pub fn coins(&self) -> Result<SpentCoins<'a>> {
        SpentCoins::new(self.undo, self.offset_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::fixtures::{self, Kept, Replay};
    use std::collections::HashSet;

    const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

    fn coins_of(record: &Record) -> Result<Vec<Vec<Kept>>> {
        let mut txs: Vec<Vec<Kept>> = Vec::new();
        let mut coins = record.coins()?;
        while let Some(coin) = coins.next_coin()? {
            txs.resize(coin.tx_index as usize, Vec::new());
            let tx = txs.last_mut().expect("tx_index starts at 1");
            assert_eq!(tx.len(), coin.input_index as usize);
            tx.push((
                coin.height,
                coin.coinbase,
                coin.amount_sat,
                coin.script.as_slice().to_vec(),
            ));
        }
        Ok(txs)
    }

    #[test]
    fn every_block_of_regtest_has_its_record_and_it_says_what_was_spent() {
        let fixture = fixtures::open("data");
        let files = fixture.files("rev");
        let records: Vec<Record> = files
            .iter()
            .flat_map(|file| Records::new(file, MAGIC))
            .collect::<Result<_>>()
            .expect("undamaged files");
        let mut replay = Replay::default();
        let mut spent_coins = 0;
        for (height, block) in fixture.best_chain().iter().enumerate() {
            replay.apply(height as u32, block);
            if height == 0 {
                continue;
            }
            let prev = block.header.prev_blockhash.to_byte_array();
            let found: Vec<_> = records
                .iter()
                .filter(|record| record.belongs_after(&prev))
                .map(|record| coins_of(record).expect("an undamaged record"))
                .collect();
            assert!(
                found.contains(&replay.spent),
                "height {height}: {} records",
                found.len()
            );
            spent_coins += replay.spent.iter().map(Vec::len).sum::<usize>();
        }
        assert!(spent_coins > 1000, "{spent_coins}");
    }

    #[test]
    fn every_record_of_regtest_belongs_to_some_block() {
        let fixture = fixtures::open("data");
        let prevs: HashSet<[u8; 32]> = fixture
            .blocks()
            .values()
            .map(|block| block.header.prev_blockhash.to_byte_array())
            .collect();
        let mut count = 0;
        for file in fixture.files("rev") {
            for record in Records::new(&file, MAGIC) {
                let record = record.expect("an undamaged file");
                assert!(prevs.iter().any(|prev| record.belongs_after(prev)));
                count += 1;
            }
        }
        assert!(count >= 267, "{count}");
    }

    /// One transaction with one input, which spent one satoshi of height 7 locked by OP_TRUE.
    const UNDO: [u8; 7] = [1, 1, 14, 0, 1, 7, 0x51];

    fn record_bytes(undo: &[u8]) -> Vec<u8> {
        let mut checked = vec![9; 32];
        checked.extend(undo);
        let mut bytes = MAGIC.to_vec();
        bytes.extend((undo.len() as u32).to_le_bytes());
        bytes.extend(undo);
        bytes.extend(sha256d::Hash::hash(&checked).to_byte_array());
        bytes
    }

    fn only(bytes: &[u8]) -> Record<'_> {
        Records::new(bytes, MAGIC)
            .next()
            .expect("one record")
            .expect("undamaged")
    }

    #[test]
    fn a_small_record_reads_as_written() {
        let bytes = record_bytes(&UNDO);
        let record = only(&bytes);
        assert!(record.belongs_after(&[9; 32]));
        assert!(!record.belongs_after(&[8; 32]));
        assert_eq!(
            coins_of(&record).ok(),
            Some(vec![vec![(7, false, 1, vec![0x51])]])
        );
    }

    #[test]
    fn a_changed_byte_belongs_to_no_block() {
        let mut bytes = record_bytes(&UNDO);
        bytes[HEAD_BYTES + 4] ^= 1;
        assert!(!only(&bytes).belongs_after(&[9; 32]));
    }

    #[test]
    fn junk_before_and_a_tail_behind_a_record_are_skipped() {
        let mut bytes = vec![1, 2, 3];
        bytes.extend(record_bytes(&UNDO));
        bytes.extend([0x90, 0x4e, 0x14, 0, 0xbe, 0x2b, 0xb1, 0xce].repeat(100));
        assert_eq!(
            Records::new(&bytes, MAGIC)
                .filter(|record| record.is_ok())
                .count(),
            1
        );
        assert_eq!(Records::new(&bytes, MAGIC).count(), 1);
    }

    #[test]
    fn a_record_cut_anywhere_is_an_error_and_the_last() {
        let bytes = record_bytes(&UNDO);
        for length in MAGIC_BYTES..bytes.len() {
            let mut records = Records::new(&bytes[..length], MAGIC);
            assert!(
                records.next().is_some_and(|record| record.is_err()),
                "{length}"
            );
            assert!(records.next().is_none());
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_it_is_used() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::MAX.to_le_bytes());
        let error = Records::new(&bytes, MAGIC)
            .next()
            .expect("a record")
            .expect_err("too long");
        let limit = UNDO_BYTES_MAX;
        let expected = format!("undo record at byte 0: 4294967295 is over the limit of {limit}");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_record_one_byte_too_long_or_too_short_is_an_error() {
        let mut longer = UNDO.to_vec();
        longer.push(0);
        assert!(coins_of(&only(&record_bytes(&longer))).is_err());
        assert!(coins_of(&only(&record_bytes(&UNDO[..6]))).is_err());
    }
}
