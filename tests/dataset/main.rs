//! The data set: what is in it, and every rule of its files. Driven through the program.
//!
//! Invariant: what a set must hold is told by the blocks themselves, decoded by the `bitcoin` crate, by Bitcoin
//! Core, and by blkdex's other commands; never by another set.
//!
//! `engines.rs` has DuckDB and Spark read it.
#![allow(clippy::unwrap_used)]

#[path = "../bench/coins.rs"]
mod coins;
#[path = "../common/mod.rs"]
mod common;
mod engines;
mod filters;
// The bench's writer of block files; the rules of the set's files are in `folder.rs`.
#[path = "../bench/files.rs"]
mod files;
mod folder;
#[path = "../bench/generate.rs"]
mod generate;
#[path = "../bench/hash.rs"]
mod hash;
mod kills;
mod large;
mod rows;
#[path = "../bench/script.rs"]
mod script;
mod set;
mod spent;
#[allow(dead_code)]
#[path = "../kill/tracer.rs"]
mod tracer;
#[path = "../bench/txs.rs"]
mod txs;
#[path = "../bench/undo.rs"]
mod undo;

use common::rng;
