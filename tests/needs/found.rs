//! What some tests need and not every machine has, and how it is found.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that some tests need.
pub struct Need {
    /// Its name, as tests give it as their reason to be ignored: `needs NAME`.
    #[allow(dead_code)] // the build script has no use for it
    pub name: &'static str,
    /// Set where it is missing.
    pub cfg_if_missing: &'static str,
    /// A file of it, if it is here.
    pub find: fn() -> Option<PathBuf>,
}

/// All of them.
pub const NEEDS: [Need; 10] = [
    Need {
        name: "../shared",
        cfg_if_missing: "without_shared",
        find: shared,
    },
    Need {
        name: "bitcoinkernel",
        cfg_if_missing: "without_bitcoinkernel",
        find: || module("pbk"),
    },
    Need {
        name: "duckdb",
        cfg_if_missing: "without_duckdb",
        find: || module("duckdb"),
    },
    Need {
        name: "pyspark",
        cfg_if_missing: "without_pyspark",
        find: pyspark,
    },
    Need {
        name: "chromium",
        cfg_if_missing: "without_chromium",
        find: || program("chromium"),
    },
    Need {
        name: "systemd-analyze",
        cfg_if_missing: "without_systemd_analyze",
        find: || program("systemd-analyze"),
    },
    Need {
        name: "man",
        cfg_if_missing: "without_man",
        find: || program("man"),
    },
    Need {
        name: "zsh",
        cfg_if_missing: "without_zsh",
        find: || program("zsh"),
    },
    Need {
        name: "fish",
        cfg_if_missing: "without_fish",
        find: || program("fish"),
    },
    Need {
        name: "hadolint",
        cfg_if_missing: "without_hadolint",
        find: || program("hadolint"),
    },
];

fn shared() -> Option<PathBuf> {
    // Asked for at run time: Cargo takes a build script of another clone for this one's, if both build
    // in one folder.
    let repository = std::env::var_os("CARGO_MANIFEST_DIR")?;
    let file = Path::new(&repository).join("../shared/fixtures/README.md");
    file.exists().then_some(file)
}

/// PySpark, and a Java for it.
fn pyspark() -> Option<PathBuf> {
    program("java")?;
    module("pyspark")
}

/// A module of the `python3` on the path; `pbk` is that of the package py-bitcoinkernel.
fn module(name: &str) -> Option<PathBuf> {
    let find = format!("from importlib.util import find_spec; print(find_spec('{name}').origin)");
    let output = Command::new("python3").args(["-c", &find]).output().ok()?;
    let file = String::from_utf8(output.stdout).ok()?;
    let is_found = output.status.success();
    is_found.then(|| PathBuf::from(file.trim()))
}

/// A program on the path.
fn program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let mut files = std::env::split_paths(&folders).map(|folder| folder.join(name));
    files.find(|file| file.exists())
}
