//! A batch: the work between two commits.
//!
//! Invariant: what the runs hold at a commit is complete; the table is a cache of it. A coin that is
//! not in a run yet (its txo is at or above `spilled_below`) is in the table and is never evicted.
//!
//! A spill writes a full buffer as a run that nothing names. A commit resolves the pending spends,
//! writes what is left, and names everything.
//!
//! | file | what |
//! | --- | --- |
//! | `changes.rs` | coins into and out of the table |
//! | `digest.rs` | a block becomes coins taken and made, and rows |
//! | `rows.rs` | the rows that wait |
//! | `resolve.rs` | spends that missed the table |
//! | `warm.rs` | the table filled from the runs |

mod changes;
pub mod digest;
pub mod resolve;
pub mod rows;
pub mod warm;

use crate::Result;
use crate::datadir::BlockReader;
use crate::index::blocks::BlockRow;
use crate::index::{Index, NewBlock};
use crate::limits::{
    BLOCK_OUTPUTS_MAX, BLOCK_ROWS_BUFFERED_MAX, BLOCK_TXS_MAX, COIN_CHANGES_MAX, COIN_SPILLS_MAX,
    COINS_PAGE_BYTES,
};
use crate::memory::Sizes;
use crate::position::{Height, Place, Txo};
use crate::region::Buffer;
use crate::runs::catalogue::Run;
use crate::runs::fold::Folder;
use crate::runs::row::{CoinRow, Relation, Row, SpendingRow};
use crate::runs::sort::{sort_by_parts, sort_rows};
use crate::runs::write::{RunWriter, Staging};
use crate::stages::{Stage, Stages};
use crate::table::Table;
use crate::wire::{self, Fault};
use changes::{Changes, Stop};
use digest::{BlockCounts, Digest};
use resolve::{BadSpend, Outcome, resolve};
use rows::RowBuffers;

/// Counts that tell how well the table served.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct TableCounts {
    /// Spends that found their coin in the table.
    pub hits: u64,
    /// Spends that had to be looked up on disk.
    pub misses: u64,
    /// Coins dropped to make room.
    pub evictions: u64,
}

/// Bytes of a part of the memory plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartBytes {
    /// Its name there.
    pub name: &'static str,
    /// Bytes it was made with.
    pub capacity: usize,
    /// Bytes in use now.
    pub in_use: usize,
    /// The most that were.
    pub most: usize,
}

/// Why a block cannot be added.
#[derive(Debug)]
pub enum BadBlock {
    /// Its bytes are wrong.
    Bytes(Fault),
    /// It makes an unspent output again, without being a coinbase (BIP 30, "bad-txns-BIP30").
    Repeats(Txo),
}

/// See the module documentation.
pub struct Batch {
    table: Table,
    is_complete: bool,
    spilled_below: Txo,
    next_txo: Txo,
    rows: RowBuffers,
    pending: Buffer<CoinRow>,
    deletes: Buffer<CoinRow>,
    segment_bytes: Option<u64>,
    digest: Digest,
    staging: Staging,
    bip34_height: u32,
    first: Height,
    last: Option<(Height, BlockRow)>,
    new_blocks: Vec<BufferedBlock>,
    marks: Vec<u8>,
    /// The largest block, and the most that the rows of waiting blocks took.
    block_bytes_most: usize,
    marks_bytes_most: usize,
    spills: Vec<Run>,
    table_counts: TableCounts,
    /// Where the time went.
    pub stages: Stages,
}

struct BufferedBlock {
    height: Height,
    row: BlockRow,
    marks_end: usize,
    place: Place,
}

impl Batch {
    /// Bytes for one block, what it comes down to, and the rows of blocks that wait to be written.
    pub const BLOCK_BYTES: usize =
        Digest::BYTES + BlockReader::WINDOW_BYTES + BLOCK_ROWS_BUFFERED_MAX * 1280;

    /// Bytes for pages being written, and for those of the runs that spends are looked up in.
    pub const PAGES_BYTES: usize = Staging::BYTES + (COIN_SPILLS_MAX + 16) * COINS_PAGE_BYTES;

    /// An empty batch above the tip of `index`, with an empty table.
    ///
    /// # Errors
    /// [`crate::Error::Memory`].
    pub fn new(
        index: &Index,
        sizes: &Sizes,
        bip34_height: u32,
        checks_witness: bool,
    ) -> Result<Batch> {
        let mut batch = Batch {
            table: Table::new(sizes.table_slots)?,
            is_complete: false,
            spilled_below: Txo(0),
            next_txo: Txo(0),
            rows: RowBuffers::new(sizes.rows_bytes)?,
            pending: Buffer::new("pending spends", sizes.pending_rows)?,
            deletes: Buffer::new("coin deletes", sizes.deletes_rows)?,
            segment_bytes: sizes.segment_bytes,
            digest: Digest::new(index.fingerprints(), checks_witness)?,
            staging: Staging::new()?,
            bip34_height,
            first: Height(0),
            last: None,
            new_blocks: Vec::with_capacity(BLOCK_ROWS_BUFFERED_MAX),
            marks: Vec::with_capacity(BLOCK_ROWS_BUFFERED_MAX * 1024),
            block_bytes_most: 0,
            marks_bytes_most: 0,
            spills: Vec::with_capacity(COIN_SPILLS_MAX * 8),
            table_counts: TableCounts::default(),
            stages: Stages::default(),
        };
        batch.begin(index);
        Ok(batch)
    }

    fn begin(&mut self, index: &Index) {
        self.next_txo = index.next_txo();
        self.spilled_below = self.next_txo;
        self.is_complete = self.is_complete_for(index);
        self.last = index.tip();
        self.first = index.next_height();
        self.rows.truncate(rows::Counts::default());
        self.pending.clear();
        self.deletes.clear();
        self.new_blocks.clear();
        self.marks.clear();
        self.spills.clear();
    }

    /// Whether every coin there is, is in the table.
    fn is_complete_for(&self, index: &Index) -> bool {
        index.tip().map_or(0, |(_, row)| row.coins) == self.table.count() as u64
    }

    /// Blocks in it that are not committed.
    pub fn blocks(&self) -> u32 {
        self.last
            .map_or(0, |(last, _)| last.0 + 1 - self.first.0.min(last.0 + 1))
    }

    /// Height and row of the last block added or committed.
    pub fn last(&self) -> Option<(Height, BlockRow)> {
        self.last
    }

    /// How well the table served so far.
    pub fn table_counts(&self) -> TableCounts {
        self.table_counts
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What its parts of the memory plan hold, by the plan's names.
    pub fn parts(&self) -> [PartBytes; 6] {
        let of = |name, capacity, in_use, most| PartBytes {
            name,
            capacity,
            in_use,
            most,
        };
        let row = size_of::<CoinRow>();
        let list = |name, list: &Buffer<CoinRow>| {
            let (capacity, most) = (list.capacity() * row, list.most() * row);
            of(name, capacity, list.len() * row, most)
        };
        let (table, rows) = (&self.table, &self.rows);
        let table_bytes = Table::bytes_for(table.slots_max());
        let used = table.used_bytes();
        let block = self.digest.most_bytes() + self.block_bytes_most + self.marks_bytes_most;
        [
            of("table", table_bytes, used, used),
            of("rows", rows.bytes(), rows.held_bytes(), rows.most_bytes()),
            list("pending", &self.pending),
            list("deletes", &self.deletes),
            of("block", Batch::BLOCK_BYTES, self.waiting_bytes(), block),
            of("pages", Batch::PAGES_BYTES, 0, self.staging.most_bytes()),
        ]
    }

    /// Bytes of the rows of blocks that wait to be written.
    fn waiting_bytes(&self) -> usize {
        self.new_blocks.len() * size_of::<BufferedBlock>() + self.marks.len()
    }

    /// Whether the pending spends, or the runs to look them up in, are so many that a commit comes
    /// before the next block.
    pub fn must_commit(&self) -> bool {
        let coin_spills = self
            .spills
            .iter()
            .filter(|run| run.relation == Relation::Coins)
            .count();
        self.pending.room() < COIN_CHANGES_MAX || coin_spills >= COIN_SPILLS_MAX
    }

    /// Adds the block that follows the last one.
    ///
    /// # Errors
    /// [`crate::Error::Store`] from a spill. A bad block is no error of this function: it is
    /// returned, and after [`BadBlock::Repeats`] the batch is of no further use.
    pub fn add(
        &mut self,
        index: &mut Index,
        bytes: &[u8],
        place: Place,
    ) -> Result<Option<BadBlock>> {
        self.make_room(index)?;
        self.block_bytes_most = self.block_bytes_most.max(bytes.len());
        self.stages.enter(Stage::ParseAndHash);
        let before = self.rows.counts();
        let first_txo = self.next_txo;
        let digested = self
            .digest
            .digest(bytes, first_txo, &mut self.rows.shares());
        let counts = match digested {
            Ok(counts) => counts,
            Err(fault) => {
                self.rows.truncate(before);
                return Ok(Some(BadBlock::Bytes(fault)));
            }
        };
        self.stages.enter(Stage::Table);
        self.next_txo = Txo(first_txo.0 + counts.outputs);
        let height = self.last.map_or(Height(0), |(height, _)| height.next());
        let overwritten = match self.apply(index, height, first_txo, counts)? {
            Ok(overwritten) => overwritten,
            Err(repeated) => return Ok(Some(BadBlock::Repeats(repeated))),
        };
        self.note_block(index, bytes, place, height, counts, overwritten)?;
        Ok(None)
    }

    /// Spills what could not take one more block of the largest kind.
    fn make_room(&mut self, index: &mut Index) -> Result<()> {
        self.rows.note();
        if self.rows.shares().funding.room() < BLOCK_OUTPUTS_MAX as usize {
            self.spill_rows(index, Relation::Funding)?;
        }
        if self.rows.shares().spending.room() < COIN_CHANGES_MAX {
            self.spill_rows(index, Relation::Spending)?;
        }
        if self.rows.shares().txids.room() < BLOCK_TXS_MAX as usize {
            self.spill_rows(index, Relation::Txids)?;
        }
        if self.deletes.room() < COIN_CHANGES_MAX {
            self.spill_coins(index, self.next_txo)?;
        }
        Ok(())
    }

    /// Takes and makes the digested block's coins. Returns how many were overwritten, or the first
    /// that must not be.
    fn apply(
        &mut self,
        index: &mut Index,
        height: Height,
        first_txo: Txo,
        counts: BlockCounts,
    ) -> Result<std::result::Result<u64, Txo>> {
        let mut at = 0;
        let mut overwritten = 0;
        loop {
            let mut changes = Changes {
                table: &mut self.table,
                spending: self.rows.shares().spending,
                pending: &mut self.pending,
                deletes: &mut self.deletes,
                counts: &mut self.table_counts,
                overwritten: &mut overwritten,
                spilled_below: self.spilled_below,
                coinbase: first_txo,
                coinbase_end: Txo(first_txo.0 + counts.coinbase_outputs),
                may_overwrite_unseen: !self.is_complete && height.0 < self.bip34_height,
            };
            match changes.apply(self.digest.ops(), &mut at) {
                Stop::Done => return Ok(Ok(overwritten)),
                Stop::Repeats(txo) => return Ok(Err(txo)),
                Stop::NoRoom(txo) => {
                    self.spill_coins(index, txo)?;
                    self.evict();
                }
            }
        }
    }

    /// Drops the oldest half of the table; all of it is on disk.
    fn evict(&mut self) {
        self.table_counts.evictions += self.table.evict(self.table.count() / 2) as u64;
        self.is_complete = false;
    }

    fn note_block(
        &mut self,
        index: &Index,
        bytes: &[u8],
        place: Place,
        height: Height,
        counts: BlockCounts,
        overwritten: u64,
    ) -> Result<()> {
        let before = self.last.map(|(_, row)| row);
        let sum = |part: fn(&BlockRow) -> u64| before.as_ref().map_or(0, part);
        let header = *bytes.first_chunk().expect("digested above");
        let row = BlockRow {
            header,
            hash: wire::hash_of(&header),
            first_txo: Txo(sum(|row| row.outputs)),
            txs: sum(|row| row.txs) + counts.txs,
            inputs: sum(|row| row.inputs) + counts.inputs,
            outputs: sum(|row| row.outputs) + counts.outputs,
            // A block that spends what does not exist never gets this far into an index, but its
            // spends are only found out at the commit.
            coins: (sum(|row| row.coins) + counts.coins)
                .saturating_sub(counts.inputs + overwritten),
        };
        let is_full = self.new_blocks.len() == BLOCK_ROWS_BUFFERED_MAX
            || self.marks.len() + self.digest.marks().len() > self.marks.capacity();
        if is_full {
            self.write_blocks(index)?;
        }
        self.marks.extend_from_slice(self.digest.marks());
        let marks_end = self.marks.len();
        self.new_blocks.push(BufferedBlock {
            height,
            row,
            marks_end,
            place,
        });
        self.last = Some((height, row));
        Ok(())
    }

    fn write_blocks(&mut self, index: &Index) -> Result<()> {
        self.stages.enter(Stage::Write);
        self.marks_bytes_most = self.marks_bytes_most.max(self.waiting_bytes());
        let mut start = 0;
        index.write_blocks(self.new_blocks.iter().map(|block| {
            let marks = &self.marks[start..block.marks_end];
            start = block.marks_end;
            NewBlock {
                height: block.height,
                row: block.row,
                marks,
                place: block.place,
            }
        }))?;
        self.new_blocks.clear();
        self.marks.clear();
        Ok(())
    }

    /// Writes the waiting rows of one relation as a run.
    fn spill_rows(&mut self, index: &mut Index, relation: Relation) -> Result<()> {
        let (staging, stages) = (&mut self.staging, &mut self.stages);
        let mut shares = self.rows.shares();
        let run = match relation {
            Relation::Funding => write_sorted(
                index,
                staging,
                shares.funding.filled(),
                self.next_txo,
                stages,
            )?,
            Relation::Spending => write_sorted(
                index,
                staging,
                shares.spending.filled(),
                self.next_txo,
                stages,
            )?,
            Relation::Txids => {
                write_sorted(index, staging, shares.txids.filled(), self.next_txo, stages)?
            }
            Relation::Coins => unreachable!("coins wait in the table"),
        };
        match relation {
            Relation::Funding => shares.funding.clear(),
            Relation::Spending => shares.spending.clear(),
            _ => shares.txids.clear(),
        }
        self.spills.extend(run);
        Ok(())
    }

    /// Writes the coins made since the last spill, and the ends of older ones, as a run.
    fn spill_coins(&mut self, index: &mut Index, next_txo: Txo) -> Result<()> {
        self.stages.enter(Stage::Sort);
        sort_rows(&mut self.deletes);
        self.stages.enter(Stage::Write);
        let id = index.new_run_id();
        let mut writer = new_run::<CoinRow>(index, &mut self.staging, id, self.next_txo);
        let spilled_below = self.spilled_below;
        let mut deletes = self.deletes.iter().copied().peekable();
        for put in self
            .table
            .coins()
            .filter(|coin| coin.txo() >= spilled_below)
        {
            while let Some(delete) = deletes.next_if(|delete| *delete < put) {
                writer.push(delete)?;
            }
            writer.push(put)?;
        }
        for delete in deletes {
            writer.push(delete)?;
        }
        self.spills.extend(writer.finish()?);
        self.deletes.clear();
        self.spilled_below = next_txo;
        self.stages.enter(Stage::Table);
        Ok(())
    }

    /// Commits everything up to the last block.
    ///
    /// # Errors
    /// [`crate::Error::Store`], [`crate::Error::Damaged`]; then the last commit stands. A spend that
    /// cannot be is no error of this function: it is returned, and the batch is of no further use.
    pub fn commit(&mut self, index: &mut Index, settled: Height) -> Result<Option<BadSpend>> {
        let Some((tip, _)) = self.last.filter(|_| self.blocks() > 0) else {
            return Ok(None);
        };
        self.write_blocks(index)?;
        self.spill_coins(index, self.next_txo)?;
        let overwriters = match self.resolve_pending(index)? {
            Ok(overwriters) => overwriters,
            Err(bad) => return Ok(Some(bad)),
        };
        self.fold_coins(index)?;
        for relation in [Relation::Funding, Relation::Spending, Relation::Txids] {
            self.spill_rows(index, relation)?;
        }
        self.stages.enter(Stage::Commit);
        for spender in overwriters {
            let from = index.snapshot()?.height_at(spender, self.first, tip)?;
            index.take_coin_from(from, tip)?;
        }
        for run in &mut self.spills {
            (run.from, run.to) = (self.first, tip);
        }
        index.commit(tip, settled.min(tip), &self.spills)?;
        let is_complete = self.is_complete;
        self.begin(index);
        self.is_complete = is_complete;
        self.stages.enter(Stage::Other);
        Ok(None)
    }

    /// Looks the pending spends up; writes the ends of their coins, and who spent them, as runs.
    /// Returns the coinbases that overwrote a coin.
    fn resolve_pending(
        &mut self,
        index: &mut Index,
    ) -> Result<std::result::Result<Vec<Txo>, BadSpend>> {
        if self.pending.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        self.stages.enter(Stage::Resolve);
        sort_rows(&mut self.pending);
        let mut runs = index.catalogue().of(Relation::Coins);
        runs.extend(
            self.spills
                .iter()
                .filter(|run| run.relation == Relation::Coins),
        );
        let id = index.new_run_id();
        let mut writer = new_run::<CoinRow>(index, &mut self.staging, id, self.next_txo);
        let outcome = resolve(index.store(), &runs, &mut self.pending, |end| {
            writer.push(end)
        })?;
        self.spills.extend(writer.finish()?);
        match outcome {
            Outcome::Bad(bad) => Ok(Err(bad)),
            Outcome::Resolved(count, overwriters) => {
                let rows: &mut [SpendingRow] = bytemuck::cast_slice_mut(&mut self.pending[..count]);
                let (staging, stages) = (&mut self.staging, &mut self.stages);
                self.spills
                    .extend(write_sorted(index, staging, rows, self.next_txo, stages)?);
                Ok(Ok(overwriters))
            }
        }
    }

    /// Makes one of the runs of coins that were spilled. The pending spends, resolved and written by
    /// now, leave their buffer to it.
    fn fold_coins(&mut self, index: &mut Index) -> Result<()> {
        self.pending.clear();
        let is_coins = |run: &Run| run.relation == Relation::Coins;
        let coins: Vec<Run> = self.spills.iter().copied().filter(is_coins).collect();
        if coins.len() < 2 {
            return Ok(());
        }
        self.stages.enter(Stage::Merge);
        let with_oldest = index.catalogue().of(Relation::Coins).is_empty();
        let positions_end = self.next_txo.0;
        let (store, catalogue) = index.for_merge();
        let folded = Folder {
            store,
            staging: &mut self.staging,
            buffer: self.pending.whole(),
            positions_end,
            new_id: &mut || catalogue.new_id(),
        }
        .fold(&coins, with_oldest)?;
        self.spills.retain(|run| !is_coins(run));
        self.spills.extend(folded);
        Ok(())
    }

    /// Notes that a merge held so many rows in the buffer.
    pub fn note_merge<R: Row>(&mut self, rows: usize) {
        self.rows.note_merge(rows * size_of::<R>());
    }

    /// Bytes of a merged segment, if set by hand.
    pub fn segment_bytes(&self) -> Option<u64> {
        self.segment_bytes
    }

    /// The buffer and the staging area, for merges between batches.
    pub fn for_merge<R: Row>(&mut self) -> (&mut [R], &mut Staging) {
        (self.rows.whole(), &mut self.staging)
    }
}

/// A writer of a run of this batch; the commit fills in its heights.
fn new_run<'a, R: Row>(
    index: &'a Index,
    staging: &'a mut Staging,
    id: u32,
    positions_end: Txo,
) -> RunWriter<'a> {
    RunWriter::new::<R>(
        index.store(),
        staging,
        id,
        (Height(0), Height(0)),
        positions_end.0,
    )
}

/// Sorts rows and writes them as a run.
fn write_sorted<R: Row>(
    index: &mut Index,
    staging: &mut Staging,
    rows: &mut [R],
    positions_end: Txo,
    stages: &mut Stages,
) -> Result<Option<Run>> {
    let id = index.new_run_id();
    let mut writer = new_run::<R>(index, staging, id, positions_end);
    stages.enter(Stage::Sort);
    sort_by_parts(rows, |part| {
        stages.enter(Stage::Write);
        writer.extend(part)?;
        stages.enter(Stage::Sort);
        Ok::<(), crate::Error>(())
    })?;
    stages.enter(Stage::Write);
    writer.finish()
}
