//! What is made for others to install: the package for Debian, and the image.
//!
//! `data/packaging/deb` builds a release, and cargo-deb has to be built before: what is ignored here is for whoever
//! changes the package, or makes one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::root;
use crate::common::program::told;

fn run(command: &mut Command) -> String {
    let (code, out, words) = told(command.output().unwrap());
    assert_eq!(code, Some(0), "{command:?}: {out}{words}");
    out + &words
}

/// The package that was built last.
fn package() -> PathBuf {
    let entries = fs::read_dir(root().join("target/debian")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let packages = files.filter(|path| path.extension().is_some_and(|end| end == "deb"));
    packages
        .max_by_key(|path| path.metadata().unwrap().modified().unwrap())
        .expect("a package: data/packaging/deb makes it")
}

/// A root of its own, which knows of no package.
fn scratch() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for path in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"] {
        fs::create_dir_all(folder.path().join(path)).unwrap();
    }
    fs::write(folder.path().join("var/lib/dpkg/status"), "").unwrap();
    folder
}

fn dpkg(root: &Path, args: &[&str]) -> String {
    let mut command = Command::new("dpkg");
    command.arg("--root").arg(root);
    // The root has neither libc's package nor a shell.
    command.args([
        "--force-depends",
        "--force-script-chrootless",
        "--force-not-root",
    ]);
    run(command
        .args(args)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"))
}

#[test]
#[ignore = "for a package that was built: data/packaging/deb && cargo test --test shell package:: -- --ignored"]
fn the_package_brings_all_that_it_should_and_takes_it_away_again() {
    let (scratch, package) = (scratch(), package());
    let root = scratch.path();
    dpkg(root, &["-i", package.to_str().unwrap()]);
    let there = [
        "usr/bin/blkdex",
        "usr/share/man/man1/blkdex-import.1.gz",
        "usr/share/man/man7/blkdex-questions.7.gz",
        "usr/share/bash-completion/completions/blkdex",
        "usr/share/zsh/vendor-completions/_blkdex",
        "usr/share/fish/vendor_completions.d/blkdex.fish",
        "usr/share/doc/blkdex/copyright",
        "usr/share/doc/blkdex/NEWS.gz",
    ];
    for path in there {
        assert!(root.join(path).exists(), "{path}");
    }
    let unit = ["lib", "usr/lib"].map(|lib| root.join(lib).join("systemd/system/blkdex.service"));
    assert!(unit.iter().any(|unit| unit.exists()), "{unit:?}");
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    assert!(!wants.exists(), "the unit is not enabled");
    let version = run(Command::new(root.join(there[0])).arg("--version"));
    assert!(
        version.contains("\ncommit ") && !version.contains("unknown"),
        "{version}"
    );
    dpkg(root, &["-r", "blkdex"]);
    for path in there {
        assert!(!root.join(path).exists(), "{path} stays");
    }
    assert!(unit.iter().all(|unit| !unit.exists()), "{unit:?}");
}

#[test]
#[ignore = "for a package that was built: data/packaging/deb && cargo test --test shell package:: -- --ignored"]
fn lintian_has_nothing_to_say_that_is_not_explained() {
    // No bug of Debian is closed by it; the changelog is a chapter of the manual; and whoever publishes the package
    // puts an address of theirs into Cargo.toml.
    let known = [
        "initial-upload-closes-no-bugs",
        "no-changelog",
        "bogus-mail-host",
        "root-in-contact",
    ];
    let mut command = Command::new("lintian");
    command
        .arg("--allow-root")
        .arg("--suppress-tags")
        .arg(known.join(","));
    let said = run(command.arg("--fail-on=error,warning").arg(package()));
    assert!(!said.contains("E: ") && !said.contains("W: "), "{said}");
}

#[test]
#[cfg_attr(without_hadolint, ignore = "needs hadolint")]
fn a_linter_has_nothing_to_say_against_the_dockerfile() {
    let file = root().join("data/packaging/Dockerfile");
    assert_eq!(run(Command::new("hadolint").arg(file)), "");
}
