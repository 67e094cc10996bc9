//! The arguments of what reads block files: `import`, `rebuild`, `doctor`.
//!
//! Invariant: the same word means the same in all three.

use super::location;
use super::values::{Bytes, Memory, parse_bytes, parse_height, parse_hex, parse_memory};
use bitcoin::hashes::Hash;
use blkdex::datadir::Source;
use blkdex::import::{COMMIT_EVERY_BLOCKS, Options, Settings};
use blkdex::primitives::{Height, NetworkName};
use clap::ArgAction;
use std::path::{Path, PathBuf};

/// `import`.
#[derive(clap::Args, Debug)]
pub struct ImportArgs {
    /// The block files
    #[command(flatten)]
    pub source: SourceArgs,

    /// Go on where the disk, the memory or the rights do not seem to be enough
    #[arg(long)]
    pub force: bool,

    /// Stay at the end of the chain and take blocks as they come, a line each, until a signal (SIGTERM,
    /// Ctrl-C) ends it
    #[arg(long, conflicts_with = "until")]
    pub follow: bool,

    /// How to import
    #[command(flatten)]
    pub how: HowArgs,
}

/// How to import.
#[derive(clap::Args, Debug)]
pub struct HowArgs {
    /// All memory that the process may hold: 512M, 4GiB, bytes, or auto (half of what the machine
    /// or a limit allows, at most 4 GiB)
    #[arg(long, value_name = "SIZE", default_value = "auto", value_parser = parse_memory)]
    pub memory: Memory,

    /// The share of the table in it, for experiments
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub table: Option<usize>,

    /// Bytes of a merged segment, for experiments
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, hide = true)]
    pub segment: Option<usize>,

    /// Stop after the block at this height
    #[arg(long, value_name = "HEIGHT", value_parser = parse_height)]
    pub until: Option<Height>,

    /// Blocks between two commits
    #[arg(long, value_name = "N", default_value_t = COMMIT_EVERY_BLOCKS,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub commit_every: u32,

    /// Leave this block out, with all that follow it; may be repeated
    #[arg(long, value_name = "HASH", action = ArgAction::Append)]
    pub invalid: Vec<bitcoin::BlockHash>,

    /// Keep all txids in the index, so that questions need no block files: about 36 bytes a transaction. To
    /// be chosen when the index is made
    #[arg(long)]
    pub keep_txids: bool,

    /// Check the witness commitments of blocks too
    #[arg(long)]
    pub check_witness: bool,

    /// Append a line of JSON to this file at every commit, and before and after every merge: what
    /// memory is used for
    #[arg(long, value_name = "FILE")]
    pub memory_log: Option<PathBuf>,

    /// End, after a commit, if the heap grows from commit to commit or a part of the memory is
    /// above its plan; otherwise that is a warning
    #[arg(long)]
    pub strict_memory: bool,

    /// Write heap-HEIGHT.json after the first commit at or above each of these heights: what was
    /// allocated since the one before, by call site
    #[cfg(feature = "heap-profile")]
    #[arg(long, value_name = "HEIGHT", value_parser = parse_height, value_delimiter = ',')]
    pub heap_profile_at: Vec<Height>,

    /// Keep a copy of one block in so many, to see the alarm
    #[cfg(debug_assertions)]
    #[arg(long, value_name = "N", hide = true,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub leak_every: Option<u32>,

    /// Show no progress, and say nothing at all if there is nothing to do
    #[arg(long, short)]
    pub quiet: bool,
}

/// `rebuild`.
#[derive(clap::Args, Debug)]
pub struct RebuildArgs {
    /// bitcoind's datadir [default: the block files that the index remembers]
    #[arg(long, value_name = "DIR", conflicts_with = "blocks_dir")]
    pub datadir: Option<PathBuf>,

    /// bitcoind's -blocksdir, or the folder of the blk*.dat files
    #[arg(long, value_name = "DIR")]
    pub blocks_dir: Option<PathBuf>,

    /// main, test, testnet4, signet or regtest; found by itself if only one is there
    #[arg(long, value_name = "NAME")]
    pub network: Option<NetworkName>,

    /// The challenge script of a custom signet
    #[arg(long, value_name = "HEX", value_parser = parse_hex)]
    pub signet_challenge: Option<Bytes>,

    /// Replace the index even if the new one is shorter or of another chain, and go on where the disk, the
    /// memory or the rights do not seem to be enough
    #[arg(long)]
    pub force: bool,

    /// How to import
    #[command(flatten)]
    pub how: HowArgs,
}

/// `doctor`.
#[derive(clap::Args, Debug)]
pub struct DoctorArgs {
    /// The block files
    #[command(flatten)]
    pub source: SourceArgs,

    /// The memory that the import would get
    #[arg(long, value_name = "SIZE", default_value = "auto", value_parser = parse_memory)]
    pub memory: Memory,

    /// The index is to keep all txids
    #[arg(long)]
    pub keep_txids: bool,

    /// Read, hash and check every block of the best chain
    #[arg(long)]
    pub deep: bool,

    /// Check the witness commitments of blocks too
    #[arg(long, requires = "deep")]
    pub check_witness: bool,

    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// The block files of one network.
#[derive(clap::Args, Debug)]
pub struct SourceArgs {
    /// Where they are
    #[command(flatten)]
    pub place: ImportPlace,

    /// main, test, testnet4, signet or regtest; found by itself if only one is there
    #[arg(long, value_name = "NAME")]
    pub network: Option<NetworkName>,

    /// The challenge script of a custom signet
    #[arg(long, value_name = "HEX", value_parser = parse_hex)]
    pub signet_challenge: Option<Bytes>,
}

/// Where the block files to be imported are: one of both.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
pub struct ImportPlace {
    /// bitcoind's datadir
    #[arg(long, value_name = "DIR")]
    pub datadir: Option<PathBuf>,

    /// bitcoind's -blocksdir, or the folder of the blk*.dat files
    #[arg(long, value_name = "DIR")]
    pub blocks_dir: Option<PathBuf>,
}

impl HowArgs {
    /// The import of `source` into `index`, also where something lacks if `ignores_lacks`.
    pub fn options(&self, source: Source, index: &Path, ignores_lacks: bool) -> Options {
        Options {
            memory_bytes: self.memory.bytes(),
            table_bytes: self.table,
            segment_bytes: self.segment.map(|bytes| bytes as u64),
            until: self.until,
            commit_every: self.commit_every,
            invalid: self
                .invalid
                .iter()
                .map(|hash| hash.to_byte_array())
                .collect(),
            keeps_txids: self.keep_txids,
            checks_witness: self.check_witness,
            ignores_lacks,
            ledger: self.ledger(),
            ..Options::new(source, index)
        }
    }

    // In a build for tests with the feature, nothing is left for the default.
    #[allow(clippy::needless_update)]
    fn ledger(&self) -> Settings {
        Settings {
            is_strict: self.strict_memory,
            #[cfg(feature = "heap-profile")]
            commit_at: self.heap_profile_at.clone(),
            #[cfg(debug_assertions)]
            leak_every: self.leak_every,
            ..Settings::default()
        }
    }
}

impl RebuildArgs {
    /// What is to be read, if it is given.
    pub fn source(&self) -> Option<Source> {
        Some(Source {
            location: location(&self.datadir, &self.blocks_dir)?,
            network: self.network,
            signet_challenge: self.signet_challenge(),
        })
    }

    /// The challenge, if it is given.
    pub fn signet_challenge(&self) -> Option<Vec<u8>> {
        self.signet_challenge.clone().map(|bytes| bytes.0)
    }
}

impl SourceArgs {
    /// What is to be read.
    pub fn get(&self) -> Source {
        let place = &self.place;
        Source {
            location: location(&place.datadir, &place.blocks_dir).expect("clap requires one"),
            network: self.network,
            signet_challenge: self.signet_challenge.clone().map(|bytes| bytes.0),
        }
    }
}
