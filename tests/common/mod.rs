//! What tests share: small chains made to order, the truth about them, and datadirs on disk.
//!
//! Every test binary compiles this for itself and uses its own part of it.
#![allow(dead_code, clippy::unwrap_used)]

pub mod answers;
pub mod chain;
pub mod check;
pub mod coin_hashes;
pub mod coins;
pub mod core;
pub mod damage;
pub mod datadir;
pub mod fixtures;
pub mod index_file;
pub mod limits;
pub mod parts;
pub mod program;
pub mod pruning;
pub mod random;
pub mod rng;
pub mod trial;
pub mod truth;

use blkdex::memory::Counting;
use std::alloc::System;

/// The heap is counted, as in the program, so that an import of a test that leaks is heard of.
#[global_allocator]
static ALLOCATOR: Counting<System> = Counting(System);
