//! Coins that one block makes and spends: they pair up among themselves, and the table never sees them.
//!
//! Invariant: what is taken out is a coin that is made and, later, taken; all else stays, in order. A transaction that makes an unspent output again (BIP 30) is not noticed where its own block
//! spends that output; Core connects no such block.
//!
//! Memory: 4 bytes for each of twice the outputs a block can have, made once; a block uses the first
//! few of them, which stay in the processor's cache.

use super::change::Change;
use crate::memory::part::Part;
use crate::memory::region::{Buffer, Region};
use crate::primitives::consensus::BLOCK_OUTPUTS_MAX;
use crate::primitives::fingerprint::OUTPOINT_BITS;
use crate::primitives::position::{TxNum, Txo};
use bytemuck::Zeroable;

/// Bits of a slot that say where in the block's list the coin is made, plus one; the others are a part of
/// its fingerprint.
const INDEX_BITS: u32 = 17;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

/// A change's slot is chosen by the upper bits of its fingerprint.
const HASH_FROM_BIT: u32 = OUTPOINT_BITS - 64;

const _: () = assert!(BLOCK_OUTPUTS_MAX < 1 << INDEX_BITS);

/// See the module documentation.
pub struct Pairs {
    slots: Region<u32>,
}

impl Pairs {
    /// Slots for the block with the most outputs.
    const SLOTS_MAX: usize = slots_for(BLOCK_OUTPUTS_MAX as usize);

    /// Bytes of memory it takes.
    pub const BYTES: usize = Pairs::SLOTS_MAX * size_of::<u32>();

    /// With room for the largest block.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new() -> crate::Result<Pairs> {
        Ok(Pairs {
            slots: Region::new(Part::Block, Pairs::SLOTS_MAX)?,
        })
    }

    /// Takes out of a block's changes the coins that it makes and spends, and names each: the output,
    /// and its spender. `coins`: how many it makes. Outputs of the coinbase, which end at
    /// `coinbase_end`, are left to the table, since they may overwrite older coins (BIP 30).
    pub fn take_out(
        &mut self,
        changes: &mut Buffer<Change>,
        coins: usize,
        coinbase_end: Txo,
        mut spent: impl FnMut(Txo, TxNum),
    ) {
        self.slots.note_used(slots_for(coins));
        let slots = &mut self.slots[..slots_for(coins)];
        let mask = slots.len() - 1;
        slots.fill(0);
        for at in 0..changes.len() {
            let change = changes[at];
            let hash = (change.fingerprint() >> HASH_FROM_BIT) as u64;
            let tag = (hash >> 32) as u32 & !INDEX_MASK;
            let mut slot = hash as usize & mask;
            if change.is_take() {
                while slots[slot] != 0 {
                    if slots[slot] & !INDEX_MASK == tag {
                        let made_at = (slots[slot] & INDEX_MASK) as usize - 1;
                        let made = changes[made_at].made();
                        if made.fingerprint() == change.fingerprint() {
                            spent(made.txo(), change.spender());
                            changes[made_at] = Change::zeroed();
                            changes[at] = Change::zeroed();
                            break;
                        }
                    }
                    slot = (slot + 1) & mask;
                }
            } else if change.made().txo() >= coinbase_end {
                while slots[slot] != 0 {
                    slot = (slot + 1) & mask;
                }
                slots[slot] = tag | (at as u32 + 1);
            }
        }
        changes.drop_zeroed();
    }
}

const fn slots_for(coins: usize) -> usize {
    (2 * coins + 2).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What should be left and what should be paired, by search.
    fn model(changes: &[Change], coinbase_end: Txo) -> (Vec<Change>, Vec<(Txo, TxNum)>) {
        let (mut left, mut pairs): (Vec<Change>, _) = (Vec::new(), Vec::new());
        for change in changes {
            let makes_it = |made: &Change| {
                let is_made = !made.is_take() && made.made().txo() >= coinbase_end;
                is_made && made.fingerprint() == change.fingerprint()
            };
            match left.iter().position(makes_it) {
                Some(at) if change.is_take() => {
                    pairs.push((left.remove(at).made().txo(), change.spender()));
                }
                _ => left.push(*change),
            }
        }
        (left, pairs)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn it_pairs_what_a_search_pairs(
            changes in prop::collection::vec((any::<bool>(), 1u128..40, 0u32..3), 0..300),
        ) {
            // Few fingerprints, some alike in the bits that choose slot and tag.
            let (mut buffer, mut pairs) = (Buffer::new(Part::Block, 300).unwrap(), Pairs::new().unwrap());
            let (mut coins, coinbase_end) = (0, Txo(20));
            let mut made = std::collections::BTreeSet::new();
            for (txo, (is_take, fingerprint, high)) in (1u64..).zip(changes) {
                let fingerprint = fingerprint | u128::from(high) << 80;
                if is_take {
                    buffer.push(Change::take(fingerprint, TxNum::of_first(Txo(txo))));
                } else if made.insert(fingerprint) {
                    buffer.push(Change::make(fingerprint, Txo(txo)));
                    coins += 1;
                }
            }
            let (left, expected) = model(&buffer, coinbase_end);
            let mut found = Vec::new();
            pairs.take_out(&mut buffer, coins, coinbase_end, |txo, spender| {
                found.push((txo, spender));
            });
            prop_assert_eq!(&buffer[..], &left[..]);
            prop_assert_eq!(found, expected);
        }
    }
}
