//! Questions as people ask them: where the block files are, what names a script, what a node said;
//! and numbers that leave 64 bits.
//!
//! Invariant: what cannot be answered is refused with what to write instead, and that works as printed.
#![allow(clippy::unwrap_used, missing_docs)]

mod bulk;
mod bulk_program;
#[path = "../common/mod.rs"]
mod common;
mod dates;
mod expect;
mod fields;
mod lists;
mod numbers;
mod places;
mod scripts;
mod wallet_history;
mod wallets;

use bitcoin::consensus::deserialize;
use bitcoin::hashes::Hash;
use bitcoin::{Block, BlockHash};
use common::chain::{Chain, Plan};
use common::program::told;
use common::trial::Trial;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder of `../shared/cases`. A test that asks for one is ignored `without_shared`.
fn case(name: &str) -> PathBuf {
    common::fixtures::shared().join("cases").join(name)
}

/// The chain of a case's block file, with a hundred blocks more behind the first: the cases spend its
/// coinbase at once, which Bitcoin Core connects no block for.
fn matured(bytes: &[u8]) -> Chain {
    let mut chain = Chain::new();
    let mut at = 0;
    while at + 8 < bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        let block: Block = deserialize(&bytes[at + 8..at + 8 + length]).unwrap();
        at += 8 + length;
        let [coinbase, txs @ ..] = &block.txdata[..] else {
            panic!("a block without transactions");
        };
        if block.header.prev_blockhash == BlockHash::all_zeros() {
            continue;
        }
        chain.grow_with(Plan {
            txs: txs.to_vec(),
            coinbase: Some(coinbase.clone()),
            ..Plan::default()
        });
        if chain.made().len() == 2 {
            chain.ripen();
        }
    }
    chain
}

/// An index of such a chain, whose coinbases do not commit to witnesses.
fn imported(chain: &Chain) -> Trial {
    let mut trial = Trial::new(chain);
    trial.options.checks_witness = false;
    trial.imported()
}

/// Exit code, stdout and stderr of the program.
fn blkdex(index: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    with_stdin(index, args, b"")
}

fn with_stdin(index: &Path, args: &[&str], stdin: &[u8]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    command.env("BLKDEX_INDEX", index).args(args);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.stderr(Stdio::piped()).spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    told(child.wait_with_output().unwrap())
}

/// What it prints, if it succeeds without a word on stderr.
fn answer(index: &Path, args: &[&str]) -> String {
    let (code, out, err) = blkdex(index, args);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{args:?}");
    out
}

/// What it says on stderr, if it fails with that code and prints nothing.
fn refusal(index: &Path, code: i32, args: &[&str]) -> String {
    let (found, out, err) = blkdex(index, args);
    assert_eq!((found, out.as_str()), (Some(code), ""), "{args:?}: {err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    err
}
