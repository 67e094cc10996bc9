//! A file of the set: which table and blocks it has, by its name and by its footer.
//!
//! Invariant: what a footer says of its file is written and read here alone.

use super::schema::Hashes;
use super::sums::Sums;
use super::{Fault, Table};
use crate::os::opening::open_file;
use crate::primitives::position::Height;
use crate::{Error, Result};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Digits of a height in a name; more, where it has more.
const HEIGHT_DIGITS: usize = 7;

/// The blocks of a table that a file has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Piece {
    /// The table.
    pub table: Table,
    /// The first block.
    pub first: Height,
    /// The last.
    pub last: Height,
}

impl Piece {
    /// The file's name in its table's folder.
    pub fn file_name(&self) -> String {
        let (first, last) = (self.first.0, self.last.0);
        format!(
            "{}_{first:0HEIGHT_DIGITS$}_to_{last:0HEIGHT_DIGITS$}.parquet",
            self.table
        )
    }

    /// Its path in the set's folder.
    pub fn path(&self) -> String {
        format!("{}/{}", self.table, self.file_name())
    }

    /// The piece of that name; `None` if it is no file of the table.
    pub fn named(table: Table, name: &str) -> Option<Piece> {
        let rest = name.strip_prefix(table.name())?.strip_prefix('_')?;
        let (first, last) = rest.strip_suffix(".parquet")?.split_once("_to_")?;
        let piece = Piece {
            table,
            first: Height(first.parse().ok()?),
            last: Height(last.parse().ok()?),
        };
        (piece.file_name() == name && piece.first <= piece.last).then_some(piece)
    }

    /// Whether it has all that the other has.
    pub fn contains(&self, other: &Piece) -> bool {
        self.table == other.table && self.first <= other.first && other.last <= self.last
    }

    /// Whether they have a block in common.
    pub fn overlaps(&self, other: &Piece) -> bool {
        self.table == other.table && self.first <= other.last && other.first <= self.last
    }
}

/// What a set's files have in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Common {
    /// The network.
    pub network: String,
    /// How hashes are kept.
    pub hashes: Hashes,
    /// Whether they say what inputs spent.
    pub has_spent_coins: bool,
}

impl Common {
    fn fields(&self) -> [(&'static str, String); 3] {
        [
            ("network", self.network.clone()),
            ("hashes", self.hashes.name().to_owned()),
            ("spent_coins", self.has_spent_coins.to_string()),
        ]
    }
}

/// What is known of a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    /// Hash of the first block.
    pub first_hash: String,
    /// Hash of the last block.
    pub last_hash: String,
    /// Whether that was settled.
    pub settled: bool,
    /// Rows.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// What was counted of its blocks.
    pub sums: Sums,
}

const FORMAT: &str = "1";

/// What the footer of the file says, by key.
pub(crate) fn footer(piece: &Piece, common: &Common, about: &About) -> Vec<(&'static str, String)> {
    let sums = serde_json::to_string(&about.sums).expect("plain numbers");
    let mut pairs = vec![
        ("blkdex.format", FORMAT.to_owned()),
        ("blkdex.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("blkdex.table", piece.table.name().to_owned()),
        ("blkdex.first_block", piece.first.to_string()),
        ("blkdex.last_block", piece.last.to_string()),
        ("blkdex.first_hash", about.first_hash.clone()),
        ("blkdex.last_hash", about.last_hash.clone()),
        ("blkdex.settled", about.settled.to_string()),
        ("blkdex.sums", sums),
    ];
    let common = common.fields().into_iter();
    pairs.extend(common.map(|(key, value)| match key {
        "network" => ("blkdex.network", value),
        "hashes" => ("blkdex.hashes", value),
        _ => ("blkdex.spent_coins", value),
    }));
    pairs
}

/// Reads what the file at `path` says of itself, which is to be the piece, of a set with all that in common.
///
/// # Errors
/// [`Fault::BadFile`], [`Fault::OtherSet`], [`crate::os::Fault::Io`].
pub(crate) fn read(path: &Path, piece: &Piece, common: &Common) -> Result<About> {
    let bad = |why: String| -> Error {
        let path = path.to_owned();
        Fault::BadFile { path, why }.into()
    };
    let file = open_file(path)?;
    let bytes = file
        .metadata()
        .map_err(crate::os::io_error("look at", path))?;
    let reader = SerializedFileReader::new(file)
        .map_err(|error| bad(format!("it is no whole Parquet file ({error})")))?;
    let footer = reader.metadata().file_metadata();
    let value_of = |name: &str| -> Result<String> {
        let key = format!("blkdex.{name}");
        let pairs = footer.key_value_metadata();
        let pair = pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == key));
        pair.and_then(|pair| pair.value.clone())
            .ok_or_else(|| bad(format!("its footer has no {key}")))
    };
    for (what, expected) in common.fields() {
        let found = value_of(what)?;
        if found != expected {
            return Err(Fault::OtherSet {
                path: path.to_owned(),
                what,
                found,
                expected,
            }
            .into());
        }
    }
    let is_named_so = value_of("table")? == piece.table.name()
        && value_of("first_block")? == piece.first.to_string()
        && value_of("last_block")? == piece.last.to_string();
    if !is_named_so || value_of("format")? != FORMAT {
        return Err(bad("its footer is of another file".to_owned()));
    }
    let sums = serde_json::from_str(&value_of("sums")?);
    Ok(About {
        first_hash: value_of("first_hash")?,
        last_hash: value_of("last_hash")?,
        settled: value_of("settled")? == "true",
        rows: footer.num_rows() as u64,
        bytes: bytes.len(),
        sums: sums.map_err(|error| bad(format!("its footer's sums cannot be read ({error})")))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_found_again_by_its_name_and_nothing_else_is_one() {
        let piece = Piece {
            table: Table::Outputs,
            first: Height(840_000),
            last: Height(840_999),
        };
        let name = "outputs_0840000_to_0840999.parquet";
        assert_eq!(piece.file_name(), name);
        assert_eq!(Piece::named(Table::Outputs, name), Some(piece));
        for other in [
            "outputs_840000_to_0840999.parquet",
            "outputs_0840999_to_0840000.parquet",
            "outputs_0840000_to_0840999.parquet.part",
            "inputs_0840000_to_0840999.parquet",
            "outputs_0840000_0840999.parquet",
            ".blkdex-x.part",
        ] {
            assert_eq!(Piece::named(Table::Outputs, other), None, "{other}");
        }
        let far = Piece {
            last: Height(12_345_678),
            ..piece
        };
        assert_eq!(Piece::named(Table::Outputs, &far.file_name()), Some(far));
    }
}
