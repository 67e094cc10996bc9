//! The world around an import: nodes that write, files that lie, modes, and other processes.
//!
//! Invariant: nothing here is about what an import computes; it always equals the truth.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod doctor;
mod hostile;
mod kept;
mod node;
mod permissions;
mod rebuilds;
mod streams;

use std::path::Path;
use std::process::{Command, Output};

/// The program, on an index.
fn blkdex(command: &str, index: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    program.arg(command).arg("--index").arg(index);
    program
}

/// An import with little memory.
fn import(datadir: &Path, index: &Path) -> Command {
    let mut program = blkdex("import", index);
    program
        .args(["--quiet", "--memory", "128M", "--datadir"])
        .arg(datadir);
    program
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
