//! The whole of `export parquet`, top to bottom.
//!
//! Invariant: whatever ends it, what has its name is whole, and the same command goes on.

use super::folder::Folder;
use super::manifest::{self, Known};
use super::options::{News, Options, Progress, TableWritten, Until, Watch, Written};
use super::piece::{Common, Piece};
use super::plan::{Plan, Task, Wish, plan};
use super::tables::Tables;
use super::walk::Walk;
use super::{Fault, Table};
use crate::datadir::UndoFiles;
use crate::index::Index;
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::os::Kept;
use crate::os::sigbus::catch_sigbus;
use crate::primitives::position::Height;
use crate::runs::row::SpendingRow;
use crate::utxo::{self, Heights, UtxoSet, left_for_buffers, spent_rows};
use crate::verify::undo::{SpendSums, UndoFinder};
use crate::{Error, Result};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use std::path::Path;

/// Fewest rows of a group that memory may come to.
const GROUP_ROWS_MIN: usize = 1024;

/// The least that is kept for undo records.
const UNDO_BYTES_MIN: usize = 4 << 20;

/// What is known of the records of open undo files: of the files with the most blocks that mainnet has, all.
const UNDO_HEADS_BYTES: usize = 8 << 20;

/// Places read from the index at once.
const PLACES_PER_READ: u32 = 1024;

/// Writes the set, or goes on with it.
///
/// # Errors
/// [`Fault`], [`crate::utxo::Fault`], [`crate::verify::Fault`], [`crate::error::Interrupted`], those of
/// [`Index::open`]; [`crate::os::Fault::Io`]; [`crate::memory::Fault::BudgetTooSmall`].
pub fn export_parquet(index: &Path, options: &Options, watch: &mut Watch<'_>) -> Result<Written> {
    catch_sigbus();
    let index = Index::open_to_walk(index)?;
    let (tip, _) = index.tip().ok_or_else(|| index.no_blocks())?;
    let until = last_block(&index, tip, options)?;
    refuse_what_is_kept(&index, options)?;
    let folder = Folder::open(&options.to, &options.tables)?;
    let mut written = Written {
        until,
        leftovers: folder.remove_leftovers()?,
        ..Written::default()
    };
    if written.leftovers > 0 {
        watch.tell(News::Leftovers(written.leftovers));
    }
    let common = Common {
        network: index.meta().network.clone(),
        hashes: options.hashes,
        has_spent_coins: options.has_spent_coins,
    };
    let known = manifest::known(&folder, &common)?;
    let (good, stale) = sorted_by_chain(&index, &folder, &known, tip)?;
    written.redone = stretches(&stale);
    for (first, last) in &written.redone {
        watch.tell(News::Redone(*first, *last));
    }
    let wish = Wish {
        from: options.from,
        until,
        blocks_per_file: options.blocks_per_file,
        tables: options.tables.clone(),
    };
    let plan = plan(&wish, &good, &stale);
    let own = match plan.tasks.is_empty() {
        true => Known::new(),
        false => Run {
            index: &index,
            options,
            common: &common,
            plan: &plan,
        }
        .write(&mut written, watch)?,
    };
    written.utxo_set = manifest::publish(&folder, &common, &own, &plan.removed)?;
    for piece in &plan.removed {
        folder.remove(piece)?;
    }
    Ok(written)
}

/// The last block that is wanted.
fn last_block(index: &Index, tip: Height, options: &Options) -> Result<Height> {
    let until = match options.until {
        Until::Tip => tip,
        Until::Height(wanted) if wanted > tip => {
            return Err(utxo::Fault::AboveTip { wanted, tip }.into());
        }
        Until::Height(height) => height,
        Until::Settled => {
            let settled = index.meta().settled.filter(|settled| *settled > Height(0));
            settled.ok_or(Fault::NothingSettled { tip })?.min(tip)
        }
    };
    match options.from <= until {
        true => Ok(until),
        false => Err(Fault::NothingBetween {
            from: options.from,
            until,
        }
        .into()),
    }
}

fn refuse_what_is_kept(index: &Index, options: &Options) -> Result<()> {
    let kept = Kept::new()
        .and_file(index.store().path(), "the index")
        .and_blocks(&index.meta().blocks_dir);
    kept.check(&options.to)
}

/// The files that are of the index's chain, and those that are not any more.
fn sorted_by_chain(
    index: &Index,
    folder: &Folder,
    known: &Known,
    tip: Height,
) -> Result<(Vec<Piece>, Vec<Piece>)> {
    let snapshot = index.snapshot()?;
    let (mut good, mut stale) = (Vec::new(), Vec::new());
    for (piece, about) in known {
        let (path, height) = (folder.file_of(piece), piece.last);
        if height > tip {
            return Err(Fault::AheadOfIndex { path, height, tip }.into());
        }
        let expected = BlockHash::from_byte_array(snapshot.block(height)?.hash).to_string();
        match about.last_hash == expected {
            true => good.push(*piece),
            false if about.settled => {
                let found = about.last_hash.clone();
                return Err(Fault::OtherChain {
                    path,
                    height,
                    found,
                    expected,
                }
                .into());
            }
            false => stale.push(*piece),
        }
    }
    Ok((good, stale))
}

/// The blocks of these files, each once.
fn stretches(pieces: &[Piece]) -> Vec<(Height, Height)> {
    let mut all: Vec<_> = pieces
        .iter()
        .map(|piece| (piece.first, piece.last))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Files being written.
struct Run<'r> {
    index: &'r Index,
    options: &'r Options,
    common: &'r Common,
    plan: &'r Plan,
}

impl Run<'_> {
    /// Writes all files of the plan; what is known of them.
    fn write(&self, written: &mut Written, watch: &mut Watch<'_>) -> Result<Known> {
        let tasks = &self.plan.tasks;
        let (first, last) = (tasks[0].first(), tasks[tasks.len() - 1].last());
        let location = self.options.location.as_ref();
        let mut set = UtxoSet::open_from(self.index, first, last, location)?;
        let kept = Kept::new().and_blocks(set.reader().blocks_dir());
        kept.check(&self.options.to)?;
        let tells_spent = tasks.iter().flat_map(|task| &task.pieces);
        let tells_spent = self.options.has_spent_coins
            && tells_spent
                .clone()
                .any(|piece| piece.table.tells_spent_coins());
        let undo = tells_spent.then(|| set.reader().undo_files());
        let bytes = self.bytes_of_blocks(&set, undo.as_ref())?;
        let sizes = self.sizes(&set, first, tells_spent)?;
        let folder = Folder::open(&self.options.to, &[])?;
        let mut tables = Tables::new(
            folder,
            self.common.clone(),
            set.network(),
            sizes.group_rows,
            self.options.blocks_per_file as usize,
        )?;
        let magic = self.index.meta().magic;
        let finder = undo.map(|files| {
            UndoFinder::new(files, magic, sizes.undo_bytes, self.options.memory_bytes)
        });
        let heights = Heights::read(&set)?;
        let mut buffer = Region::new(Part::SpentOutputs, sizes.spent_rows)?;
        let mut progress = Progress {
            height: first,
            last,
            bytes_done: 0,
            bytes,
            rows: 0,
        };
        let walk = Walk::new(&mut set, &heights, &mut tables, finder.transpose()?);
        let done = walk.and_then(|mut walk| {
            let mut rest = &tasks[..];
            while !rest.is_empty() {
                let (stretch, behind) = rest.split_at(neighbours(rest));
                rest = behind;
                self.stretch(
                    stretch,
                    &mut walk,
                    &heights,
                    &mut buffer,
                    &mut progress,
                    watch,
                )?;
            }
            Ok(())
        });
        // What is whole is listed, whatever has ended the work.
        if done.is_err() && !tables.written.is_empty() {
            tables.publish(&self.plan.removed)?;
        }
        done?;
        written.blocks = Some((first, last));
        written.block_bytes = progress.bytes_done;
        written.tables = told(&tables.written);
        Ok(tables.written)
    }

    /// Ranges that follow each other without a gap.
    fn stretch(
        &self,
        tasks: &[Task],
        walk: &mut Walk<'_, '_>,
        heights: &Heights,
        buffer: &mut [SpendingRow],
        progress: &mut Progress,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let first = tasks[0].first();
        walk.seek(first)?;
        let mut sums = match walk.tells_spent() {
            true => Some(SpendSums::open(walk.set(), heights, first, buffer)?),
            false => None,
        };
        let settled = self.index.meta().settled;
        for task in tasks {
            walk.tables().begin(task)?;
            for height in task.first().0..=task.last().0 {
                let height = Height(height);
                progress.bytes_done += walk.block(height, &mut sums)?;
                (progress.height, progress.rows) = (height, walk.tables().rows());
                watch.went_on(News::Progress(progress))?;
            }
            walk.tables().end(task, settled)?;
        }
        Ok(())
    }

    /// Bytes of all blocks that will be read; the undo files of all of them are there.
    fn bytes_of_blocks(&self, set: &UtxoSet<'_>, undo: Option<&UndoFiles>) -> Result<u64> {
        let mut bytes = 0;
        let mut seen = None;
        for task in &self.plan.tasks {
            for first in (task.first().0..=task.last().0).step_by(PLACES_PER_READ as usize) {
                let count = (task.last().0 - first + 1).min(PLACES_PER_READ);
                let places = set.snapshot().places(Height(first), count)?;
                for (height, place) in (first..).zip(places) {
                    bytes += u64::from(place.bytes);
                    if seen.replace(place.file) != Some(place.file)
                        && let Some(undo) = undo
                    {
                        expect_undo_file(undo, place.file, Height(height))?;
                    }
                }
            }
        }
        Ok(bytes)
    }

    /// What of the budget goes where.
    fn sizes(&self, set: &UtxoSet<'_>, first: Height, tells_spent: bool) -> Result<Sizes> {
        let range_blocks = self.options.blocks_per_file as usize;
        let spent_rows = if tells_spent {
            spent_rows(set.snapshot(), set.height())
        } else {
            0
        };
        let blocks = (set.height().0 - first.0) as usize + 1;
        let mut fixed = Heights::bytes(set.height()) + Walk::BYTES;
        if tells_spent {
            // Twice: where siblings have records, and to say what differs.
            fixed += 2 * spent_rows * size_of::<SpendingRow>();
            fixed += SpendSums::bytes(blocks) + UNDO_HEADS_BYTES;
        }
        let undo_min = if tells_spent { UNDO_BYTES_MIN } else { 0 };
        let tables = |rows| Tables::bytes(rows, range_blocks);
        let least = fixed + undo_min + tables(GROUP_ROWS_MIN.min(self.options.group_rows));
        let left = left_for_buffers(self.options.memory_bytes, least)? - fixed;
        // Undo records are as large as a block's inputs make them; most take a tenth of the block.
        let undo_bytes = if tells_spent {
            (left / 4).max(undo_min)
        } else {
            0
        };
        let (mut fits, mut too_many) = (1, self.options.group_rows + 1);
        while fits + 1 < too_many {
            let rows = fits + (too_many - fits) / 2;
            match tables(rows) <= left - undo_bytes {
                true => fits = rows,
                false => too_many = rows,
            }
        }
        Ok(Sizes {
            group_rows: fits,
            undo_bytes,
            spent_rows,
        })
    }
}

/// See [`Run::sizes`].
struct Sizes {
    group_rows: usize,
    undo_bytes: usize,
    spent_rows: usize,
}

/// How many of the tasks, from the first on, follow each other without a gap.
fn neighbours(tasks: &[Task]) -> usize {
    let mut pairs = tasks.windows(2);
    let has_gap = |pair: &[Task]| pair[1].first() != pair[0].last().next();
    pairs.position(has_gap).map_or(tasks.len(), |at| at + 1)
}

fn expect_undo_file(undo: &UndoFiles, file: u32, height: Height) -> Result<()> {
    // The genesis block spends nothing, and Core writes no record for it.
    match undo.open(file)? {
        Some(_) => Ok(()),
        None => Err(Error::from(Fault::NoUndoFile {
            path: undo.path(file),
            height,
        })),
    }
}

/// Files, rows and bytes by table.
fn told(written: &Known) -> Vec<TableWritten> {
    let of = |table: Table| {
        let files = written.iter().filter(|(piece, _)| piece.table == table);
        let mut told = TableWritten {
            table,
            files: 0,
            rows: 0,
            bytes: 0,
        };
        for (_, about) in files {
            told.files += 1;
            told.rows += about.rows;
            told.bytes += about.bytes;
        }
        told
    };
    let tables = Table::ALL.into_iter().map(of);
    tables.filter(|told| told.files > 0).collect()
}
