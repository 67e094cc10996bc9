//! The height that a block claims to have, for blocks whose ancestors are missing.
//!
//! Invariant: a claim is believed only of blocks that had to make one (BIP 34), or beside a chain whose
//! last block claims the height that it has: regtest's need not.

use crate::datadir::{BlockReader, Datadir};
use crate::primitives::bip34::{had_to_name_height, named_height};
use crate::primitives::header;
use crate::primitives::position::{Height, Place};
use crate::primitives::wire::Block;

/// The height in the coinbase of the block at `place`; `None` if it cannot be read, or if blocks did not
/// have to name their height then.
pub fn claimed_height(datadir: &Datadir, place: Place) -> Option<Height> {
    let (version, height) = claim(datadir, place)?;
    had_to_name_height(datadir.network(), version, height).then_some(height)
}

/// The same beside a chain that ends at `tip` with a block at `tip_place`.
pub fn claimed_height_beside(
    datadir: &Datadir,
    place: Place,
    (tip, tip_place): (Height, Place),
) -> Option<Height> {
    let is_claiming = claim(datadir, tip_place).is_some_and(|(_, height)| height == tip);
    match is_claiming {
        true => claim(datadir, place).map(|(_, height)| height),
        false => claimed_height(datadir, place),
    }
}

/// Version of a block, and the number that its coinbase begins with.
fn claim(datadir: &Datadir, place: Place) -> Option<(i32, Height)> {
    let mut reader = BlockReader::new(datadir).ok()?;
    let bytes = reader.read(place).ok()?;
    let mut block = Block::read(bytes).ok()?;
    let version = header::version_of(block.header);
    let coinbase = block.next_tx().ok()??;
    let height = named_height(coinbase.inputs().next()?.script_sig)?;
    Some((version, height))
}
