//! What `bitcoin-cli gettxoutsetinfo` printed, to be compared with what was found.
//!
//! Invariant: nothing is guessed; a field that is missing or not as Core prints it is an error.

use crate::verify::Fault;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::value::RawValue;

use super::Uint256;
use super::stats::{Difference, Stats};
use super::text::decode;
use crate::os::io_error;
use crate::primitives::amount::parse_bitcoins;
use crate::{Error, Result};

/// Largest file `verify --expect` takes. What Core prints is under 2,000 bytes; this is for a
/// wrong file given by mistake.
const EXPECT_BYTES_MAX: u64 = 1 << 20;

/// What Core printed. It has one of the two hashes, and no `transactions` where it answered from
/// its coinstatsindex.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected(Stats);

type Fields = BTreeMap<String, Box<RawValue>>;

impl Expected {
    /// Reads the file that `bitcoin-cli` printed into. Errors name the file.
    pub fn read(path: &Path) -> Result<Expected> {
        let file = File::open(path).map_err(io_error("read", path))?;
        Expected::read_from(file, path)
    }

    /// Reads all that `source` gives; errors call it `name`.
    pub fn read_from(source: impl Read, name: &Path) -> Result<Expected> {
        let mut bytes = Vec::new();
        source
            .take(EXPECT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(io_error("read", name))?;
        let parsed = match (decode(&bytes), bytes.len() as u64 > EXPECT_BYTES_MAX) {
            (_, true) => Err(fault(
                "file",
                format!("is over the limit of {EXPECT_BYTES_MAX} bytes"),
            )),
            (Some(text), false) => Expected::parse(&text),
            (None, false) => Err(fault("file", "is no text".into())),
        };
        parsed.map_err(|source| {
            Error::from(Fault::InFile {
                path: name.into(),
                source: Box::new(source),
            })
        })
    }

    /// Reads the text that `bitcoin-cli` printed, or what the node replied to the RPC call. Fields that
    /// are not compared are not looked at.
    pub fn parse(text: &str) -> Result<Expected> {
        let fields = fields_of(text)?;
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

    /// The block to compare at.
    pub fn block_hash(&self) -> Uint256 {
        self.0.hash
    }

    /// Whether `hash_serialized_3` has to be computed to compare.
    pub(crate) fn wants_hash_serialized(&self) -> bool {
        self.0.hash_serialized.is_some()
    }

    /// The first field in which what was found differs: see [`Stats::first_difference`].
    pub(crate) fn first_difference(&self, found: &Stats) -> Option<Difference> {
        self.0.first_difference(found)
    }
}

/// The fields of the answer; those of an RPC reply are one level down.
fn fields_of(text: &str) -> Result<Fields> {
    let read = |text: &str| serde_json::from_str::<Fields>(text);
    let not_json = |error| {
        let advice = "give what `bitcoin-cli gettxoutsetinfo muhash` prints";
        fault("file", format!("is not a JSON object ({error}); {advice}"))
    };
    let fields = read(text).map_err(not_json)?;
    let Some(result) = fields
        .get("result")
        .filter(|_| !fields.contains_key("height"))
    else {
        return Ok(fields);
    };
    if result.get() == "null" {
        let error = fields.get("error").map_or("null", |error| error.get());
        return Err(fault("result", format!("is null, the error {error}")));
    }
    read(result.get()).map_err(not_json)
}

fn fault(field: &'static str, fault: String) -> Error {
    Fault::Expect { field, fault }.into()
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

fn amount(fields: &Fields, field: &'static str) -> Result<Option<u128>> {
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
        assert!(!expected.wants_hash_serialized());
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
    fn an_rpc_reply_is_understood_and_one_without_a_result_named() {
        for reply in [
            format!("{{\"result\":{PRINTED},\"error\":null,\"id\":1}}"),
            format!("{{\"jsonrpc\":\"2.0\",\"result\":{PRINTED},\"id\":1}}"),
        ] {
            assert_eq!(Expected::parse(&reply).expect("a reply").0, found());
        }
        let failed = r#"{"result":null,"error":{"code":-28,"message":"Loading"},"id":1}"#;
        let error = Expected::parse(failed).expect_err("no result").to_string();
        assert_eq!(
            error,
            "not the output of gettxoutsetinfo: result is null, \
             the error {\"code\":-28,\"message\":\"Loading\"}"
        );
        for bad in [r#"{"result":5}"#, r#"{"result":{}}"#, "{}"] {
            assert!(Expected::parse(bad).is_err(), "{bad}");
        }
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
