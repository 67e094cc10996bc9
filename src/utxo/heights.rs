//! Which block made an output, by position, for questions in any order.
//!
//! Invariant: the first positions of all blocks up to the height, as the index has them.
//!
//! Memory: 8 bytes a block.

use super::UtxoSet;
use crate::Result;
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::primitives::position::{Height, TxNum, Txo};

/// See the module documentation.
pub struct Heights {
    firsts: Region<u64>,
}

impl Heights {
    /// Bytes of memory for the blocks up to `last`.
    pub fn bytes(last: Height) -> usize {
        (last.0 as usize + 1) * size_of::<u64>()
    }

    /// Reads the first positions of the blocks up to the set's height.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`], [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn read(set: &UtxoSet<'_>) -> Result<Heights> {
        let mut firsts = Region::new(Part::FirstOutputs, set.height().0 as usize + 1)?;
        for (height, first) in (0..).zip(firsts.iter_mut()) {
            *first = set.snapshot().block(Height(height))?.first_txo.0;
        }
        Ok(Heights { firsts })
    }

    /// The coinbase of a block.
    pub fn coinbase(&self, height: Height) -> TxNum {
        TxNum::of_first(Txo(self.firsts[height.0 as usize]))
    }

    /// The block that made `txo`.
    pub fn of(&self, txo: Txo) -> Height {
        self.of_after(txo, Height(0))
    }

    /// The same, if that is `from` or a later block; the nearer, the faster.
    pub fn of_after(&self, txo: Txo, from: Height) -> Height {
        let from = from.0 as usize;
        let mut reach = 1;
        while from + reach < self.firsts.len() && self.firsts[from + reach] <= txo.0 {
            reach *= 2;
        }
        let end = (from + reach).min(self.firsts.len());
        let known = from + reach / 2;
        let more = self.firsts[known..end].partition_point(|first| *first <= txo.0);
        Height((known + more - 1) as u32)
    }
}
