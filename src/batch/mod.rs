//! A batch: the work between two commits.
//!
//! Invariant: what the runs hold at a commit is complete; the table is a cache of it. A coin that is
//! not in a run yet (its txo is at or above `spilled_below`) is in the table and is never evicted.
//!
//! A spill writes a full buffer as a run that nothing names. A commit looks up the pending spends, writes
//! what is left, and names everything but their runs, which it drops.
//!
//! | file | what |
//! | --- | --- |
//! | `adding.rs` | one block is added |
//! | `digest.rs` | a block becomes coins taken and made, and rows |
//! | `change.rs` | what a block does to one coin |
//! | `clock.rs` | where the time goes |
//! | `table.rs` | the fixed-capacity UTXO table |
//! | `pairs.rs` | coins that the block spends itself |
//! | `coinbases.rs` | outputs of coinbases that may not be spent yet |
//! | `changes.rs` | all changes: coins into and out of the table |
//! | `rows.rs` | the rows that wait |
//! | `kept.rs` | txids that the index keeps |
//! | `spill.rs` | a full buffer becomes a run |
//! | `commit.rs` | all of it becomes real |
//! | `pending.rs` | spends that missed the table |
//! | `join.rs` | its runs of coins become one, pending spends take their coins |
//! | `resolve.rs` | the coins of one outpoint, looked up |
//! | `effort.rs` | how many rows were merged and passed |
//! | `bad_block.rs` | what ends it: a block that breaks a rule, or a fault |
//! | `waiting.rs` | the rows of blocks that wait to be written |
//! | `warm.rs` | the table filled from the runs |

mod adding;
mod bad_block;
mod change;
mod changes;
pub(crate) mod clock;
pub(crate) mod coinbases;
mod commit;
pub(crate) mod digest;
mod effort;
mod join;
pub(crate) mod kept;
mod pairs;
pub(crate) mod pending;
pub(crate) mod resolve;
pub(crate) mod rows;
pub(crate) mod spill;
pub(crate) mod table;
mod waiting;
pub(crate) mod warm;

use crate::Result;
use crate::batch::clock::Clock;
use crate::batch::table::Table;
use crate::datadir::BlockReader;
use crate::index::Index;
use crate::index::blocks::BlockRow;
use crate::limits::PAGE_BYTES;
use crate::memory::part::Part;
use crate::memory::plan::Plan;
use crate::memory::region::Buffer;
use crate::primitives::consensus::{BLOCK_OUTPUTS_MAX, INPUT_BYTES_MIN, OUTPUT_BYTES_MIN};
use crate::primitives::position::{Height, TxNum, Txo};
use crate::runs::catalogue::Run;
use crate::runs::merge::Merged;
use crate::runs::row::{CoinRow, Relation, Row};
use crate::runs::sort::SortArea;
use crate::runs::write::Staging;
pub use bad_block::{BadBlock, Failure};
use coinbases::Coinbases;
use digest::Digest;
pub use effort::Effort;
use kept::Kept;
use pairs::Pairs;
use pending::Pending;
use rows::RowBuffers;
use waiting::Waiting;

/// Coins that a block can take or make, together. One of its inputs or outputs changes one coin, and
/// an output is the smaller of the two; an output of a coinbase may also end an older coin (BIP 30),
/// which an input could have done.
pub const COIN_CHANGES_MAX: usize = BLOCK_OUTPUTS_MAX as usize;
const _: () = assert!(OUTPUT_BYTES_MIN <= INPUT_BYTES_MIN);

/// Runs of coins that a batch may spill before it commits: bounds what resolving keeps open.
pub(crate) const COIN_SPILLS_MAX: usize = 64;

/// Runs that a batch may spill before it commits, all relations together. The commit spills fewer itself.
pub(crate) const SPILLS_MAX: usize = 512;

/// Coins of one outpoint that can be live between two commits: one, or one more for each time a coinbase
/// made it again (BIP 30).
const OUTPOINT_COINS_MAX: usize = 64;

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

/// See the module documentation.
pub struct Batch {
    table: Table,
    is_complete: bool,
    spilled_below: Txo,
    next_txo: Txo,
    rows: RowBuffers,
    pending: Pending,
    deletes: Buffer<CoinRow>,
    segment_bytes: Option<u64>,
    digest: Digest,
    pairs: Pairs,
    coinbases: Coinbases,
    staging: Staging,
    sort_area: SortArea,
    bip34_height: u32,
    first: Height,
    last: Option<(Height, BlockRow)>,
    waiting: Waiting,
    /// If the index keeps txids.
    kept: Option<Kept>,
    spills: Vec<Run>,
    table_counts: TableCounts,
    effort: Effort,
    /// Where the time went.
    pub clock: Clock,
}

impl Batch {
    /// Bytes for what one block comes down to, and for the rows of blocks that wait to be written.
    pub const BLOCK_BYTES: usize = Digest::BYTES + Pairs::BYTES + Coinbases::BYTES + Waiting::BYTES;

    /// Bytes for pages being written, for rows being sorted on the way there, and for a page of each of
    /// the runs that spends are looked up in.
    pub const PAGES_BYTES: usize = Staging::BYTES + SortArea::BYTES + COIN_SPILLS_MAX * PAGE_BYTES;

    /// The fewest bytes of deletes: of two of the largest blocks.
    pub const DELETES_BYTES_MIN: usize = 2 * COIN_CHANGES_MAX * size_of::<CoinRow>();

    /// An empty batch above the tip of `index`, with an empty table, of the sizes that are planned.
    /// `segment_bytes`: of a merged segment, if set by hand; `witnesses_from`: as for [`Digest::new`].
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new(
        index: &Index,
        plan: &Plan,
        segment_bytes: Option<u64>,
        bip34_height: u32,
        witnesses_from: Option<Height>,
    ) -> Result<Batch> {
        let deletes = plan.bytes_of(Part::Deletes) / size_of::<CoinRow>();
        let mut batch = Batch {
            table: Table::new(Table::slots_of(plan))?,
            is_complete: false,
            spilled_below: Txo(0),
            next_txo: Txo(0),
            rows: RowBuffers::new(plan.bytes_of(Part::Rows))?,
            pending: Pending::new(plan.bytes_of(Part::Pending))?,
            deletes: Buffer::new(Part::Deletes, deletes)?,
            segment_bytes,
            digest: Digest::new(index.fingerprints(), witnesses_from)?,
            pairs: Pairs::new()?,
            coinbases: Coinbases::new()?,
            staging: Staging::new()?,
            sort_area: SortArea::new()?,
            bip34_height,
            first: Height(0),
            last: None,
            waiting: Waiting::new()?,
            kept: index.keeps_txids().then(|| Kept::new(index)).transpose()?,
            spills: Vec::with_capacity(2 * SPILLS_MAX),
            table_counts: TableCounts::default(),
            effort: Effort::default(),
            clock: Clock::default(),
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
        self.rows.begin_recent(self.next_txo);
        self.coinbases.begin_batch();
        self.deletes.clear();
        self.waiting.clear();
        self.spills.clear();
    }

    /// Reads what has to be known of the blocks below the first one to be added.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`], [`crate::datadir::Fault::BadBlock`].
    pub fn load_coinbases(&mut self, index: &Index, reader: &mut BlockReader) -> Result<()> {
        self.coinbases.load(index, reader)
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

    /// The block that has `txo`, one that is not committed or the one that could not be added: its height
    /// and its coinbase.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn block_of(&self, index: &Index, txo: Txo) -> Result<(Height, TxNum)> {
        let Some((last, row)) = self.last else {
            return Ok((Height(0), TxNum::default()));
        };
        if txo.0 >= row.outputs {
            return Ok((last.next(), TxNum::of_first(Txo(row.outputs))));
        }
        let snapshot = index.snapshot()?;
        let height = snapshot.height_at(txo, self.first, last)?;
        Ok((height, snapshot.block(height)?.coinbase()))
    }

    /// How well the table served so far.
    pub fn table_counts(&self) -> TableCounts {
        self.table_counts
    }

    /// What it has merged and passed so far.
    pub fn effort(&self) -> &Effort {
        &self.effort
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Whether the blocks, the pending spends, the runs to look them up in, or all runs, are so many that a
    /// commit comes before the next block.
    pub fn must_commit(&self) -> bool {
        let coin_spills = self
            .spills
            .iter()
            .filter(|run| run.relation == Relation::Coins)
            .count();
        self.coinbases.is_full()
            || self
                .pending
                .is_due(self.last.map_or(0, |(_, row)| row.coins))
            || coin_spills >= COIN_SPILLS_MAX
            || self.spills.len() >= SPILLS_MAX
    }

    /// Notes what of its memory is in use at this moment.
    pub fn note_in_use(&mut self) {
        self.rows.note_in_use();
        self.pending.note_in_use();
        self.deletes.note_in_use();
        self.waiting.note_in_use();
        if let Some(kept) = &mut self.kept {
            kept.note_in_use();
        }
    }

    /// Notes what a merge has read, and how much of the buffer it had in use.
    pub fn note_merge<R: Row>(&mut self, merged: Merged) {
        self.rows.note_merge(merged.most_held * size_of::<R>());
        self.effort.merged_rows[R::RELATION as usize] += merged.rows;
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
