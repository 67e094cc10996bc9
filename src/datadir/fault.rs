//! What is wrong with the block files.

use crate::error::Family;
use crate::primitives::network::{NetworkName, list_names};
use crate::primitives::position::{Height, Place};
use crate::primitives::wire::BlockFault;
use bitcoin::hex::DisplayHex;
use std::path::PathBuf;

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A signet challenge was given for a network that has none.
    #[error("a signet challenge was given, but the network is {network}")]
    ChallengeWithoutSignet {
        /// The network asked for.
        network: NetworkName,
    },
    /// No block file where some were expected.
    #[error(
        "no blk*.dat in {}; give bitcoind's datadir to --datadir, \
         or the folder of the blk files to --blocks-dir",
        dir.display()
    )]
    NoBlockFiles {
        /// The folder that was searched.
        dir: PathBuf,
    },
    /// No block file of that network, but of others.
    #[error("no blk*.dat of {wanted} in {}, which holds {}", dir.display(), list_names(found))]
    NetworkNotThere {
        /// The folder that was searched.
        dir: PathBuf,
        /// The network asked for.
        wanted: NetworkName,
        /// The networks that have block files there.
        found: Vec<NetworkName>,
    },
    /// The block files are of another network than the index.
    #[error("{} holds blocks of {found}, not of {expected}", dir.display())]
    FilesOfOtherNetwork {
        /// Their folder.
        dir: PathBuf,
        /// The network of the first block there.
        found: NetworkName,
        /// The network asked for.
        expected: NetworkName,
    },
    /// Only block files of a signet with another magic are there.
    #[error(
        "{} holds the blocks of {}", dir.display(),
        match is_known {
            false => "a custom signet: give its challenge with --signet-challenge HEX",
            true => "another signet than the one that is asked for",
        }
    )]
    CustomSignet {
        /// Folder of the block files.
        dir: PathBuf,
        /// Whether the magic of the one that is wanted was known.
        is_known: bool,
    },
    /// There are no block files where the user and `bitcoin.conf` say.
    #[error(
        "no blk*.dat in {}, though {setting}, and none there; \
         give the folder of the blk files to --blocks-dir",
        dir.display()
    )]
    ConfLeadsNowhere {
        /// The datadir.
        dir: PathBuf,
        /// What its `bitcoin.conf` says.
        setting: crate::datadir::Setting,
    },
    /// There are no block files, and `bitcoin.conf` might say where they are.
    #[error(
        "no blk*.dat in {}; its bitcoin.conf may say where they are, but {why}: \
         give the folder of the blk files to --blocks-dir",
        dir.display()
    )]
    ConfUnreadable {
        /// The datadir.
        dir: PathBuf,
        /// Why it could not be read.
        why: String,
    },
    /// Block files of several networks lie in their folders below `dir`.
    #[error("{} holds {}; choose one with --network", dir.display(), list_names(found))]
    SeveralNetworks {
        /// The datadir.
        dir: PathBuf,
        /// The networks that have block files there.
        found: Vec<NetworkName>,
    },
    /// The first block files were deleted.
    #[error(
        "{} begins with blk{first:05}.dat{}: the node is pruned, its oldest blocks are gone, and a first \
         import needs them; import from a node that has them all, then from these files (`blkdex manual import`)",
        dir.display(),
        height.map_or_else(String::new, |height| format!(", whose first block is at height {height}"))
    )]
    FirstFileMissing {
        /// Folder of the block files.
        dir: PathBuf,
        /// Lowest number that is there.
        first: u32,
        /// Height of its first block, if that names one (BIP 34).
        height: Option<Height>,
    },
    /// A block file in the middle is missing.
    #[error(
        "{}: blk{missing:05}.dat is missing, though blk{next:05}.dat is there, and a first import needs all \
         files; restore it, or import from a node that has them (`blkdex manual import`)",
        dir.display()
    )]
    FileMissing {
        /// Folder of the block files.
        dir: PathBuf,
        /// Lowest number that is missing.
        missing: u32,
        /// The next number that is there.
        next: u32,
    },
    /// A block file is longer than the 32-bit offsets kept of headers reach.
    #[error("blk{file:05}.dat has {bytes} bytes, over the limit of {limit_bytes}")]
    FileTooLong {
        /// Number of the file.
        file: u32,
        /// Its length.
        bytes: u64,
        /// The longest accepted.
        limit_bytes: u64,
    },
    /// `xor.dat` is not a key.
    #[error("{} has {found_bytes} bytes, but an obfuscation key has 8", path.display())]
    XorLength {
        /// The file.
        path: PathBuf,
        /// Its length.
        found_bytes: u64,
    },
    /// No block was recognized in the first files.
    #[error(
        "no block of {} in the first blk*.dat of {}; is xor.dat the one that belongs there? \
         a custom signet needs --signet-challenge",
        network.map_or("any known network".to_string(), |n| n.to_string()),
        dir.display()
    )]
    NoRecords {
        /// Folder of the block files.
        dir: PathBuf,
        /// The network asked for, if one was.
        network: Option<NetworkName>,
    },
    /// The block files bear the magic of another coin.
    #[error(
        "blk{file:05}.dat in {} is of {coin} (magic {}), not of a Bitcoin network: \
         blkdex reads Bitcoin's block files only",
        dir.display(),
        magic.as_hex()
    )]
    OtherCoin {
        /// Folder of the block files.
        dir: PathBuf,
        /// Number of the file.
        file: u32,
        /// What its blocks begin with.
        magic: [u8; 4],
        /// Whose that is.
        coin: &'static str,
    },
    /// A block without a parent that is not the network's genesis block.
    #[error(
        "blk{file:05}.dat at byte {offset_bytes}: another chain's genesis block {found}, not {network}'s \
         {expected}: these are the block files of another coin, or of a private network"
    )]
    OtherGenesis {
        /// Number of the file.
        file: u32,
        /// Where the record begins.
        offset_bytes: u64,
        /// Hash of the block.
        found: bitcoin::BlockHash,
        /// The network whose magic it bears.
        network: NetworkName,
        /// Hash of that network's genesis block.
        expected: bitcoin::BlockHash,
    },
    /// A block of another network.
    #[error(
        "blk{file:05}.dat at byte {offset_bytes}: a block of {found}, but {expected} was expected; \
         keep the files of two networks apart, and name the one that is meant with --network"
    )]
    OtherNetwork {
        /// Number of the file.
        file: u32,
        /// Where the record begins.
        offset_bytes: u64,
        /// The network whose magic the record bears.
        found: NetworkName,
        /// The network that is being read.
        expected: NetworkName,
    },
    /// A place ends behind the end of its file.
    #[error(
        "blk{file:05}.dat at byte {offset_bytes}: {bytes} bytes were expected, \
         but the file ends at {file_bytes}; was it changed since it was scanned?"
    )]
    PastEnd {
        /// Number of the file.
        file: u32,
        /// First byte asked for.
        offset_bytes: u64,
        /// How many bytes were asked for.
        bytes: u32,
        /// Length of the file.
        file_bytes: u64,
    },
    /// A place is longer than any block.
    #[error(
        "blk{file:05}.dat at byte {offset_bytes}: \
         block length {bytes} is over the limit of {limit_bytes}"
    )]
    PlaceTooLong {
        /// Number of the file.
        file: u32,
        /// First byte asked for.
        offset_bytes: u64,
        /// How many bytes were asked for.
        bytes: u32,
        /// Longest block.
        limit_bytes: u32,
    },
    /// There are more headers than the memory set aside for them holds.
    #[error(
        "{headers} headers need {needed_bytes} bytes of memory, {arena_bytes} are set aside; \
         give more with --memory"
    )]
    HeaderArenaFull {
        /// Headers found (by a scan: all of them).
        headers: u64,
        /// Bytes of the arena.
        arena_bytes: u64,
        /// Bytes that would do.
        needed_bytes: u64,
    },
    /// Blocks that are needed are damaged or missing.
    #[error("{end}; {}", gap_advice(*until))]
    Gap {
        /// Where the chain ends, and what was seen there.
        end: Box<crate::datadir::ChainEnd>,
        /// The last block that can be had; `None` if the index reaches higher, or is on another chain, which
        /// the damage may hide.
        until: Option<Height>,
    },
    /// Blocks are needed that the node has deleted, or never had.
    #[error(
        "{gone} in no blk*.dat of {}: a pruning node has deleted them, or they were moved away; {}import them from a \
         node that has them (`blkdex import --datadir DIR`), then go on with these files (`blkdex manual import`)",
        dir.display(),
        until.map_or_else(String::new, |until| format!(
            "the same command with `--until {until}` imports what is below; "
        ))
    )]
    BlocksGone {
        /// Folder of the block files.
        dir: PathBuf,
        /// Which.
        gone: crate::datadir::Gone,
        /// The last block below them that can be had, if the index has it not.
        until: Option<Height>,
    },
    /// Block files vanish as fast as they are looked at.
    #[error("block files in {} are deleted while they are looked at; import again", dir.display())]
    Vanishing {
        /// Folder of the block files.
        dir: PathBuf,
    },
    /// Blocks are there, but none of them leads back to where the chain must begin.
    #[error("{0}; the datadir is pruned or incomplete, nothing can be imported from it")]
    NothingConnects(Box<crate::datadir::ChainEnd>),
    /// The genesis block is in none of the files.
    #[error("the genesis block is in none of the blk*.dat in {}; the datadir is pruned or incomplete", dir.display())]
    NoGenesis {
        /// Folder of the block files.
        dir: PathBuf,
    },
    /// A block's bytes are damaged.
    #[error("{} at byte {}: block {height}: {fault}", super::block_file_path(std::path::Path::new(""), place.file).display(), place.offset_bytes)]
    BadBlock {
        /// Where it is.
        place: Place,
        /// Its height.
        height: Height,
        /// What is wrong.
        fault: BlockFault,
    },
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        match self {
            Fault::ChallengeWithoutSignet { .. } => Family::User,
            Fault::Vanishing { .. } => Family::Contention,
            _ => Family::Data,
        }
    }
}

/// What can be done where a chain is damaged.
fn gap_advice(until: Option<Height>) -> String {
    match until {
        Some(height) => format!("the same command with `--until {height}` imports what is below"),
        None => "the index has more than that: mend or restore the file".into(),
    }
}
