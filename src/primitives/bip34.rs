//! The height that a coinbase names (BIP 34).
//!
//! Invariant: only what is written as Core asks for it is read as a height.

use super::network::{Network, NetworkName};
use super::position::Height;

/// Whether a block of that version had to name that height. Regtest's blocks have to from the first on,
/// unless its node was told otherwise; those that a node makes do in any case.
pub fn had_to_name_height(network: &Network, version: i32, height: Height) -> bool {
    let is_in_force = height.0 >= network.bip34_height || network.name == NetworkName::Regtest;
    version >= BIP34_VERSION && is_in_force
}

/// Version of blocks that name their height (BIP 34).
const BIP34_VERSION: i32 = 2;

/// The number that a coinbase's script begins with, if it is written as BIP 34 asks for it (Bitcoin Core,
/// `validation.cpp`: `ContextualCheckBlock`, "bad-cb-height"). Coinbases of 2009 begin with the block's
/// target, a push of four bytes: no height has that many before 8,388,608 blocks.
pub fn named_height(script: &[u8]) -> Option<Height> {
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
    fn a_height_is_believed_only_where_and_when_it_had_to_be_named() {
        let [main, regtest] = [NetworkName::Main, NetworkName::Regtest].map(Network::new);
        for (network, version, height, believed) in [
            (&main, 2, 227_931, true),
            (&main, 1, 227_931, false),
            (&main, 2, 227_930, false),
            (&main, 0x2000_0000, 900_000, true),
            (&regtest, 0x2000_0000, 1, true),
            (&regtest, 1, 1, false),
        ] {
            let found = had_to_name_height(network, version, Height(height));
            assert_eq!(found, believed, "{} {version} {height}", network.name);
        }
    }

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
            assert_eq!(named_height(script), height.map(Height), "{script:?}");
        }
    }
}
