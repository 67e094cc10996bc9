//! Completes the commands that messages name, so that they work as printed.
//!
//! Invariant: an error of the library names a command by its bare name, `blkdex rebuild`, since it does
//! not know how the program was called; what is added here is what this call was given, or what the
//! index remembers. Words in capitals (`DIR`) are for the user to fill in.

use crate::args::{Args, AtArgs, Command};
use bitcoin::hex::DisplayHex;
use blkdex::datadir::{Location, Source};
use blkdex::index::remembered;
use std::path::Path;

/// The line with its commands complete.
pub fn complete(line: &str, args: &Args) -> String {
    let pieces = line.split('`').enumerate();
    let pieces = pieces.map(|(number, piece)| match number % 2 == 1 {
        true => complete_command(piece, args),
        false => piece.to_string(),
    });
    pieces.collect::<Vec<_>>().join("`")
}

fn complete_command(command: &str, args: &Args) -> String {
    let mut words = command.split(' ');
    let (Some("blkdex"), Some(name)) = (words.next(), words.next()) else {
        return command.to_string();
    };
    if command.contains("--index") || ["memory", "manual", "man", "completions"].contains(&name) {
        return command.to_string();
    }
    let mut complete = format!("{command} --index {}", quoted(&args.index));
    let reads_blocks = ["import", "rebuild", "doctor"].contains(&name);
    if reads_blocks && !command.contains("dir ") {
        complete += &place(name, args);
    }
    complete
}

/// Options that say where the block files are.
fn place(name: &str, args: &Args) -> String {
    match given(&args.command) {
        Some(source) => options(&source),
        None => match remembered(&args.index) {
            Ok(found) if !found.blocks_dir.is_dir() => " --datadir DIR".to_string(),
            Ok(_) if name == "rebuild" => String::new(),
            Ok(found) => format!(" --blocks-dir {}", quoted(&found.blocks_dir)),
            Err(_) => " --datadir DIR".to_string(),
        },
    }
}

/// As they were given.
fn options(source: &Source) -> String {
    let mut options = match &source.location {
        Location::Datadir(dir) => format!(" --datadir {}", quoted(dir)),
        Location::BlocksDir(dir) => format!(" --blocks-dir {}", quoted(dir)),
    };
    if let Some(network) = source.network {
        options += &format!(" --network {network}");
    }
    if let Some(challenge) = &source.signet_challenge {
        options += &format!(" --signet-challenge {}", challenge.to_lower_hex_string());
    }
    options
}

/// Where this call was told that they are.
fn given(command: &Command) -> Option<Source> {
    let asked = |at: &AtArgs| at.location().map(Source::new);
    match command {
        Command::Import(import) => Some(import.source.get()),
        Command::Doctor(doctor) => Some(doctor.source.get()),
        Command::Rebuild(rebuild) => rebuild.source(),
        Command::Status(ask) => asked(&ask.at),
        Command::Balance(balance) => asked(&balance.scripts.ask.at),
        Command::Utxos(list) | Command::History(list) => asked(&list.scripts.ask.at),
        Command::Outpoint(outpoint) => asked(&outpoint.ask.at),
        Command::Tx(tx) => asked(&tx.ask.at),
        Command::Block(block) => asked(&block.ask.at),
        Command::Verify(verify) => asked(&verify.at),
        Command::Export(export) => export.what.location().map(Source::new),
        Command::Memory(_) | Command::Manual(_) | Command::Man(_) | Command::Completions(_) => None,
    }
}

/// As a shell takes it for one word.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn completed(line: &str, call: &[&str]) -> String {
        let args = Args::try_parse_from([&["blkdex", "--index", "no/such one"], call].concat());
        complete(line, &args.expect("a call"))
    }

    #[test]
    fn commands_get_the_index_and_the_block_files_of_the_call() {
        let line = "damaged: run `blkdex rebuild`, or `this`";
        assert_eq!(
            completed(line, &["import", "--datadir", "it's", "--network", "main"]),
            r"damaged: run `blkdex rebuild --index 'no/such one' --datadir 'it'\''s' --network main`, or `this`"
        );
        let signet = ["doctor", "--datadir", "d", "--signet-challenge", "51aa"];
        assert_eq!(
            completed("`blkdex import`", &signet),
            "`blkdex import --index 'no/such one' --datadir d --signet-challenge 51aa`"
        );
        assert_eq!(
            completed(line, &["tx", &"00".repeat(32), "--blocks-dir", "b"]),
            "damaged: run `blkdex rebuild --index 'no/such one' --blocks-dir b`, or `this`"
        );
    }

    #[test]
    fn what_nobody_knows_is_for_the_user_to_fill_in() {
        assert_eq!(
            completed("`blkdex rebuild --force`", &["status"]),
            "`blkdex rebuild --force --index 'no/such one' --datadir DIR`"
        );
        for whole in [
            "`blkdex memory show`",
            "`--invalid HASH`",
            "`blkdex x --index y`",
        ] {
            assert_eq!(completed(whole, &["status"]), whole);
        }
    }
}
