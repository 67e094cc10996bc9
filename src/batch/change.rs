//! A change: what a block does to one coin.
//!
//! Invariant: an output that is made and a transaction that takes one cannot be taken for each other,
//! though both stand in the same bits.

use crate::primitives::position::{TxNum, Txo};
use crate::runs::row::CoinRow;
use bytemuck::{Pod, Zeroable};

/// A coin is made, or taken: 88 bits of outpoint fingerprint, 39 bits, 1 bit: taken. The bits between are
/// the txo that is made, or the number of the transaction that takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub struct Change(CoinRow);

impl Change {
    /// Output `txo` is made; its outpoint has this fingerprint (88 bits).
    #[inline(always)]
    pub fn make(fingerprint: u128, txo: Txo) -> Change {
        Change(CoinRow::put(fingerprint, txo))
    }

    /// The transaction `spender` takes the coin of the outpoint with this fingerprint.
    #[inline(always)]
    pub fn take(fingerprint: u128, spender: TxNum) -> Change {
        Change(CoinRow::delete(fingerprint, spender.first_output()))
    }

    /// The same with this fingerprint instead of 0.
    #[inline(always)]
    pub fn with_fingerprint(self, fingerprint: u128) -> Change {
        Change(self.0.with_fingerprint(fingerprint))
    }

    /// The outpoint's fingerprint.
    #[inline(always)]
    pub fn fingerprint(self) -> u128 {
        self.0.fingerprint()
    }

    /// Whether it takes a coin.
    #[inline(always)]
    pub fn is_take(self) -> bool {
        self.0.is_delete()
    }

    /// The coin that it makes.
    #[inline(always)]
    pub fn made(self) -> CoinRow {
        debug_assert!(!self.is_take());
        self.0
    }

    /// The transaction that takes the coin.
    #[inline(always)]
    pub fn spender(self) -> TxNum {
        debug_assert!(self.is_take());
        TxNum::of_first(self.0.txo())
    }
}
