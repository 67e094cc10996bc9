//! `hash_serialized_3`: SHA-256, twice, of all coins in outpoint order.
//!
//! Invariant: coins come in strictly rising order of (txid bytes, vout).
//!
//! Core walks its coins database in key order and gathers the outputs of a txid in a map by vout
//! (Bitcoin Core, `kernel/coinstats.cpp`, `ComputeUTXOStats`). So txids are in byte order, as in a
//! block, and vouts in numeric order, although the database keeps them otherwise: see
//! [`super::snapshot`].

use bitcoin::hashes::{Hash, HashEngine, sha256, sha256d};

use super::Uint256;
use crate::primitives::coin::Coin;

/// Hashes coins as they come.
#[derive(Default)]
pub struct SerializedHash {
    engine: sha256::HashEngine,
    previous: Option<([u8; 32], u32)>,
}

impl SerializedHash {
    /// Nothing hashed yet.
    pub fn new() -> SerializedHash {
        SerializedHash::default()
    }

    /// Adds the next coin.
    pub fn push(&mut self, coin: &Coin) {
        let outpoint = (coin.txid, coin.vout);
        if let Some(previous) = self.previous.replace(outpoint) {
            assert!(
                previous < outpoint,
                "coins are hashed in outpoint order, each once"
            );
        }
        coin.hash_into(&mut self.engine);
    }

    /// The hash of all coins pushed.
    pub fn finish(self) -> Uint256 {
        debug_assert!(self.previous.is_none() || self.engine.n_bytes_hashed() > 0);
        sha256d::Hash::from_engine(self.engine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::fixtures::{self, Replay};

    fn the_tip_equals_cores(folder: &str) {
        let fixture = fixtures::open(folder);
        let mut replay = Replay::default();
        for (height, block) in fixture.best_chain().iter().enumerate() {
            replay.apply(height as u32, block);
        }
        let mut hash = SerializedHash::new();
        replay.coins().for_each(|coin| hash.push(&coin));
        let expected = fixture.expected["hash_serialized_3"].as_str();
        assert_eq!(Some(hash.finish().to_string().as_str()), expected);
    }

    #[test]
    fn the_tip_of_regtest_equals_cores() {
        the_tip_equals_cores("data");
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn the_tip_of_mainnet_equals_cores() {
        the_tip_equals_cores("mainnet-4312");
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn the_tip_of_signet_equals_cores() {
        the_tip_equals_cores("signet-120");
    }

    fn push_twice(first: (u8, u32), second: (u8, u32)) {
        let mut hash = SerializedHash::new();
        for (seed, vout) in [first, second] {
            let txid = [seed; 32];
            hash.push(&Coin {
                txid,
                vout,
                height: 1,
                coinbase: false,
                amount_sat: 1,
                script: &[],
            });
        }
    }

    #[test]
    fn rising_outpoints_are_taken() {
        push_twice((1, 1), (1, 2));
        push_twice((1, 2), (2, 1));
    }

    #[test]
    #[should_panic(expected = "outpoint order")]
    fn a_falling_vout_is_refused() {
        push_twice((1, 2), (1, 1));
    }

    #[test]
    #[should_panic(expected = "each once")]
    fn a_coin_given_twice_is_refused() {
        push_twice((1, 1), (1, 1));
    }
}
