//! What `blkdex --version` says of how it was built: the commit and the version of redb.
//!
//! Invariant: what is not known is left out, and no build fails for it. Only a release asks for the commit: a
//! build in between would be made anew at each one.

use std::path::Path;
use std::process::Command;

/// Tells the compiler.
pub fn tell(repository: &Path) {
    let lock = repository.join("Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    if let Some(version) = locked_version(&lock, "redb") {
        println!("cargo::rustc-env=BLKDEX_BUILT_REDB={version}");
    }
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if let Some(commit) = is_release.then(|| commit(repository)).flatten() {
        println!("cargo::rustc-env=BLKDEX_BUILT_COMMIT={commit}");
    }
}

/// The version of a package in a Cargo.lock.
fn locked_version(lock: &Path, package: &str) -> Option<String> {
    let text = std::fs::read_to_string(lock).ok()?;
    let name = format!("name = \"{package}\"");
    let mut lines = text.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = ")?;
    Some(version.trim_matches('"').to_owned())
}

/// The commit that is built, marked if files have changed since: of a checkout by git, of a package as Cargo has
/// noted it.
fn commit(repository: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        // Else git may write its index, which is watched: the next build would begin anew.
        git.arg("--no-optional-locks").arg("-C").arg(repository);
        let output = git.args(args).output().ok()?;
        let words = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| words.trim().to_owned())
    };
    // A package may lie in the repository of somebody else.
    if !repository.join(".git").exists() {
        let noted = std::fs::read_to_string(repository.join(".cargo_vcs_info.json")).ok()?;
        let (_, rest) = noted.split_once("\"sha1\": \"")?;
        return rest.get(..12).map(str::to_owned);
    }
    for name in ["HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]) {
            println!(
                "cargo::rerun-if-changed={}",
                repository.join(path).display()
            );
        }
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let mark = if changed.is_empty() { "" } else { "-dirty" };
    Some(format!("{commit}{mark}"))
}
