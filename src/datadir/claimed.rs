//! The height that a block claims to have, for blocks whose ancestors are missing.
//!
//! Invariant: a claim is believed only of blocks that had to make one (BIP 34), or beside a chain whose
//! last block claims the height that it has: regtest's need not.

use super::{BlockReader, Datadir};
use crate::position::{Height, Place};
use crate::wire::Block;

/// The height in the coinbase of the block at `place`; `None` if it cannot be read, or if blocks did not
/// have to name their height then.
pub fn claimed_height(datadir: &Datadir, place: Place) -> Option<Height> {
    let height = height_in_coinbase(datadir, place)?;
    (height.0 >= datadir.network().bip34_height).then_some(height)
}

/// The same beside a chain that ends at `tip` with a block at `tip_place`.
pub fn claimed_height_beside(
    datadir: &Datadir,
    place: Place,
    (tip, tip_place): (Height, Place),
) -> Option<Height> {
    let tip_claims_its_own = height_in_coinbase(datadir, tip_place) == Some(tip);
    match tip_claims_its_own {
        true => height_in_coinbase(datadir, place),
        false => claimed_height(datadir, place),
    }
}

fn height_in_coinbase(datadir: &Datadir, place: Place) -> Option<Height> {
    let mut reader = BlockReader::new(datadir).ok()?;
    let coinbase = Block::read(reader.read(place).ok()?)
        .ok()?
        .next_tx()
        .ok()??;
    pushed_height(coinbase.inputs().next()?.script_sig)
}

/// The number that a coinbase's script begins with, if it is written as BIP 34 asks for it (Bitcoin Core,
/// `validation.cpp`: `ContextualCheckBlock`, "bad-cb-height"). Coinbases of 2009 begin with the block's
/// target, a push of four bytes: no height has that many before 8,388,608 blocks.
fn pushed_height(script: &[u8]) -> Option<Height> {
    const OP_1: u8 = 0x51;
    const OP_16: u8 = 0x60;
    let (first, rest) = script.split_first()?;
    match first {
        OP_1..=OP_16 => Some(Height(u32::from(first - OP_1 + 1))),
        1..=3 => {
            let bytes = rest.get(..usize::from(*first))?;
            let number = bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            Some(Height(number))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_are_read_as_bip34_writes_them() {
        for (script, height) in [
            (&[0x51][..], Some(1)),
            (&[0x60, 0xff], Some(16)),
            (&[1, 17], Some(17)),
            (&[2, 0x2c, 0x01, 7], Some(300)),
            (&[3, 0x63, 0x7a, 0x03], Some(227_939)),
            (&[4, 0xff, 0xff, 0x00, 0x1d], None),
            (&[2, 0x2c], None),
            (&[0], None),
            (&[], None),
        ] {
            assert_eq!(pushed_height(script), height.map(Height), "{script:?}");
        }
    }
}
