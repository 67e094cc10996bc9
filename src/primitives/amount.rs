//! Amounts in bitcoin, as Bitcoin Core prints them.
//!
//! Invariant: an amount is written and read digit by digit, never through a float.

use super::consensus::SAT_PER_BITCOIN;

/// Digits behind the point of an amount in bitcoin.
const DECIMALS: usize = 8;
const _: () = assert!(10u64.pow(DECIMALS as u32) == SAT_PER_BITCOIN);

/// An amount, or a sum of amounts, as Core prints it (Bitcoin Core, `core_io.cpp`: `ValueFromAmount`).
pub fn bitcoins(amount_sat: impl Into<u128>) -> String {
    let amount_sat = amount_sat.into();
    format!(
        "{}.{:08}",
        amount_sat / u128::from(SAT_PER_BITCOIN),
        amount_sat % u128::from(SAT_PER_BITCOIN)
    )
}

/// The same of a difference, which may be below zero.
pub fn signed_bitcoins(amount_sat: i128) -> String {
    let sign = if amount_sat < 0 { "-" } else { "" };
    format!("{sign}{}", bitcoins(amount_sat.unsigned_abs()))
}

/// Satoshis of a plain decimal number; `None` for a sign, an exponent or a ninth decimal.
pub fn parse_bitcoins(text: &str) -> Option<u128> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > DECIMALS {
        return None;
    }
    let whole_sat = whole
        .parse::<u128>()
        .ok()?
        .checked_mul(SAT_PER_BITCOIN.into())?;
    let decimals_sat = format!("{decimals:0<DECIMALS$}").parse::<u128>().ok()?;
    whole_sat.checked_add(decimals_sat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_that_a_float_would_round_are_exact() {
        assert_eq!(
            parse_bitcoins("20999999.97690000"),
            Some(2_099_999_997_690_000)
        );
        assert_eq!(parse_bitcoins("0.00000001"), Some(1));
        assert_eq!(parse_bitcoins("1.5"), Some(150_000_000));
        assert_eq!(signed_bitcoins(-150_000_000), "-1.50000000");
        assert_eq!(signed_bitcoins(-1), "-0.00000001");
        assert_eq!(signed_bitcoins(1), "0.00000001");
        for bad in [
            "",
            "-1",
            "1.000000001",
            "1e3",
            "+1",
            "3402823669209384634633746074318.00000000",
            "1.2.3",
        ] {
            assert_eq!(parse_bitcoins(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_reads_back(amount_sat: u128) {
            prop_assert_eq!(parse_bitcoins(&bitcoins(amount_sat)), Some(amount_sat));
        }
    }
}
