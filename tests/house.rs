//! The house: what every source file in `src` keeps to, read as text.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest function, from its `fn` to its last brace.
const FUNCTION_LINES_MAX: usize = 70;

/// A source file.
struct Source {
    /// Its path below `src`.
    name: String,
    text: String,
}

impl Source {
    /// The lines in front of the unit tests.
    fn code(&self) -> Vec<&str> {
        let mut tests = self.text.match_indices("#[cfg(test)]\nmod ");
        let is_here = |at: usize| {
            let line = self.text[at..].lines().nth(1);
            line.is_some_and(|line| line.ends_with('{'))
        };
        let tests = tests.find(|(at, _)| is_here(*at)).map(|(at, _)| at);
        self.text[..tests.unwrap_or(self.text.len())]
            .lines()
            .collect()
    }
}

/// All `.rs` files below `src`.
fn sources() -> Vec<Source> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                sources.push(source(&root, &path));
            }
        }
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(sources.len() > 100, "{} files", sources.len());
    sources
}

fn source(root: &Path, path: &Path) -> Source {
    let name = path.strip_prefix(root).unwrap().display().to_string();
    let text = fs::read_to_string(path).unwrap();
    Source { name, text }
}

/// Asserts that nothing is listed.
fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_file_begins_with_its_module_doc() {
    let undocumented = sources().into_iter().filter(|source| {
        let first = source.text.lines().next().unwrap_or_default();
        !first.starts_with("//! ")
    });
    none(undocumented.map(|source| source.name).collect());
}

#[test]
fn every_room_is_in_the_table_of_lib_rs_and_nothing_else_is() {
    let sources = sources();
    let rooms: BTreeSet<String> = sources.iter().map(room_of).collect();
    let mut listed: BTreeSet<String> = rooms_in_order(&sources).into_iter().collect();
    listed.insert("lib".into());
    assert_eq!(listed, rooms);
}

/// The rooms in the order of the table of `lib.rs`: lowest first.
fn rooms_in_order(sources: &[Source]) -> Vec<String> {
    let lib = sources.iter().find(|source| source.name == "lib.rs");
    let rows = lib.unwrap().text.lines();
    let cells = rows.filter_map(|line| line.strip_prefix("//! | ")?.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split(", "));
    names
        .filter_map(|name| name.trim_matches(['[', ']']).strip_prefix('`'))
        .map(|name| name.replace('`', ""))
        .collect()
}

/// The room that a file is of: the first part of its path.
fn room_of(source: &Source) -> String {
    let (room, _) = source.name.split_once('/').unwrap_or((&source.name, ""));
    room.trim_end_matches(".rs").to_owned()
}

/// The modules of the crate that a text names: what follows `crate::`, alone or in braces.
fn modules_named(text: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let is_of_name = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
        text.trim_start().chars().take_while(is_of_name).collect()
    };
    let mut named = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            named.push(name(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = 0;
        for (end, letter) in list.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    named.push(name(&list[start..end]));
                    start = end + 1;
                }
                _ => {}
            }
            if letter == '}' && depth == 0 && start == end + 1 {
                break;
            }
        }
    }
    named.retain(|name| name.starts_with(|first: char| first.is_ascii_lowercase()));
    named
}

#[test]
fn modules_are_found_wherever_they_are_named() {
    let found = modules_named("use crate::a::B; use crate::{c::{d, e}, f, Error};\ncrate::g::h()");
    assert_eq!(found, ["a", "c", "f", "g"]);
}

#[test]
fn a_room_imports_only_rooms_that_stand_above_it() {
    let sources = sources();
    let order = rooms_in_order(&sources);
    let place = |room: &str| order.iter().position(|other| other == room);
    let mut wrong = Vec::new();
    let mut count = 0;
    for source in sources.iter().filter(|source| source.name != "lib.rs") {
        let room = room_of(source);
        let code = source.code().into_iter();
        let code = code.filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<Vec<_>>().join("\n");
        for named in modules_named(&code) {
            count += 1;
            let Some(named_place) = place(&named) else {
                wrong.push(format!("{}: {named} is no room", source.name));
                continue;
            };
            if Some(named_place) > place(&room) {
                wrong.push(format!("{} imports {named}", source.name));
            }
        }
        // Out of a room leads only `crate::`.
        let depth =
            source.name.matches('/').count() + usize::from(!source.name.ends_with("mod.rs"));
        if code.contains(&"super::".repeat(depth.max(1))) {
            wrong.push(format!("{} leaves its room by super", source.name));
        }
    }
    assert!(count > 500, "{count} imports");
    none(wrong);
}

#[test]
fn unsafe_code_stands_only_in_rooms_made_for_it() {
    const ALLOWED: [&str; 9] = [
        "allocator.rs",
        "memory/counting.rs",
        "memory/pool.rs",
        "memory/region.rs",
        "os/file_map.rs",
        "os/sigbus.rs",
        "os/signals.rs",
        // Kernels are entered for which the processor's instructions were found.
        "primitives/sha256/kernel.rs",
        "verify/muhash/ifma.rs",
    ];
    let sources = sources();
    for root in ["lib.rs", "main.rs"] {
        let root = sources.iter().find(|source| source.name == root).unwrap();
        assert!(root.text.contains("\n#![deny(unsafe_code)]"));
    }
    let allowing = sources
        .iter()
        .filter(|source| source.text.contains("allow(unsafe_code)"));
    let found: Vec<&str> = allowing.map(|source| source.name.as_str()).collect();
    assert_eq!(found, ALLOWED);
}

#[test]
fn redb_is_known_to_the_store_alone_and_libc_to_os() {
    let mut wrong = Vec::new();
    for source in sources() {
        let names = |krate: &str| source.text.contains(&format!("{krate}::"));
        if names("redb") && room_of(&source) != "store" {
            wrong.push(format!("{} names redb", source.name));
        }
        if names("libc") && room_of(&source) != "os" {
            wrong.push(format!("{} names libc", source.name));
        }
    }
    none(wrong);
}

#[test]
fn functions_have_at_most_70_lines() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for source in sources() {
        let code = source.code();
        let starts = (0..code.len()).filter(|at| is_function(code[*at]));
        for at in starts {
            count += 1;
            let lines = function_lines(&code[at..]);
            if lines > FUNCTION_LINES_MAX {
                let line = code[at].trim();
                wrong.push(format!("{}:{}: {lines} lines: {line}", source.name, at + 1));
            }
        }
    }
    assert!(count > 500, "{count} functions");
    none(wrong);
}

/// Whether a function begins in the line: `fn` behind nothing but qualifiers.
fn is_function(line: &str) -> bool {
    let Some((before, name)) = line.trim_start().split_once("fn ") else {
        return false;
    };
    let is_qualifier = |word: &str| {
        let word = word.split('(').next().unwrap_or_default();
        ["pub", "const", "unsafe", "async", "extern", "\"C\""].contains(&word)
    };
    before
        .replace("(in ", "(")
        .split_whitespace()
        .all(is_qualifier)
        && name.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Lines of the function that begins in the first of `lines`: up to its brace, or to the semicolon of a
/// function without a body. Both stand as far in as its `fn`, as `cargo fmt` sees to.
fn function_lines(lines: &[&str]) -> usize {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = indent(lines[0]);
    let is_end = |at: &usize| {
        let line = lines[*at];
        let ends = line.ends_with('}') || line.ends_with(';');
        ends && indent(line) == own && (*at == 0 || line.trim_start().starts_with(['}', ')']))
    };
    (0..lines.len())
        .find(is_end)
        .map_or(lines.len(), |at| at + 1)
}

#[test]
fn the_length_of_functions_is_told_right() {
    let told = |text: &str| function_lines(&text.lines().collect::<Vec<_>>());
    assert_eq!(told("fn a() {}"), 1);
    assert_eq!(told("    fn a();\n    fn b() {}"), 1);
    assert_eq!(told("fn a() {\n    b();\n}\nfn c() {}"), 3);
    assert_eq!(told("fn a(\n    b: u8,\n) -> u8;\nfn c() {}"), 3);
    assert_eq!(told("fn a(\n    b: u8,\n) -> u8 {\n    {\n    }\n}\n}"), 6);
    for function in [
        "fn a()",
        "    pub(super) const fn a()",
        "pub unsafe extern \"C\" fn a(",
    ] {
        assert!(is_function(function), "{function}");
    }
    for other in [
        "// fn a()",
        "let f: fn (u8)",
        "    get: fn(&Record)",
        "a.fn b",
    ] {
        assert!(!is_function(other), "{other}");
    }
}
