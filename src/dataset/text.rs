//! What the columns say of hashes and scripts: hexadecimal, addresses, Core's name of a script's form.
//!
//! Invariant: an address is what Core prints for the script on the network, or none.
//!
//! Memory: [`Addresses::BYTES`], for scripts seen lately: many are seen again soon.

use super::address::{Prefixes, push_address};
use crate::primitives::network::NetworkName;
use crate::primitives::script_type::ScriptType;
use crate::primitives::wire::Hash32;
use bytes::Bytes;
use parquet::data_type::ByteArray;

/// The two digits of every byte.
const DIGITS: [[u8; 2]; 256] = digits();

const fn digits() -> [[u8; 2]; 256] {
    const DIGIT: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        digits[byte] = [DIGIT[byte >> 4], DIGIT[byte & 15]];
        byte += 1;
    }
    digits
}

/// Appends bytes as hexadecimal.
#[inline]
pub(crate) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    let (pairs, _) = out[start..].as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = DIGITS[*byte as usize];
    }
}

/// Appends a hash as Core prints it: back to front.
#[inline]
pub(crate) fn push_hash_hex(out: &mut Vec<u8>, hash: &Hash32) {
    push_hex(out, &printed(hash));
}

/// A hash in the order in which it is printed.
#[inline]
pub(crate) fn printed(hash: &Hash32) -> Hash32 {
    let mut printed = *hash;
    printed.reverse();
    printed
}

/// Core's name of a script's form.
pub(crate) fn type_name(script: &[u8]) -> ByteArray {
    ByteArray::from(Bytes::from_static(ScriptType::of(script).name().as_bytes()))
}

/// A script that was seen, in place: most looks are for one that is not there.
struct Seen {
    length: u8,
    script: [u8; KEPT_BYTES_MAX],
    address: Option<ByteArray>,
}

/// See the module documentation.
pub(crate) struct Addresses {
    prefixes: Prefixes,
    seen: Vec<Seen>,
    text: Vec<u8>,
}

/// Scripts of all forms that have an address are no longer.
const KEPT_BYTES_MAX: usize = 42;

/// A power of two.
const SEEN_MAX: usize = 1 << 13;

impl Addresses {
    /// Bytes of memory: the list, and an address on the heap for each.
    pub const BYTES: usize = SEEN_MAX * (size_of::<Seen>() + 128);

    /// Of scripts of this network.
    pub fn new(network: NetworkName) -> Addresses {
        // What the empty script has: no address.
        let nothing = || Seen {
            length: 0,
            script: [0; KEPT_BYTES_MAX],
            address: None,
        };
        Addresses {
            prefixes: Prefixes::of(network),
            seen: std::iter::repeat_with(nothing).take(SEEN_MAX).collect(),
            text: Vec::new(),
        }
    }

    /// The address of the script, if Core prints one.
    #[inline]
    pub fn of(&mut self, script: &[u8]) -> Option<ByteArray> {
        if script.len() > KEPT_BYTES_MAX {
            return None;
        }
        let seen = &mut self.seen[place_of(script)];
        if &seen.script[..seen.length as usize] != script {
            self.text.clear();
            let has_one = push_address(&mut self.text, script, &self.prefixes);
            seen.address = has_one.then(|| ByteArray::from(&self.text[..]));
            seen.length = script.len() as u8;
            seen.script[..script.len()].copy_from_slice(script);
        }
        seen.address.clone()
    }
}

/// Where a script is kept. Hashes make up most of it, so its bytes are as good as random.
fn place_of(script: &[u8]) -> usize {
    let mut word = script.len() as u64;
    for chunk in script.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        word = (word ^ u64::from_le_bytes(bytes)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    (word >> 32) as usize & (SEEN_MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hex::DisplayHex;

    #[test]
    fn hexadecimal_is_the_bitcoin_crates() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut out = b"x".to_vec();
        push_hex(&mut out, &bytes);
        assert_eq!(out[1..], *bytes.to_lower_hex_string().as_bytes());
        let hash: Hash32 = std::array::from_fn(|at| at as u8);
        out.clear();
        push_hash_hex(&mut out, &hash);
        assert!(out.starts_with(b"1f1e1d") && out.ends_with(b"020100"));
    }

    #[test]
    fn an_address_seen_before_is_that_of_a_new_script() {
        let mut addresses = Addresses::new(NetworkName::Main);
        let script = |number: u32| {
            let mut script = vec![0x76, 0xa9, 20];
            script.extend(number.to_be_bytes().repeat(5));
            script.extend([0x88, 0xac]);
            script
        };
        let mut said = |number: u32| addresses.of(&script(number));
        let first: Vec<_> = (0..40_000).map(&mut said).collect();
        let again: Vec<_> = (0..40_000).map(&mut said).collect();
        assert!(first == again, "places are shared, addresses are not");
        assert!(first.iter().all(Option::is_some));
        assert_eq!(addresses.of(&[0x51; 43]), None);
        assert_eq!(addresses.of(&[0x6a, 1, 1]), None);
    }
}
