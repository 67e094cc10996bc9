//! The commit: pending spends are looked up, what is left is written, and everything is named.
//!
//! Invariant: until [`Index::commit`] returns, the last commit stands.

use super::Batch;
use super::resolve::{BadSpend, Resolver};
use super::settle::{Settler, Step};
use super::spill::{new_run, write_spends};
use crate::Result;
use crate::batch::clock::Stage;
use crate::index::Index;
use crate::limits::COIN_SPILLS_MAX;
use crate::primitives::position::{Height, Txo};
use crate::runs::catalogue::Run;
use crate::runs::fold::Folder;
use crate::runs::gather::{Gather, buffer_for, fan_in};
use crate::runs::policy::overlap;
use crate::runs::row::{CoinRow, Relation};

// The deletes buffer is large enough to merge all coin spills of a batch at once. If a single block has
// spilled many of them, there is still room for two at a time.
const _: () = assert!(
    buffer_for::<CoinRow>(COIN_SPILLS_MAX + 1) <= Batch::DELETES_BYTES_MIN / size_of::<CoinRow>()
);

impl Batch {
    /// Commits everything up to the last block.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::runs::Fault::Damaged`]; then the last commit stands. A
    /// spend that cannot be is no error of this function: it is returned, and the batch is of no further
    /// use.
    pub fn commit(&mut self, index: &mut Index, settled: Height) -> Result<Option<BadSpend>> {
        let Some((tip, _)) = self.last.filter(|_| self.blocks() > 0) else {
            return Ok(None);
        };
        self.note_in_use();
        self.write_blocks(index)?;
        self.spill_coins(index, self.next_txo)?;
        let overwriters = match self.settle_coins(index)? {
            Ok(overwriters) => overwriters,
            Err(bad) => return Ok(Some(bad)),
        };
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

    /// Makes one of the runs of coins that were spilled, and looks the pending spends up; who spent what
    /// waits with the other rows. Returns the coinbases that overwrote a coin.
    fn settle_coins(
        &mut self,
        index: &mut Index,
    ) -> Result<std::result::Result<Vec<Txo>, BadSpend>> {
        let coins = self.coins_to_gather(index)?;
        self.spills.retain(|run| !is_coins(run));
        if self.pending.is_empty() && coins.len() < 2 {
            self.spills.extend(coins);
            return Ok(Ok(Vec::new()));
        }
        self.stages.enter(Stage::Resolve);
        let older = index.catalogue().of(Relation::Coins);
        let with_oldest = older.is_empty();
        let mut resolver = Resolver::new(older, &self.coinbases);
        let (staging, end) = (&mut self.staging, self.next_txo);
        let pending = match self.pending.sorted(index, staging, end)? {
            Ok(pending) => pending,
            Err(bad) => return Ok(Err(bad)),
        };
        let coins = Gather::new(coins, with_oldest, self.deletes.whole());
        let mut settler = Settler::new(coins, pending, &mut resolver);
        let mut key = 0;
        loop {
            let low_key = key;
            let mut spends = self.rows.shares().spending;
            let id = index.new_run_id();
            let mut writer = new_run::<CoinRow>(index, staging, id, end);
            let step = settler.fill(index.store(), &mut writer, &mut spends, &mut key)?;
            if let Step::Bad(bad) = step {
                return Ok(Err(bad));
            }
            let end_key = key;
            self.spills.extend(writer.finish()?.map(|run| Run {
                low_key,
                end_key,
                ..run
            }));
            settler.free_below(index.store(), key)?;
            if let Step::Done = step {
                break;
            }
            if let Step::NoRoom = step {
                let runs = write_spends(index, staging, &mut spends, end, &mut self.stages)?;
                self.spills.extend(runs);
                spends.clear();
                self.stages.enter(Stage::Resolve);
            }
        }
        let (coins, spends) = settler.most_held();
        self.deletes.note_used(coins);
        self.pending.clear(index.store(), spends)?;
        Ok(Ok(resolver.overwriters))
    }

    /// The runs of coins that were spilled; if they are more than can be gathered, they become fewer.
    fn coins_to_gather(&mut self, index: &mut Index) -> Result<Vec<Run>> {
        let mut coins: Vec<Run> = self.spills.iter().copied().filter(is_coins).collect();
        let with_oldest = index.catalogue().of(Relation::Coins).is_empty();
        let positions_end = self.next_txo.0;
        let (store, catalogue) = index.for_merge();
        let buffer = self.deletes.whole();
        while overlap(&coins) > fan_in::<CoinRow>(buffer.len()) {
            self.stages.enter(Stage::Merge);
            coins = Folder {
                store,
                staging: &mut self.staging,
                buffer,
                positions_end,
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
