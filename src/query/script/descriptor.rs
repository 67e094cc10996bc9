//! Descriptors that stand for one script (BIP 380 to 382): `addr`, `raw`, and `pk`, `pkh`, `wpkh` of a key.
//!
//! Invariant: a key is on the curve, and stands in the script byte for byte as it was given.

use super::{from_hex, is_hex};
use bitcoin::hashes::{Hash, hash160};
use bitcoin::script::{Builder, PushBytes};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{PubkeyHash, ScriptBuf, WPubkeyHash, opcodes};

/// The characters of a descriptor, by their number (BIP 380).
const DESCRIPTOR_CHARACTERS: &str = "0123456789()[],'/*abcdefgh@:$%{}\
    IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~\
    ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";

/// The characters of a checksum, by their number (BIP 173, BIP 380).
const CHECKSUM_CHARACTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// What a descriptor says.
pub(super) enum Said<'a> {
    Script(ScriptBuf),
    Address(&'a str),
}

/// Reads a descriptor.
pub(super) fn read(text: &str) -> Result<Said<'_>, String> {
    let descriptor = without_checksum(text)?;
    let call = descriptor.split_once('(');
    let call = call.and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?)));
    let (name, inside) = call.ok_or("a descriptor ends with )")?;
    match name {
        "raw" => from_hex(inside).map(Said::Script),
        "addr" => Ok(Said::Address(inside)),
        "pk" => Ok(Said::Script(pk(&key(inside)?))),
        "pkh" => Ok(Said::Script(pkh(&key(inside)?))),
        "wpkh" => wpkh(&key(inside)?).map(Said::Script),
        _ => Err(
            "of descriptors, raw(HEX), addr(ADDRESS), pk(KEY), pkh(KEY) and wpkh(KEY) are taken; \
             `bitcoin-cli deriveaddresses` tells the addresses of others"
                .into(),
        ),
    }
}

/// Whether the bytes are a public key: on the curve, compressed or not.
pub(super) fn is_key(bytes: &[u8]) -> bool {
    PublicKey::from_slice(bytes).is_ok()
}

fn key(hex: &str) -> Result<Vec<u8>, String> {
    let bytes = match is_hex(hex) {
        true => from_hex(hex)?.into_bytes(),
        false => return Err("a key is given in hexadecimal here".into()),
    };
    match is_key(&bytes) {
        true => Ok(bytes),
        false => Err(format!("{hex} is no public key")),
    }
}

fn pk(key: &[u8]) -> ScriptBuf {
    let key: &PushBytes = key.try_into().expect("a key is short enough to be pushed");
    let script = Builder::new().push_slice(key);
    script.push_opcode(opcodes::all::OP_CHECKSIG).into_script()
}

fn pkh(key: &[u8]) -> ScriptBuf {
    ScriptBuf::new_p2pkh(&PubkeyHash::from_raw_hash(hash160::Hash::hash(key)))
}

fn wpkh(key: &[u8]) -> Result<ScriptBuf, String> {
    if key.len() != 33 {
        return Err("wpkh() takes compressed keys only".into());
    }
    let hash = WPubkeyHash::from_raw_hash(hash160::Hash::hash(key));
    Ok(ScriptBuf::new_p2wpkh(&hash))
}

/// The descriptor without `#` and checksum; the checksum need not be there, but then it must be right.
fn without_checksum(text: &str) -> std::result::Result<&str, String> {
    let Some((descriptor, given)) = text.split_once('#') else {
        return Ok(text);
    };
    match checksum(descriptor) {
        Some(right) if right == given.as_bytes() => Ok(descriptor),
        Some(right) => Err(format!(
            "the checksum is {}, not {given}",
            String::from_utf8_lossy(&right)
        )),
        None => Err("a character that no descriptor has".into()),
    }
}

/// The checksum of a descriptor (BIP 380); `None` for characters that none has.
fn checksum(descriptor: &str) -> Option<[u8; 8]> {
    let mut remainder = 1;
    let (mut groups, mut group_count) = (0, 0);
    for character in descriptor.chars() {
        let number = DESCRIPTOR_CHARACTERS.find(character)? as u64;
        remainder = fold(remainder, number & 31);
        groups = groups * 3 + (number >> 5);
        group_count += 1;
        if group_count == 3 {
            remainder = fold(remainder, groups);
            (groups, group_count) = (0, 0);
        }
    }
    if group_count > 0 {
        remainder = fold(remainder, groups);
    }
    let remainder = (0..8).fold(remainder, |remainder, _| fold(remainder, 0)) ^ 1;
    Some(std::array::from_fn(|at| {
        CHECKSUM_CHARACTERS[(remainder >> (5 * (7 - at)) & 31) as usize]
    }))
}

/// One step of the division that gives the checksum (BIP 380, `PolyMod`).
fn fold(remainder: u64, symbol: u64) -> u64 {
    const GENERATOR: [u64; 5] = [
        0xf5_dee5_1989,
        0xa9_fdca_3312,
        0x1b_ab10_e32d,
        0x37_06b1_677a,
        0x64_4d62_6ffd,
    ];
    let top = remainder >> 35;
    let shifted = (remainder & 0x7_ffff_ffff) << 5 ^ symbol;
    let bits = (0..5).filter(|bit| top >> bit & 1 == 1);
    bits.fold(shifted, |sum, bit| sum ^ GENERATOR[bit])
}
