//! What a person meets in a shell before any question: help, version, manual pages, completions.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod examples;
mod package;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::program::told;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    command.current_dir(folder).stdin(Stdio::null());
    command.env_remove("BLKDEX_INDEX");
    command
}

/// What the program says on stdout; nothing else may be said, and it has to succeed.
fn said(args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path()).args(args).output().unwrap();
    let (code, out, err) = told(output);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{args:?}");
    out
}

/// A line for a shell, run in `folder`, with the program on the path and the sample datadir as `~/.bitcoin`.
fn shell(shell: &str, folder: &Path, line: &str) -> (Option<i32>, String, String) {
    let bin = Path::new(env!("CARGO_BIN_EXE_blkdex")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new(shell)
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path)
        .env("HOME", folder)
        .env_remove("BLKDEX_INDEX")
        .stdin(Stdio::null())
        .output();
    told(output.unwrap())
}

#[test]
fn the_version_says_what_it_was_built_from_and_what_it_reads() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(said(&["-V"]), format!("blkdex {version}\n"));
    let long = said(&["--version"]);
    let mut lines = long.lines();
    assert_eq!(lines.next().unwrap(), format!("blkdex {version}"));
    let formats = blkdex::index::FORMATS.map(|format| format.to_string());
    let formats = format!("index formats {}", formats.join(", "));
    for start in ["commit ", &formats, "redb 4.", "processor "] {
        assert!(lines.next().unwrap().starts_with(start), "{long}");
    }
    for args in [["--version", "--json"], ["--json", "--version"]] {
        let json: serde_json::Value = serde_json::from_str(&said(&args)).unwrap();
        assert_eq!(json["version"], version);
        assert_eq!(
            json["index_formats"],
            serde_json::json!(blkdex::index::FORMATS)
        );
        assert!(json["redb"].as_str().unwrap().starts_with("4."), "{json}");
        assert!(json["commit"].is_null() || json["commit"].is_string());
        assert!(!json["processor_features"].as_array().unwrap().is_empty());
    }
}

#[test]
fn the_first_lines_of_help_name_the_common_path() {
    for flag in ["-h", "--help"] {
        let help = said(&[flag]);
        let first: Vec<&str> = help.lines().take(4).collect();
        let first = first.join(" ");
        assert!(
            first.contains("`blkdex import --datadir ~/.bitcoin`"),
            "{first}"
        );
    }
}

#[test]
fn bash_completes_commands_options_and_values() {
    let folder = tempfile::tempdir().unwrap();
    for (words, expected) in [
        (&["blkdex", "im"][..], "import"),
        (&["blkdex", "import", "--keep"], "--keep-txids"),
        (&["blkdex", "export", "ut"], "utxos"),
        (&["blkdex", "completions", "z"], "zsh"),
    ] {
        let last = words.len() - 1;
        let line = format!(
            "source <(blkdex completions bash); COMP_WORDS=({}); COMP_CWORD={last}; \
             _blkdex blkdex '{}' '{}'; echo \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words[last],
            words[last - 1],
        );
        let (code, out, err) = shell("bash", folder.path(), &line);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{words:?}");
        assert!(
            out.split_whitespace().any(|word| word == expected),
            "{words:?}: {out}"
        );
    }
}

/// The script of each shell, as far as its shell is here; elvish and PowerShell are hardly anywhere.
#[test]
#[cfg_attr(without_zsh, ignore = "needs zsh")]
#[cfg_attr(without_fish, ignore = "needs fish")]
fn zsh_and_fish_take_their_completions() {
    let folder = tempfile::tempdir().unwrap();
    for (name, line) in [
        ("zsh", "blkdex completions zsh > _blkdex && zsh -n _blkdex"),
        (
            "fish",
            "blkdex completions fish | source; complete -C 'blkdex impo' | string match -q 'import*'",
        ),
    ] {
        let (code, out, err) = shell(name, folder.path(), line);
        assert_eq!(
            (code, out.as_str(), err.as_str()),
            (Some(0), "", ""),
            "{name}"
        );
    }
}

#[test]
fn every_shell_has_a_script_and_another_name_is_refused() {
    for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            said(&["completions", name]).contains("keep-txids"),
            "{name}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path())
        .args(["completions", "tcsh"])
        .output();
    let (code, _, words) = told(output.unwrap());
    assert_eq!(code, Some(2));
    assert!(words.contains("elvish"), "{words}");
}

fn pages() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(said(&["man", "--dir", path]), "");
    let files = |section| std::fs::read_dir(folder.path().join(section)).unwrap();
    let entries = files("man1").chain(files("man7"));
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    (folder, pages)
}

#[test]
fn every_command_and_every_chapter_has_a_page() {
    let (_folder, pages) = pages();
    let names: Vec<String> = pages
        .iter()
        .map(|page| page.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    for command in examples::commands() {
        let name = format!(
            "{}.1",
            [&["blkdex".to_owned()], &command[..]].concat().join("-")
        );
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    for chapter in blkdex::manual::CHAPTERS {
        let name = format!("blkdex-{}.7", chapter.name);
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    let page = std::fs::read_to_string(&pages[names.iter().position(|n| n == "blkdex.1").unwrap()]);
    assert_eq!(said(&["man"]), page.unwrap());
}

#[test]
#[cfg_attr(without_man, ignore = "needs man")]
fn man_shows_every_page_without_a_warning_but_of_words_that_are_long() {
    let (folder, pages) = pages();
    for page in pages {
        let page = page.to_str().unwrap();
        let line = format!("man --warnings -E UTF-8 -l -Tutf8 -Z {page} > /dev/null");
        let (code, _, words) = shell("sh", folder.path(), &line);
        // A table of nine columns is wide wherever it stands.
        let is_allowed = |line: &str| {
            [
                "can't break line",
                "around line",
                "wider than line",
                "on one page",
            ]
            .iter()
            .any(|allowed| line.contains(allowed))
        };
        let wrong: Vec<&str> = words.lines().filter(|line| !is_allowed(line)).collect();
        assert!(code == Some(0) && wrong.is_empty(), "{page}: {wrong:?}");
        let (code, text, _) = shell("sh", folder.path(), &format!("MANWIDTH=80 man -l {page}"));
        assert!(code == Some(0) && text.contains("blkdex"), "{page}");
    }
}
