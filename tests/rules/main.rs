//! The rules that keep an index correct, each with tests that fail without it.
//!
//! Numbers are those of the design's list: 1 and 2 in `table.rs`, 3 and 7 in `spends.rs` and `young.rs`, 4 in
//! `repeats.rs`, 5 and all of them together in `random.rs`, 6 in `forks.rs`, `steps.rs` and
//! `ends_of_chain.rs`.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod ends_of_chain;
mod forks;
mod random;
mod repeats;
mod spends;
mod steps;
mod table;
mod young;
