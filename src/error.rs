//! The one error enum of the library, and its wording.
//!
//! Variants carry data: which file, which byte or height, what was found and what was expected.
//! Messages are lower case, without a full stop, advice last.

use crate::primitives::network::NetworkName;
use crate::primitives::position::{Height, Place};
use crate::primitives::wire::BlockFault;
use bitcoin::hashes::Hash;
use bitcoin::hex::DisplayHex;
use std::path::{Path, PathBuf};

/// Everything that can go wrong outside of our own code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to `action` (a verb: "open", "read", "map") the file at `path`.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The operating system did not give the memory that the plan asks for.
    #[error("cannot map {bytes} bytes of memory for {part}: {source}; a smaller --memory may help")]
    Memory {
        /// Which part of the plan.
        part: &'static str,
        /// How much it asked for.
        bytes: usize,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Memory grows that should not, and that was to be an error.
    #[error("{0}; what was committed stays")]
    MemoryGrows(crate::ledger::alarm::Alarm),
    /// A file to append a memory log to is something else.
    #[error("{} is not a memory log that this blkdex can go on with: {why}; it was left as it is", path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
        /// How that was seen.
        why: String,
    },
    /// The memory budget is too small.
    #[error("--memory {budget_bytes} is too small: {least_bytes} bytes are the least that works")]
    BudgetTooSmall {
        /// What was given.
        budget_bytes: usize,
        /// What would do.
        least_bytes: usize,
    },
    /// The table's share, set by hand, does not fit into the budget.
    #[error(
        "--table {asked_bytes} is more than the {most_bytes} bytes that --memory leaves for it"
    )]
    TableTooLarge {
        /// What was given.
        asked_bytes: usize,
        /// What fits.
        most_bytes: usize,
    },
    /// The chain in the block files leaves the index below its settled line.
    #[error(
        "the best chain in the block files leaves the index (tip {tip}) at or below height {settled}, where it is settled: {}",
        match complete {
            true => "`blkdex rebuild --force` makes it anew",
            false => "blocks are missing in the files, which may be those of the index: import again when they are there",
        }
    )]
    ForkTooDeep {
        /// Whether the files lack nothing: what they lack may be the index's own chain.
        complete: bool,
        /// Tip of the index.
        tip: Height,
        /// Its settled line.
        settled: Height,
    },
    /// The genesis block is in none of the files.
    #[error("the genesis block is in none of the blk*.dat in {}; the datadir is pruned or incomplete", dir.display())]
    NoGenesis {
        /// Folder of the block files.
        dir: PathBuf,
    },
    /// A block's bytes are damaged.
    #[error("{} at byte {}: block {height}: {fault}", crate::datadir::block_file_path(std::path::Path::new(""), place.file).display(), place.offset_bytes)]
    BadBlock {
        /// Where it is.
        place: Place,
        /// Its height.
        height: Height,
        /// What is wrong.
        fault: BlockFault,
    },
    /// An import cannot go on, but what is below can be had.
    #[error("{source}; the same command with `--until {until}` imports what is below")]
    StopsAbove {
        /// Why it cannot.
        source: Box<Error>,
        /// The last block that it could import.
        until: Height,
    },
    /// The block that all others follow was named as invalid.
    #[error("the genesis block of {network} cannot be left out")]
    GenesisLeftOut {
        /// The network.
        network: NetworkName,
    },
    /// A settled block breaks the rules.
    #[error("block {height} ({}), which is settled: {fault}; is the datadir whole? `--invalid HASH` excludes a block by hand", bitcoin::BlockHash::from_byte_array(*hash))]
    InvalidSettledBlock {
        /// Its height.
        height: Height,
        /// Its hash, in internal byte order.
        hash: [u8; 32],
        /// What is wrong, naming transaction and outpoint.
        fault: String,
    },
    /// Disk, memory or rights that the work needs are not there.
    #[error("{0}")]
    Lacks(crate::import::needs::lack::Lacks),
    /// Another process has the index open.
    #[error("the index {} is in use by another blkdex: wait for it to end", path.display())]
    IndexInUse {
        /// The index file.
        path: PathBuf,
    },
    /// There is no such file.
    #[error(
        "there is no index {} yet: `blkdex import --datadir DIR` makes one, DIR being bitcoind's datadir",
        path.display()
    )]
    NoIndex {
        /// The index file.
        path: PathBuf,
    },
    /// Nothing was imported yet.
    #[error("the index {} holds no blocks yet: run `blkdex import`", path.display())]
    NoBlocks {
        /// The index file.
        path: PathBuf,
    },
    /// Bytes of the index are missing, or are not those that were written.
    #[error("the index {} is damaged ({what}): `blkdex rebuild` makes it anew", path.display())]
    DamagedIndex {
        /// The index file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file is something else.
    #[error("{} is not a blkdex index: {why}", path.display())]
    NotAnIndex {
        /// The file.
        path: PathBuf,
        /// How that was seen.
        why: &'static str,
    },
    /// The index was written by another version of blkdex.
    #[error(
        "the index {} has format {found}, of {} blkdex; this one reads format {expected}: \
         use that one, or make the index anew with `blkdex rebuild`",
        path.display(),
        if found < expected { "an older" } else { "a newer" }
    )]
    OtherFormat {
        /// The index file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The one format that is read.
        expected: u32,
    },
    /// The index holds another network's chain.
    #[error("the index {} holds {found}, not {expected}: give another file with --index", path.display())]
    IndexOfOtherNetwork {
        /// The index file.
        path: PathBuf,
        /// Its network.
        found: String,
        /// The network of the block files.
        expected: String,
    },
    /// redb, the store, failed: a full disk, a damaged file, or a file in use.
    #[error("the index {}: {source}", path.display())]
    Store {
        /// The index file.
        path: PathBuf,
        /// What redb said.
        source: Box<redb::Error>,
    },
    /// A page of the index does not hold what was written there.
    #[error(
        "the index {}: {relation} run {run}, page {key:#034x}: {damage}; run `blkdex rebuild`",
        path.display()
    )]
    Damaged {
        /// The index file.
        path: PathBuf,
        /// The relation.
        relation: &'static str,
        /// The run.
        run: u32,
        /// Key of the page.
        key: u128,
        /// What is wrong with it.
        damage: Damage,
    },

    /// Index and block files do not fit each other.
    #[error(
        "block {height}: {what}: the index has {index}, the block files {files}; run `blkdex rebuild`"
    )]
    Contradiction {
        /// Height of the block.
        height: Height,
        /// What differs.
        what: &'static str,
        /// What the index says.
        index: u64,
        /// What the block files say.
        files: u64,
    },

    /// Two scripts have the same fingerprint.
    #[error(
        "two scripts of the index {} have the same fingerprint; `blkdex rebuild` takes another key",
        path.display()
    )]
    SameFingerprint {
        /// The index file.
        path: PathBuf,
    },

    /// What was written to a temporary file did not come back.
    #[error("a temporary file in {} does not hold what was written there", dir.display())]
    TemporaryDamaged {
        /// The folder.
        dir: PathBuf,
    },

    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,

    /// A piece of a rev file or of a snapshot breaks its format.
    #[error("{what} at byte {offset_bytes}: {fault}")]
    Coded {
        /// Which field: "coin script", "undo record".
        what: &'static str,
        /// Where it starts, counted from the start of the file.
        offset_bytes: u64,
        /// How it breaks the format.
        fault: CodedFault,
    },

    /// Something is wrong in the file at `path`.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },

    /// A snapshot was to hold as many coins as its header says.
    #[error("snapshot holds {found} coins, its header says {expected}")]
    SnapshotCoins {
        /// The number in the header.
        expected: u64,
        /// The number of coins that came.
        found: u64,
    },

    /// The text given to `verify --expect` is not what `gettxoutsetinfo` prints.
    #[error("not the output of gettxoutsetinfo: {field} {fault}")]
    Expect {
        /// The field, or "file".
        field: &'static str,
        /// What is wrong with it: "is missing", "is 12x, not a whole number".
        fault: String,
    },

    /// Bitcoin Core and we differ.
    #[error("at height {height} {field} is {found}, but Bitcoin Core says {expected}")]
    Differs {
        /// Height of the block.
        height: Height,
        /// What differs, as Core calls it.
        field: &'static str,
        /// What was found.
        found: String,
        /// What Core says.
        expected: String,
    },

    /// What an undo file says was spent is not what the index has.
    #[error(
        "block {height}, transaction {txid}, input {input}: \
         {field} is {found}, but rev{file:05}.dat says {expected}"
    )]
    UndoDiffers {
        /// Height of the block.
        height: Height,
        /// The spending transaction.
        txid: bitcoin::Txid,
        /// Position of the input in it.
        input: u32,
        /// What differs.
        field: &'static str,
        /// What the index has.
        found: String,
        /// What the undo file says.
        expected: String,
        /// Number of the file.
        file: u32,
    },

    /// An undo file lists a spent coin whose spend the index does not have.
    #[error(
        "block {height}, transaction {txid}, input {input}: \
         the index has no such spend, but rev{file:05}.dat lists one"
    )]
    UndoUnknownSpend {
        /// Height of the block.
        height: Height,
        /// The spending transaction.
        txid: bitcoin::Txid,
        /// Position of the input in it.
        input: u32,
        /// Number of the file.
        file: u32,
    },

    /// An undo file lists too few spent coins.
    #[error("block {height}: rev{file:05}.dat lists fewer spent coins than the block has inputs")]
    UndoTooFew {
        /// Height of the block.
        height: Height,
        /// Number of the file.
        file: u32,
    },

    /// The index or the undo file has a spent coin too many.
    #[error(
        "block {height}: the index has {found} spends, but rev{file:05}.dat lists another number"
    )]
    UndoCount {
        /// Height of the block.
        height: Height,
        /// Spends of the block in the index.
        found: usize,
        /// Number of the file.
        file: u32,
    },

    /// A block's undo record is not where it should be, or damaged.
    #[error("{}: no undo record with a right checksum for block {height}", path.display())]
    UndoMissing {
        /// The undo file.
        path: PathBuf,
        /// Height of the block.
        height: Height,
    },

    /// With the old index something would be lost.
    #[error("{}: {loss}: the same command with --force replaces it", path.display())]
    RebuildLoses {
        /// The old index.
        path: PathBuf,
        /// What would be lost.
        loss: crate::rebuild::Loss,
    },

    /// A file that an earlier rebuild left has more blocks than are wanted now.
    #[error("{} reaches to height {height}, beyond --until {until}", path.display())]
    ReachesBeyond {
        /// The file.
        path: PathBuf,
        /// Its tip.
        height: Height,
        /// The last block wanted.
        until: Height,
    },

    /// Something else is where a file should be.
    #[error("{} is {what}, not a file", path.display())]
    NotAFile {
        /// Its path.
        path: PathBuf,
        /// What it is: "a folder", "a FIFO".
        what: &'static str,
    },

    /// An output would be written over what it is made from.
    #[error("{} is {what}, and is not written to: give another name", path.display())]
    Kept {
        /// The output.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },

    /// The output file is there already.
    #[error("{} is there already; --force replaces it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },

    /// `--at` and the file of `--expect` name different heights.
    #[error("--at is {at}, but the file of --expect is about height {expected}")]
    ExpectHeight {
        /// The height asked for.
        at: Height,
        /// The height in the file.
        expected: Height,
    },

    /// A name that is no network's.
    #[error("no network is called '{found}'; it is one of main, test, testnet4, signet, regtest")]
    UnknownNetwork {
        /// What was given.
        found: String,
    },

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
        "{} begins with blk{first:05}.dat: blk00000.dat is missing; \
         the node is pruned, and its oldest blocks are gone",
        dir.display()
    )]
    FirstFileMissing {
        /// Folder of the block files.
        dir: PathBuf,
        /// Lowest number that is there.
        first: u32,
    },

    /// A block file in the middle is missing.
    #[error("{}: blk{missing:05}.dat is missing, though blk{next:05}.dat is there", dir.display())]
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
        /// Headers found (from [`crate::datadir::scan`]: all of them).
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

    /// Blocks are there, but none of them leads back to where the chain must begin.
    #[error("{0}; the datadir is pruned or incomplete, nothing can be imported from it")]
    NothingConnects(Box<crate::datadir::ChainEnd>),

    /// A question has no answer.
    #[error(transparent)]
    Query(#[from] crate::query::QueryFault),

    /// A memory log has no answer.
    #[error(transparent)]
    Log(#[from] crate::ledger::LogFault),

    /// The manual has no such chapter.
    #[error(transparent)]
    Manual(#[from] crate::manual::UnknownChapter),
}

/// How stored rows can be seen to be damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// A page has a length that no page has.
    #[error("a page of {0} bytes")]
    PageLength(usize),
    /// The bytes do not match their checksum.
    #[error("the checksum is wrong")]
    Checksum,
    /// The page belongs to another run or another key.
    #[error("the page belongs elsewhere")]
    Misplaced,
    /// The head contradicts itself.
    #[error("the page's head cannot be right")]
    PageHead,
    /// Rows run past the end, or are out of order.
    #[error("the page's rows cannot be right")]
    PageRows,
    /// A page that the one before names is not there, or one is there that is not named.
    #[error("a page is missing")]
    PageMissing,
    /// The same key stands in two runs.
    #[error("a row is there twice")]
    RepeatedRow,
    /// A coin ends that was never made.
    #[error("a coin was spent that is not there")]
    DeleteWithoutPut,
}

/// How a coded piece of a file breaks its format.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodedFault {
    /// The bytes end inside it.
    #[error("cut short: {needed} bytes needed, {left} left")]
    CutShort {
        /// Bytes it takes.
        needed: u64,
        /// Bytes there are.
        left: u64,
    },
    /// A number is over its limit.
    #[error("{found} is over the limit of {limit}")]
    Over {
        /// The number, or the part of it read until it was too large.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A compact size takes more bytes than its number needs.
    #[error("{found} is written longer than it needs to be")]
    NotMinimal {
        /// The number.
        found: u64,
    },
    /// The x coordinate of a public key is on no curve point.
    #[error("not the x coordinate of a public key")]
    NotAKey,
    /// Bytes are left where nothing should follow.
    #[error("{left} bytes left over")]
    LeftOver {
        /// How many.
        left: u64,
    },
    /// These are not the bytes this format starts with.
    #[error("found {found:#x}, expected {expected:#x}")]
    Differs {
        /// The bytes as a big-endian number.
        found: u64,
        /// What they should be.
        expected: u64,
    },
}

/// What can be done where a chain is damaged.
fn gap_advice(until: Option<Height>) -> String {
    match until {
        Some(height) => format!("the same command with `--until {height}` imports what is below"),
        None => "the index has more than that: mend or restore the file".into(),
    }
}

/// Networks as a list for people.
pub(crate) fn list_names(names: &[NetworkName]) -> String {
    names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What every fallible function of the library returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Makes an [`Error::Io`] out of what the operating system said.
pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io {
        action,
        path,
        source,
    }
}
