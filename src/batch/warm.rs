//! Filling the table from the runs, so that an import that goes on does not start with misses.
//!
//! Invariant: only coins that are unspent at the tip enter the table, the newest first.

use super::Batch;
use crate::Result;
use crate::index::Index;
use crate::runs::policy::overlap;
use crate::runs::row::{CoinRow, Relation};
use crate::runs::stream::{Stream, fan_in};

/// Parts into which positions are counted to find how many of the newest coins fit a table.
const WARM_PARTS: usize = 4096;

impl Batch {
    /// Fills the table with the newest coins, up to half of what it holds, or with all if they fit.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`].
    pub fn warm(&mut self, index: &Index) -> Result<()> {
        let coins = index.tip().map_or(0, |(_, row)| row.coins);
        let runs = index.catalogue().of(Relation::Coins);
        let fits = coins <= self.table.coins_max() as u64 * 9 / 10;
        if coins == 0 || overlap(&runs) > fan_in::<CoinRow>(self.rows.whole::<CoinRow>().len()) {
            return Ok(());
        }
        let oldest = if fits { 0 } else { self.oldest_to_warm(index)? };
        let (table, buffer) = (&mut self.table, self.rows.whole());
        let mut stream = Stream::<CoinRow>::of_runs(runs, true, buffer);
        stream.open(index.store())?;
        while let Some(coins) = stream.next_chunk()? {
            for coin in coins.iter().filter(|coin| coin.txo().0 >= oldest) {
                if table.has_room() {
                    table.insert(*coin);
                }
            }
        }
        self.is_complete = self.is_complete_for(index);
        Ok(())
    }

    /// The position from which on there are about as many coins as half the table holds.
    fn oldest_to_warm(&mut self, index: &Index) -> Result<u64> {
        let wanted = self.table.coins_max() as u64 / 2;
        let width = part_width(self.next_txo.0);
        let mut parts = [0u64; WARM_PARTS];
        let runs = index.catalogue().of(Relation::Coins);
        let mut stream = Stream::<CoinRow>::of_runs(runs, true, self.rows.whole());
        stream.open(index.store())?;
        while let Some(coins) = stream.next_chunk()? {
            for coin in coins {
                parts[(coin.txo().0 / width) as usize] += 1;
            }
        }
        let (mut part, mut newer) = (WARM_PARTS, 0);
        while part > 0 && newer + parts[part - 1] <= wanted {
            part -= 1;
            newer += parts[part];
        }
        Ok(part as u64 * width)
    }
}

/// Positions in a part, if all are smaller than `end`.
fn part_width(end: u64) -> u64 {
    end.div_ceil(WARM_PARTS as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by an import that went on, at 64 MiB, with an index of 10.4 M outputs: it ended in a panic.
    #[test]
    fn every_position_is_in_a_part() {
        let ends = (1..20_000).chain([10_434_000, 16_777_215, (1 << 39) - 1]);
        for end in ends {
            assert!((end - 1) / part_width(end) < WARM_PARTS as u64, "{end}");
        }
    }
}
