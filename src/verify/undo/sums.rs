//! The sums by which the index and the undo files are compared: a number a block, which is zero if both say
//! the same.
//!
//! Invariant: nobody who does not know the key, made for this run, can bring a wrong sum to zero.
//!
//! Every output of a stretch of blocks that was spent adds to its spender's block; every coin of an undo
//! record is taken away, if the stretch made it. Outputs come before what spends them, so once a block's
//! own are in, its sum is whole. Coins from before the stretch are in neither.
//!
//! Memory: 16 bytes a block of the stretch, and a lent buffer.

use crate::Result;
use crate::index::meta::rand_key;
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::primitives::coin::Coin;
use crate::primitives::position::{Height, Txo};
use crate::runs::row::SpendingRow;
use crate::utxo::{Heights, Spent, UtxoSet};
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;

/// The hash of a coin that the sums are made of.
#[derive(Clone)]
pub(super) struct Keyed(SipHasher24);

impl Keyed {
    /// With a key of its own.
    pub fn new() -> Keyed {
        Keyed(SipHasher24::new_with_key(&rand_key()))
    }

    /// Of all that is compared.
    pub fn coin(&self, coin: &Coin<'_>) -> u128 {
        let mut hasher = self.0;
        hasher.write(&coin.head());
        hasher.write(coin.script);
        hasher.finish128().as_u128()
    }
}

/// See the module documentation.
pub(crate) struct SpendSums<'h, 'b> {
    keyed: Keyed,
    heights: &'h Heights,
    first: Height,
    sums: Region<u128>,
    spent: Spent<'b>,
}

impl<'h, 'b> SpendSums<'h, 'b> {
    /// Bytes of memory for so many blocks.
    pub const fn bytes(blocks: usize) -> usize {
        blocks * size_of::<u128>()
    }

    /// Of the blocks from `first` to the set's height.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`], [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn open(
        set: &UtxoSet<'_>,
        heights: &'h Heights,
        first: Height,
        buffer: &'b mut [SpendingRow],
    ) -> Result<SpendSums<'h, 'b>> {
        let blocks = (set.height().0 - first.0) as usize + 1;
        let first_txo = heights.coinbase(first).first_output();
        let (last, end) = (set.height(), set.end());
        Ok(SpendSums {
            keyed: Keyed::new(),
            heights,
            first,
            sums: Region::new(Part::UndoFiles, blocks)?,
            spent: Spent::open_from(set.snapshot(), first_txo, last, end, buffer)?,
        })
    }

    /// The output `txo`, made at `height`; each is told, in order. `coin`: as it would be spent.
    #[inline]
    pub fn made<'c>(
        &mut self,
        txo: Txo,
        height: Height,
        coin: impl FnOnce() -> Coin<'c>,
    ) -> Result<()> {
        let Some(spender) = self.spent.take(txo)? else {
            return Ok(());
        };
        let by = self.heights.of_after(spender.first_output(), height);
        // A coinbase overwrote it (BIP 30): it was never an input.
        if self.heights.coinbase(by) != spender {
            let sum = &mut self.sums[(by.0 - self.first.0) as usize];
            *sum = sum.wrapping_add(self.keyed.coin(&coin()));
        }
        Ok(())
    }

    /// A coin that the undo record of the block at `height` lists.
    #[inline]
    pub fn undone(&mut self, height: Height, coin: &Coin<'_>) {
        if coin.height >= self.first.0 {
            let sum = &mut self.sums[(height.0 - self.first.0) as usize];
            *sum = sum.wrapping_sub(self.keyed.coin(coin));
        }
    }

    /// Whether both say the same of the block's inputs.
    pub fn are_even(&self, height: Height) -> bool {
        self.sums[(height.0 - self.first.0) as usize] == 0
    }
}
