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
//! - **txo**: the position of an output among all outputs of the chain; **transaction number**: the txo
//!   of a transaction's first output, but a type of its own.
//! - **table**: the coins in memory, a cache of what the runs hold.
//! - **row**, **relation**: what the index is made of: `coins`, `funding`, `spending`, `txids`.
//! - **run**: sorted rows of one relation and a stretch of heights, in pages; immutable.
//! - **spill**: a full buffer becomes a run that nothing names yet; **commit**: all of a batch's runs
//!   are named, together with the new tip.
//! - **tip**: the last committed block; **settled**: what no reorganisation can reach any more.
//! - **place**: where the bytes of a block are on disk; **scan state**: what one scan of the block files
//!   leaves to the next, which reads only what has changed.
//!
//! # From another program
//!
//! What the commands do, the library does too: import, ask, verify, export.
//!
//! ```
//! use blkdex::datadir::{Location, Source};
//! use blkdex::error::unwatched;
//! use blkdex::export::{Destination, Lines, UtxosFormat, UtxosOptions, export_utxos};
//! use blkdex::import::{self, import};
//! use blkdex::index::Index;
//! use blkdex::primitives::Height;
//! use blkdex::query::lists::ScriptSet;
//! use blkdex::query::{Listing, View, script};
//! use blkdex::verify::{self, verify};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("blkdex.redb");
//! let source = Source::new(Location::Datadir("data".into()));
//! // `error::Watch` in place of `unwatched` hears how it goes, and can end it.
//! let options = import::Options::new(source, &file);
//! let summary = unwatched(|watch| import(&options, watch))?;
//! assert_eq!(summary.coins, 1648);
//!
//! let index = Index::open(&file)?;
//! let mut view = View::new(&index, Some(Height(112).into()), None)?;
//! let address = "bcrt1qyq8dns7p6a20s5w8jd8a52nvrngkx2r5nqdmn5u7zkweuphul4nsvnjjf0";
//! let script = script::parse(address, view.network())?;
//! let then = view.balance(&script, true)?;
//! assert_eq!(then.balance_sat, 4056523457);
//!
//! // Many scripts at once, answered in the order asked; and as one, a transaction after the other.
//! let scripts = [script, script::parse("raw(56)", view.network())?];
//! let owned: Vec<u128> = view.balances(&scripts, true)?.map(|one| one.balance_sat).collect();
//! let mut set = ScriptSet::new();
//! view.add_to(&mut set, &scripts)?;
//! let mut last = None;
//! for tx in view.set_history(&set, &Listing::default())? {
//!     last = Some(tx?.balance_sat);
//! }
//! assert_eq!(last, Some(owned.iter().sum()));
//!
//! let options = verify::Options { hash_serialized: true, ..Default::default() };
//! let verified = unwatched(|watch| verify(&file, &options, watch))?;
//! assert_eq!(verified.stats.txouts, summary.coins);
//!
//! let to = Destination::File { path: folder.path().join("utxos.csv"), force: false };
//! let options = UtxosOptions::new(UtxosFormat::Lines(Lines::Csv), to);
//! unwatched(|watch| export_utxos(&file, &options, watch))?;
//! # Ok(())
//! # }
//! ```
//!
//! An error is a room's `Fault` in a box: [`Error::family`] says whose fault it is, [`Error::fault`] what
//! it is.
//!
//! Doors are [`index`], [`query`], [`import`], [`verify`] and [`export`]; [`rebuild`], [`doctor`], [`ledger`]
//! and [`manual`] are what the program has beside them. Of the other rooms only their faults are public, and
//! what options and answers are made of.
//!
//! # Modules
//!
//! Lowest first: a module uses only what stands above it (`tests/house.rs` sees to it).
//!
//! | module | what |
//! | --- | --- |
//! | `limits` | bounds that several rooms share |
//! | [`error`] | the one error: a fault of any module, and whose fault it is |
//! | [`primitives`] | facts of Bitcoin's consensus and formats; numbers of blocks, outputs, transactions |
//! | [`os`] | what the operating system is asked and told |
//! | [`memory`] | one number split into parts; regions, the heap counted, the sorter |
//! | [`store`] | the index as one redb file; only this room knows redb |
//! | [`datadir`] | bitcoind's files: folders, XOR, records, header tree, block reader, undo files |
//! | [`runs`] | sorted runs in redb: pages, writing, looking up, merging |
//! | [`index`] | the file as a whole: open, commit, roll back, snapshots |
//! | `batch` | the work between two commits: digest, table, spill, resolve |
//! | [`utxo`] | the coins at any height, in chain order |
//! | [`query`] | questions at any height; how scripts are named |
//! | [`verify`] | the UTXO set against Bitcoin Core's own hashes |
//! | [`dataset`] | the chain as tables in Parquet files |
//! | [`export`] | coins and balances as files |
//! | [`ledger`] | what memory was used for, commit by commit |
//! | [`import`] | the loop, top to bottom; which chain, which merges, what is needed |
//! | [`doctor`] | what an import would meet |
//! | [`rebuild`] | a new index beside the old one, checked, then in its place |
//! | [`manual`] | the chapters that `blkdex manual` prints |
//! | `allocator` | the program's allocator |
//! | `args` | its arguments |
//! | `commands`, `main` | its answers for people, exit codes |

#![cfg_attr(not(fuzzing), warn(unnameable_types))] // What is behind a door has a name there.
#![deny(unsafe_code)] // Where it is allowed: `tests/house.rs`.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod batch;
pub mod datadir;
pub mod dataset;
pub mod doctor;
pub mod error;
pub mod export;
pub mod import;
pub mod index;
pub mod ledger;
mod limits;
pub mod manual;
pub mod memory;
pub mod os;
pub mod primitives;
pub mod query;
pub mod rebuild;
pub mod runs;
pub mod store;
pub mod utxo;
pub mod verify;
pub use error::{Error, Result};

/// What the fuzz targets try from outside. Nothing else may.
#[cfg(fuzzing)]
#[allow(missing_docs)]
pub mod inside {
    pub use crate::datadir::headers::{HeaderTree, Root};
    pub use crate::datadir::opened::Datadir;
    pub use crate::datadir::scan::scan;
    pub use crate::datadir::xor::XorKey;
    pub use crate::index::contents::{Contents, contents_of};
    pub use crate::primitives::Sha256Kernel;
    pub use crate::primitives::sha256::Message;
    pub use crate::primitives::wire::{Block, Txs, check_block, check_witnesses};
    pub use crate::runs::page::PageHead;
    pub use crate::runs::row::{CoinRow, FundingRow, Row, SpendingRow, TxidRow};
    pub use crate::verify::undo::{Records, SpentCoins};

    /// Hashes messages by this kernel.
    pub fn hash_messages_by(
        kernel: Sha256Kernel,
        bytes: &[u8],
        messages: &[Message],
        hashes: &mut [[u8; 32]],
    ) {
        kernel.hash_messages(bytes, messages, hashes);
    }

    /// Hashes pairs by this kernel.
    pub fn hash_pairs_by(kernel: Sha256Kernel, hashes: &mut [[u8; 32]]) {
        kernel.hash_pairs(hashes);
    }
}
