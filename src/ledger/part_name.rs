//! How a log names a part: one of ours, or one that another version had.
//!
//! Invariant: what is read is written again as it was.

use crate::memory::part::Part;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// See the module documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PartName {
    /// One of ours.
    Known(Part),
    /// Another one.
    Other(String),
}

impl From<Part> for PartName {
    fn from(part: Part) -> PartName {
        PartName::Known(part)
    }
}

impl From<&str> for PartName {
    fn from(name: &str) -> PartName {
        let known = Part::named(name).map(PartName::Known);
        known.unwrap_or_else(|| PartName::Other(name.to_owned()))
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartName::Known(part) => part.fmt(f),
            PartName::Other(name) => f.write_str(name),
        }
    }
}

impl Serialize for PartName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PartName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PartName, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = PartName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<PartName, E> {
                Ok(PartName::from(name))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ours_and_of_others_come_back_as_they_were() {
        for (json, name) in [
            ("\"rows\"", PartName::Known(Part::Rows)),
            ("\"row\\\"s\"", PartName::Other("row\"s".into())),
        ] {
            let read: PartName = serde_json::from_str(json).expect("a name");
            assert_eq!(read, name);
            assert_eq!(serde_json::to_string(&read).expect("JSON"), json);
        }
        assert!(serde_json::from_str::<PartName>("7").is_err());
    }
}
