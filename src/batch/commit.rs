//! The commit: pending spends are looked up, what is left is written, and everything is named.
//!
//! Invariant: until [`Index::commit`] returns, the last commit stands.

use super::Batch;
use super::COIN_SPILLS_MAX;
use super::bad_block::Failure;
use super::join::Joiner;
use super::kept::Kept;
use super::resolve::Resolver;
use super::spill::{new_run, write_spends};
use crate::batch::clock::Stage;
use crate::index::Index;
use crate::primitives::position::{Height, TxNum};
use crate::runs::catalogue::Run;
use crate::runs::fold::Folder;
use crate::runs::policy::overlap;
use crate::runs::row::{CoinRow, Relation};
use crate::runs::stream::{Stream, buffer_for, fan_in};

// The deletes buffer is large enough to merge all coin spills of a batch at once. If a single block has
// spilled many of them, there is still room for two at a time.
const _: () = assert!(
    buffer_for::<CoinRow>(COIN_SPILLS_MAX + 1) <= Batch::DELETES_BYTES_MIN / size_of::<CoinRow>()
);

impl Batch {
    /// Commits everything up to the last block.
    ///
    /// # Errors
    /// A block with a spend that cannot be; then the batch is of no further use.
    /// [`crate::store::Fault::Store`], [`crate::runs::Fault::Damaged`]. The last commit stands.
    pub fn commit(&mut self, index: &mut Index, settled: Height) -> Result<(), Failure> {
        let Some((tip, _)) = self.last.filter(|_| self.blocks() > 0) else {
            return Ok(());
        };
        self.note_in_use();
        self.write_blocks(index)?;
        self.spill_coins(index, self.next_txo)?;
        let overwriters = self.join_coins(index)?;
        for relation in [Relation::Funding, Relation::Spending, Relation::Txids] {
            self.spill_rows(index, relation)?;
        }
        self.effort.commits += 1;
        self.clock.enter(Stage::Commit);
        for spender in overwriters {
            let from = index
                .snapshot()?
                .height_at(spender.first_output(), self.first, tip)?;
            index.take_coin_from(from, tip)?;
        }
        for run in &mut self.spills {
            (run.from, run.to) = (self.first, tip);
        }
        let kept = self.kept.as_mut().map(Kept::all_pages);
        index.commit(
            tip,
            settled.min(tip),
            &self.spills,
            kept.unwrap_or_default(),
        )?;
        self.kept.iter_mut().for_each(Kept::keep_last_page);
        let is_complete = self.is_complete;
        self.begin(index);
        self.is_complete = is_complete;
        self.clock.enter(Stage::Other);
        Ok(())
    }

    /// Makes one of the runs of coins that were spilled, and looks the pending spends up; who spent what
    /// waits with the other rows. Returns the coinbases that overwrote a coin.
    fn join_coins(&mut self, index: &mut Index) -> Result<Vec<TxNum>, Failure> {
        let coins = self.coins_to_gather(index)?;
        self.spills.retain(|run| !is_coins(run));
        if self.pending.is_empty() && coins.len() < 2 {
            self.spills.extend(coins);
            return Ok(Vec::new());
        }
        self.clock.enter(Stage::Resolve);
        let older = index.catalogue().of(Relation::Coins);
        let with_oldest = older.is_empty();
        if !self.pending.is_empty() {
            self.effort.passed_rows += older.iter().map(|run| run.rows).sum::<u64>();
            self.effort.passed_bytes += older.iter().map(Run::bytes).sum::<u64>();
        }
        let (staging, sort_area) = (&mut self.staging, &mut self.sort_area);
        let end = self.next_txo;
        let mut joiner = Joiner::new(
            Stream::of_runs(coins, with_oldest, self.deletes.whole()),
            self.pending.sorted(index, staging, sort_area, end)?,
            Resolver::new(older, &self.coinbases),
        );
        loop {
            let mut spends = self.rows.shares().spending;
            let id = index.new_run_id();
            let writer = new_run::<CoinRow>(index, staging, id, end);
            let segment = joiner.write_segment(index.store(), writer, &mut spends)?;
            self.spills.extend(segment);
            if joiner.is_done() {
                break;
            }
            if Joiner::is_full(&spends) {
                let clock = &mut self.clock;
                let spills = &mut self.spills;
                write_spends(index, staging, sort_area, &mut spends, end, clock, spills)?;
                spends.clear();
                self.clock.enter(Stage::Resolve);
            }
        }
        self.effort.joined_rows += joiner.rows_read();
        let (coins, spends) = joiner.most_held();
        let overwriters = joiner.into_overwriters();
        self.deletes.note_used(coins);
        self.pending.clear(index.store(), spends)?;
        Ok(overwriters)
    }

    /// The runs of coins that were spilled; if they are more than can be gathered, they become fewer.
    fn coins_to_gather(&mut self, index: &mut Index) -> crate::Result<Vec<Run>> {
        let mut coins: Vec<Run> = self.spills.iter().copied().filter(is_coins).collect();
        let with_oldest = index.catalogue().of(Relation::Coins).is_empty();
        let (store, catalogue) = index.for_merge();
        let buffer = self.deletes.whole();
        while overlap(&coins) > fan_in::<CoinRow>(buffer.len()) {
            self.clock.enter(Stage::Merge);
            let rows: u64 = coins.iter().map(|run| run.rows).sum();
            self.effort.merged_rows[Relation::Coins as usize] += rows;
            coins = Folder {
                store,
                staging: &mut self.staging,
                buffer,
                new_id: &mut || catalogue.new_id(),
            }
            .fold(&coins, with_oldest)?;
        }
        Ok(coins)
    }
}

fn is_coins(run: &Run) -> bool {
    run.relation == Relation::Coins
}
