//! Positions: the numbers that name a block, an output and a transaction, once and forever.
//!
//! Invariant: numbers are given in chain order, so "existed at height h" is one comparison.
//!
//! A transaction is named by the [`Txo`] of its first output. Every valid transaction has at least
//! one output (Bitcoin Core, `consensus/tx_check.cpp`: "bad-txns-vout-empty"), so the name is unique
//! and comes in chain order, and no second numbering has to be kept and translated.

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
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Position of an output among all outputs of the chain; unspendable ones are counted too.
/// Also, as the position of its first output, the name of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, bytemuck::Zeroable)]
pub struct Txo(pub u64);

impl fmt::Display for Txo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
