//! MuHash3072: a hash of a set that does not depend on the order of its elements.
//!
//! Invariant: equals `MuHash3072` of Bitcoin Core (`crypto/muhash.cpp`) for every set.
//! Memory: a number of 384 bytes, and 7 kB for eight more; nothing is allocated per element.
//!
//! An element is SHA-256 of its bytes, stretched by ChaCha20 to a 3072-bit number. A set is the
//! product of its elements modulo the prime 2^3072 − 1103717. Numbers stay below 2^3072 but are
//! reduced below the prime only at the end, since 2^3072 ≡ 1103717 makes that cheap. Where the processor
//! has IFMA, eight products grow side by side (`ifma.rs`), and are multiplied at the end.

#[cfg(target_arch = "x86_64")]
mod ifma;

use bitcoin::hashes::{Hash, HashEngine, sha256};
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use ruint::Uint;

use super::Uint256;
use crate::primitives::coin::Coin;

const LIMBS: usize = 48;
const NUMBER_BYTES: usize = LIMBS * 8;
const _: () = assert!(NUMBER_BYTES * 8 == 3072);

/// What 2^3072 exceeds the prime by.
const PRIME_GAP: u64 = 1_103_717;

type Number = Uint<3072, LIMBS>;
type Product = Uint<6144, { 2 * LIMBS }>;

/// A set of coins: their product.
pub struct MuHash {
    product: Number,
    /// If there are any, elements go into these.
    #[cfg(target_arch = "x86_64")]
    side_by_side: Option<ifma::Products>,
}

impl Default for MuHash {
    fn default() -> MuHash {
        MuHash {
            product: Number::ONE,
            #[cfg(target_arch = "x86_64")]
            side_by_side: ifma::Products::new(),
        }
    }
}

impl MuHash {
    /// The empty set.
    pub fn new() -> MuHash {
        MuHash::default()
    }

    /// Adds a coin. One multiplication.
    pub fn insert(&mut self, coin: &Coin) {
        self.multiply_by(&coin_element(coin));
    }

    fn multiply_by(&mut self, element: &Number) {
        #[cfg(target_arch = "x86_64")]
        if let Some(products) = &mut self.side_by_side {
            return products.push(element);
        }
        self.product = multiply(&self.product, element);
    }

    /// The hash of the set.
    pub fn finish(&self) -> Uint256 {
        #[cfg(target_arch = "x86_64")]
        let others = self.side_by_side.iter().flat_map(|all| all.numbers());
        #[cfg(not(target_arch = "x86_64"))]
        let others = std::iter::empty();
        let product = others.fold(self.product, |product, other| multiply(&product, &other));
        let bytes: [u8; NUMBER_BYTES] = reduce(product).to_le_bytes();
        Uint256::from_byte_array(sha256::Hash::hash(&bytes).to_byte_array())
    }
}

fn prime() -> Number {
    Number::ZERO.wrapping_sub(Number::from(PRIME_GAP))
}

fn coin_element(coin: &Coin) -> Number {
    let mut engine = sha256::HashEngine::default();
    coin.hash_into(&mut engine);
    element(engine)
}

/// Finishes SHA-256 and stretches it (Bitcoin Core, `MuHash3072::ToNum3072`).
fn element(engine: sha256::HashEngine) -> Number {
    debug_assert!(engine.n_bytes_hashed() > 0);
    let key = sha256::Hash::from_engine(engine).to_byte_array();
    let mut stream = [0; NUMBER_BYTES];
    ChaCha20::new(&key.into(), &[0; 12].into()).apply_keystream(&mut stream);
    Number::from_le_bytes(stream)
}

/// A number below 2^3072 that is congruent to the product.
fn multiply(left: &Number, right: &Number) -> Number {
    let product: Product = left.widening_mul(*right);
    let (low, high) = product.as_limbs().split_at(LIMBS);
    let mut folded = [0; LIMBS];
    let mut carry = 0;
    for ((out, &low), &high) in folded.iter_mut().zip(low).zip(high) {
        let sum = u128::from(high) * u128::from(PRIME_GAP) + u128::from(low) + carry;
        *out = sum as u64;
        carry = sum >> 64;
    }
    fold(folded, carry * u128::from(PRIME_GAP))
}

/// The number below 2^3072 that is congruent to the sum.
fn fold(mut limbs: [u64; LIMBS], addend: u128) -> Number {
    let mut carry = add_small(&mut limbs, addend);
    while carry != 0 {
        carry = add_small(&mut limbs, carry * u128::from(PRIME_GAP));
    }
    Number::from_limbs(limbs)
}

/// Adds a small number and returns the carry out of the last limb. It rarely goes past the first.
fn add_small(limbs: &mut [u64; LIMBS], addend: u128) -> u128 {
    let mut carry = addend;
    for limb in limbs {
        let sum = u128::from(*limb) + carry;
        *limb = sum as u64;
        carry = sum >> 64;
        if carry == 0 {
            break;
        }
    }
    carry
}

/// The number below the prime that is congruent to one below 2^3072.
fn reduce(number: Number) -> Number {
    let prime = prime();
    if number >= prime {
        number - prime
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::fixtures::{self, Replay};
    use proptest::prelude::*;

    /// The element of Core's tests (`crypto_tests.cpp`, `FromInt`).
    fn from_int(number: u8) -> Number {
        let mut bytes = [0; 32];
        bytes[0] = number;
        let mut engine = sha256::HashEngine::default();
        engine.input(&bytes);
        element(engine)
    }

    #[test]
    fn the_fraction_of_cores_tests_has_cores_hash() {
        let inverse = from_int(2)
            .inv_mod(prime())
            .expect("it is no multiple of the prime");
        let mut set = MuHash::new();
        [from_int(0), from_int(1), inverse]
            .iter()
            .for_each(|element| set.multiply_by(element));
        let expected = "10d312b100cbd32ada024a6646e40d3482fcff103668d2625f10002a607d5863";
        assert_eq!(set.finish().to_string(), expected);
    }

    #[test]
    fn the_product_of_cores_serialization_test_begins_with_cores_bytes() {
        let product: [u8; NUMBER_BYTES] =
            reduce(multiply(&from_int(1), &from_int(2))).to_le_bytes();
        let expected = "1fa093295ea30a6a3acdc7b3f770fa538eff537528e990e2910e40bbcfd7f6696b125690";
        assert_eq!(
            bitcoin::hex::DisplayHex::to_lower_hex_string(&product[..36]),
            expected
        );
    }

    #[test]
    fn a_number_over_the_prime_has_cores_hash() {
        let mut set = MuHash::new();
        set.multiply_by(&Number::MAX);
        let natural = bitcoin::hex::DisplayHex::to_lower_hex_string(set.finish().as_byte_array());
        let expected = "3a31e6903aff0de9f62f9a9f7f8b861de76ce2cda09822b90014319ae5dc2271";
        assert_eq!(natural, expected);
    }

    #[test]
    fn the_empty_set_has_the_hash_core_prints_for_genesis() {
        let expected = "dd5ad2a105c2d29495f577245c357409002329b9f4d6182c0af3dc2f462555c8";
        assert_eq!(MuHash::new().finish().to_string(), expected);
    }

    fn every_stat_equals_cores(folder: &str) {
        let fixture = fixtures::open(folder);
        let mut checked = 0;
        let mut replay = Replay::default();
        for (height, block) in fixture.best_chain().iter().enumerate() {
            replay.apply(height as u32, block);
            let expected = &fixture.expected["stats"][height.to_string()];
            let Some(muhash) = expected["muhash"].as_str() else {
                continue;
            };
            let mut set = MuHash::new();
            let mut bogosize = 0;
            for coin in replay.coins() {
                set.insert(&coin);
                bogosize += coin.bogosize();
            }
            assert_eq!(set.finish().to_string(), muhash, "{folder} at {height}");
            assert_eq!(Some(bogosize), expected["bogosize"].as_u64());
            checked += 1;
        }
        let there = fixture.expected["stats"].as_object().expect("an object");
        assert_eq!(checked, there.len());
    }

    #[test]
    fn regtest_equals_core_at_every_height_given() {
        every_stat_equals_cores("data");
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn mainnet_equals_core_at_every_height_given() {
        every_stat_equals_cores("mainnet-4312");
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn signet_equals_core_at_every_height_given() {
        every_stat_equals_cores("signet-120");
    }

    /// Numbers that carry far, and any others; none of which a product is zero.
    fn numbers() -> impl Strategy<Value = Number> {
        prop_oneof![
            Just(Number::ONE),
            Just(Number::MAX),
            Just(prime() - Number::ONE),
            Just(prime() + Number::ONE),
            Just(Number::MAX << 1500),
            Just(Number::MAX >> 1500),
            any::<[u64; LIMBS]>().prop_map(Number::from_limbs),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whether they are multiplied side by side, as this processor allows, or not.
        #[test]
        fn a_set_hashes_as_the_product_of_its_elements_one_by_one(
            mut elements in prop::collection::vec(numbers(), 0..60),
            zero in prop::option::weighted(0.1, any::<prop::sample::Index>()),
        ) {
            // Once the prime itself, and all is zero.
            if let (Some(zero), false) = (zero, elements.is_empty()) {
                let at = zero.index(elements.len());
                elements[at] = prime();
            }
            let mut set = MuHash::new();
            elements.iter().for_each(|element| set.multiply_by(element));
            let product = elements.iter().fold(Number::ONE, |product, element| {
                product.mul_mod(*element, prime())
            });
            let bytes: [u8; NUMBER_BYTES] = product.to_le_bytes();
            let expected = sha256::Hash::hash(&bytes).to_byte_array();
            prop_assert_eq!(set.finish(), Uint256::from_byte_array(expected));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn a_product_equals_that_of_plain_division(
            left: [u8; NUMBER_BYTES], right: [u8; NUMBER_BYTES], extreme in 0..3,
        ) {
            let mut left = Number::from_le_bytes(left);
            let right = Number::from_le_bytes(right);
            if extreme == 1 { left = Number::MAX }
            if extreme == 2 { left = prime() }
            prop_assert_eq!(reduce(multiply(&left, &right)), left.mul_mod(right, prime()));
        }
    }
}
