//! The tables of JSON fields in the manual, read.
//!
//! Invariant: a field of a command is documented once.

use super::fields::{Kind, Path};
use blkdex::manual::CHAPTERS;
use std::collections::BTreeMap;

const HEAD: &str = "| command | field | type | meaning |";

/// What the manual says of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    pub kind: Kind,
    pub may_be_null: bool,
}

/// All documented fields, by command.
pub fn read() -> BTreeMap<String, BTreeMap<Path, Field>> {
    let mut all: BTreeMap<String, BTreeMap<Path, Field>> = BTreeMap::new();
    for row in CHAPTERS.iter().flat_map(|chapter| rows(chapter.text)) {
        let [commands, names, kind, meaning] = cells(row);
        assert!(meaning.len() > 3, "no meaning: {row}");
        let field = field(kind, meaning, row);
        for command in commands.split(", ") {
            for name in names.split(", ") {
                let name = name
                    .strip_prefix('`')
                    .and_then(|name| name.strip_suffix('`'));
                let name = name.unwrap_or_else(|| panic!("a field without backticks: {row}"));
                let of_command = all.entry(command.to_owned()).or_default();
                let before = of_command.insert(name.to_owned(), field);
                assert!(before.is_none(), "{command}: {name} is documented twice");
            }
        }
    }
    all
}

/// The rows of all tables of fields in a chapter.
fn rows(text: &str) -> Vec<&str> {
    let mut rows = Vec::new();
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line == HEAD) {
        let line = lines.next();
        assert_eq!(line, Some("| --- | --- | --- | --- |"));
        rows.extend(lines.by_ref().take_while(|line| line.starts_with('|')));
    }
    rows
}

fn cells(row: &str) -> [&str; 4] {
    let inside = row
        .strip_prefix("| ")
        .and_then(|row| row.strip_suffix(" |"));
    let cells: Vec<&str> = inside.unwrap_or_default().split(" | ").collect();
    cells
        .try_into()
        .unwrap_or_else(|_| panic!("four cells are wanted: {row}"))
}

fn field(kind: &str, meaning: &str, row: &str) -> Field {
    let (kind, _unit) = kind.split_once(", ").unwrap_or((kind, ""));
    let (kind, may_be_null) = match kind.strip_suffix(" or null") {
        Some(kind) => (kind, true),
        None => (kind, false),
    };
    assert!(
        !may_be_null || meaning.contains("null: "),
        "null when? {row}"
    );
    let kind = match kind {
        "boolean" => Kind::Boolean,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "string" => Kind::String,
        "object" => Kind::Object,
        kind if kind.starts_with("array of ") => Kind::Array,
        _ => panic!("no type: {row}"),
    };
    Field { kind, may_be_null }
}
