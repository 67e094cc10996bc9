//! Numbers and dates for people.
//!
//! Invariant: a date is UTC, and a number with commas is never meant to be copied.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const MIB: f64 = (1 << 20) as f64;

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

/// A count and what is counted.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// A number with its sign, also before what grew; zero has none.
pub fn signed(number: i64) -> String {
    let sign = match number {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", grouped(number.unsigned_abs()))
}

/// Bytes as MiB with one decimal.
pub fn mib(bytes: u64) -> String {
    // Rounded before it is cut, so that 0.99 is 1.0 and not 0.10.
    let tenths = (bytes as f64 / MIB * 10.0).round() as u64;
    format!("{}.{}", grouped(tenths / 10), tenths % 10)
}

/// The same with its sign.
pub fn signed_mib(bytes: i64) -> String {
    let text = mib(bytes.unsigned_abs());
    match bytes {
        _ if text == "0.0" => text,
        0.. => format!("+{text}"),
        _ => format!("-{text}"),
    }
}

/// A part of a whole as a percentage with one decimal; nothing of nothing is a dash.
pub fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        _ => format!("{:.1} %", part as f64 * 100.0 / whole as f64),
    }
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
        let counts = [0, 1, 2000].map(|count| counted(count, "run", "runs"));
        assert_eq!(counts, ["0 runs", "1 run", "2,000 runs"]);
    }

    #[test]
    fn what_grew_and_what_shrank_have_signs_and_nothing_has_none() {
        assert_eq!([0, 1500, -1500].map(signed), ["0", "+1,500", "-1,500"]);
        assert_eq!(signed(i64::MIN), "-9,223,372,036,854,775,808");
        let sizes = [0, 1 << 20, -(3 << 19), -10, 1_048_575];
        assert_eq!(
            sizes.map(signed_mib),
            ["0.0", "+1.0", "-1.5", "0.0", "+1.0"]
        );
        assert_eq!(mib(2500 << 20), "2,500.0");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(0, 0), "-");
    }
}
