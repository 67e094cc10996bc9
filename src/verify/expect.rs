//! What `bitcoin-cli gettxoutsetinfo` printed, compared with what was found.
//!
//! Invariant: every field that Core printed and we know is compared, and equal means the same value.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::value::RawValue;

use super::Uint256;
use super::amount::{bitcoins, parse_bitcoins};
use crate::error::{Error, Result};
use crate::limits::EXPECT_BYTES_MAX;

/// The numbers of a UTXO set, as found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Height of the block after which this is the set.
    pub height: u32,
    /// Hash of that block.
    pub hash: Uint256,
    /// Coins.
    pub txouts: u64,
    /// Core's measure of their size.
    pub bogosize: u64,
    /// What they are worth together.
    pub total_amount_sat: u64,
    /// Transactions that have a coin, if they were counted.
    pub transactions: Option<u64>,
    /// MuHash3072, if it was computed.
    pub muhash: Option<Uint256>,
    /// `hash_serialized_3`, if it was computed.
    pub hash_serialized: Option<Uint256>,
}

/// What Core printed. It has one of the two hashes, and no `transactions` where it answered from
/// its coinstatsindex.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected(Stats);

/// The first field in which Core and we differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Its name, as Core prints it.
    pub field: &'static str,
    /// What Core says.
    pub expected: String,
    /// What was found.
    pub found: String,
}

type Fields = BTreeMap<String, Box<RawValue>>;

impl Expected {
    /// Reads the file that `bitcoin-cli` printed into. Errors name the file.
    pub fn read(path: &Path) -> Result<Expected> {
        let io = |source| Error::Io {
            action: "read",
            path: path.into(),
            source,
        };
        let mut text = String::new();
        let file = File::open(path).map_err(io)?;
        file.take(EXPECT_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(io)?;
        let parsed = match text.len() as u64 > EXPECT_BYTES_MAX {
            true => Err(fault(
                "file",
                format!("is over the limit of {EXPECT_BYTES_MAX} bytes"),
            )),
            false => Expected::parse(&text),
        };
        parsed.map_err(|source| Error::InFile {
            path: path.into(),
            source: Box::new(source),
        })
    }

    /// Reads the text that `bitcoin-cli` printed. Fields that are not compared are not looked at.
    pub fn parse(text: &str) -> Result<Expected> {
        let fields: Fields = serde_json::from_str(text)
            .map_err(|error| fault("file", format!("is not a JSON object ({error})")))?;
        let height = required("height", whole(&fields, "height")?)?;
        let stats = Stats {
            height: u32::try_from(height).map_err(|_| fault("height", "is too large".into()))?,
            hash: required("bestblock", hash(&fields, "bestblock")?)?,
            txouts: required("txouts", whole(&fields, "txouts")?)?,
            bogosize: required("bogosize", whole(&fields, "bogosize")?)?,
            total_amount_sat: required("total_amount", amount(&fields, "total_amount")?)?,
            transactions: whole(&fields, "transactions")?,
            muhash: hash(&fields, "muhash")?,
            hash_serialized: hash(&fields, "hash_serialized_3")?,
        };
        if stats.muhash.is_none() && stats.hash_serialized.is_none() {
            let advice = "and hash_serialized_3 are both missing, so it proves nothing";
            return Err(fault("muhash", advice.into()));
        }
        Ok(Expected(stats))
    }

    /// The height to compare at.
    pub fn height(&self) -> u32 {
        self.0.height
    }

    /// Whether `hash_serialized_3` has to be computed to compare.
    pub fn wants_hash_serialized(&self) -> bool {
        self.0.hash_serialized.is_some()
    }

    /// Whether MuHash has to be computed to compare.
    pub fn wants_muhash(&self) -> bool {
        self.0.muhash.is_some()
    }

    /// The first field that differs, in the order in which Core prints them. A hash that Core
    /// printed and we did not compute is a difference; a count of transactions is not.
    pub fn first_difference(&self, found: &Stats) -> Option<Difference> {
        let ours = &self.0;
        let counted = found.transactions.and(ours.transactions);
        let wanted_serialized = ours.hash_serialized.and(found.hash_serialized);
        let wanted_muhash = ours.muhash.and(found.muhash);
        differ("height", ours.height, found.height)
            .or_else(|| differ("bestblock", ours.hash, found.hash))
            .or_else(|| differ("txouts", ours.txouts, found.txouts))
            .or_else(|| differ("bogosize", ours.bogosize, found.bogosize))
            .or_else(|| {
                differ(
                    "hash_serialized_3",
                    shown(ours.hash_serialized),
                    shown(wanted_serialized),
                )
            })
            .or_else(|| differ("muhash", shown(ours.muhash), shown(wanted_muhash)))
            .or_else(|| {
                let (expected, found) = (ours.total_amount_sat, found.total_amount_sat);
                differ("total_amount", bitcoins(expected), bitcoins(found))
            })
            .or_else(|| {
                let found = counted.and(found.transactions);
                differ("transactions", shown(counted), shown(found))
            })
    }
}

fn differ<T: PartialEq + ToString>(
    field: &'static str,
    expected: T,
    found: T,
) -> Option<Difference> {
    if expected == found {
        return None;
    }
    Some(Difference {
        field,
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "nothing".into(), |value| value.to_string())
}

fn fault(field: &'static str, fault: String) -> Error {
    Error::Expect { field, fault }
}

fn required<T>(field: &'static str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| fault(field, "is missing".into()))
}

fn whole(fields: &Fields, field: &'static str) -> Result<Option<u64>> {
    let Some(raw) = fields.get(field) else {
        return Ok(None);
    };
    let number = raw.get().parse();
    number
        .map(Some)
        .map_err(|_| fault(field, format!("is {}, not a whole number", raw.get())))
}

fn hash(fields: &Fields, field: &'static str) -> Result<Option<Uint256>> {
    let Some(raw) = fields.get(field) else {
        return Ok(None);
    };
    let hash = raw.get().trim_matches('"').parse();
    hash.map(Some)
        .map_err(|_| fault(field, format!("is {}, not 64 hex digits", raw.get())))
}

fn amount(fields: &Fields, field: &'static str) -> Result<Option<u64>> {
    let Some(raw) = fields.get(field) else {
        return Ok(None);
    };
    let amount_sat = parse_bitcoins(raw.get());
    let text = || format!("is {}, not an amount with at most 8 decimals", raw.get());
    amount_sat.map(Some).ok_or_else(|| fault(field, text()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash;
    use std::io::Write;

    const PRINTED: &str = r#"{
  "height": 1,
  "bestblock": "00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048",
  "txouts": 1,
  "bogosize": 117,
  "muhash": "1bd372a3f225dc6f8ce0e10ead6f8b0b00e65a2ff4a4c9ccaa615a69fbeeb2f2",
  "total_amount": 50.00000000,
  "transactions": 1,
  "disk_size": 0
}"#;

    fn found() -> Stats {
        Expected::parse(PRINTED).expect("as Core prints it").0
    }

    #[test]
    fn equal_stats_have_no_difference() {
        let expected = Expected::parse(PRINTED).expect("as Core prints it");
        assert_eq!(expected.0.total_amount_sat, 5_000_000_000);
        assert!(expected.wants_muhash() && !expected.wants_hash_serialized());
        assert_eq!(expected.first_difference(&found()), None);
        let uncounted = Stats {
            transactions: None,
            ..found()
        };
        assert_eq!(expected.first_difference(&uncounted), None);
        let more = Stats {
            hash_serialized: Some(Uint256::all_zeros()),
            ..found()
        };
        assert_eq!(expected.first_difference(&more), None);
    }

    #[test]
    fn the_first_of_several_differences_is_given() {
        let expected = Expected::parse(PRINTED).expect("as Core prints it");
        let stats = Stats {
            bogosize: 118,
            total_amount_sat: 1,
            ..found()
        };
        let difference = expected
            .first_difference(&stats)
            .expect("two fields differ");
        assert_eq!(
            (difference.field, &*difference.expected, &*difference.found),
            ("bogosize", "117", "118")
        );
        let stats = Stats {
            total_amount_sat: 1,
            ..found()
        };
        let difference = expected
            .first_difference(&stats)
            .expect("one field differs");
        assert_eq!(
            (&*difference.expected, &*difference.found),
            ("50.00000000", "0.00000001")
        );
    }

    #[test]
    fn every_field_is_compared() {
        let expected = Expected::parse(PRINTED).expect("as Core prints it");
        let zeros = Uint256::all_zeros();
        for (field, stats) in [
            (
                "height",
                Stats {
                    height: 2,
                    ..found()
                },
            ),
            (
                "bestblock",
                Stats {
                    hash: zeros,
                    ..found()
                },
            ),
            (
                "txouts",
                Stats {
                    txouts: 2,
                    ..found()
                },
            ),
            (
                "bogosize",
                Stats {
                    bogosize: 2,
                    ..found()
                },
            ),
            (
                "muhash",
                Stats {
                    muhash: Some(zeros),
                    ..found()
                },
            ),
            (
                "muhash",
                Stats {
                    muhash: None,
                    ..found()
                },
            ),
            (
                "total_amount",
                Stats {
                    total_amount_sat: 2,
                    ..found()
                },
            ),
            (
                "transactions",
                Stats {
                    transactions: Some(2),
                    ..found()
                },
            ),
        ] {
            let difference = expected
                .first_difference(&stats)
                .expect("one field differs");
            assert_eq!(difference.field, field);
        }
    }

    #[test]
    fn a_serialized_hash_that_was_not_computed_is_a_difference() {
        let text = PRINTED.replace("muhash", "hash_serialized_3");
        let expected = Expected::parse(&text).expect("as Core prints it");
        assert!(expected.wants_hash_serialized());
        let difference = expected
            .first_difference(&found())
            .expect("nothing was computed");
        assert_eq!(
            (difference.field, &*difference.found),
            ("hash_serialized_3", "nothing")
        );
    }

    #[test]
    fn text_that_core_would_not_print_is_refused() {
        for (from, to, message) in [
            ("\"height\": 1,", "", "height is missing"),
            (
                "\"height\": 1,",
                "\"height\": 4294967296,",
                "height is too large",
            ),
            (
                "\"txouts\": 1,",
                "\"txouts\": 1.5,",
                "txouts is 1.5, not a whole number",
            ),
            (
                "\"muhash\"",
                "\"other\"",
                "muhash and hash_serialized_3 are both missing, so it proves nothing",
            ),
            (
                "1bd372",
                "1bd37",
                "muhash is \"1bd37a3f225dc6f8ce0e10ead6f8b0b00e65a2ff4a4c9ccaa615a69fbeeb2f2\", not 64 hex digits",
            ),
            (
                "50.00000000",
                "5e1",
                "total_amount is 5e1, not an amount with at most 8 decimals",
            ),
        ] {
            let error = Expected::parse(&PRINTED.replace(from, to)).expect_err(message);
            let expected = format!("not the output of gettxoutsetinfo: {message}");
            assert_eq!(error.to_string(), expected);
        }
        assert!(Expected::parse("").is_err());
        assert!(Expected::parse("[]").is_err());
    }

    #[test]
    fn a_file_over_the_limit_is_refused_and_one_at_the_limit_is_read() {
        let mut file = tempfile::NamedTempFile::new().expect("a folder for temporary files");
        let spaces = vec![b' '; EXPECT_BYTES_MAX as usize - PRINTED.len()];
        file.write_all(&spaces)
            .and_then(|()| file.write_all(PRINTED.as_bytes()))
            .expect("room");
        assert!(Expected::read(file.path()).is_ok());
        file.write_all(b" ").expect("room");
        let error = Expected::read(file.path()).expect_err("one byte over");
        assert!(
            error
                .to_string()
                .ends_with("file is over the limit of 1048576 bytes"),
            "{error}"
        );
        assert!(Expected::read(Path::new("/nowhere")).is_err());
    }
}
