//! The hashes of a set of coins that Bitcoin Core computes, as plainly as can be.

use bitcoin::consensus::Encodable;
use bitcoin::hashes::{Hash, sha256, sha256d};
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use ruint::Uint;

use super::truth::Output;

/// Wide enough for the product of two numbers of 3072 bits.
type Number = Uint<6144, 96>;

/// A coin as it is hashed (Bitcoin Core, `kernel/coinstats.cpp`: `TxOutSer`).
fn bytes_of(coin: &Output) -> Vec<u8> {
    let mut bytes = Vec::new();
    coin.outpoint.consensus_encode(&mut bytes).unwrap();
    let code = coin.height << 1 | u32::from(coin.coinbase);
    code.consensus_encode(&mut bytes).unwrap();
    coin.amount_sat.consensus_encode(&mut bytes).unwrap();
    coin.script.consensus_encode(&mut bytes).unwrap();
    bytes
}

/// `hash_serialized_3` of coins in the order of their outpoints.
pub fn hash_serialized(coins: &[&Output]) -> sha256d::Hash {
    let bytes: Vec<u8> = coins.iter().flat_map(|coin| bytes_of(coin)).collect();
    sha256d::Hash::hash(&bytes)
}

/// `muhash` of coins: their product modulo a prime (Bitcoin Core, `crypto/muhash.cpp`).
pub fn muhash(coins: &[&Output]) -> sha256::Hash {
    let prime = (Number::ONE << 3072) - Number::from(1_103_717);
    let elements = coins.iter().map(|coin| {
        let key = sha256::Hash::hash(&bytes_of(coin)).to_byte_array();
        let mut stream = [0; 384];
        ChaCha20::new(&key.into(), &[0; 12].into()).apply_keystream(&mut stream);
        Number::from_le_slice(&stream)
    });
    let product = elements.fold(Number::ONE, |product, element| {
        product * (element % prime) % prime
    });
    sha256::Hash::hash(&product.as_le_slice()[..384])
}
