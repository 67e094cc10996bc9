//! JSON fields: those that the program prints are those that the manual documents.

use super::asked::Asked;
use super::{blkdex, documented, folder};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A field: `a.b` of an object, `a[].b` of the objects in an array.
pub type Path = String;

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

/// Fields that a machine may not have: a control group that limits us. They are documented, and null here.
const OF_SOME_MACHINES: [(&str, &str); 1] = [("memory show", "record.cgroup.")];

/// Every field that was seen, as what.
#[derive(Default)]
pub struct Seen(pub BTreeMap<String, BTreeMap<Path, BTreeSet<Kind>>>);

impl Seen {
    /// Notes the fields of what a command printed: a JSON object a line.
    pub fn note(&mut self, command: &str, text: &str) {
        assert!(!text.is_empty(), "{command} printed nothing");
        let fields = self.0.entry(command.to_owned()).or_default();
        for line in text.lines() {
            let object: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{command}: {error}: {line}"));
            assert!(object.is_object(), "{command}: {line}");
            collect(&object, "", fields);
        }
    }
}

fn collect(value: &Value, path: &str, fields: &mut BTreeMap<Path, BTreeSet<Kind>>) {
    if !path.is_empty() && !path.ends_with("[]") {
        fields
            .entry(path.to_owned())
            .or_default()
            .insert(kind(value));
    }
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let dot = if path.is_empty() { "" } else { "." };
                collect(value, &format!("{path}{dot}{name}"), fields);
            }
        }
        Value::Array(array) => {
            for value in array {
                collect(value, &format!("{path}[]"), fields);
            }
        }
        _ => {}
    }
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Null => Kind::Null,
        Value::Bool(_) => Kind::Boolean,
        Value::Number(number) if number.is_f64() => Kind::Number,
        Value::Number(_) => Kind::Integer,
        Value::String(_) => Kind::String,
        Value::Array(_) => Kind::Array,
        Value::Object(_) => Kind::Object,
    }
}

#[test]
fn every_json_field_is_documented_with_its_type_and_every_documented_one_is_printed() {
    let (documented, seen) = (documented::read(), Asked::everything().0);
    let mut wrong = Vec::new();
    for (command, fields) in &seen {
        for (path, kinds) in fields {
            let Some(field) = documented.get(command).and_then(|fields| fields.get(path)) else {
                wrong.push(format!("{command}: {path} is not documented: {kinds:?}"));
                continue;
            };
            let fits = |kind: &Kind| match kind {
                Kind::Null => field.may_be_null,
                kind => *kind == field.kind,
            };
            if !kinds.iter().all(fits) {
                wrong.push(format!("{command}: {path} is {kinds:?}, not {field:?}"));
            }
        }
    }
    for (command, fields) in &documented {
        for path in fields.keys() {
            let is_seen = seen
                .get(command)
                .is_some_and(|seen| seen.contains_key(path));
            let mut rare = OF_SOME_MACHINES.iter();
            let is_rare = rare.any(|(of, below)| of == command && path.starts_with(below));
            if !is_seen && !is_rare {
                wrong.push(format!("{command}: {path} is documented, but not printed"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A command that is new has to be asked in `asked.rs`.
#[test]
fn every_command_is_asked() {
    let seen = Asked::everything().0;
    let folder = folder();
    let subcommands = |command: &str| -> Vec<String> {
        let (_, help, _) = blkdex(folder.path(), &format!("{command} --help"));
        let (_, listed) = help.split_once("\nCommands:\n").expect("commands");
        let listed = listed.lines().take_while(|line| !line.is_empty());
        let names = listed.filter_map(|line| line.split_whitespace().next());
        names
            .filter(|name| *name != "help")
            .map(String::from)
            .collect()
    };
    let mut wanted = subcommands("");
    // What `man` and `completions` print is for programs that do not read JSON.
    let others = ["export", "memory", "man", "completions"];
    wanted.retain(|command| !others.contains(&command.as_str()));
    for command in ["export", "memory"] {
        let of_command = subcommands(command).into_iter();
        wanted.extend(of_command.map(|sub| format!("{command} {sub}")));
    }
    assert!(wanted.len() > 10, "{wanted:?}");
    for command in wanted {
        assert!(seen.contains_key(&command), "{command} is asked nowhere");
    }
}

/// The arrays whose fields are rows of CSV.
const ROWS: [&str; 3] = ["utxos[].", "events[].", "transactions[]."];

#[test]
fn csv_has_a_column_for_every_documented_field_that_is_one_value() {
    let (documented, folder) = (documented::read(), folder());
    blkdex(folder.path(), "import --datadir data -q");
    let mut wrong = Vec::new();
    for (line, commands) in [
        ("status", &["status"][..]),
        ("outpoint --list /dev/null", &["outpoint"]),
        ("tx --list /dev/null", &["tx"]),
        ("block --list /dev/null", &["block"]),
        (
            "balance -",
            &["balance", "balance of a wallet", "balance of a set"],
        ),
        ("utxos -", &["utxos", "utxos of a wallet", "utxos of a set"]),
        (
            "history -",
            &["history", "history of a wallet", "history of a set"],
        ),
    ] {
        let (_, out, err) = blkdex(folder.path(), &format!("{line} --format csv"));
        let header = out
            .lines()
            .next()
            .unwrap_or_else(|| panic!("{line}: {err}"));
        let columns: BTreeSet<&str> = header.split(',').collect();
        let has_rows = line.starts_with("utxos") || line.starts_with("history");
        for (path, field) in commands.iter().flat_map(|command| &documented[*command]) {
            let row = ROWS.iter().find_map(|rows| path.strip_prefix(rows));
            let is_one = !matches!(field.kind, Kind::Array | Kind::Object) && !path.contains("[]");
            // Of what is around rows, only whose they are; of the block that all are as of, what names it.
            let is_of_row = !has_rows && !path.starts_with("as_of.") && !path.starts_with("chain.");
            let is_same = path == "height" && line == "balance -";
            if (row.is_some() || is_one && is_of_row && !is_same)
                && !columns.contains(row.unwrap_or(path))
            {
                wrong.push(format!("{line}: {path}"));
            }
        }
        for column in ["input", "as_of.height", "as_of.hash", "line", "error"] {
            assert!(columns.contains(column), "{line}: {column}");
        }
    }
    assert!(wrong.is_empty(), "no column: {}", wrong.join("\n"));
}
