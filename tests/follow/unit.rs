//! The unit that the manual shows, checked by systemd, and run by it where it runs the machine.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use blkdex::manual;

use crate::common::chain::Chain;
use crate::common::trial::Trial;

const UNIT: &str = include_str!("../../src/manual/blkdex.service");

/// How the unit calls the program, which systemd looks for.
const CALL: &str = "ExecStart=blkdex ";

fn with_the_program() -> String {
    assert_eq!(UNIT.matches(CALL).count(), 1);
    UNIT.replace(
        CALL,
        concat!("ExecStart=", env!("CARGO_BIN_EXE_blkdex"), " "),
    )
}

fn words(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn verify(folder: &Path, unit: &str) -> Output {
    let path = folder.join("blkdex.service");
    fs::write(&path, unit).unwrap();
    let verify = ["verify", "--man=no", "--recursive-errors=no"];
    Command::new("systemd-analyze")
        .args(verify)
        .arg(path)
        .output()
        .unwrap()
}

#[test]
fn the_manual_shows_the_unit_and_its_command_is_understood() {
    assert!(manual::SERVICE.ends_with(&format!("```ini\n{UNIT}```\n")));
    let command = UNIT
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let arguments = command.unwrap().split(' ').skip(1);
    // What is not understood is an exit code of 2; that the folders are not there, one of 1.
    let output = Command::new(env!("CARGO_BIN_EXE_blkdex"))
        .args(arguments.map(|word| word.replace("/var/lib/", "/nowhere/")))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
}

#[test]
#[cfg_attr(without_systemd_analyze, ignore = "needs systemd-analyze")]
fn systemd_has_nothing_to_say_against_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let unit = with_the_program();
    let output = verify(folder.path(), &unit);
    assert!(output.status.success(), "{}", words(&output));
    assert_eq!(words(&output), "");
    let misspelt = unit.replace("WatchdogSec", "WatchdogSecs");
    let output = verify(folder.path(), &misspelt);
    assert!(
        words(&output).contains("WatchdogSecs"),
        "{}",
        words(&output)
    );
}

/// Runs `systemctl` or fails.
fn systemctl(arguments: &[&str]) -> String {
    let output = Command::new("systemctl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", words(&output));
    words(&output)
}

#[test]
#[ignore = "for machines that systemd runs, as root: cargo test --test follow unit:: -- --ignored"]
fn systemd_runs_the_unit_until_it_stops_it() {
    let chain = Chain::of_coinbases(120);
    let trial = Trial::new(&chain);
    let name = format!("blkdex-test-{}.service", std::process::id());
    let path = Path::new("/run/systemd/system").join(&name);
    let place = trial.folder.path().to_str().unwrap();
    let unit = with_the_program()
        .replace("User=bitcoin\nGroup=bitcoin\n", "")
        .replace("PrivateTmp=true\n", "")
        .replace("ProtectSystem=strict\n", "")
        .replace("ProtectHome=true\n", "")
        .replace("StateDirectory=blkdex\nStateDirectoryMode=0755\n", "")
        .replace("/var/lib/bitcoind", &format!("{place}/datadir"))
        .replace(
            "/var/lib/blkdex/blkdex.redb",
            &format!("{place}/index.redb"),
        );
    fs::write(&path, unit).unwrap();
    systemctl(&["daemon-reload"]);
    // It is over when the unit says that it is ready.
    systemctl(&["start", &name]);
    let tip = format!("StatusText=at height 120 ({})\n", chain.tip());
    while systemctl(&["show", "--property=StatusText", &name]) != tip {
        let state = systemctl(&["show", "--property=ActiveState", &name]);
        assert_eq!(state, "ActiveState=active\n");
    }
    systemctl(&["stop", &name]);
    let result = systemctl(&["show", "--property=Result", &name]);
    fs::remove_file(&path).unwrap();
    systemctl(&["daemon-reload"]);
    assert_eq!(result, "Result=success\n");
    trial.check(&chain);
}
