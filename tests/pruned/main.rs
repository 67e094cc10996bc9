//! Indexes beside nodes that delete block files.
//!
//! Invariant: an index that was kept beside such a node is what a new import of all files would have made; where
//! blocks were deleted that it needs, one line says which, and it stays as it was.
#![allow(clippy::unwrap_used, missing_docs)]

mod beside;
mod catch_up;
#[path = "../common/mod.rs"]
mod common;
mod doctor;
mod edge;
mod following;
mod gone;
mod node;

use std::path::Path;
use std::process::{Command, Output};

use common::chain::Chain;
use common::datadir::Layout;
use common::random::Options;
use common::trial::Trial;

/// Some twenty blocks a file.
const FILE_BYTES: usize = 6000;

fn small_files() -> Layout {
    Layout {
        file_bytes_max: FILE_BYTES,
        ..Layout::default()
    }
}

/// A chain of blocks that spend, without branches.
fn straight_chain(seed: u64, blocks: u32) -> Chain {
    let options = Options {
        blocks,
        txs_max: 2,
        fork_every: 0,
        ..Options::default()
    };
    Chain::random(seed, options)
}

/// The program, on an index.
fn blkdex(command: &str, index: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    program.arg(command).arg("--index").arg(index);
    program
}

/// An import as a person runs it.
fn import(trial: &Trial) -> Output {
    let mut program = blkdex("import", trial.index());
    program.args(["--quiet", "--memory", "128M", "--datadir"]);
    program.arg(&trial.datadir.path).output().unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
