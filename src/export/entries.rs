//! The lines of `export balances` on their way through the sorter: what a script owns, and when it spent.
//!
//! Invariant: entries come back in the order of their ranks, each with the last event of its script.
//!
//! Memory: a sorter's.
//!
//! A record: rank, event (8 bytes, big-endian). The event is the transaction that spent something, or,
//! behind all of these, [`OWNER`]; then follow balance (16 bytes), unspent, txo of the last receipt (8
//! each, little-endian), script. A rank: the complement of the balance (16 bytes), so that the richest
//! come first, and the txo of the first receipt (8; both big-endian); without the balance where all
//! scripts are wanted.

use crate::Result;
use crate::memory::sorter::{Sorted, Sorter};
use crate::primitives::position::{TxNum, Txo};
use byteorder::{BigEndian, ByteOrder, LittleEndian};
use std::path::Path;

/// Stands where an event would: no position of an output is so high.
const OWNER: u64 = u64::MAX;

const WEALTH_BYTES: usize = 16;
const RANK_BYTES_MAX: usize = WEALTH_BYTES + 8;
const NUMBERS_BYTES: usize = 32;

/// What a script owns.
#[derive(Default)]
pub(super) struct Owner {
    pub fingerprint: u128,
    pub balance_sat: u128,
    pub unspent: u64,
    pub script: Vec<u8>,
}

/// Where an entry stands among all.
pub(super) struct Rank {
    bytes: [u8; RANK_BYTES_MAX],
    from: usize,
}

impl Rank {
    /// As it is sorted.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.from..]
    }
}

/// Takes entries and spends in any order.
pub(super) struct Entries {
    sorter: Sorter,
    by_wealth: bool,
}

impl Entries {
    /// The richest first, or in the order of first receipts.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new(by_wealth: bool, bytes: usize, dir: &Path) -> Result<Entries> {
        let sorter = Sorter::new(rank_bytes(by_wealth) + 8, bytes, dir)?;
        Ok(Entries { sorter, by_wealth })
    }

    /// The rank of a script.
    pub fn rank(&self, balance_sat: u128, first: Txo) -> Rank {
        let mut bytes = [0; RANK_BYTES_MAX];
        BigEndian::write_u128(&mut bytes, !balance_sat);
        BigEndian::write_u64(&mut bytes[WEALTH_BYTES..], first.0);
        let from = RANK_BYTES_MAX - rank_bytes(self.by_wealth);
        Rank { bytes, from }
    }

    /// Takes what a script owns, which received something last in `last`.
    pub fn push_owner(&mut self, rank: &Rank, owner: &Owner, last: Txo) -> Result<()> {
        let mut numbers = [0; NUMBERS_BYTES];
        LittleEndian::write_u128(&mut numbers, owner.balance_sat);
        LittleEndian::write_u64(&mut numbers[16..], owner.unspent);
        LittleEndian::write_u64(&mut numbers[24..], last.0);
        self.push(rank.bytes(), OWNER, &[&numbers, &owner.script])
    }

    /// Takes that the script at this rank spent something.
    pub fn push_spend(&mut self, rank: &[u8], spender: TxNum) -> Result<()> {
        self.push(rank, spender.first_output().0, &[&[], &[]])
    }

    fn push(&mut self, rank: &[u8], event: u64, [numbers, script]: &[&[u8]; 2]) -> Result<()> {
        let mut key = [0; RANK_BYTES_MAX + 8];
        key[..rank.len()].copy_from_slice(rank);
        BigEndian::write_u64(&mut key[rank.len()..], event);
        self.sorter.push(&[&key[..rank.len() + 8], numbers, script])
    }

    /// All entries in order.
    ///
    /// # Errors
    /// Those of [`Sorter::finish`].
    pub fn finish(self) -> Result<InOrder> {
        Ok(InOrder {
            sorted: self.sorter.finish()?,
            rank_bytes: rank_bytes(self.by_wealth),
            record: Vec::new(),
        })
    }
}

fn rank_bytes(by_wealth: bool) -> usize {
    if by_wealth { RANK_BYTES_MAX } else { 8 }
}

/// What a script owns.
pub(super) struct Entry<'a> {
    pub balance_sat: u128,
    pub unspent: u64,
    /// What it received first.
    pub first: Txo,
    /// What it received last, or the first output of the transaction that spent something of it, if that
    /// came later.
    pub last: Txo,
    pub script: &'a [u8],
}

/// Gives entries back in order.
pub(super) struct InOrder {
    sorted: Sorted,
    rank_bytes: usize,
    record: Vec<u8>,
}

impl InOrder {
    /// The next entry.
    ///
    /// # Errors
    /// Those of [`Sorted::next_record`].
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>> {
        let key_bytes = self.rank_bytes + 8;
        let mut last_spend = TxNum::default();
        while let Some(record) = self.sorted.next_record()? {
            let event = BigEndian::read_u64(&record[self.rank_bytes..]);
            if event != OWNER {
                last_spend = TxNum::of_first(Txo(event));
                continue;
            }
            self.record.clear();
            self.record.extend_from_slice(record);
            let (key, rest) = self.record.split_at(key_bytes);
            let (numbers, script) = rest.split_at(NUMBERS_BYTES);
            let last_receipt = Txo(LittleEndian::read_u64(&numbers[24..]));
            return Ok(Some(Entry {
                balance_sat: LittleEndian::read_u128(numbers),
                unspent: LittleEndian::read_u64(&numbers[16..]),
                first: Txo(BigEndian::read_u64(&key[self.rank_bytes - 8..])),
                last: last_receipt.max(last_spend.first_output()),
                script,
            }));
        }
        Ok(None)
    }
}
