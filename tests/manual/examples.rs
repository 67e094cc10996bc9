//! The examples of README and manual: what a `console` block shows is what the program prints.
//!
//! A block holds commands (`$ ...`), each with what it prints on stdout and stderr. `...` stands for
//! anything: in a line for a part of it, as a line of its own for any lines. What cannot run on `data/`
//! is a block of another kind (`sh`, `text`); `cargo` alone is not run, `cargo run` is `blkdex`.

use super::{blkdex, folder};
use blkdex::manual::CHAPTERS;
use std::path::Path;
use std::process::Command;

/// A command and what it is said to print.
struct Example<'t> {
    command: &'t str,
    printed: Vec<&'t str>,
}

/// The examples of a text, in order.
fn examples(text: &str) -> Vec<Example<'_>> {
    let mut examples: Vec<Example<'_>> = Vec::new();
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line == "```console") {
        for line in lines.by_ref().take_while(|line| *line != "```") {
            match (line.strip_prefix("$ "), examples.last_mut()) {
                (Some(command), _) => examples.push(Example {
                    command,
                    printed: Vec::new(),
                }),
                (None, Some(example)) => example.printed.push(line),
                (None, None) => panic!("a console block begins with a command: {line}"),
            }
        }
    }
    examples
}

/// What the shell prints of a command, stdout and stderr as they come.
fn run(folder: &Path, command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_blkdex"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {command}\n}} 2>&1")])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("BLKDEX_INDEX")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Whether `line` is `pattern`, in which each `...` stands for anything.
fn is_line(pattern: &str, line: &str) -> bool {
    let Some((start, rest)) = pattern.split_once("...") else {
        return pattern == line;
    };
    let Some(line) = line.strip_prefix(start) else {
        return false;
    };
    let mut ends = (0..=line.len()).filter(|at| line.is_char_boundary(*at));
    ends.any(|at| is_line(rest, &line[at..]))
}

/// Whether `lines` are `patterns`, of which each `...` stands for any lines.
fn are_lines(patterns: &[&str], lines: &[&str]) -> bool {
    match patterns.split_first() {
        None => lines.is_empty(),
        Some((&"...", rest)) => (0..=lines.len()).any(|at| are_lines(rest, &lines[at..])),
        Some((pattern, rest)) => lines
            .split_first()
            .is_some_and(|(line, lines)| is_line(pattern, line) && are_lines(rest, lines)),
    }
}

/// Runs the examples of a text in a folder of their own; returns how many.
fn check(name: &str, text: &str, begins_with_an_index: bool) -> usize {
    let folder = folder();
    if begins_with_an_index {
        let (code, _, err) = blkdex(folder.path(), "import --datadir data --memory 128M -q");
        assert_eq!(code, Some(0), "{err}");
    }
    let mut count = 0;
    for Example { command, printed } in examples(text) {
        let command = command.replacen("cargo run --release -- ", "blkdex ", 1);
        if command.starts_with("cargo ") {
            continue;
        }
        let calls = command.starts_with("blkdex ") || command.contains("| blkdex ");
        assert!(calls, "{name}: {command}");
        let found = run(folder.path(), &command);
        let lines: Vec<&str> = found.lines().collect();
        assert!(
            are_lines(&printed, &lines),
            "{name}: {command}\nis said to print\n{}\nbut prints\n{found}",
            printed.join("\n")
        );
        count += 1;
    }
    count
}

#[test]
fn readme_prints_what_it_shows() {
    let count = check("README.md", include_str!("../../README.md"), false);
    assert!(count >= 3, "{count} examples");
}

#[test]
fn chapters_print_what_they_show() {
    let mut count = 0;
    for chapter in CHAPTERS {
        count += check(chapter.name, chapter.text, true);
    }
    assert!(count >= 10, "{count} examples");
}

#[test]
fn three_dots_stand_for_anything_and_nothing_else_does() {
    assert!(is_line("a ... c", "a b c") && is_line("a...", "a") && is_line("a", "a"));
    assert!(!is_line("a ... c", "a b d") && !is_line("a", "ab") && !is_line("a...", "b"));
    assert!(are_lines(&["a", "...", "c"], &["a", "b", "b", "c"]));
    assert!(are_lines(&["..."], &[]) && are_lines(&["a", "..."], &["a"]));
    assert!(!are_lines(&["a"], &["a", "b"]) && !are_lines(&["...", "c"], &["c", "d"]));
    assert!(!are_lines(&[], &["a"]), "nothing shown is nothing printed");
}
