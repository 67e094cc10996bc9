//! blkdex: the block files of a Bitcoin Core datadir, turned into one file that answers.
//!
//! ```text
//! blk*.dat ── datadir ──> chain ──> import ──> batch ──────────────> runs ──> index (one redb file)
//!             records     best      block by   digest, table,        sorted,     │
//!             headers     chain     block      spill, commit         merged      └──> query, verify
//! ```
//!
//! # Words
//!
//! - **record**: magic, length and block, as a node appends them to `blk*.dat`.
//! - **outpoint**: txid and index of an output; **coin**: an output that is unspent and can be spent.
//! - **txo**: the position of an output among all outputs of the chain. A transaction goes by the txo
//!   of its first output.
//! - **table**: the coins in memory, a cache of what the runs hold.
//! - **row**, **relation**: what the index is made of: `coins`, `funding`, `spending`, `txids`.
//! - **run**: sorted rows of one relation and a stretch of heights, in pages; immutable.
//! - **spill**: a full buffer becomes a run that nothing names yet; **commit**: all of a batch's runs
//!   are named, together with the new tip.
//! - **tip**: the last committed block; **settled**: what no reorganisation can reach any more.
//!
//! # Modules
//!
//! | module | what |
//! | --- | --- |
//! | [`import`] | the loop, top to bottom |
//! | [`datadir`] | bitcoind's files: networks, XOR, records, header tree, block reader |
//! | [`chain`] | the scan, the best chain, positions, where the index leaves it |
//! | [`wire`] | a cursor over the bytes of a block |
//! | [`batch`] | the work between two commits: digest, table, spill, settle |
//! | [`table`] | the fixed-capacity UTXO table |
//! | [`runs`] | sorted runs in redb: pages, writing, looking up, merging |
//! | [`merging`] | which runs merge when |
//! | [`index`] | the file as a whole: open, commit, roll back, snapshots |
//! | [`store`], [`held`] | redb, and what its errors mean; what it gives out |
//! | [`utxo`] | the coins at any height, in chain order |
//! | [`query`], [`script`] | questions at any height; how scripts are named |
//! | [`verify`] | the UTXO set against Bitcoin Core's own hashes |
//! | [`export`], [`sorter`] | coins and balances as files; sorting more than memory holds |
//! | [`doctor`], [`system`] | what an import would meet; what the operating system is asked |
//! | [`needs`] | disk, memory and time of an import, and whether they are there |
//! | [`rebuild`] | a new index beside the old one, checked, then in its place |
//! | [`memory`], [`machine`] | one number split into parts; what the kernel says |
//! | [`ledger`] | what memory was used for, commit by commit |
//! | [`report`], [`stages`] | what an import says of itself, and where its time went |
//! | [`fingerprint`], [`position`], [`region`] | keyed hashes, numbers, memory of fixed size |
//! | [`manual`] | the chapters that `blkdex manual` prints |
//! | [`opening`], [`kept`] | opens what has to be a file; what no output may replace |
//! | [`path_text`] | paths in JSON |
//! | [`limits`], [`error`] | every bound; every fault |
//! | `main`, `args`, `commands` | the program: arguments, answers for people, exit codes |
//! | `streams`, `advice` | stdout and stderr, which may fail; commands in messages, made complete |
//! | `allocator`, `guard` | the program's allocator; panics of redb become errors |

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod batch;
pub mod chain;
pub mod datadir;
pub mod doctor;
pub mod error;
pub mod export;
pub mod fingerprint;
pub mod held;
pub mod import;
pub mod index;
pub mod kept;
pub mod ledger;
pub mod limits;
pub mod machine;
pub mod manual;
pub mod memory;
pub mod merging;
pub mod needs;
pub mod opening;
pub mod path_text;
pub mod position;
pub mod query;
pub mod rebuild;
pub mod region;
pub mod report;
pub mod runs;
pub mod script;
pub mod sorter;
pub mod stages;
pub mod store;
pub mod system;
pub mod table;
pub mod utxo;
pub mod verify;
pub mod wire;
pub use error::{Error, Result};
