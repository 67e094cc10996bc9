//! What the doctor says of files, chain and index.
//!
//! Invariant: everything here was read from the files just now; nothing is remembered.

use super::Options;
use crate::Result;
use crate::datadir::{
    Best, ChainEnd, Datadir, EndState, HeaderTree, Leftover, LeftoverKind, Reach, Scanned, Spot,
    claimed_height,
};
use crate::import::needs::lack::Lack;
use crate::index::Index;
use crate::index::left_out::{LeftOut, left_out};
use crate::primitives::position::Height;
use crate::store;
use crate::verify::undo::is_connected;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use std::path::PathBuf;

/// The block files.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct FilesFound {
    /// Their folder.
    #[serde(serialize_with = "crate::os::path_text::serialize")]
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
    /// Blocks that came before their parent, which came later.
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
    /// Records with a length that no block can have.
    pub oversize_records: u64,
    /// The first of them; `bytes` is the length that they claim.
    pub oversize: Vec<Leftover>,
}

impl FilesFound {
    pub(super) fn new(datadir: &Datadir, scanned: &Scanned) -> FilesFound {
        let files = datadir.files();
        let spot = |place: &Leftover| Spot {
            file: place.file,
            offset_bytes: place.offset_bytes,
        };
        let left = &scanned.leftovers;
        let spots = |what| left.places_of(what).map(spot).collect();
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
            zero_gaps: left.zero_gaps,
            allocated_ahead_bytes: left.zero_tail_bytes,
            junk_bytes: left.junk_bytes,
            junk: spots(LeftoverKind::Junk),
            cut_records: left.cut_records,
            cut: spots(LeftoverKind::Cut),
            oversize_records: left.oversize_records,
            oversize: left.places_of(LeftoverKind::Oversize).copied().collect(),
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
    /// A node is writing: blocks in the middle are to come.
    #[serde(rename = "being_written")]
    BeingWritten,
    /// Blocks in the middle are damaged or missing.
    Gap,
}

/// The chain in the block files.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct ChainFound {
    /// How much of it is there.
    pub state: State,
    /// How far it reaches.
    #[serde(flatten)]
    pub reach: Reach,
    /// Height from which on the files have all blocks up to there; `None` if they have none of them.
    pub first: Option<Height>,
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
    /// Height of the first block that lacks an ancestor, if its coinbase names one (BIP 34).
    pub goes_on_at: Option<Height>,
    /// Whether the node has connected the last block; `None` if it has left no undo files.
    pub tip_connected: Option<bool>,
}

impl ChainFound {
    pub(super) fn new(
        datadir: &Datadir,
        tree: &HeaderTree<'_>,
        best: Option<Best>,
        end: ChainEnd,
    ) -> Result<ChainFound> {
        let counts = tree.counts();
        let tip = best.and_then(|best| tree.place(best.node));
        let mut blocks = best.into_iter().flat_map(|_| tree.best_chain());
        let last = blocks.find(|block| Some(block.height) == end.reach.height);
        let hash = last.map(|block| datadir.hash_at(block.place)).transpose()?;
        let above_genesis = tip.filter(|_| end.reach.height > Some(Height(0)));
        let tip_connected = above_genesis.map(|place| is_connected(datadir, place));
        let orphan = tree.first_orphan();
        Ok(ChainFound {
            state: state(datadir, &end),
            first: best.and_then(|_| first_of_unbroken(tree)),
            hash: hash.map(BlockHash::from_byte_array),
            bytes: best.map_or(0, |_| total_bytes(tree, None).1),
            headers: counts.headers,
            stale: counts.stale,
            tips: counts.tips,
            goes_on_at: orphan.and_then(|place| claimed_height(datadir, place)),
            reach: end.reach,
            tip_connected: tip_connected.transpose()?.flatten(),
        })
    }
}

/// The lowest block from which on the files have all of the best chain.
fn first_of_unbroken(tree: &HeaderTree<'_>) -> Option<Height> {
    let heights = tree.best_chain().map(|block| block.height);
    let first_and_last = heights.fold(
        None,
        |known: Option<(Height, Height)>, height| match known {
            Some((first, last)) if last.next() == height => Some((first, height)),
            _ => Some((height, height)),
        },
    );
    first_and_last.map(|(first, _)| first)
}

fn state(datadir: &Datadir, end: &ChainEnd) -> State {
    let starts_at_0 = datadir.files().first().is_some_and(|file| file.number == 0);
    match end.state {
        _ if !starts_at_0 || (end.reach.height.is_none() && end.reach.orphans > 0) => State::Pruned,
        EndState::Complete => State::Complete,
        EndState::BeingWritten => State::BeingWritten,
        EndState::Damaged if datadir.begins_at_snapshot() => State::Assumeutxo,
        EndState::Damaged => State::Gap,
    }
}

/// The index that is, or is to be.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct IndexFound {
    /// The file.
    #[serde(serialize_with = "crate::os::path_text::serialize")]
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
    /// Height of its tip.
    pub height: Option<Height>,
    /// Bytes that it takes on disk.
    pub bytes: u64,
    /// Whether it keeps txids.
    pub keeps_txids: bool,
    /// Coins that it has.
    #[serde(skip)]
    pub(super) coins: u64,
    /// Blocks that imports have left out because they break the rules.
    pub left_out: Vec<LeftOut>,
    /// Why an import could not write to it.
    #[serde(skip)]
    pub problem: Option<String>,
}

/// What is said of the index, and the index, if it can be read.
pub(super) fn index(options: &Options, datadir: &Datadir) -> (IndexFound, Option<Index>) {
    let path = &options.index;
    let mut found = IndexFound {
        path: path.clone(),
        exists: path.exists(),
        height: None,
        bytes: 0,
        keeps_txids: false,
        coins: 0,
        left_out: Vec::new(),
        problem: None,
    };
    found.problem = Lack::of_rights(path).map(|lack| lack.to_string());
    if found.exists {
        match found.look_into(options, datadir) {
            Ok(index) => return (found, index),
            Err(error) if matches!(error.fault(), Some(store::Fault::NoBlocks { .. })) => {}
            Err(error) => found.problem = Some(error.to_string()),
        }
    }
    (found, None)
}

impl IndexFound {
    fn look_into(&mut self, options: &Options, datadir: &Datadir) -> Result<Option<Index>> {
        if self.path.metadata().is_ok_and(|file| file.len() == 0) {
            return Ok(None);
        }
        let index = Index::open(&self.path)?;
        let network = datadir.network();
        index.expect_network(&network.name.to_string(), network.magic)?;
        self.height = index.tip().map(|(height, _)| height);
        self.coins = index.tip().map_or(0, |(_, row)| row.coins);
        self.bytes = index.store().allocated_bytes()?;
        self.left_out = left_out(index.store())?;
        self.keeps_txids = index.keeps_txids();
        if options.keeps_txids && self.height.is_some() {
            index.expect_kept_txids()?;
        }
        Ok(Some(index))
    }
}

/// Blocks of the best chain above `tip`, and their bytes.
pub(super) fn total_bytes(tree: &HeaderTree<'_>, tip: Option<Height>) -> (u64, u64) {
    let above = tree.best_chain().filter(|block| Some(block.height) > tip);
    above.fold((0, 0), |(blocks, bytes), block| {
        (blocks + 1, bytes + u64::from(block.place.bytes))
    })
}
