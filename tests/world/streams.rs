//! Outputs that cannot be written, terminals, and the signals of terminals.

use std::ffi::CStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{blkdex, import, words};
use crate::common::chain::{Chain, Plan};
use crate::common::parts::{Kind, owner, script};
use crate::common::trial::Trial;

/// An import that says all it can, at every few blocks.
fn loud(trial: &Trial, commit_every: &str) -> Command {
    let mut command = blkdex("import", &trial.options.index);
    command
        .args(["--memory", "128M", "--commit-every", commit_every])
        .arg("--datadir")
        .arg(&trial.datadir.path);
    command
}

/// What stderr is, or what it is no more.
fn broken(command: &mut Command, how: &str) {
    match how {
        "full" => {
            command.stderr(File::options().write(true).open("/dev/full").unwrap());
        }
        "closed" => {
            // SAFETY: between fork and exec only one plain system call is made.
            unsafe {
                command.pre_exec(|| {
                    libc::close(2);
                    Ok(())
                });
            }
        }
        "a pipe to nobody" => {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            command.stderr(writer);
        }
        _ => {
            let (terminal, other) = terminal(80);
            drop(terminal);
            command.stderr(other);
        }
    }
}

const BROKEN: [&str; 4] = [
    "full",
    "closed",
    "a pipe to nobody",
    "a terminal that is gone",
];

/// A terminal so many columns wide, and the side of it that a program writes to. No other program
/// that is started meanwhile inherits it, so closing it here is its end.
fn terminal(columns: u16) -> (File, File) {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    let mut name = [0; 64];
    let size = libc::winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: plain system calls on a descriptor that was opened just now and belongs to nobody else;
    // the name's buffer and the size live for as long as the calls, and the name ends in a zero byte.
    let (own, name) = unsafe {
        let own = libc::posix_openpt(flags);
        assert!(own >= 0, "{}", std::io::Error::last_os_error());
        assert_eq!(libc::grantpt(own), 0);
        assert_eq!(libc::unlockpt(own), 0);
        assert_eq!(libc::ptsname_r(own, name.as_mut_ptr(), name.len()), 0);
        assert_eq!(libc::ioctl(own, libc::TIOCSWINSZ, &size), 0);
        (File::from_raw_fd(own), CStr::from_ptr(name.as_ptr()))
    };
    let mut options = File::options();
    options.read(true).write(true).custom_flags(libc::O_NOCTTY);
    (own, options.open(name.to_str().unwrap()).unwrap())
}

#[test]
fn words_that_cannot_be_said_stop_no_work() {
    let chain = Chain::of_coinbases(60);
    for how in BROKEN {
        let trial = Trial::new(&chain);
        let index = &trial.options.index;
        let out = trial.folder.path().join("out");
        let mut rebuild = blkdex("rebuild", index);
        rebuild.args(["--memory", "128M"]);
        let mut export = blkdex("export", index);
        export.args(["utxos", "--format", "csv", "-o"]).arg(&out);
        for mut command in [loud(&trial, "1"), rebuild, export] {
            broken(&mut command, how);
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{how}: {command:?}");
        }
        trial.check(&chain);
        assert_eq!(std::fs::read_to_string(&out).unwrap().lines().count(), 61);
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error_and_an_import_is_complete_all_the_same() {
    let chain = Chain::of_coinbases(9);
    let trial = Trial::new(&chain);
    let index = &trial.options.index;
    for mut command in [
        import(&trial.datadir.path, index),
        blkdex("status", index),
        blkdex("--help", index),
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        let words = words(&output);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(
            words.contains("cannot write the output: No space"),
            "{words}"
        );
        assert_eq!(words.lines().count(), 1, "{words}");
    }
    trial.check(&chain);
}

#[test]
fn a_reader_that_leaves_does_not_change_what_a_command_found() {
    let trial = Trial::new(&Chain::of_coinbases(9));
    let index = &trial.options.index;
    let nowhere = trial.folder.path().join("nowhere");
    let mut doctor = blkdex("doctor", index);
    doctor.arg("--datadir").arg(nowhere);
    for (mut command, code) in [
        (import(&trial.datadir.path, index), 0),
        (blkdex("status", index), 0),
        (blkdex("--version", index), 0),
        (doctor, 1),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{command:?}");
        assert_eq!(words(&output), "", "{command:?}");
    }
}

/// Starts an import, waits until it has committed, and lets `then` disturb it.
fn disturbed(trial: &Trial, is_ignoring: bool, then: impl FnOnce(&Child)) -> Option<i32> {
    let mut command = loud(trial, "1");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    // SAFETY: between fork and exec only one plain system call is made.
    unsafe {
        command.pre_exec(move || {
            let action = match is_ignoring {
                true => libc::SIG_IGN,
                false => libc::SIG_DFL,
            };
            libc::signal(libc::SIGHUP, action);
            Ok(())
        });
    }
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("[memory]") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended early");
    }
    then(&child);
    std::io::copy(&mut said, &mut std::io::sink()).unwrap();
    child.wait().unwrap().code()
}

#[test]
fn a_hangup_ends_an_import_after_a_commit_unless_it_is_ignored() {
    let chain = Chain::of_coinbases(1500);
    // A terminal that goes away sends it twice.
    let hang_up = |child: &Child| {
        for _ in 0..2 {
            // SAFETY: a plain system call on a child that was not waited for yet.
            unsafe { libc::kill(child.id() as i32, libc::SIGHUP) };
        }
    };
    let trial = Trial::new(&chain);
    assert_eq!(disturbed(&trial, false, hang_up), Some(130));
    let index = &trial.options.index;
    let status = blkdex("status", index).output().unwrap();
    assert!(status.status.success(), "{}", words(&status));
    assert_eq!(disturbed(&trial, true, hang_up), Some(0));
    trial.check(&chain);
}

#[test]
fn the_terminal_of_an_import_that_goes_away_is_a_hangup() {
    let chain = Chain::of_coinbases(1500);
    let trial = Trial::new(&chain);
    let (mut terminal, other) = terminal(80);
    let mut command = loud(&trial, "1");
    command.stdout(other.try_clone().unwrap()).stderr(other);
    // SAFETY: between fork and exec only plain system calls are made.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            libc::setsid();
            match libc::ioctl(2, libc::TIOCSCTTY, 0) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    let mut child = command.spawn().unwrap();
    drop(command);
    // While it scans, nothing is committed yet.
    let mut shown = String::new();
    while !shown.contains("height ") {
        let mut bytes = [0; 16];
        terminal.read_exact(&mut bytes).unwrap();
        shown += &String::from_utf8_lossy(&bytes);
    }
    drop(terminal);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let status = blkdex("status", &trial.options.index).output().unwrap();
    assert!(status.status.success(), "{}", words(&status));
    let output = import(&trial.datadir.path, &trial.options.index).output();
    assert!(output.unwrap().status.success());
    trial.check(&chain);
}

#[test]
fn a_terminal_that_goes_away_under_the_bar_stops_nothing() {
    let chain = Chain::of_coinbases(1000);
    let trial = Trial::new(&chain);
    let (mut terminal, other) = terminal(80);
    let mut command = loud(&trial, "1");
    command.stdout(Stdio::null()).stderr(other);
    let mut child = command.spawn().unwrap();
    // The command holds the other side too.
    drop(command);
    terminal.read_exact(&mut [0; 100]).unwrap();
    drop(terminal);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    trial.check(&chain);
}

/// What is drawn on a terminal of so many columns.
fn drawn(columns: u16) -> String {
    let trial = Trial::new(&Chain::of_coinbases(50));
    let (mut terminal, other) = terminal(columns);
    let mut command = loud(&trial, "1000");
    command.stdout(Stdio::null()).stderr(other);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut bytes = Vec::new();
    // It ends with an error: there is no other side any more.
    let _ = terminal.read_to_end(&mut bytes);
    assert!(child.wait().unwrap().success());
    String::from_utf8(bytes).unwrap()
}

#[test]
fn percentage_height_rate_time_and_memory_fit_80_columns() {
    let text = drawn(80);
    let mut lines = text.split(['\r', '\n']);
    let bar = lines.find(|line| line.contains("height ") && line.contains('░'));
    let bar = bar.unwrap_or_else(|| panic!("{text:?}"));
    for words in [" % ", "height ", " MB/s", " left", ", memory ", " MB"] {
        assert!(bar.contains(words), "{words}: {bar:?}");
    }
    assert!(
        drawn(200).contains("hit rate"),
        "all of it, where there is room"
    );
}

#[test]
fn long_scripts_are_cut_for_people_and_whole_in_json() {
    let mut chain = Chain::new();
    let long = script(Kind::Longest, 1);
    chain.grow_with(Plan {
        pay: Some(vec![(long.clone(), 5), (owner(1), 6)]),
        ..Plan::default()
    });
    let trial = Trial::new(&chain);
    let index = &trial.options.index;
    assert!(
        import(&trial.datadir.path, index)
            .output()
            .unwrap()
            .status
            .success()
    );
    let coin = chain.coin(chain.tip());
    let text = |json: bool, command: &str, arg: String| {
        let mut command = blkdex(command, index);
        let output = command.arg(arg).args(json.then_some("--json")).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    for (command, arg) in [
        ("tx", coin.txid.to_string()),
        ("outpoint", coin.to_string()),
    ] {
        let told = text(false, command, arg.clone());
        let longest = told.lines().map(|line| line.chars().count()).max();
        assert!(longest.unwrap() < 250, "{told}");
        assert!(told.contains("(10,000 bytes; whole with --json)"), "{told}");
        assert!(text(true, command, arg).contains(&long.to_hex_string()));
    }
}

#[test]
fn names_of_files_cannot_steer_a_terminal_and_need_not_be_utf8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let chain = Chain::of_coinbases(3);
    let mut trial = Trial::new(&chain);
    let odd = trial
        .folder
        .path()
        .join(OsStr::from_bytes(b"\x1b[31m\xff\n"));
    std::fs::rename(&trial.datadir.path, &odd).unwrap();
    trial.datadir.path = odd.clone();
    let index = odd.join("index");
    assert!(import(&odd, &index).output().unwrap().status.success());
    let mut doctor = blkdex("doctor", &index);
    doctor.args(["--memory", "128M", "--datadir"]).arg(&odd);
    let mut missing = blkdex("doctor", &index);
    missing.arg("--datadir").arg(odd.join("nowhere"));
    let unknown = blkdex("status", &odd.join("nowhere"));

    for mut command in [blkdex("status", &index), doctor, missing, unknown] {
        for json in [None, Some("--json")] {
            let output = command.args(json).output().unwrap();
            let all = [&output.stdout[..], &output.stderr].concat();
            let text = String::from_utf8(all).unwrap();
            assert!(!text.contains('\x1b'), "{text:?}");
            assert!(text.contains("u001b[31m\u{fffd}"), "{text:?}");
            assert!(
                !text.contains("\u{fffd}\n"),
                "a name is in one line: {text:?}"
            );
            if let Some(json) = text.strip_prefix('{') {
                let _: serde_json::Value = serde_json::from_str(&format!("{{{json}")).unwrap();
            }
        }
    }
}

#[test]
fn a_log_cannot_steer_a_terminal() {
    let trial = Trial::new(&Chain::of_coinbases(30));
    let log = trial.folder.path().join("log");
    let mut command = import(&trial.datadir.path, &trial.options.index);
    command
        .args(["--commit-every", "10", "--memory-log"])
        .arg(&log);
    assert!(command.output().unwrap().status.success());
    let text = std::fs::read_to_string(&log).unwrap();
    let changed = text
        .replace(
            "\"name\":\"table\"",
            "\"name\":\"ta\\u001b[31m\\nble\u{9b}\"",
        )
        .replace("\"name\":\"coins\"", "\"name\":\"co\\u001b[31mins\"");
    assert_ne!(changed, text);
    std::fs::write(&log, changed).unwrap();
    for (what, rest) in [
        ("show", vec![]),
        ("show", vec!["--json"]),
        ("diff", vec!["--from", "9", "--to", "29"]),
    ] {
        let mut command = blkdex("memory", Path::new("unused"));
        let output = command.arg(what).arg(&log).args(rest).output().unwrap();
        assert!(output.status.success(), "{}", words(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains(['\x1b', '\u{9b}']), "{text:?}");
        assert!(text.contains("\\u001b[31m"), "{text}");
    }
    let mut file = File::options().append(true).open(&log).unwrap();
    file.write_all(b"{\"moment\":\"\\u001b[31m\"}\n").unwrap();
    let mut command = blkdex("memory", Path::new("unused"));
    let output = command.arg("show").arg(&log).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!words(&output).contains('\x1b'), "{}", words(&output));
}
