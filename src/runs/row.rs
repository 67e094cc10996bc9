//! The row types of the four relations that are kept as sorted runs.
//!
//! Invariant: inside a relation, over all live runs, a key occurs once (a coin's put and its delete
//! have different keys), so the order of a sorted run is total.
//!
//! Every key has 128 bits and ends in 40 bits of position, so that a page can squeeze the unused high
//! bits of the position out before it takes differences.

use crate::primitives::position::{TxNum, Txo};
use crate::runs::Damage;
use bytemuck::{Pod, Zeroable};
use std::ops::{Range, RangeInclusive};

/// Bits of a position in a key: a txo and a flag. Txos stay below 2^39; at mainnet's pace of 2026 that is
/// enough for some thousand years.
pub const POSITION_BITS: u32 = 40;
const POSITION_MASK: u128 = (1 << POSITION_BITS) - 1;

/// All keys that begin like `first_key`, whatever their position.
pub fn keys_from(first_key: u128) -> RangeInclusive<u128> {
    first_key..=first_key | POSITION_MASK
}

/// The position in a key.
#[inline(always)]
pub fn position_in(key: u128) -> u64 {
    (key & POSITION_MASK) as u64
}

/// A relation: what its rows look like, and what happens when rows of several runs meet.
pub trait Row: Pod + Send + std::fmt::Debug + PartialEq {
    /// Which relation it is.
    const RELATION: Relation;

    /// Whether a key leads to more than what is in it.
    const HAS_VALUE: bool;

    /// Bits behind the txo in a key.
    const FLAG_BITS: u32 = 0;

    /// The sorting key; never 0 and never `u128::MAX`.
    fn key(self) -> u128;

    /// What the key leads to; 0 where a row is only a key.
    fn value(self) -> u64;

    /// The row of a key and a value that were kept.
    fn from_parts(key: u128, value: u64) -> Self;

    /// What these txos are in keys.
    fn positions(txos: Range<Txo>) -> Range<u64> {
        txos.start.0 << Self::FLAG_BITS..txos.end.0 << Self::FLAG_BITS
    }

    /// The largest key at or below `key` at which sorted rows may be cut: rows that
    /// [`Row::reconcile`] has to see together are never separated.
    fn cut_at(key: u128) -> u128 {
        key
    }

    /// Checks sorted rows that met in a merge, cancels what belongs together, and returns how many
    /// rows, at the front of the slice, are left.
    ///
    /// # Errors
    /// [`Damage`] if rows contradict each other.
    fn reconcile(rows: &mut [Self], _with_oldest: bool) -> Result<usize, Damage> {
        match rows.windows(2).all(|pair| pair[0].key() < pair[1].key()) {
            true => Ok(rows.len()),
            false => Err(Damage::RepeatedRow),
        }
    }
}

/// The four relations kept as runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Relation {
    /// Outpoint fingerprint → output, put or delete.
    Coins = 0,
    /// Script fingerprint → outputs and their amounts.
    Funding = 1,
    /// Output → the transaction that spent it.
    Spending = 2,
    /// Start of a txid → transaction.
    Txids = 3,
}

impl Relation {
    /// All of them.
    pub const ALL: [Relation; 4] = [
        Relation::Coins,
        Relation::Funding,
        Relation::Spending,
        Relation::Txids,
    ];

    /// The name that tables and answers use.
    pub fn name(self) -> &'static str {
        match self {
            Relation::Coins => "coins",
            Relation::Funding => "funding",
            Relation::Spending => "spending",
            Relation::Txids => "txids",
        }
    }
}

/// A coin is made or unmade: 88 bits of outpoint fingerprint, 39 bits of txo, 1 bit: delete.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub struct CoinRow(pub u128);

impl CoinRow {
    /// The coin of output `txo`, whose outpoint has this fingerprint (88 bits).
    #[inline(always)]
    pub fn put(fingerprint: u128, txo: Txo) -> CoinRow {
        CoinRow(fingerprint << POSITION_BITS | u128::from(txo.0) << 1)
    }

    /// Its end.
    #[inline(always)]
    pub fn delete(fingerprint: u128, txo: Txo) -> CoinRow {
        CoinRow(CoinRow::put(fingerprint, txo).0 | 1)
    }

    /// The same with this fingerprint instead of 0.
    #[inline(always)]
    pub fn with_fingerprint(self, fingerprint: u128) -> CoinRow {
        CoinRow(self.0 | fingerprint << POSITION_BITS)
    }

    /// The outpoint's fingerprint (88 bits).
    #[inline(always)]
    pub fn fingerprint(self) -> u128 {
        self.0 >> POSITION_BITS
    }

    /// The output.
    #[inline(always)]
    pub fn txo(self) -> Txo {
        Txo(((self.0 & POSITION_MASK) >> 1) as u64)
    }

    /// Whether the row ends the coin.
    #[inline(always)]
    pub fn is_delete(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Row for CoinRow {
    const RELATION: Relation = Relation::Coins;
    const HAS_VALUE: bool = false;
    const FLAG_BITS: u32 = 1;

    #[inline(always)]
    fn key(self) -> u128 {
        self.0
    }

    fn value(self) -> u64 {
        0
    }

    #[inline(always)]
    fn from_parts(key: u128, _value: u64) -> CoinRow {
        CoinRow(key)
    }

    /// Between two outpoints.
    fn cut_at(key: u128) -> u128 {
        key & !POSITION_MASK
    }

    /// A put and the delete of the same coin cancel. A delete without its put stays, unless the
    /// oldest run takes part: then its put should have been there.
    fn reconcile(rows: &mut [CoinRow], with_oldest: bool) -> Result<usize, Damage> {
        let (mut kept, mut at) = (0, 0);
        while at < rows.len() {
            let row = rows[at];
            let next = rows.get(at + 1).copied();
            if next.is_some_and(|next| next.0 <= row.0) {
                return Err(Damage::RepeatedRow);
            }
            if next.is_some_and(|next| next.0 == row.0 | 1) {
                at += 2;
                continue;
            }
            if row.is_delete() && with_oldest {
                return Err(Damage::DeleteWithoutPut);
            }
            rows[kept] = row;
            kept += 1;
            at += 1;
        }
        Ok(kept)
    }
}

/// An output pays a script: 80 bits of script fingerprint, 40 of txo, and the amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct FundingRow {
    high: u64,
    low: u64,
    /// Amount of the output in satoshi.
    pub amount_sat: u64,
}

impl FundingRow {
    const UNUSED_BITS: u32 = 8;

    /// Output `txo` pays `amount_sat` to the script with this fingerprint (80 bits).
    #[inline(always)]
    pub fn new(fingerprint: u128, txo: Txo, amount_sat: u64) -> FundingRow {
        FundingRow::from_parts(Self::first_key(fingerprint) | u128::from(txo.0), amount_sat)
    }

    /// The same with this fingerprint instead of 0.
    #[inline(always)]
    pub fn with_fingerprint(self, fingerprint: u128) -> FundingRow {
        FundingRow::from_parts(self.key() | fingerprint << POSITION_BITS, self.amount_sat)
    }

    /// The smallest key that a row of this script can have.
    pub fn first_key(fingerprint: u128) -> u128 {
        // The bits above the fingerprint stay empty: 8 zeros, 80 of fingerprint, 40 of txo.
        debug_assert!(fingerprint >> (128 - POSITION_BITS - Self::UNUSED_BITS) == 0);
        fingerprint << POSITION_BITS
    }

    /// The script's fingerprint (80 bits).
    #[inline(always)]
    pub fn fingerprint(self) -> u128 {
        self.key() >> POSITION_BITS
    }

    /// The output.
    pub fn txo(self) -> Txo {
        Txo((self.key() & POSITION_MASK) as u64)
    }
}

impl Row for FundingRow {
    const RELATION: Relation = Relation::Funding;
    const HAS_VALUE: bool = true;

    #[inline(always)]
    fn key(self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }

    #[inline(always)]
    fn value(self) -> u64 {
        self.amount_sat
    }

    #[inline(always)]
    fn from_parts(key: u128, value: u64) -> FundingRow {
        FundingRow {
            high: (key >> 64) as u64,
            low: key as u64,
            amount_sat: value,
        }
    }
}

/// A transaction spends an output: the txo, and how far behind it the txo of the transaction's first
/// output is. Half of all outputs are spent a few thousand outputs later, so that takes two bytes where
/// the spender's own txo takes four. (Measured, 3 GB in one spill: the whole index has 19.3 bytes an
/// output, and had 20.2.)
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub struct SpendingRow(u128);

impl SpendingRow {
    /// `txo` is spent by `spender`, which follows it.
    #[inline(always)]
    pub fn new(txo: Txo, spender: TxNum) -> SpendingRow {
        let behind = spender.first_output().0 - txo.0;
        SpendingRow::from_parts(u128::from(txo.0), behind)
    }

    /// The output.
    pub fn txo(self) -> Txo {
        Txo(self.key() as u64)
    }

    /// The transaction that spent it.
    pub fn spender(self) -> TxNum {
        TxNum::of_first(Txo(self.txo().0 + self.value()))
    }
}

impl Row for SpendingRow {
    const RELATION: Relation = Relation::Spending;
    const HAS_VALUE: bool = true;

    #[inline(always)]
    fn key(self) -> u128 {
        self.0 >> POSITION_BITS
    }

    #[inline(always)]
    fn value(self) -> u64 {
        (self.0 & POSITION_MASK) as u64
    }

    #[inline(always)]
    fn from_parts(key: u128, value: u64) -> SpendingRow {
        SpendingRow(key << POSITION_BITS | u128::from(value))
    }
}

/// A txid starts with these 8 bytes: 64 bits of txid, 40 bits: the transaction's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub struct TxidRow(u128);

impl TxidRow {
    /// The transaction `tx`, whose txid starts with these bytes.
    #[inline(always)]
    pub fn new(txid: &[u8; 32], tx: TxNum) -> TxidRow {
        TxidRow(Self::first_key(txid) | u128::from(tx.first_output().0))
    }

    /// The smallest key that a row of this txid can have.
    pub fn first_key(txid: &[u8; 32]) -> u128 {
        let start = u64::from_be_bytes(*txid.first_chunk().expect("32 bytes hold 8"));
        u128::from(start) << POSITION_BITS
    }

    /// The transaction.
    pub fn tx(self) -> TxNum {
        TxNum::of_first(Txo((self.0 & POSITION_MASK) as u64))
    }
}

impl Row for TxidRow {
    const RELATION: Relation = Relation::Txids;
    const HAS_VALUE: bool = false;

    #[inline(always)]
    fn key(self) -> u128 {
        self.0
    }

    fn value(self) -> u64 {
        0
    }

    #[inline(always)]
    fn from_parts(key: u128, _value: u64) -> TxidRow {
        TxidRow(key)
    }
}
