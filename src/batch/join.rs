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

use super::OUTPOINT_COINS_MAX;
use super::bad_block::Failure;
use super::pending::PendingRow;
use super::resolve::Resolver;
use super::rows::Spends;
use crate::limits::SEGMENT_BYTES_MIN;
use crate::primitives::position::{TxNum, Txo};
use crate::runs::catalogue::Run;
use crate::runs::fold::free_read;
use crate::runs::page::NO_NEXT;
use crate::runs::row::{CoinRow, keys_from};
use crate::runs::stream::Stream;
use crate::runs::write::RunWriter;
use crate::store::Store;

/// See the module documentation.
pub struct Joiner<'a> {
    coins: Stream<'a, CoinRow>,
    pending: Stream<'a, PendingRow>,
    resolver: Resolver<'a>,
    /// What is left of all coins below it was written.
    key: u128,
}

impl<'a> Joiner<'a> {
    /// Will join `pending` with the batch's `coins` and what `resolver` looks up.
    pub fn new(
        coins: Stream<'a, CoinRow>,
        pending: Stream<'a, PendingRow>,
        resolver: Resolver<'a>,
    ) -> Joiner<'a> {
        Joiner {
            coins,
            pending,
            resolver,
            key: 0,
        }
    }

    /// Writes a segment of what is left of the coins: until it is large enough, or `spends`
    /// [is full](Joiner::is_full). `None` if nothing is left of these. What it has read is freed.
    ///
    /// # Errors
    /// A spend that cannot be; [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn write_segment(
        &mut self,
        store: &Store,
        mut writer: RunWriter<'_>,
        spends: &mut Spends<'_>,
    ) -> Result<Option<Run>, Failure> {
        let low_key = self.key;
        self.coins.open(store)?;
        self.pending.open(store)?;
        while !self.is_done() && !Self::is_full(spends) && writer.bytes() < SEGMENT_BYTES_MIN {
            self.go_on(store, &mut writer, spends)?;
        }
        self.coins.close();
        self.pending.close();
        self.resolver.close();
        let segment = writer.finish()?;
        free_read(store, &mut self.coins, self.key)?;
        Ok(segment.map(|run| Run {
            low_key,
            end_key: self.key,
            ..run
        }))
    }

    /// Writes some coins of outpoints that nothing pending spends, or else resolves the next outpoint that
    /// something does.
    fn go_on(
        &mut self,
        store: &Store,
        writer: &mut RunWriter<'_>,
        spends: &mut Spends<'_>,
    ) -> Result<(), Failure> {
        let spent = self.pending.peek()?.map(PendingRow::fingerprint);
        let key = spent.map_or(NO_NEXT, |spent| CoinRow::put(spent, Txo(0)).0);
        if let Some(unspent) = self.coins.next_below(key)? {
            writer.extend(unspent)?;
            self.key = self.coins.position().min(key);
            return Ok(());
        }
        self.key = NO_NEXT;
        if let Some(spent) = spent {
            self.key = keys_from(key).end().saturating_add(1);
            // The rows of an outpoint are never in two slices.
            let rows = self.coins.next_below(self.key)?.unwrap_or_default();
            let (resolver, pending) = (&mut self.resolver, &mut self.pending);
            writer.extend(resolver.resolve(store, spent, rows, pending, spends)?)?;
        }
        Ok(())
    }

    /// Whether all spends have their coins, and all that is left was written.
    pub fn is_done(&self) -> bool {
        self.key == NO_NEXT
    }

    /// Whether `spends` may not take those of one more outpoint.
    pub fn is_full(spends: &Spends<'_>) -> bool {
        spends.room() < OUTPOINT_COINS_MAX
    }

    /// The most coins that were in the buffer of those, and the most spends in that of pending spends.
    pub fn most_held(&self) -> (usize, usize) {
        (self.coins.most_held(), self.pending.most_held())
    }

    /// Rows of coins that became one run.
    pub fn rows_read(&self) -> u64 {
        self.coins.rows_read()
    }

    /// The coinbases that overwrote a coin.
    pub fn into_overwriters(self) -> Vec<TxNum> {
        self.resolver.overwriters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::bad_block::{BadBlock, SpendFault};
    use crate::batch::coinbases::Coinbases;
    use crate::batch::pending::Pending;
    use crate::batch::rows::RowBuffers;
    use crate::batch::spill::new_run;
    use crate::batch::spill::tests::{index, rows_of};
    use crate::index::Index;
    use crate::runs::read::RunPages;
    use crate::runs::row::SpendingRow;
    use crate::runs::sort::SortArea;
    use crate::runs::stream::buffer_for;
    use crate::runs::write::Staging;
    use std::collections::BTreeSet;

    const MADE: u64 = 59_000;
    /// Outputs below it are older than the batch.
    const OLDER: u64 = 20_000;

    fn fingerprint(txo: u64) -> u128 {
        u128::from(txo).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060) >> 8 & ((1 << 88) - 1)
    }

    fn tx(first: u64) -> TxNum {
        TxNum::of_first(Txo(first))
    }

    fn coin(txo: u64) -> CoinRow {
        CoinRow::put(fingerprint(txo), Txo(txo))
    }

    struct Scene {
        _folder: tempfile::TempDir,
        index: Index,
        staging: Staging,
        sort_area: SortArea,
        pending: Pending,
    }

    impl Scene {
        fn new() -> Scene {
            let folder = tempfile::tempdir().unwrap();
            Scene {
                index: index(folder.path()),
                _folder: folder,
                staging: Staging::new().unwrap(),
                sort_area: SortArea::new().unwrap(),
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

        /// Joins what is pending.
        fn join(&mut self, older: Vec<Run>, batch: Vec<Run>) -> Result<Joined, Failure> {
            let mut buffer = vec![CoinRow(0); buffer_for::<CoinRow>(batch.len())];
            let mut buffers = RowBuffers::new(1 << 20).unwrap();
            buffers.begin_recent(Txo(MADE));
            let coinbases = Coinbases::new().expect("memory");
            let (index, staging) = (&mut self.index, &mut self.staging);
            let mut joiner = Joiner::new(
                Stream::of_runs(batch, false, &mut buffer),
                self.pending
                    .sorted(index, staging, &mut self.sort_area, Txo(MADE))?,
                Resolver::new(older, &coinbases),
            );
            let mut joined = Joined::default();
            while !joiner.is_done() {
                let mut spends = buffers.shares().spending;
                let id = index.new_run_id();
                let writer = new_run::<CoinRow>(index, staging, id, Txo(MADE));
                let segment = joiner.write_segment(index.store(), writer, &mut spends)?;
                if let Some(run) = segment {
                    let rows = rows_of::<CoinRow>(index, &run);
                    assert_eq!(rows.len() as u64, run.rows, "none is below its key");
                    let own = run.low_key..run.end_key;
                    assert!(rows.iter().all(|row| own.contains(&row.0)));
                    joined.coins.extend(rows);
                }
                let is_full = Joiner::is_full(&spends);
                assert!(is_full || joiner.is_done(), "all fits one segment");
                joined.times_full += usize::from(is_full);
                joined.spends.extend_from_slice(spends.older());
                spends.clear();
            }
            Ok(joined)
        }
    }

    /// What is left of a batch's coins, who spent what, and how often the spends had no more room.
    #[derive(Default)]
    struct Joined {
        coins: Vec<CoinRow>,
        spends: Vec<SpendingRow>,
        times_full: usize,
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
            let spender = tx(MADE + txo % 11);
            scene
                .pending
                .push(PendingRow::spend(fingerprint(*txo), spender));
        }
        // Nothing is there to be overwritten.
        scene
            .pending
            .push(PendingRow::probe(fingerprint(MADE + 5), tx(MADE)));
        let Joined {
            coins,
            spends,
            times_full,
        } = scene.join(older.to_vec(), spills.to_vec()).unwrap();
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
        let is_right = |spend: &SpendingRow| spend.spender() == tx(MADE + spend.txo().0 % 11);
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
        let spend = PendingRow::spend(fingerprint(9), tx(30));
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
                let again = PendingRow::spend(fingerprint(9), tx(31));
                scene.pending.push(again);
            }
            let joined = scene.join(vec![older], vec![batch]);
            let Err(Failure::Rule(BadBlock::Spend(bad))) = joined else {
                panic!("{fault}: it is joined");
            };
            assert_eq!(bad.fault, fault);
            let spender = tx(if twice { 31 } else { 30 });
            assert_eq!(bad.pending.spender(), spender);
        }
    }
}
