//! Settling the coins of a batch: its runs of coins become one, and on the way pending spends take
//! their coins, which are among those rows or in older runs.
//!
//! Invariant: every spend takes exactly one coin that was made before it and not taken before, or the
//! batch fails. What the new run holds, with the older ones, is every coin.
//!
//! The rows of coins are decoded once, and written once; no end of a coin of the batch is ever written.
//! As with folding, what was read is freed segment by segment, and between two segments nothing is held
//! open: a snapshot would keep what is freed from being used again.
//!
//! Memory: none of its own, but for [`Resolver`]; the buffer is lent.

use super::pending::{PendingRow, SortedPending};
use super::resolve::{BadSpend, Resolver};
use super::rows::Spends;
use crate::Result;
use crate::limits::{OUTPOINT_COINS_MAX, SEGMENT_BYTES_MIN};
use crate::primitives::position::Txo;
use crate::runs::fold::free_gathered;
use crate::runs::gather::Gather;
use crate::runs::page::NO_NEXT;
use crate::runs::read::RunPages;
use crate::runs::row::{CoinRow, Row};
use crate::runs::write::RunWriter;
use crate::store::Store;

/// Why [`Settler::fill`] returned.
pub enum Step {
    /// All is done.
    Done,
    /// The segment is large enough.
    Segment,
    /// `spends` may take no more.
    NoRoom,
    /// A spend cannot be.
    Bad(BadSpend),
}

/// See the module documentation.
pub struct Settler<'a, 'c> {
    coins: Gather<'a, CoinRow>,
    /// Of the rows that were gathered last, the first that is not written yet, and the key below which
    /// there are no more.
    at: usize,
    end: u128,
    pending: SortedPending<'a>,
    resolver: &'a mut Resolver<'c>,
}

impl<'a, 'c> Settler<'a, 'c> {
    /// Will settle `pending` with what `coins` gathers and what `resolver` looks up.
    pub fn new(
        coins: Gather<'a, CoinRow>,
        pending: SortedPending<'a>,
        resolver: &'a mut Resolver<'c>,
    ) -> Settler<'a, 'c> {
        Settler {
            coins,
            at: 0,
            end: 0,
            pending,
            resolver,
        }
    }

    /// Goes on until the segment in `writer` is large enough, or as far as it can. `key` is then where the
    /// segment ends.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn fill(
        &mut self,
        store: &Store,
        writer: &mut RunWriter<'_>,
        spends: &mut Spends<'_>,
        key: &mut u128,
    ) -> Result<Step> {
        let pages = self.coins.open(store)?;
        self.pending.open(store)?;
        let step = self.fill_from(store, &pages, writer, spends, key)?;
        self.pending.close();
        self.resolver.close();
        Ok(step)
    }

    fn fill_from(
        &mut self,
        store: &Store,
        pages: &[RunPages],
        writer: &mut RunWriter<'_>,
        spends: &mut Spends<'_>,
        key: &mut u128,
    ) -> Result<Step> {
        loop {
            while let Some(first) = self.pending.row()?.filter(|row| row.key() < self.end) {
                *key = CoinRow::put(first.fingerprint(), Txo(0)).0;
                self.write_below(*key, writer)?;
                if spends.room() < OUTPOINT_COINS_MAX {
                    return Ok(Step::NoRoom);
                }
                if let Some(bad) = self.settle(store, first, writer, spends)? {
                    return Ok(Step::Bad(bad));
                }
            }
            *key = self.end;
            self.write_below(*key, writer)?;
            if *key == NO_NEXT {
                return Ok(Step::Done);
            }
            if writer.bytes() >= SEGMENT_BYTES_MIN {
                return Ok(Step::Segment);
            }
            let (_, end) = self.coins.next(pages)?;
            (self.at, self.end) = (0, end);
        }
    }

    /// Writes the gathered rows below `key`, of outpoints that nothing pending spends.
    fn write_below(&mut self, key: u128, writer: &mut RunWriter<'_>) -> Result<()> {
        let rows = &self.coins.rows()[self.at..];
        let count = rows.iter().take_while(|row| row.key() < key).count();
        self.at += count;
        writer.extend(&rows[..count])
    }

    /// The outpoint of the pending spend `first`.
    fn settle(
        &mut self,
        store: &Store,
        first: PendingRow,
        writer: &mut RunWriter<'_>,
        spends: &mut Spends<'_>,
    ) -> Result<Option<BadSpend>> {
        let rows = &self.coins.rows()[self.at..];
        let is_of_it = |row: &&CoinRow| row.fingerprint() == first.fingerprint();
        let rows = &rows[..rows.iter().take_while(is_of_it).count()];
        self.at += rows.len();
        let left = self
            .resolver
            .settle(store, rows, &mut self.pending, first, spends)?;
        match left {
            Ok(left) => writer.extend(left).map(|()| None),
            Err(bad) => Ok(Some(bad)),
        }
    }

    /// The most coins that were in the buffer of those, and the most spends in that of pending spends.
    pub fn most_held(&self) -> (usize, usize) {
        (self.coins.most_held(), self.pending.most_held())
    }

    /// Frees what is below `key`.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub fn free_below(&mut self, store: &Store, key: u128) -> Result<()> {
        free_gathered(store, &mut self.coins, key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::coinbases::Coinbases;
    use crate::batch::pending::Pending;
    use crate::batch::resolve::SpendFault;
    use crate::batch::rows::RowBuffers;
    use crate::batch::spill::new_run;
    use crate::batch::spill::tests::{index, rows_of};
    use crate::index::Index;
    use crate::runs::catalogue::Run;
    use crate::runs::gather::buffer_for;
    use crate::runs::row::SpendingRow;
    use crate::runs::write::Staging;
    use std::collections::BTreeSet;

    const MADE: u64 = 59_000;
    /// Outputs below it are older than the batch.
    const OLDER: u64 = 20_000;

    fn fingerprint(txo: u64) -> u128 {
        u128::from(txo).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060) >> 8 & ((1 << 88) - 1)
    }

    fn coin(txo: u64) -> CoinRow {
        CoinRow::put(fingerprint(txo), Txo(txo))
    }

    struct Scene {
        _folder: tempfile::TempDir,
        index: Index,
        staging: Staging,
        pending: Pending,
    }

    impl Scene {
        fn new() -> Scene {
            let folder = tempfile::tempdir().unwrap();
            Scene {
                index: index(folder.path()),
                _folder: folder,
                staging: Staging::new().unwrap(),
                pending: Pending::new(Pending::BYTES_MIN).unwrap(),
            }
        }

        fn write(&mut self, rows: impl Iterator<Item = CoinRow>) -> Run {
            let mut rows: Vec<CoinRow> = rows.collect();
            rows.sort();
            let id = self.index.new_run_id();
            let mut writer = new_run::<CoinRow>(&self.index, &mut self.staging, id, Txo(MADE));
            writer.extend(&rows).unwrap();
            writer.finish().unwrap().unwrap()
        }

        /// What is left of the batch's coins, and all spends; or the spend that cannot be. Also how often
        /// the spends had no more room.
        #[allow(clippy::type_complexity, reason = "each part is compared by name")]
        fn settle(
            &mut self,
            older: Vec<Run>,
            batch: Vec<Run>,
        ) -> (
            std::result::Result<(Vec<CoinRow>, Vec<SpendingRow>), BadSpend>,
            usize,
        ) {
            let mut buffer = vec![CoinRow(0); buffer_for::<CoinRow>(batch.len())];
            let mut buffers = RowBuffers::new(1 << 20).unwrap();
            buffers.begin_recent(Txo(MADE));
            let coinbases = Coinbases::new().expect("memory");
            let mut resolver = Resolver::new(older, &coinbases);
            let (index, staging) = (&mut self.index, &mut self.staging);
            let sorted = self.pending.sorted(index, staging, Txo(MADE)).unwrap();
            let gather = Gather::new(batch, false, &mut buffer);
            let mut settler = Settler::new(gather, sorted.ok().unwrap(), &mut resolver);
            let (mut key, mut coins, mut all, mut times_full) = (0, Vec::new(), Vec::new(), 0);
            loop {
                let mut spends = buffers.shares().spending;
                let (low_key, id) = (key, index.new_run_id());
                let mut writer = new_run::<CoinRow>(index, staging, id, Txo(MADE));
                let store = index.store();
                let step = settler.fill(store, &mut writer, &mut spends, &mut key);
                let step = step.unwrap();
                let segment = writer.finish().unwrap().map(|run| Run {
                    low_key,
                    end_key: key,
                    ..run
                });
                settler.free_below(store, key).unwrap();
                if let Some(run) = segment {
                    let rows = rows_of::<CoinRow>(index, &run);
                    assert_eq!(rows.len() as u64, run.rows, "none is below its key");
                    coins.extend(rows);
                }
                match step {
                    Step::Bad(bad) => return (Err(bad), times_full),
                    Step::Done | Step::NoRoom => {
                        times_full += usize::from(!matches!(step, Step::Done));
                        all.extend_from_slice(spends.older());
                        spends.clear();
                    }
                    Step::Segment => {}
                }
                if let Step::Done = step {
                    return (Ok((coins, all)), times_full);
                }
            }
        }
    }

    /// A batch that made coins in three spills, ended some of them and some older ones; of what was
    /// left, every third is spent by a pending spend, more of them than the spends have room for.
    #[test]
    fn pending_spends_take_coins_of_the_batch_and_older_ones() {
        let mut scene = Scene::new();
        let older = [0, 1].map(|part| {
            let txos = (1 + part..OLDER).step_by(2);
            scene.write(txos.map(coin))
        });
        let spills = [0, 1, 2].map(|spill| {
            let first = OLDER + spill * (MADE - OLDER) / 3;
            let made = (first..first + (MADE - OLDER) / 3).map(coin);
            // Ends of coins that an earlier spill, or an older run, has.
            let ended = (1..first).filter(|txo| txo % 7 == spill + 1 && *txo + 1000 < first);
            scene.write(made.chain(ended.map(|txo| CoinRow(coin(txo).0 | 1))))
        });
        let mut live: BTreeSet<u64> = (1..MADE).collect();
        for spill in 0..3 {
            let first = OLDER + spill * (MADE - OLDER) / 3;
            live.retain(|txo| !(txo % 7 == spill + 1 && *txo + 1000 < first));
        }
        let spent: Vec<u64> = live.iter().copied().filter(|txo| txo % 3 == 0).collect();
        for txo in &spent {
            let spender = Txo(MADE + txo % 11);
            scene
                .pending
                .push(PendingRow::spend(fingerprint(*txo), spender));
        }
        // Nothing is there to be overwritten.
        scene
            .pending
            .push(PendingRow::probe(fingerprint(MADE + 5), Txo(MADE)));
        let (settled, times_full) = scene.settle(older.to_vec(), spills.to_vec());
        let (coins, spends) = settled.unwrap();
        assert!(times_full > 1, "{times_full}");
        let mut expected: Vec<CoinRow> = (1..MADE)
            .filter_map(|txo| {
                let is_live = live.contains(&txo) && txo % 3 != 0;
                match (txo < OLDER, is_live) {
                    (true, false) => Some(CoinRow(coin(txo).0 | 1)),
                    (false, true) => Some(coin(txo)),
                    _ => None,
                }
            })
            .collect();
        expected.sort();
        assert!(coins == expected, "{} rows", coins.len());
        let mut found: Vec<u64> = spends.iter().map(|spend| spend.txo().0).collect();
        found.sort();
        assert!(found == spent, "{} spends", found.len());
        let is_right = |spend: &SpendingRow| spend.spender() == Txo(MADE + spend.txo().0 % 11);
        assert!(spends.iter().all(is_right));
        let read = scene.index.store().read().unwrap();
        for run in spills {
            let opened = RunPages::open(scene.index.store(), &read, run);
            assert!(opened.is_err(), "{run:?} is freed");
        }
    }

    /// By which coins there are: of the batch, older, ended.
    #[test]
    fn a_spend_that_cannot_be_is_named_with_the_reason() {
        let spend = PendingRow::spend(fingerprint(9), Txo(30));
        let early = CoinRow::put(fingerprint(9), Txo(30));
        let other = coin(5);
        for (older, batch, twice, fault) in [
            (vec![other], vec![coin(6)], false, SpendFault::Missing),
            (
                vec![coin(9)],
                vec![CoinRow(coin(9).0 | 1)],
                false,
                SpendFault::Spent,
            ),
            (vec![coin(9)], vec![other], true, SpendFault::Spent),
            (vec![other], vec![coin(9)], true, SpendFault::Spent),
            (vec![other], vec![early], false, SpendFault::Early),
            (vec![early], vec![other], false, SpendFault::Early),
        ] {
            let mut scene = Scene::new();
            let older = scene.write(older.into_iter());
            let batch = scene.write(batch.into_iter());
            scene.pending.push(spend);
            if twice {
                let again = PendingRow::spend(fingerprint(9), Txo(31));
                scene.pending.push(again);
            }
            let (settled, _) = scene.settle(vec![older], vec![batch]);
            let bad = settled.err().unwrap();
            assert_eq!(bad.fault, fault);
            let spender = if twice { Txo(31) } else { Txo(30) };
            assert_eq!(bad.pending.spender(), spender);
        }
    }
}
