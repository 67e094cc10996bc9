//! An import that stays: blocks as they come, whatever the node and the files do meanwhile, and what the
//! program and the service manager make of it.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod beside_core;
mod files;
mod program;
mod running;
mod service;
mod stepwise;
mod told;
mod unit;
