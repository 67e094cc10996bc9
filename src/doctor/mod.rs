//! The doctor: what an import would meet, said before hours of work.
//!
//! Invariant: nothing is changed, neither by the block files nor by the index; a *problem* is what
//! would end an import, a *warning* is not.
//!
//! Memory: the headers' arena, within the budget given, and one block.
//!
//! | file | what |
//! | --- | --- |
//! | `deep.rs` | every block, read, parsed and hashed |
//! | `node.rs` | whether a node is running |
//! | `found.rs` | what is said of files, chain and index |

mod deep;
mod found;
mod node;

pub use found::{ChainFound, FilesFound, IndexFound, State};
pub use node::Node;

use crate::Result;
use crate::datadir::{
    self, BlockReader, ChainEnd, Datadir, HeaderTree, Root, Scanned, Source, scan,
};
use crate::error::{Interrupted, fault_of};
use crate::import::Files;
use crate::import::chain::header_arena;
use crate::import::events::{Event, Watch};
use crate::import::fork::{expect_blocks, fork};
use crate::import::known::add_known;
use crate::import::needs::sample::{Sample, Tally};
use crate::import::needs::{Ahead, Needs, Room};
use crate::import::plan::{headers_bytes, plan};
use crate::index::Index;
use crate::memory::auto_bytes;
use crate::memory::plan::BUDGET_BYTES_MIN;
use crate::os::sigbus::catch_sigbus;
use crate::primitives::position::Height;
use crate::primitives::sha256::Sha256Kernel;
use crate::primitives::wire::check_block;
use bitcoin::hashes::Hash;
use std::path::PathBuf;

/// What to look at, and how closely.
#[derive(Clone, Debug)]
pub struct Options {
    /// The block files.
    pub source: Source,
    /// The index that is, or is to be.
    pub index: PathBuf,
    /// The budget that the import would have.
    pub memory_bytes: usize,
    /// Whether the index is to keep txids.
    pub keeps_txids: bool,
    /// Whether to check every block.
    pub deep: bool,
    /// Whether to check witness commitments then, too.
    pub checks_witness: bool,
}

impl Options {
    /// A look at `source` before it is imported into `index` as `blkdex import` does it.
    pub fn new(source: Source, index: impl Into<PathBuf>) -> Options {
        Options {
            source,
            index: index.into(),
            memory_bytes: auto_bytes(),
            keeps_txids: false,
            deep: false,
            checks_witness: false,
        }
    }
}

/// What was found. Parts that could not be looked at are `None`; a problem says why.
#[derive(Clone, Default, Debug, serde::Serialize)]
pub struct Findings {
    /// Whether an import would work.
    pub works: bool,
    /// What would end it.
    pub problems: Vec<String>,
    /// What one should know.
    pub warnings: Vec<String>,
    /// The network.
    pub network: Option<String>,
    /// The block files.
    pub files: Option<FilesFound>,
    /// The chain in them.
    pub chain: Option<ChainFound>,
    /// Whether a node is running on the files.
    pub node: Option<Node>,
    /// The index.
    pub index: Option<IndexFound>,
    /// How SHA-256 is made on this machine.
    pub sha256: String,
    /// What an import would take.
    pub needs: Option<Needs>,
    /// What the deep look found.
    pub deep: Option<Deep>,
}

/// What the deep look found.
#[derive(Clone, PartialEq, Debug, serde::Serialize)]
pub struct Deep {
    /// Time that it took.
    pub seconds: f64,
    /// What was read.
    #[serde(flatten)]
    pub tally: Tally,
    /// Whether witness commitments were checked too.
    pub checked_witness: bool,
    /// Blocks of the best chain that are wrong.
    pub wrong_blocks: u64,
    /// The first few of them.
    pub wrong: Vec<WrongBlock>,
}

/// A block that is not as it must be.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct WrongBlock {
    /// Its height.
    pub height: Height,
    /// Number of its file.
    pub file: u32,
    /// Its first byte there.
    pub offset_bytes: u64,
    /// What is wrong.
    pub fault: String,
    /// Whether another copy of it is right.
    pub has_good_copy: bool,
}

/// Looks at everything. Who watches hears how the scan and the deep look go on.
///
/// # Errors
/// Only what keeps the doctor itself from working; all else is in the findings.
pub fn examine(options: &Options, watch: &mut Watch<'_>) -> Result<Findings> {
    catch_sigbus();
    let mut findings = Findings {
        sha256: Sha256Kernel::chosen().to_string(),
        ..Findings::default()
    };
    let planned = findings.note(plan(options.memory_bytes, None, options.keeps_txids));
    if let Some(datadir) = findings.note(Datadir::open(&options.source)) {
        // With too little memory the rest is looked at all the same.
        let planned = planned.or_else(|| plan(BUDGET_BYTES_MIN, None, false).ok());
        let arena_bytes = planned.map_or(0, |plan| headers_bytes(&plan));
        findings.look(options, datadir, arena_bytes, watch)?;
    }
    findings.works = findings.problems.is_empty();
    Ok(findings)
}

impl Findings {
    /// Makes an error a problem.
    fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems.push(error.to_string());
                None
            }
        }
    }

    fn look(
        &mut self,
        options: &Options,
        mut datadir: Datadir,
        arena_bytes: usize,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        self.network = Some(datadir.network().name.to_string());
        let node = node::look(&datadir);
        if let Some(sign) = &node.sign {
            let text = "a node is running on these files, which does no harm: ";
            self.warnings.push(format!("{text}{sign}"));
        }
        self.node = Some(node);
        let (index, open) = found::index(options, &datadir);
        self.problems.extend(index.problem.clone());
        let next = index.height.map_or(Height(0), Height::next);
        let mut arena = header_arena(&datadir, None, next, arena_bytes)?;
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis(datadir.network().genesis_hash));
        let mut scanning = datadir::Watch {
            stop: watch.stop,
            tell: &mut |done| (watch.tell)(Event::Scan(done)),
        };
        let scanned = scan(&datadir, &[], &mut tree, &mut scanning);
        if let Some(Interrupted) = fault_of(&scanned) {
            return Err(Interrupted.into());
        }
        for block in &index.left_out {
            tree.mark_invalid(&block.hash.to_byte_array());
        }
        if let Some(scanned) = self.note(scanned) {
            datadir = datadir.without(&scanned.vanished);
            if let Some(open) = &open {
                self.note(add_known(open, &datadir, &mut tree));
            }
            self.look_at_chain(&datadir, &mut tree, &scanned, &index)?;
            self.look_at_fork(&datadir, &tree, open.as_ref())?;
            if options.deep {
                self.look_deep(options, &datadir, &tree, watch)?;
            }
            self.estimate(options, &datadir, &tree, &index)?;
        }
        self.index = Some(index);
        Ok(())
    }

    fn look_at_chain(
        &mut self,
        datadir: &Datadir,
        tree: &mut HeaderTree<'_>,
        scanned: &Scanned,
        index: &IndexFound,
    ) -> Result<()> {
        self.files = Some(FilesFound::new(datadir, scanned));
        let best = tree.best();
        let next = index.height.map_or(Height(0), Height::next);
        let end = without_unfinished(
            datadir,
            tree,
            scanned,
            ChainEnd::judge(datadir, tree, best, scanned, next)?,
        )?;
        let gap = datadir.gap().filter(|_| index.height.is_none());
        match gap.or_else(|| end.refusal(datadir)) {
            Some(refusal) => self.problems.push(refusal.to_string()),
            None if !end.reach.complete => self.warnings.push(end.to_string()),
            None => {}
        }
        let chain = ChainFound::new(datadir, tree, best, end)?;
        if chain.tip_connected == Some(false) {
            let text =
                "the node has no undo data of the last block: it has not connected it, or not yet";
            self.warnings.push(text.to_owned());
        }
        self.chain = Some(chain);
        for block in &index.left_out {
            self.warnings.push(format!(
                "left out as invalid ({block}); the node may think otherwise"
            ));
        }
        Ok(())
    }

    /// Whether an import could follow the best chain from where the index is.
    fn look_at_fork(
        &mut self,
        datadir: &Datadir,
        tree: &HeaderTree<'_>,
        index: Option<&Index>,
    ) -> Result<()> {
        let tip = tree.best_chain().last();
        if let (Some(index), Some(tip)) = (index, tip) {
            let complete = self
                .chain
                .as_ref()
                .is_some_and(|chain| chain.reach.complete);
            let best = (tip.height, datadir.hash_at(tip.place)?);
            let forked = fork(index, tree, best, Files::of(datadir, complete));
            if let Some(forked) = self.note(forked).filter(|forked| !forked.is_behind) {
                self.note(expect_blocks(index, datadir, tree, forked.fork));
            }
        }
        Ok(())
    }

    fn look_deep(
        &mut self,
        options: &Options,
        datadir: &Datadir,
        tree: &HeaderTree<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let bytes = found::total_bytes(tree, None).1;
        let deep = deep::check_all(
            datadir,
            tree,
            options.checks_witness,
            &mut |height, done| {
                watch.tell(Event::Check {
                    height,
                    bytes_done: done,
                    bytes,
                });
            },
        )?;
        let end = self.chain.as_ref().and_then(|chain| chain.reach.height);
        let is_above_end = |wrong: &WrongBlock| Some(wrong.height) > end;
        for wrong in &deep.wrong {
            let text = format!(
                "blk{:05}.dat at byte {}: block {}: {}",
                wrong.file, wrong.offset_bytes, wrong.height, wrong.fault
            );
            match wrong.has_good_copy {
                true => self.warnings.push(text + "; another copy of it is right"),
                // That was said with the end of the chain.
                false if is_above_end(wrong) => {}
                false => self.problems.push(text),
            }
        }
        self.deep = Some(deep);
        Ok(())
    }

    fn estimate(
        &mut self,
        options: &Options,
        datadir: &Datadir,
        tree: &HeaderTree<'_>,
        index: &IndexFound,
    ) -> Result<()> {
        let (blocks, bytes) = found::total_bytes(tree, index.height);
        let ahead = Ahead {
            index: &options.index,
            index_bytes: index.bytes,
            coins: index.coins,
            blocks,
            bytes,
            memory_bytes: options.memory_bytes,
            keeps_txids: options.keeps_txids || index.keeps_txids,
        };
        let sample = match &self.deep {
            Some(deep) => Sample {
                tally: deep.tally,
                seconds: deep.seconds,
            },
            None => {
                let above = tree.best_chain();
                let above = above.filter(|block| Some(block.height) > index.height);
                Sample::take(datadir, above.map(|block| Ok(block.place)), bytes)?
            }
        };
        let needs = Needs::estimate(&ahead, Room::now(&options.index), &sample)?;
        let lacks = needs.lacks(&options.index);
        self.problems
            .extend(lacks.iter().map(|lack| lack.to_string()));
        self.needs = Some(needs);
        Ok(())
    }
}

/// The end of the chain without a last block that a node has not written whole yet: an import leaves it for
/// the next.
fn without_unfinished(
    datadir: &Datadir,
    tree: &HeaderTree<'_>,
    scanned: &Scanned,
    end: ChainEnd,
) -> Result<ChainEnd> {
    let last = end.reach.height.and_then(|_| tree.best_chain().last());
    let Some(last) = last.filter(|block| scanned.is_last_written(block.place)) else {
        return Ok(end);
    };
    let mut reader = BlockReader::new(datadir)?;
    for place in std::iter::once(last.place).chain(tree.copies(last.node)) {
        if check_block(reader.read(place)?).is_ok() {
            return Ok(end);
        }
    }
    Ok(end.without_last(last.place))
}
