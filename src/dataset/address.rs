//! The address of a script, as text, without memory of its own.
//!
//! Invariant: the text is the one that the `bitcoin` crate gives, for every script and network.
//!
//! A data set has an address in nearly every row, and most are new. On a chain of 300 MB the `bitcoin` crate's base58,
//! which divides byte by byte, took 14 % of an export; here five digits come out of a division.

use crate::primitives::network::NetworkName;
use bitcoin::hashes::{Hash, sha256d};

/// What begins addresses of a network (Bitcoin Core, `kernel/chainparams.cpp`: `base58Prefixes`, `bech32_hrp`).
#[derive(Clone, Copy)]
pub(crate) struct Prefixes {
    key_hash: u8,
    script_hash: u8,
    segwit: &'static str,
    /// The checksum behind it.
    checksum: u32,
}

impl Prefixes {
    /// Those of the network.
    pub fn of(network: NetworkName) -> Prefixes {
        let (key_hash, script_hash, segwit) = match network {
            NetworkName::Main => (0, 5, "bc"),
            NetworkName::Test | NetworkName::Testnet4 | NetworkName::Signet => (111, 196, "tb"),
            NetworkName::Regtest => (111, 196, "bcrt"),
        };
        let letters = segwit.bytes();
        let high = letters.clone().map(|letter| letter >> 5);
        let expanded = high.chain([0]).chain(letters.map(|letter| letter & 31));
        Prefixes {
            key_hash,
            script_hash,
            segwit,
            checksum: expanded.fold(1, stepped),
        }
    }
}

/// Appends the address of the script; whether it has one.
pub(crate) fn push_address(out: &mut Vec<u8>, script: &[u8], prefixes: &Prefixes) -> bool {
    match script {
        [0x76, 0xa9, 20, hash @ .., 0x88, 0xac] if hash.len() == 20 => {
            push_base58(out, prefixes.key_hash, hash);
        }
        [0xa9, 20, hash @ .., 0x87] if hash.len() == 20 => {
            push_base58(out, prefixes.script_hash, hash);
        }
        [0, length @ (20 | 32), program @ ..] if program.len() == *length as usize => {
            push_segwit(out, 0, program, prefixes);
        }
        [version @ 0x51..=0x60, length @ 2..=40, program @ ..]
            if program.len() == *length as usize =>
        {
            push_segwit(out, version - 0x50, program, prefixes);
        }
        _ => return false,
    }
    true
}

/// Bytes that base58 stands for here: a prefix, a hash, and four bytes of checksum.
const BASE58_BYTES: usize = 1 + 20 + 4;

/// Digits that come out of one division.
const DIGITS: usize = 5;
const DIVISOR: u64 = 58u64.pow(DIGITS as u32);

/// Most digits of so many bytes: 25 × log 256 / log 58, rounded up to whole divisions.
const BASE58_DIGITS_MAX: usize = 35;

fn push_base58(out: &mut Vec<u8>, prefix: u8, hash: &[u8]) {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = [0; BASE58_BYTES];
    bytes[0] = prefix;
    bytes[1..21].copy_from_slice(hash);
    let checksum = sha256d::Hash::hash(&bytes[..21]).to_byte_array();
    bytes[21..].copy_from_slice(&checksum[..4]);
    // As words of 32 bits, the highest first.
    let mut words = [0u32; BASE58_BYTES.div_ceil(4)];
    words[0] = bytes[0].into();
    let (chunks, _) = bytes[1..].as_chunks::<4>();
    for (word, chunk) in words[1..].iter_mut().zip(chunks) {
        *word = u32::from_be_bytes(*chunk);
    }
    let mut digits = [0u8; BASE58_DIGITS_MAX];
    let mut first = 0;
    for group in digits.rchunks_exact_mut(DIGITS) {
        while first < words.len() && words[first] == 0 {
            first += 1;
        }
        let mut rest = 0u64;
        for word in &mut words[first..] {
            let number = rest << 32 | u64::from(*word);
            *word = (number / DIVISOR) as u32;
            rest = number % DIVISOR;
        }
        for digit in group.iter_mut().rev() {
            *digit = (rest % 58) as u8;
            rest /= 58;
        }
    }
    // A zero in front is a one, for each byte that is zero in front.
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let unused = digits.iter().take_while(|digit| **digit == 0).count();
    out.extend(std::iter::repeat_n(ALPHABET[0], zeros));
    out.extend(
        digits[unused..]
            .iter()
            .map(|digit| ALPHABET[*digit as usize]),
    );
}

/// The checksum with one more value of five bits (BIP 173).
#[inline(always)]
fn stepped(checksum: u32, value: u8) -> u32 {
    const GENERATORS: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    const FEEDBACK: [u32; 32] = {
        let mut feedback = [0; 32];
        let mut top = 0;
        while top < 32 {
            let mut bit = 0;
            while bit < 5 {
                if top >> bit & 1 == 1 {
                    feedback[top] ^= GENERATORS[bit];
                }
                bit += 1;
            }
            top += 1;
        }
        feedback
    };
    let top = checksum >> 25;
    (checksum & 0x1ff_ffff) << 5 ^ u32::from(value) ^ FEEDBACK[top as usize & 31]
}

/// BIP 173 for version 0, BIP 350 for others.
fn push_segwit(out: &mut Vec<u8>, version: u8, program: &[u8], prefixes: &Prefixes) {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const BECH32: u32 = 1;
    const BECH32M: u32 = 0x2bc8_30a3;
    out.extend_from_slice(prefixes.segwit.as_bytes());
    out.push(b'1');
    let mut checksum = prefixes.checksum;
    let mut push = |value: u8| {
        out.push(ALPHABET[value as usize]);
        checksum = stepped(checksum, value);
    };
    push(version);
    let (mut held, mut bits) = (0u32, 0);
    for byte in program {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push((held >> bits) as u8 & 31);
        }
    }
    if bits > 0 {
        push((held << (5 - bits)) as u8 & 31);
    }
    let target = if version == 0 { BECH32 } else { BECH32M };
    let checksum = (0..6).fold(checksum, |checksum, _| stepped(checksum, 0)) ^ target;
    let letter = |at: u32| ALPHABET[(checksum >> (5 * (5 - at))) as usize & 31];
    out.extend((0..6).map(letter));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::script::address_of;
    use bitcoin::Script;
    use proptest::prelude::*;

    fn check(script: &[u8]) {
        for network in NetworkName::ALL {
            let mut text = Vec::new();
            let has_one = push_address(&mut text, script, &Prefixes::of(network));
            let theirs = address_of(Script::from_bytes(script), network);
            let ours = has_one.then(|| String::from_utf8(text).expect("letters"));
            assert_eq!(
                ours,
                theirs.map(|address| address.to_string()),
                "{script:?}"
            );
        }
    }

    fn key_hash(hash: [u8; 20]) -> Vec<u8> {
        [&[0x76, 0xa9, 20][..], &hash, &[0x88, 0xac]].concat()
    }

    #[test]
    fn zeros_in_front_and_the_largest_hash_are_written_right() {
        for zeros in 0..=20 {
            let mut hash = [0xff; 20];
            hash[..zeros].fill(0);
            check(&key_hash(hash));
            check(&[&[0xa9, 20][..], &hash, &[0x87]].concat());
        }
    }

    #[test]
    fn witness_programs_of_all_versions_and_lengths_are_the_bitcoin_crates() {
        for version in [0, 0x50, 0x51, 0x52, 0x60, 0x61] {
            for length in 0..=42u8 {
                let program: Vec<u8> = (0..length).map(|at| at.wrapping_mul(37)).collect();
                check(&[&[version, length][..], &program].concat());
                check(&[&[version, length][..], &program, &[0]].concat());
            }
        }
    }

    proptest! {
        #[test]
        fn every_address_is_the_bitcoin_crates(hash: [u8; 20], long: [u8; 32], any: Vec<u8>) {
            check(&key_hash(hash));
            check(&[&[0xa9, 20][..], &hash, &[0x87]].concat());
            check(&[&[0, 20][..], &hash].concat());
            check(&[&[0, 32][..], &long].concat());
            check(&[&[0x51, 32][..], &long].concat());
            check(&any);
        }
    }
}
