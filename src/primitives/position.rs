//! Positions: the numbers that name a block, an output and a transaction, once and forever.
//!
//! Invariant: numbers are given in chain order, so "existed at height h" is one comparison.
//!
//! A transaction's number is the [`Txo`] of its first output. Every valid transaction has at least
//! one output (Bitcoin Core, `consensus/tx_check.cpp`: "bad-txns-vout-empty"), so the number is unique
//! and comes in chain order, and no second numbering has to be kept and translated. It is a type of its
//! own all the same, [`TxNum`]: an output and its spender are not to be taken for each other.

use std::fmt;

/// Height of a block above the genesis block, which has height 0.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    bytemuck::Zeroable,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Height(pub u32);

impl Height {
    /// The height of the block after this one.
    pub fn next(self) -> Height {
        Height(self.0 + 1)
    }

    /// Blocks from this one up to `last`, both counted: what Bitcoin Core calls confirmations.
    pub fn confirmations(self, last: Height) -> u32 {
        (last.0 + 1).saturating_sub(self.0)
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Position of an output among all outputs of the chain; unspendable ones are counted too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, bytemuck::Zeroable)]
pub struct Txo(pub u64);

impl Txo {
    /// Whether the output was made before the transaction `tx`, which may spend no other.
    #[inline(always)]
    pub fn existed_before(self, tx: TxNum) -> bool {
        self < tx.0
    }
}

impl fmt::Display for Txo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A transaction's number: the txo of its first output.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TxNum(Txo);

impl TxNum {
    /// The number of the transaction whose first output is `txo`.
    #[inline(always)]
    pub const fn of_first(txo: Txo) -> TxNum {
        TxNum(txo)
    }

    /// Its first output.
    #[inline(always)]
    pub const fn first_output(self) -> Txo {
        self.0
    }

    /// Its output `vout`.
    #[inline(always)]
    pub fn output(self, vout: u32) -> Txo {
        Txo(self.0.0 + u64::from(vout))
    }

    /// The number of the next transaction, if this one has so many outputs.
    #[inline(always)]
    pub fn next(self, outputs: usize) -> TxNum {
        TxNum(Txo(self.0.0 + outputs as u64))
    }

    /// Whether it is a transaction of the chain whose outputs end before `end`.
    #[inline(always)]
    pub fn is_below(self, end: Txo) -> bool {
        self.0 < end
    }
}

/// Where a block's bytes are: in which `blk*.dat`, from which byte on, and how many.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, bytemuck::Zeroable)]
pub struct Place {
    /// Number of the file: 12 for `blk00012.dat`.
    pub file: u32,
    /// First byte of the block itself, behind magic and length.
    pub offset_bytes: u64,
    /// Length of the block.
    pub bytes: u32,
}

impl Place {
    /// The first byte behind it.
    pub fn end_bytes(&self) -> u64 {
        self.offset_bytes + u64::from(self.bytes)
    }
}
