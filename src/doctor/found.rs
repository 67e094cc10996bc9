//! What the doctor says of files, chain and index.
//!
//! Invariant: everything here was read from the files just now; nothing is remembered.

use super::Options;
use crate::Result;
use crate::datadir::{Best, BlockReader, Datadir, HeaderTree, ScanReport};
use crate::index::Index;
use crate::limits::ORPHANS_QUIET_MAX;
use crate::position::{Height, Place};
use crate::query::QUERY_CACHE_BYTES;
use crate::system;
use crate::wire::Block;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use std::path::{Path, PathBuf};

/// A place in a block file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Spot {
    /// Number of the file.
    pub file: u32,
    /// Byte of the file.
    pub offset_bytes: u64,
}

/// The block files.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct FilesFound {
    /// The folder that they lie in.
    pub dir: PathBuf,
    /// How many there are.
    pub count: u64,
    /// The lowest number.
    pub first: u32,
    /// The highest.
    pub last: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Whether they are obfuscated with a key.
    pub obfuscated: bool,
    /// Whole records.
    pub records: u64,
    /// Records of a block that was there already.
    pub duplicates: u64,
    /// Blocks that came before their parent.
    pub out_of_order: u64,
    /// Stretches of zeros between records.
    pub zero_gaps: u64,
    /// Zeros behind last records: space allocated ahead.
    pub allocated_ahead_bytes: u64,
    /// Bytes that belong to no record: damaged ones, or junk.
    pub junk_bytes: u64,
    /// Where the first stretches of them begin.
    pub junk: Vec<Spot>,
    /// Records that run over the end of their file.
    pub cut_records: u64,
    /// The first of them.
    pub cut: Vec<Spot>,
}

impl FilesFound {
    pub(super) fn new(datadir: &Datadir, scanned: &ScanReport) -> FilesFound {
        let files = datadir.files();
        let spots = |places: &[(u32, u64)]| {
            let spot = |&(file, offset_bytes): &(u32, u64)| Spot { file, offset_bytes };
            places.iter().map(spot).collect()
        };
        FilesFound {
            dir: datadir.blocks_dir().to_owned(),
            count: files.len() as u64,
            first: files.first().map_or(0, |file| file.number),
            last: files.last().map_or(0, |file| file.number),
            bytes: scanned.bytes,
            obfuscated: !datadir.xor_key().is_zero(),
            records: scanned.records,
            duplicates: scanned.duplicates,
            out_of_order: scanned.out_of_order,
            zero_gaps: scanned.zero_gaps,
            allocated_ahead_bytes: scanned.zero_tail_bytes,
            junk_bytes: scanned.junk_bytes,
            junk: spots(&scanned.junk_places),
            cut_records: scanned.cut_records,
            cut: spots(&scanned.cut_places),
        }
    }
}

/// How much of the chain is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All blocks from the genesis block to the tip.
    Complete,
    /// The oldest blocks were deleted.
    Pruned,
    /// The node began at a snapshot and is still fetching what lies before it.
    Assumeutxo,
    /// Blocks in the middle are missing.
    Gap,
}

/// The chain in the block files.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct ChainFound {
    /// How much of it is there.
    pub state: State,
    /// Height up to which all blocks are there; `None` if the genesis block is not.
    pub height: Option<Height>,
    /// Hash of the block at that height.
    pub hash: Option<BlockHash>,
    /// Bytes of the blocks up to there.
    pub bytes: u64,
    /// Different blocks in the files.
    pub headers: u32,
    /// Blocks beside the best chain.
    pub stale: u32,
    /// Competing ends of chains, the best among them.
    pub tips: u32,
    /// Blocks that lack an ancestor.
    pub orphans: u32,
    /// Height of the first such block, if its coinbase names one (BIP 34).
    pub goes_on_at: Option<Height>,
}

impl ChainFound {
    pub(super) fn new(
        datadir: &Datadir,
        tree: &HeaderTree<'_>,
        best: Option<Best>,
    ) -> Result<ChainFound> {
        let counts = tree.counts();
        let hash = match best.and_then(|best| tree.place(best.node)) {
            Some(place) => Some(BlockHash::from_byte_array(datadir.hash_at(place)?)),
            None => None,
        };
        let orphan = tree.first_orphan();
        Ok(ChainFound {
            state: state(datadir, best, counts.orphans),
            height: best.map(|best| best.height),
            hash,
            bytes: best.map_or(0, |_| super::needs::total_bytes(tree, None).1),
            headers: counts.headers,
            stale: counts.stale,
            tips: counts.tips,
            orphans: counts.orphans,
            goes_on_at: orphan.and_then(|place| height_in_coinbase(datadir, place)),
        })
    }
}

fn state(datadir: &Datadir, best: Option<Best>, orphans: u32) -> State {
    let starts_at_0 = datadir.files().first().is_some_and(|file| file.number == 0);
    let snapshot = datadir.blocks_dir().parent().map(|dir| dir.join(SNAPSHOT));
    if !starts_at_0 || (best.is_none() && orphans > 0) {
        State::Pruned
    } else if orphans > ORPHANS_QUIET_MAX && snapshot.is_some_and(|dir| dir.exists()) {
        State::Assumeutxo
    } else if orphans > ORPHANS_QUIET_MAX {
        State::Gap
    } else {
        State::Complete
    }
}

/// Folder of a chainstate that was loaded (Bitcoin Core, `node/utxo_snapshot.h`:
/// `SNAPSHOT_CHAINSTATE_SUFFIX`).
const SNAPSHOT: &str = "chainstate_snapshot";

/// The height that a block's coinbase names as the first number of its script (BIP 34).
fn height_in_coinbase(datadir: &Datadir, place: Place) -> Option<Height> {
    let mut reader = BlockReader::new(datadir).ok()?;
    let coinbase = Block::read(reader.read(place).ok()?)
        .ok()?
        .next_tx()
        .ok()??;
    let script = coinbase.inputs().next()?.script_sig;
    let (length, rest) = script.split_first()?;
    match length {
        0x51..=0x60 => Some(Height(u32::from(length - 0x50))),
        1..=4 => {
            let bytes = rest.get(..usize::from(*length))?;
            let height = bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            Some(Height(height))
        }
        _ => None,
    }
}

/// The index that is, or is to be.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct IndexFound {
    /// The file.
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
    /// Height of its tip.
    pub height: Option<Height>,
    /// Bytes that it takes on disk.
    pub bytes: u64,
    /// Why an import could not write to it.
    #[serde(skip)]
    pub problem: Option<String>,
}

pub(super) fn index(options: &Options, datadir: &Datadir) -> IndexFound {
    let path = &options.index;
    let mut found = IndexFound {
        path: path.clone(),
        exists: path.exists(),
        height: None,
        bytes: 0,
        problem: None,
    };
    let writable = if found.exists {
        path
    } else {
        system::folder_of(path)
    };
    if !system::is_writable(writable) {
        found.problem = Some(format!("cannot write to {}", writable.display()));
    }
    if found.exists {
        match look_into(path, datadir) {
            Ok((height, bytes)) => (found.height, found.bytes) = (height, bytes),
            Err(crate::Error::NoBlocks { .. }) => {}
            Err(error) => found.problem = Some(error.to_string()),
        }
    }
    found
}

fn look_into(path: &Path, datadir: &Datadir) -> Result<(Option<Height>, u64)> {
    if path.metadata().is_ok_and(|file| file.len() == 0) {
        return Ok((None, 0));
    }
    let index = Index::open(path, QUERY_CACHE_BYTES)?;
    let network = datadir.network();
    index.expect_network(&network.name.to_string(), network.magic)?;
    let height = index.tip().map(|(height, _)| height);
    Ok((height, index.store().allocated_bytes()?))
}

/// Bytes free on the disk where the index is, or is to be.
pub(super) fn free_disk_bytes_for(index: &Path) -> Option<u64> {
    system::free_disk_bytes(system::folder_of(index))
}
