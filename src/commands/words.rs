//! How things are called for people.
//!
//! Invariant: what has no name is called by its script or by its place. Numbers and dates are worded by
//! the library, which draws pictures with them.

use bitcoin::{Address, ScriptBuf};
use blkdex::index::left_out::LeftOut;
use blkdex::query::SpentBy;

pub use blkdex::ledger::numbers::{date, grouped};

/// The address, or the script where there is none.
pub fn name(script: &ScriptBuf, address: &Option<Address>) -> String {
    match address {
        Some(address) => address.to_string(),
        None => format!("raw({})", script.to_hex_string()),
    }
}

/// The address, or that there is none.
pub fn address_word(address: &Option<Address>) -> String {
    address.as_ref().map_or("none".into(), Address::to_string)
}

/// Whether a coinbase made it.
pub fn coinbase_word(is_coinbase: bool) -> String {
    if is_coinbase { "coinbase" } else { "" }.into()
}

/// Who spent an output.
pub fn spent_words(by: &SpentBy) -> String {
    format!(
        "{} input {} at height {}",
        by.txid, by.input_index, by.height
    )
}

/// A block that is left out, and why.
pub fn left_out_words(block: &LeftOut) -> String {
    let height = block.height.map(|height| format!("block {height}, "));
    format!(
        "{}{}: {}",
        height.unwrap_or_default(),
        block.hash,
        block.fault
    )
}
