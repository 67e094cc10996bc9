//! `verify`.
//!
//! Invariant: as for all arguments.

use super::AtArgs;
use super::values::{Memory, parse_memory};
use std::path::PathBuf;

/// `verify`.
#[derive(clap::Args, Debug)]
#[command(after_help = and_example!("\
Prints what `bitcoin-cli gettxoutsetinfo muhash` prints. Block hashes and transaction counts that
ship inside Bitcoin Core are always compared; at such a height hash_serialized_3 is, too.",
    "verify", "blkdex verify --hash-serialized"))]
pub struct VerifyArgs {
    /// Height and block files
    #[command(flatten)]
    pub at: AtArgs,

    /// Also compute hash_serialized_3. This sorts all coins: in memory, or in about 80 bytes of disk a
    /// coin beside the index
    #[arg(long)]
    pub hash_serialized: bool,

    /// Compare with what `bitcoin-cli gettxoutsetinfo` printed into this file, or the node's RPC
    /// replied, at its height; - is stdin
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,

    /// Compare every spent coin with the node's rev*.dat files
    #[arg(long)]
    pub undo: bool,

    /// All memory that the process may hold
    #[arg(long, value_name = "SIZE", default_value = "auto", value_parser = parse_memory)]
    pub memory: Memory,

    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
}
