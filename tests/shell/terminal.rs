//! Manners: no colour, no bar where nothing can be drawn over, nothing said where nobody wants to hear it.

use super::{program, root, said, shell};
use crate::common::program::told;

#[test]
fn nothing_is_coloured_even_if_the_environment_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["--help"][..],
        &["import", "--nonsense"],
        &["import", "--help"],
    ] {
        let mut command = program(folder.path());
        let command = command
            .args(args)
            .env("CLICOLOR_FORCE", "1")
            .env("TERM", "xterm");
        let (_, out, words) = told(command.output().unwrap());
        assert!(!format!("{out}{words}").contains('\u{1b}'), "{args:?}");
    }
    assert!(!said(&["manual", "import"]).contains('\u{1b}'));
}

#[test]
fn a_quiet_import_with_nothing_to_do_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let data = root().join("data");
    let import = |flags: &[&str]| {
        let mut command = program(folder.path());
        let command = command
            .arg("import")
            .args(flags)
            .arg("--datadir")
            .arg(&data);
        told(command.output().unwrap())
    };
    let (code, first, words) = import(&["-q"]);
    assert_eq!((code, words.as_str()), (Some(0), ""));
    assert!(first.starts_with("height"), "{first}");
    assert_eq!(import(&["-q"]), (Some(0), String::new(), String::new()));
    let (code, told, words) = import(&["-q", "--json"]);
    assert_eq!((code, words.as_str()), (Some(0), ""));
    assert!(told.contains("\"height\":267"), "{told}");
    let (code, told, _) = import(&[]);
    assert_eq!(code, Some(0));
    assert!(told.starts_with("nothing to do"), "{told}");
}

/// `script` of util-linux makes a terminal.
#[test]
fn a_dumb_terminal_gets_the_lines_that_a_pipe_gets() {
    let folder = tempfile::tempdir().unwrap();
    let data = root().join("data");
    let line = |term: &str, name: &str| {
        format!(
            "TERM={term} script -qec 'blkdex import --datadir {} --index {name}.redb' /dev/null",
            data.display()
        )
    };
    let (code, dumb, _) = shell("sh", folder.path(), &line("dumb", "a"));
    assert_eq!(code, Some(0), "{dumb}");
    assert!(
        !dumb.contains('\u{1b}') && dumb.contains("height    267"),
        "{dumb}"
    );
    let (code, drawn, _) = shell("sh", folder.path(), &line("xterm", "b"));
    assert!(code == Some(0) && drawn.contains('\u{1b}'), "{drawn}");
}

/// What goes through a pipe is one line a row; on a terminal it is as wide as that.
#[test]
fn tables_fit_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "blkdex import -q --datadir {}",
        root().join("data").display()
    );
    let (code, _, words) = shell("sh", folder.path(), &line);
    assert_eq!((code, words.as_str()), (Some(0), ""));
    let txid = "8995eb3e7dd5b3f3fa280144de9ff5d93c9ca7b23555365200d7f7dcb1ab0721";
    let address = "bcrt1qyq8dns7p6a20s5w8jd8a52nvrngkx2r5nqdmn5u7zkweuphul4nsvnjjf0";
    for ask in [
        format!("history {address}"),
        format!("utxos {address}"),
        format!("tx {txid}"),
    ] {
        let line = format!("script -qec 'stty cols 110; blkdex {ask}' /dev/null");
        let (code, drawn, _) = shell("sh", folder.path(), &line);
        assert_eq!(code, Some(0), "{drawn}");
        let (_, piped, _) = shell("sh", folder.path(), &format!("blkdex {ask}"));
        let widest = |text: &str| text.lines().map(|line| line.trim_end().len()).max();
        assert!(widest(&drawn) <= Some(110), "{drawn}");
        let is_wide = !ask.starts_with("utxos");
        assert_eq!(widest(&piped) > Some(110), is_wide, "{piped}");
        let words = |text: &str| {
            text.split_whitespace()
                .map(String::from)
                .collect::<Vec<_>>()
        };
        let (mut drawn, mut piped) = (words(&drawn), words(&piped));
        drawn.sort();
        piped.sort();
        assert_eq!(drawn, piped, "{ask}");
    }
}
