//! Why a text stands for no script, and what to write instead.
//!
//! Invariant: an advice that names something to write works as it is printed.

use super::descriptor::is_key;
use bitcoin::bech32::primitives::decode::SegwitHrpstringError;
use bitcoin::bech32::segwit;
use bitcoin::{base58, hex::DisplayHex};

/// What a script can be given as.
pub(super) const FORMS: &str = "give an address, a descriptor, as wpkh(KEY) or raw(HEX), \
    or the hex of a scriptPubKey";

/// Prefixes of bech32 addresses, as far as they are ours (BIP 173).
const SEGWIT_PREFIXES: [&str; 3] = ["bc1", "tb1", "bcrt1"];

/// The characters behind them.
const BECH32_CHARACTERS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// What legacy addresses begin with, and how many characters they may have, a few mistyped.
const LEGACY_FIRST: [char; 5] = ['1', '3', 'm', 'n', '2'];
const LEGACY_CHARACTERS: std::ops::RangeInclusive<usize> = 20..=40;

/// Bytes of a legacy address without its checksum.
const LEGACY_BYTES: usize = 21;

/// Why a text that has a private key in it is not read.
pub(super) const SECRET: &str = "there is a private key in it: give the address, or a descriptor of public keys \
    (xpub), and keep the private key to yourself";

const MISTYPED: &str = "its checksum is wrong: a character is mistyped or missing";

/// Why bytes of a length that hashes and keys have are not taken for a script.
pub(super) fn length(bytes: &[u8]) -> Option<String> {
    let hex = bytes.to_lower_hex_string();
    let count = bytes.len();
    let or_raw = format!("raw({hex}) if these bytes are a script");
    match count {
        20 => Some(format!(
            "20 bytes are a hash of a key or script; write raw(76a914{hex}88ac) for P2PKH, \
             raw(0014{hex}) for P2WPKH, raw(a914{hex}87) for P2SH, or {or_raw}"
        )),
        32 => Some(format!(
            "32 bytes are a txid (see `blkdex tx`), a hash of a script or a key; write \
             raw(0020{hex}) for P2WSH, raw(5120{hex}) for P2TR, or {or_raw}"
        )),
        33 if is_key(bytes) => Some(format!(
            "33 bytes are a public key; write pk({hex}), pkh({hex}) or wpkh({hex}), or {or_raw}"
        )),
        65 if is_key(bytes) => Some(format!(
            "65 bytes are a public key; write pk({hex}) or pkh({hex}), or {or_raw}"
        )),
        33 | 65 => Some(format!(
            "{count} bytes have the length of a public key, but this is none; write {or_raw}"
        )),
        _ => None,
    }
}

/// Why a text that is neither hexadecimal nor a descriptor is no address.
pub(super) fn no_address(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let is_segwit = |prefix: &&&str| lower.starts_with(**prefix);
    if let Some(prefix) = SEGWIT_PREFIXES.iter().find(is_segwit) {
        return no_segwit_address(text, prefix.len());
    }
    if let Ok((prefix, _, _)) = segwit::decode(text) {
        return format!("it is an address of another chain, whose addresses begin with {prefix}1");
    }
    if let Some(hex) = lower.strip_prefix("0x").filter(|hex| super::is_hex(hex)) {
        return format!("hexadecimal is given without 0x here, as {hex}");
    }
    match base58::decode_check(text) {
        Ok(bytes) => other_than_address(&bytes),
        Err(error) if text.starts_with(LEGACY_FIRST) && LEGACY_CHARACTERS.contains(&text.len()) => {
            no_legacy_address(text, &error)
        }
        Err(_) => format!("it is neither an address nor hexadecimal; {FORMS}"),
    }
}

fn no_segwit_address(text: &str, prefix_bytes: usize) -> String {
    let has = |is: fn(&char) -> bool| text.chars().any(|character| is(&character));
    if has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) {
        return "a bech32 address is all lower case or all upper case, this is mixed".into();
    }
    let is_wrong = |c: &char| !BECH32_CHARACTERS.contains(c.to_ascii_lowercase());
    if let Some(wrong) = text[prefix_bytes..].chars().find(is_wrong) {
        return format!("no bech32 address has the character '{wrong}'");
    }
    match segwit::decode(text) {
        Err(error) if matches!(error.0, SegwitHrpstringError::Checksum(_)) => MISTYPED.into(),
        Err(error) => format!("it is no bech32 address: {error}"),
        Ok(_) => format!("it is no bech32 address that is known; {FORMS}"),
    }
}

fn no_legacy_address(text: &str, error: &base58::Error) -> String {
    match error {
        base58::Error::IncorrectChecksum(_) => MISTYPED.into(),
        _ => {
            let is_wrong = |c: &char| !c.is_ascii_alphanumeric() || "0OIl".contains(*c);
            let wrong = text.chars().find(is_wrong);
            let wrong = wrong.map_or(String::new(), |wrong| format!(" '{wrong}'"));
            format!("no legacy address has the character{wrong}")
        }
    }
}

/// What is written in base58 with a right checksum, and is no address.
fn other_than_address(bytes: &[u8]) -> String {
    match bytes.len() {
        LEGACY_BYTES => format!(
            "it is an address of another chain, whose addresses begin with byte {}",
            bytes[0]
        ),
        count => format!("it has {count} bytes, an address has {LEGACY_BYTES}"),
    }
}
