//! How things are called for people.
//!
//! Invariant: what has no name is called by its script or by its place; no script takes more than a
//! line. Numbers and dates are worded by the library, which draws pictures with them.

use bitcoin::hex::DisplayHex;
use bitcoin::{Address, ScriptBuf};
use blkdex::query::SpentBy;
use blkdex::utxo::AsOf;

pub use blkdex::ledger::numbers::{date, grouped};

/// Longest script that is shown whole: three keys and what makes a multisignature of them, the longest
/// that payments commonly have without an address.
const SCRIPT_BYTES_SHOWN_MAX: usize = 105;

/// What is shown of a longer one.
const SCRIPT_START_BYTES: usize = 20;

/// The address, or the script where there is none.
pub fn name(script: &ScriptBuf, address: &Option<Address>) -> String {
    match address {
        Some(address) => address.to_string(),
        None if script.len() <= SCRIPT_BYTES_SHOWN_MAX => {
            format!("raw({})", script.to_hex_string())
        }
        None => script_words(script),
    }
}

/// The script as hex, or, if that is long, how it begins and how long it is.
pub fn script_words(script: &ScriptBuf) -> String {
    if script.len() <= SCRIPT_BYTES_SHOWN_MAX {
        return script.to_hex_string();
    }
    let start = script.as_bytes()[..SCRIPT_START_BYTES].to_lower_hex_string();
    format!(
        "{start}... ({} bytes; whole with --json)",
        grouped(script.len() as u64)
    )
}

/// The address, or that there is none.
pub fn address_word(address: &Option<Address>) -> String {
    address.as_ref().map_or("none".into(), Address::to_string)
}

/// What stands for something that only a block holds which is not there.
pub const UNKNOWN: &str = "unknown";

/// It, if it is known.
pub fn known(thing: &Option<impl ToString>) -> String {
    thing.as_ref().map_or(UNKNOWN.into(), ToString::to_string)
}

/// The block that answers are as of.
pub fn as_of_words(as_of: &AsOf) -> String {
    let (height, time, hash) = (as_of.height, date(as_of.time), as_of.hash);
    format!("as of block {height}, {time}, {hash}")
}

/// Whether a coinbase made it.
pub fn coinbase_word(is_coinbase: Option<bool>) -> String {
    match is_coinbase {
        Some(true) => "coinbase",
        Some(false) => "",
        None => UNKNOWN,
    }
    .into()
}

/// Which input.
pub fn input_words(index: Option<u32>) -> String {
    index.map_or("an input".into(), |index| format!("input {index}"))
}

/// Who spent an output.
pub fn spent_words(by: &SpentBy) -> String {
    let input = input_words(by.input_index);
    format!("{} {input} at height {}", by.txid, by.height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_shown_whole_up_to_its_limit_and_then_cut() {
        let of = |bytes: usize| ScriptBuf::from_bytes(vec![0x6a; bytes]);
        let (whole, cut) = (of(SCRIPT_BYTES_SHOWN_MAX), of(SCRIPT_BYTES_SHOWN_MAX + 1));
        assert_eq!(name(&whole, &None), format!("raw({})", "6a".repeat(105)));
        assert_eq!(script_words(&whole), "6a".repeat(105));
        let start = "6a".repeat(SCRIPT_START_BYTES);
        let words = format!("{start}... (106 bytes; whole with --json)");
        assert_eq!(
            (name(&cut, &None), script_words(&cut)),
            (words.clone(), words)
        );
        assert!(script_words(&of(10_000)).len() < 80);
    }
}
