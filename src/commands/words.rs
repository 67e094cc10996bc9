//! How things are called for people.
//!
//! Invariant: a date is UTC, and a number with commas is never meant to be copied.

use bitcoin::{Address, ScriptBuf};
use blkdex::query::SpentBy;
use jiff::Timestamp;
use jiff::tz::TimeZone;

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

/// A time as `2009-01-03 18:15:05`, in UTC.
pub fn date(time: u32) -> String {
    let time = Timestamp::from_second(i64::from(time)).expect("32 bits of seconds end in 2106");
    time.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// A number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_utc_and_thousands_are_told_apart() {
        assert_eq!(date(1_231_006_505), "2009-01-03 18:15:05");
        assert_eq!(date(u32::MAX), "2106-02-07 06:28:15");
        let shown = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
