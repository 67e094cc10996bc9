//! Coins that one block makes and spends: they pair up among themselves, and the table never sees them.
//!
//! Invariant: what is taken out is one put and one later delete of the same outpoint; all else stays,
//! in order. A transaction that makes an unspent output again (BIP 30) is not noticed where its own block
//! spends that output; Core connects no such block.
//!
//! Memory: 4 bytes for each of twice the outputs a block can have, made once; a block uses the first
//! few of them, which stay in the processor's cache.

use crate::limits::BLOCK_OUTPUTS_MAX;
use crate::memory::part::Part;
use crate::memory::region::{Buffer, Region};
use crate::primitives::position::Txo;
use crate::runs::row::CoinRow;
use bytemuck::Zeroable;

/// Bits of a slot that say where in the block's list the put is, plus one; the others are a part of
/// its fingerprint.
const PLACE_BITS: u32 = 17;
const PLACE_MASK: u32 = (1 << PLACE_BITS) - 1;
const _: () = assert!(BLOCK_OUTPUTS_MAX < 1 << PLACE_BITS);

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
        ops: &mut Buffer<CoinRow>,
        coins: usize,
        coinbase_end: Txo,
        mut spent: impl FnMut(Txo, Txo),
    ) {
        self.slots.note_used(slots_for(coins));
        let slots = &mut self.slots[..slots_for(coins)];
        let mask = slots.len() - 1;
        slots.fill(0);
        for at in 0..ops.len() {
            let op = ops[at];
            let hash = (op.0 >> 64) as u64;
            let tag = (hash >> 32) as u32 & !PLACE_MASK;
            let mut slot = hash as usize & mask;
            if op.is_delete() {
                while slots[slot] != 0 {
                    if slots[slot] & !PLACE_MASK == tag {
                        let put_at = (slots[slot] & PLACE_MASK) as usize - 1;
                        let put = ops[put_at];
                        if put.fingerprint() == op.fingerprint() {
                            spent(put.txo(), op.txo());
                            ops[put_at] = CoinRow::zeroed();
                            ops[at] = CoinRow::zeroed();
                            break;
                        }
                    }
                    slot = (slot + 1) & mask;
                }
            } else if op.txo() >= coinbase_end {
                while slots[slot] != 0 {
                    slot = (slot + 1) & mask;
                }
                slots[slot] = tag | (at as u32 + 1);
            }
        }
        ops.drop_zeroed();
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
    fn model(ops: &[CoinRow], coinbase_end: Txo) -> (Vec<CoinRow>, Vec<(Txo, Txo)>) {
        let (mut left, mut pairs): (Vec<CoinRow>, _) = (Vec::new(), Vec::new());
        for op in ops {
            let is_its_put = |put: &CoinRow| {
                let is_put = !put.is_delete() && put.txo() >= coinbase_end;
                is_put && put.fingerprint() == op.fingerprint()
            };
            match left.iter().position(is_its_put) {
                Some(at) if op.is_delete() => pairs.push((left.remove(at).txo(), op.txo())),
                _ => left.push(*op),
            }
        }
        (left, pairs)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn it_pairs_what_a_search_pairs(
            ops in prop::collection::vec((any::<bool>(), 1u128..40, 0u32..3), 0..300),
        ) {
            // Few fingerprints, some alike in the bits that choose slot and tag.
            let (mut buffer, mut pairs) = (Buffer::new(Part::Block, 300).unwrap(), Pairs::new().unwrap());
            let (mut coins, coinbase_end) = (0, Txo(20));
            let mut made = std::collections::BTreeSet::new();
            for (txo, (is_delete, fingerprint, high)) in (1u64..).zip(ops) {
                let fingerprint = fingerprint | u128::from(high) << 80;
                if is_delete {
                    buffer.push(CoinRow::delete(fingerprint, Txo(txo)));
                } else if made.insert(fingerprint) {
                    buffer.push(CoinRow::put(fingerprint, Txo(txo)));
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
