//! How people name the block that an answer is to be as of: height, hash, date, or time.
//!
//! Invariant: a text is either understood whole or refused. A date is its last second: what was owned "on the
//! 31st" includes all of that day.

use super::At;
use crate::primitives::position::Height;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::str::FromStr;

/// Characters of a date, as 2024-12-31.
const DATE_CHARACTERS: usize = 10;

/// A text that names no block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AtError {
    /// Not of any of the forms.
    #[error(
        "give a height, a block hash (64 hexadecimal digits), a date (2024-12-31, which is its end in UTC), \
         or a time (2024-12-31T18:00:00Z, or +01:00 instead of Z)"
    )]
    OtherForm,
    /// Of the form of a date or time, which the calendar does not have.
    #[error("there is no such date or time")]
    NoSuchTime,
}

impl FromStr for At {
    type Err = AtError;

    fn from_str(text: &str) -> Result<At, AtError> {
        // A hash first: it may be of digits only.
        if let Ok(hash) = text.parse() {
            return Ok(At::Hash(hash));
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let height = text.parse().map_err(|_| AtError::OtherForm)?;
            return Ok(At::Height(Height(height)));
        }
        match text.split_at_checked(DATE_CHARACTERS) {
            Some((date, rest)) if is_date(date) => at_time(date, rest).map(At::Time),
            _ => Err(AtError::OtherForm),
        }
    }
}

fn is_date(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    })
}

fn at_time(date: &str, rest: &str) -> Result<i64, AtError> {
    let Some(time) = rest.strip_prefix(['T', 't', ' ']) else {
        return match rest {
            "" => end_of_day(date).ok_or(AtError::NoSuchTime),
            _ => Err(AtError::OtherForm),
        };
    };
    let is_of_time = |c: char| c.is_ascii_digit() || "Zz:.+-".contains(c);
    if !time.starts_with(|c: char| c.is_ascii_digit()) || !time.chars().all(is_of_time) {
        return Err(AtError::OtherForm);
    }
    let text = format!("{date}T{time}");
    let seconds = match time.contains(['Z', 'z', '+', '-']) {
        true => text.parse().ok().map(|time: Timestamp| time),
        false => text.parse().ok().and_then(in_utc),
    };
    let floor = |time: Timestamp| time.as_nanosecond().div_euclid(1_000_000_000) as i64;
    seconds.map(floor).ok_or(AtError::NoSuchTime)
}

fn in_utc(time: DateTime) -> Option<Timestamp> {
    let zoned = time.to_zoned(TimeZone::UTC);
    zoned.ok().map(|zoned: Zoned| zoned.timestamp())
}

/// The last second of a day.
fn end_of_day(date: &str) -> Option<i64> {
    let date: Date = date.parse().ok()?;
    Some(in_utc(date.at(23, 59, 59, 0))?.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> i64 {
        match text.parse() {
            Ok(At::Time(seconds)) => seconds,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_date_is_its_last_second_and_a_time_is_utc_unless_it_says_otherwise() {
        assert_eq!(seconds("2024-12-31"), 1_735_689_599);
        for same in [
            "2024-12-31T23:59:59Z",
            "2024-12-31T23:59:59",
            "2024-12-31 23:59:59",
            "2024-12-31t23:59:59z",
            "2025-01-01T00:59:59+01:00",
            "2024-12-31T18:59:59-05:00",
            "2024-12-31T23:59:59.999Z",
        ] {
            assert_eq!(seconds(same), 1_735_689_599, "{same}");
        }
        assert_eq!(seconds("2024-02-29"), 1_709_251_199, "a leap year");
        assert_eq!(seconds("1969-12-31T23:59:59.5Z"), -1, "never later");
    }

    #[test]
    fn heights_and_hashes_are_told_from_dates() {
        assert_eq!("0".parse(), Ok(At::Height(Height(0))));
        assert_eq!("20241231".parse(), Ok(At::Height(Height(20_241_231))));
        let hash = "00".repeat(32);
        assert!(matches!(hash.parse(), Ok(At::Hash(_))));
    }

    #[test]
    fn what_is_none_of_them_is_refused_in_words_that_say_which() {
        for other in [
            "",
            "-1",
            "1.5",
            "4294967296",
            "0x10",
            "yesterday",
            "2024-12",
            "2024/12/31",
            "31.12.2024",
            "2024-12-31T",
            "2024-12-31Z",
            "2024-12-31T10:00:00[Europe/Berlin]",
            "2024-12-31T10:00:00 ",
            " 2024-12-31",
            "2024-12-3\u{e9}",
            &"0a".repeat(31),
        ] {
            assert_eq!(other.parse::<At>(), Err(AtError::OtherForm), "{other}");
        }
        for none in [
            "2023-02-29",
            "2024-13-01",
            "2024-12-32",
            "2024-12-31T25:00:00Z",
            "2024-12-31T10:00:00+99:00",
            "2024-12-31T10-01:00:00:00",
        ] {
            assert_eq!(none.parse::<At>(), Err(AtError::NoSuchTime), "{none}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_understood_or_refused(text in ".{0,80}", time in "2[0-9]{3}-[01][0-9]-[0-3][0-9][T ][0-9:.Z+-]{0,16}") {
            let _ = text.parse::<At>();
            let _ = time.parse::<At>();
        }
    }
}
