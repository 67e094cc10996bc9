//! What a rebuild keeps, what it refuses to lose, and what it makes of leftovers.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{blkdex, import, words};
use crate::common::chain::Chain;
use crate::common::datadir::{Layout, write_datadir};
use crate::common::trial::Trial;

fn rebuild(index: &Path) -> Command {
    let mut command = blkdex("rebuild", index);
    command.args(["--quiet", "--memory", "128M"]);
    command
}

/// A datadir and its index.
fn imported(chain: &Chain) -> Trial {
    let trial = Trial::new(chain);
    let output = import(&trial.datadir.path, &trial.options.index).output();
    assert!(output.unwrap().status.success());
    trial
}

fn done(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    words(&output)
}

fn refused(output: Output, said: &str) {
    let words = words(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains(said), "{said}: {words}");
    assert_eq!(words.lines().count(), 1, "{words}");
}

fn leftover(trial: &Trial) -> PathBuf {
    blkdex::rebuild::new_path(&trial.options.index)
}

#[test]
fn a_rebuild_keeps_links_mode_and_owner() {
    let chain = Chain::of_coinbases(20);
    let trial = imported(&chain);
    let index = &trial.options.index;
    let disk = trial.folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    fs::rename(index, disk.join("real")).unwrap();
    symlink("disk/real", index).unwrap();
    fs::set_permissions(disk.join("real"), fs::Permissions::from_mode(0o644)).unwrap();
    // Another owner, where tests may choose one.
    let _ = std::os::unix::fs::chown(disk.join("real"), Some(1234), Some(2345));
    let before = disk.join("real").metadata().unwrap();
    assert_eq!(done(rebuild(index).output().unwrap()), "");
    assert!(index.is_symlink());
    let after = disk.join("real").metadata().unwrap();
    assert_ne!(after.ino(), before.ino(), "it is the new one");
    let seen = |meta: &fs::Metadata| (meta.mode(), meta.uid(), meta.gid());
    assert_eq!(seen(&after), seen(&before));
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 1);
    trial.check(&chain);
}

#[test]
fn nothing_is_lost_without_force() {
    let chain = Chain::of_coinbases(150);
    let trial = imported(&chain);
    let index = &trial.options.index;
    let before = fs::read(index).unwrap();
    let mut other = Chain::new();
    other.mine_empty(other.tip(), 160);
    let elsewhere = trial.folder.path().join("elsewhere");
    write_datadir(&other, &elsewhere, other.made(), Layout::default());
    let forced = |force: bool, args: [&str; 2]| {
        let mut command = rebuild(index);
        command.args(force.then_some("--force")).args(args);
        command.output().unwrap()
    };
    let elsewhere = elsewhere.to_str().unwrap();
    let shorter = "the new index would end at height 100, but it is at 150";
    refused(forced(false, ["--until", "100"]), shorter);
    refused(
        forced(false, ["--datadir", elsewhere]),
        "would hold another chain",
    );
    assert!(fs::read(index).unwrap() == before);
    done(forced(true, ["--datadir", elsewhere]));
    let height = || {
        let output = blkdex("status", index).arg("--json").output().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        status["height"].as_u64()
    };
    assert_eq!(height(), Some(160));
    let datadir = trial.datadir.path.to_str().unwrap();
    refused(
        forced(false, ["--datadir", datadir]),
        "at height 150, but it is at 160",
    );
    done(forced(true, ["--datadir", datadir]));
    done(forced(true, ["--until", "100"]));
    assert_eq!(height(), Some(100));
    // As long, or longer, is no loss.
    done(forced(false, ["--until", "120"]));
    assert_eq!(done(rebuild(index).output().unwrap()), "");
    trial.check(&chain);
}

#[test]
fn a_leftover_that_cannot_be_gone_on_with_is_begun_anew_and_that_is_said() {
    let chain = Chain::of_coinbases(150);
    let trial = imported(&chain);
    let index = &trial.options.index;
    let whole = fs::read(index).unwrap();
    let mut other = Chain::new();
    other.mine_empty(other.tip(), 160);
    let elsewhere = imported(&other);
    let unrelated = fs::read(&elsewhere.options.index).unwrap();
    let mut torn = whole.clone();
    let middle = torn.len() / 8..torn.len() / 2;
    torn[middle].fill(0xa5);
    for (name, bytes) in [
        ("cut", &whole[..300_000.min(whole.len() / 2)]),
        ("garbage", &[0x5a; 100_000]),
        ("torn", &torn),
        ("of another chain", &unrelated),
    ] {
        fs::write(leftover(&trial), bytes).unwrap();
        let output = rebuild(index).output().unwrap();
        let words = done(output);
        assert!(words.starts_with("begun anew, "), "{name}: {words}");
        assert_eq!(words.lines().count(), 1, "{name}: {words}");
        assert!(!leftover(&trial).exists(), "{name}");
        trial.check(&chain);
    }
}

#[test]
fn a_leftover_is_gone_on_with_if_it_can_be() {
    let chain = Chain::of_coinbases(150);
    let trial = imported(&chain);
    let index = &trial.options.index;
    let mut half = import(&trial.datadir.path, &leftover(&trial));
    done(half.args(["--until", "70"]).output().unwrap());
    let output = rebuild(index).arg("--json").output().unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["imported"]["blocks"], 80);
    assert_eq!(done(output), "");
    trial.check(&chain);
    // One that reaches too far is not what was asked for.
    done(
        import(&trial.datadir.path, &leftover(&trial))
            .output()
            .unwrap(),
    );
    let mut short = rebuild(index);
    let words = done(short.args(["--until", "70", "--force"]).output().unwrap());
    assert!(
        words.contains("reaches to height 150, beyond --until 70"),
        "{words}"
    );
}
