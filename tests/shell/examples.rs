//! The help of every command ends with a call that works as it is printed.

use super::{root, said, shell};

/// Every command, as the words that call it; those that have commands below them too.
pub fn commands() -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut todo = vec![Vec::<String>::new()];
    while let Some(words) = todo.pop() {
        let help = help(&words);
        let below = help
            .split_once("Commands:\n")
            .map_or("", |(_, below)| below);
        let names = below.lines().take_while(|line| line.starts_with("  "));
        let names = names.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        for name in names.filter(|name| !name.is_empty() && *name != "help") {
            todo.push([&words[..], &[name.to_owned()]].concat());
        }
        found.push(words);
    }
    found.sort();
    found
}

fn help(words: &[String]) -> String {
    let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
    args.push("-h");
    said(&args)
}

#[test]
fn help_ends_with_an_example_that_works() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("data"), folder.path().join(".bitcoin")).unwrap();
    // What the others ask: an index, and what memory was used for.
    let line = "blkdex import -q --datadir ~/.bitcoin --commit-every 50 --memory-log memory.jsonl";
    let (code, _, words) = shell("sh", folder.path(), line);
    assert_eq!((code, words.as_str()), (Some(0), ""));
    let commands = commands();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let help = help(&command);
        let last = help.lines().last().unwrap();
        let example = last.strip_prefix("Example: ");
        let example = example.unwrap_or_else(|| panic!("{command:?} ends with: {last}"));
        let begins = format!("blkdex {}", command.join(" "));
        assert!(
            example.starts_with(begins.trim_end()),
            "{command:?}: {example}"
        );
        let (code, out, words) = shell("sh", folder.path(), example);
        assert_eq!(code, Some(0), "{example}: {words}{out}");
        let chapter = help.lines().rev().nth(1).unwrap();
        let name = chapter.strip_prefix("More: blkdex manual ");
        assert!(
            name.is_some_and(|name| blkdex::manual::find(name).is_ok()),
            "{chapter}"
        );
    }
}
