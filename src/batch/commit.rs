//! The commit: pending spends are looked up, what is left is written, and everything is named.
//!
//! Invariant: until [`Index::commit`] returns, the last commit stands.

use super::Batch;
use super::resolve::{BadSpend, Resolver, Step};
use super::spill::{new_run, write_spends};
use crate::Result;
use crate::index::Index;
use crate::position::{Height, Txo};
use crate::runs::catalogue::Run;
use crate::runs::fold::Folder;
use crate::runs::row::{CoinRow, Relation};
use crate::stages::Stage;

impl Batch {
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

    /// Looks the pending spends up: the ends of their coins become runs, who spent them waits with the
    /// other rows. Returns the coinbases that overwrote a coin.
    fn resolve_pending(
        &mut self,
        index: &mut Index,
    ) -> Result<std::result::Result<Vec<Txo>, BadSpend>> {
        if self.pending.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        self.stages.enter(Stage::Resolve);
        let mut runs = index.catalogue().of(Relation::Coins);
        runs.extend(self.spills.iter().filter(|run| is_coins(run)));
        let mut resolver = Resolver::open(index.store(), &runs)?;
        let (staging, end) = (&mut self.staging, self.next_txo);
        let mut pending = match self.pending.sorted(index, staging, end)? {
            Ok(pending) => pending,
            Err(bad) => return Ok(Err(bad)),
        };
        loop {
            let mut spends = self.rows.shares().spending;
            let step = resolver.go_on(&mut pending, &mut self.deletes, &mut spends)?;
            if let Step::Bad(bad) = step {
                return Ok(Err(bad));
            }
            self.stages.enter(Stage::Write);
            // The ends come in order.
            let id = index.new_run_id();
            let mut writer = new_run::<CoinRow>(index, staging, id, end);
            writer.extend(&self.deletes)?;
            self.spills.extend(writer.finish()?);
            self.deletes.clear();
            if let Step::Done = step {
                return Ok(Ok(resolver.overwriters));
            }
            let runs = write_spends(index, staging, &mut spends, end, &mut self.stages)?;
            self.spills.extend(runs);
            spends.clear();
            self.stages.enter(Stage::Resolve);
        }
    }

    /// Makes one of the runs of coins that were spilled. The pending spends, looked up by now, leave their
    /// buffer to it.
    fn fold_coins(&mut self, index: &mut Index) -> Result<()> {
        self.pending.clear(index.store())?;
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
}

fn is_coins(run: &Run) -> bool {
    run.relation == Relation::Coins
}
