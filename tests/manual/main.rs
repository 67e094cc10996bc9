//! The manual against the program: its chapters as printed, its JSON fields, its examples.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod asked;
mod documented;
mod examples;
mod fields;

use assert_cmd::Command;
use blkdex::manual::CHAPTERS;
use common::program::told;
use std::path::{Path, PathBuf};

/// Runs the program in `folder`; returns exit code, stdout and stderr.
fn blkdex(folder: &Path, line: &str) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("blkdex").unwrap();
    command.current_dir(folder).env_remove("BLKDEX_INDEX");
    let output = command.args(line.split_whitespace()).output().unwrap();
    told(output)
}

/// A folder in which `data` is the sample datadir.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("data"), folder.path().join("data")).unwrap();
    folder
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_chapter_is_printed_as_it_is_written_and_the_list_names_all() {
    let folder = folder();
    let (code, list, _) = blkdex(folder.path(), "manual");
    assert_eq!((code, list.lines().count()), (Some(0), CHAPTERS.len()));
    for (chapter, line) in CHAPTERS.iter().zip(list.lines()) {
        assert!(line.starts_with(chapter.name) && line.ends_with(chapter.about));
        let (code, text, err) = blkdex(folder.path(), &format!("manual {}", chapter.name));
        assert_eq!(
            (code, text.as_str(), err.as_str()),
            (Some(0), chapter.text, "")
        );
    }
}

#[test]
fn an_unknown_chapter_is_a_line_that_names_the_chapters() {
    let (code, out, err) = blkdex(folder().path(), "manual nothing");
    assert_eq!(
        (code, out.as_str(), err.lines().count()),
        (Some(2), "", 1),
        "{err}"
    );
    assert!(CHAPTERS.iter().all(|chapter| err.contains(chapter.name)));
}

#[test]
fn a_reader_that_is_gone_ends_the_manual_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_blkdex"));
    let piped = command.args(["manual", "questions"]).stdout(writer);
    let output = piped.stderr(std::process::Stdio::piped()).output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

#[test]
fn readme_is_short_and_links_every_chapter() {
    let readme = include_str!("../../README.md");
    assert!(
        readme.lines().count() <= 150,
        "what is more belongs to a chapter"
    );
    for chapter in CHAPTERS {
        let link = format!("[`{0}`](src/manual/{0}.md)", chapter.name);
        assert!(readme.contains(&link), "{link}");
    }
}

/// A test is named by its function: three underscores or more, in backticks.
#[test]
fn tests_that_the_manual_names_exist() {
    let mut sources = String::new();
    let mut folders = ["src", "tests"].map(|name| root().join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                sources += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let mut count = 0;
    for chapter in CHAPTERS {
        let words = chapter.text.split('`');
        let is_test = |word: &&str| {
            let mut letters = word.chars();
            word.matches('_').count() > 2 && letters.all(|c| c == '_' || c.is_alphanumeric())
        };
        for name in words.filter(is_test) {
            let function = format!("fn {name}(");
            assert!(sources.contains(&function), "{}: {name}", chapter.name);
            count += 1;
        }
    }
    assert!(count > 10, "{count} tests named");
}

/// Chapters are named by messages, by `--help`, and by each other.
#[test]
fn chapters_that_are_named_exist() {
    let folder = folder();
    let mut texts: Vec<String> = CHAPTERS.map(|chapter| chapter.text.to_owned()).into();
    texts.push(include_str!("../../README.md").to_owned());
    let (_, help, _) = blkdex(folder.path(), "--help");
    let commands = help.lines().filter_map(|line| line.strip_prefix("  "));
    let commands = commands.filter_map(|line| line.split_whitespace().next());
    for command in commands.filter(|word| word.chars().all(char::is_alphabetic)) {
        texts.push(blkdex(folder.path(), &format!("help {command}")).1);
    }
    let mut count = 0;
    for text in texts {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for after in text.split("`blkdex manual ").skip(1) {
            let name = after.split('`').next().unwrap_or_default();
            let is_chapter = CHAPTERS.iter().any(|chapter| chapter.name == name);
            assert!(is_chapter || name == "CHAPTER", "{name}");
            count += 1;
        }
    }
    assert!(count > 20, "{count} chapters named");
}
