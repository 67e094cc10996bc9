//! The keeper of the ledger: makes a record of a moment of an import.
//!
//! Invariant: reading is all it does; the import goes the same way with and without it.

use super::events::{Event, Notice, Watch};
use crate::Result;
use crate::batch::clock::Stage;
use crate::batch::{Batch, TableCounts};
use crate::index::Index;
use crate::ledger;
use crate::ledger::alarm::{Alarm, Watcher};
use crate::ledger::record::{
    Cgroup, Heap, Moment, PartUse, Process, Record, RelationUse, TableUse,
};
use crate::memory::account::{self, Account};
use crate::memory::part::Part;
use crate::memory::plan::{Plan, Planned};
use crate::os::memory_limits;
use crate::os::process::{Counts, Resident};
use crate::primitives::position::Height;
use crate::runs::row::Relation;
use std::time::Instant;

/// What is asked of the ledger.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether an alarm ends the import.
    pub is_strict: bool,
    /// Heights at which there is a commit whatever `commit_every` says.
    pub commit_at: Vec<Height>,
    /// Keep a copy of one block in so many, for ever: a leak, planted to see that it is found.
    #[doc(hidden)]
    pub leak_every: Option<u32>,
}

/// See the module documentation.
pub struct Keeper {
    settings: Settings,
    plan: Plan,
    started: Instant,
    /// Heap in use before the import began: not its own.
    outside_before: u64,
    blocks: u64,
    block_bytes: u64,
    /// Counts of passes that are over.
    counts_before: TableCounts,
    watcher: Watcher,
}

impl Keeper {
    /// Of a run that begins.
    pub fn new(plan: &Plan, settings: &Settings) -> Keeper {
        account::forget_most();
        Keeper {
            settings: settings.clone(),
            plan: plan.clone(),
            started: Instant::now(),
            outside_before: Account::now().heap().outside_bytes(),
            blocks: 0,
            block_bytes: 0,
            counts_before: TableCounts::default(),
            watcher: Watcher::default(),
        }
    }

    /// A block was added.
    pub fn add_block(&mut self, height: Height, bytes: &[u8]) {
        self.blocks += 1;
        self.block_bytes += bytes.len() as u64;
        if let Some(every) = self.settings.leak_every
            && height.0.is_multiple_of(every)
        {
            std::mem::forget(bytes.to_vec());
        }
    }

    /// Whether there must be a commit at this height.
    pub fn must_commit(&self, height: Height) -> bool {
        self.settings.commit_at.contains(&height)
    }

    /// A pass over the chain is over, and its batch with it.
    pub fn end_pass(&mut self, batch: &Batch) {
        self.counts_before = self.counts(batch);
    }

    fn counts(&self, batch: &Batch) -> TableCounts {
        let (before, now) = (self.counts_before, batch.table_counts());
        TableCounts {
            hits: before.hits + now.hits,
            misses: before.misses + now.misses,
            evictions: before.evictions + now.evictions,
        }
    }

    /// Notes what memory is used for at a moment, and tells of it.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`]; growth that should not be, if that is to end the import.
    pub(super) fn note(
        &mut self,
        (moment, relation): (Moment, Option<Relation>),
        index: &Index,
        batch: &mut Batch,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let record = self.record(moment, relation, index, batch)?;
        watch.tell(Event::Ledger(&record));
        if let Some(alarm) = self.alarm(&record)? {
            watch.tell(Event::Notice(Notice::Memory(alarm)));
        }
        Ok(())
    }

    /// The alarm that a record raises, if it does not end the import.
    fn alarm(&mut self, record: &Record) -> Result<Option<Alarm>> {
        match self.watcher.hear(record) {
            Some(alarm) if self.settings.is_strict => Err(ledger::Fault::MemoryGrows(alarm).into()),
            alarm => Ok(alarm),
        }
    }

    fn record(
        &self,
        moment: Moment,
        relation: Option<Relation>,
        index: &Index,
        batch: &mut Batch,
    ) -> Result<Record> {
        batch.note_in_use();
        // At once: making the rest of the record takes some heap for a moment.
        let account = Account::now();
        let resident = Resident::now();
        batch.clock.catch_up();
        let parts = self.plan.parts().iter();
        let stages = Stage::NAMES.iter();
        Ok(Record {
            moment,
            relation: relation.map(|relation| relation.name().to_owned()),
            height: index.tip().map_or(Height(0), |(tip, _)| tip),
            elapsed_ms: self.started.elapsed().as_millis() as u64,
            blocks: self.blocks,
            block_bytes: self.block_bytes,
            parts: parts
                .map(|planned| self.part_use(planned, &account))
                .collect(),
            heap: heap(&account, resident.mapped_bytes),
            process: process(&resident),
            cgroup: memory_limits::group().map(|(usage_bytes, limit_bytes)| Cgroup {
                usage_bytes,
                limit_bytes,
            }),
            table: self.table(batch),
            relations: Relation::ALL.map(|each| relation_use(index, each)).into(),
            index_bytes: index.store().allocated_bytes()?,
            stages_ms: stages
                .map(|(stage, name)| {
                    let spent = batch.clock.spent(*stage);
                    ((*name).to_owned(), spent.as_millis() as u64)
                })
                .collect(),
        })
    }

    fn part_use(&self, planned: &Planned, account: &Account) -> PartUse {
        let taken = account.of(planned.part);
        let mut part = PartUse {
            part: planned.part.into(),
            // What lives on the heap has no size of its own.
            capacity_bytes: taken
                .map(|taken| taken.mapped_bytes)
                .filter(|bytes| *bytes > 0)
                .unwrap_or(planned.bytes as u64),
            in_use_bytes: taken.map(|taken| taken.in_use_bytes),
            most_bytes: taken.map(|taken| taken.in_use_most_bytes),
        };
        if planned.part == Part::Process {
            let own = |bytes: u64| bytes.saturating_sub(self.outside_before);
            (part.in_use_bytes, part.most_bytes) = (part.in_use_bytes.map(own), None);
        }
        part
    }

    fn table(&self, batch: &Batch) -> TableUse {
        let (table, counts) = (batch.table(), self.counts(batch));
        let (probe_slots, probe_slots_max) = table.probe_slots();
        TableUse {
            slots: table.slots_max() as u64,
            homes: table.homes() as u64,
            coins: table.count() as u64,
            hits: counts.hits,
            misses: counts.misses,
            evictions: counts.evictions,
            probe_slots,
            probe_slots_max: probe_slots_max as u64,
        }
    }
}

/// What private bytes are mapped, and are not our own maps, the allocator has taken. (mimalloc's own
/// count, `mi_process_info`, goes below zero with the options that `allocator.rs` sets.)
fn heap(account: &Account, mapped_bytes: u64) -> Heap {
    let counted = account.heap();
    Heap {
        live_bytes: counted.live_bytes,
        redb_bytes: counted.redb_bytes,
        allocated_bytes: counted.allocated_bytes,
        allocations: counted.allocations,
        committed_bytes: mapped_bytes.saturating_sub(account.mapped_bytes()),
    }
}

fn process(resident: &Resident) -> Process {
    let counts = Counts::now();
    Process {
        private_bytes: resident.private_bytes,
        peak_private_bytes: resident.peak_private_bytes,
        file_bytes: resident.file_bytes,
        minor_faults: counts.minor_faults,
        major_faults: counts.major_faults,
        open_files: counts.open_files,
        mappings: counts.mappings,
    }
}

fn relation_use(index: &Index, relation: Relation) -> RelationUse {
    let runs = index.catalogue().runs().iter();
    let runs = runs.filter(|run| run.relation == relation);
    let empty = RelationUse {
        name: relation.name().to_owned(),
        rows: 0,
        runs: 0,
        bytes: 0,
    };
    runs.fold(empty, |sum, run| RelationUse {
        rows: sum.rows + run.rows,
        runs: sum.runs + 1,
        bytes: sum.bytes + run.bytes(),
        ..sum
    })
}
