//! The UTXO table: coins by the fingerprint of their outpoint, open addressing, fixed capacity.
//!
//! Invariant: the slots in use, read from the first to the last, are in ascending order. A coin's
//! home slot grows with its fingerprint, each cluster is kept sorted, and probing never wraps, so
//! what a spill writes needs no sort, and growing or evicting is one sweep in place.
//!
//! Memory: one anonymous map of `slots_max` + [`TAIL_SLOTS`] slots of 16 bytes, made once. Only the
//! part in use is touched: the table starts small and doubles inside its map.
//!
//! Deleting shifts the rest of the cluster back, so there are no tombstones.

use crate::memory::part::Part;
use crate::memory::plan::Plan;
use crate::memory::region::Region;
use crate::primitives::position::Txo;
use crate::runs::row::{CoinRow, POSITION_BITS};

/// The table is full at this load. Sorted clusters stay short up to about here.
const TABLE_LOAD_MAX_PERCENT: usize = 75;

/// As long as it can grow inside its map, the table does so at this load: clusters stay short.
const TABLE_LOAD_EASY_PERCENT: usize = 50;

/// Slots that are looked at, 1 MiB, to tell how far coins are from their homes.
const TABLE_SAMPLE_SLOTS: usize = 1 << 16;

/// Home slots with which a table starts; it doubles inside its map.
const TABLE_SLOTS_FIRST: usize = 1 << 16;

/// Slots behind the last home slot, for the clusters at the end.
const TAIL_SLOTS: usize = 64;

const EMPTY: u128 = 0;

/// The fingerprint in a slot.
const FINGERPRINT_MASK: u128 = u128::MAX << POSITION_BITS;

/// Whether a slot is taken, by a coin with a smaller fingerprint than that in `first`, whose other
/// bits are 0. One comparison for both: an empty slot less one is the largest number.
#[inline(always)]
fn is_below(slot: u128, first: u128) -> bool {
    slot.wrapping_sub(1) < first.saturating_sub(1)
}

/// See the module documentation.
pub struct Table {
    slots: Region<u128>,
    homes: usize,
    homes_max: usize,
    count: usize,
}

impl Table {
    /// The number of home slots that fit into `bytes`.
    pub const fn slots_in(bytes: usize) -> usize {
        (bytes / size_of::<u128>()).saturating_sub(TAIL_SLOTS)
    }

    /// The number of home slots that are planned.
    pub fn slots_of(plan: &Plan) -> usize {
        Table::slots_in(plan.bytes_of(Part::Table))
    }

    /// An empty table of at most `slots_max` home slots (at least 16).
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`] if the operating system does not give the memory.
    pub fn new(slots_max: usize) -> crate::Result<Table> {
        let homes_max = slots_max.max(16);
        let homes = homes_max.min(TABLE_SLOTS_FIRST);
        let mut slots = Region::new(Part::Table, homes_max + TAIL_SLOTS)?;
        slots.note_in_use(homes + TAIL_SLOTS);
        Ok(Table {
            slots,
            homes,
            homes_max,
            count: 0,
        })
    }

    /// Coins in the table.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The most coins it takes.
    pub fn coins_max(&self) -> usize {
        Table::coins_in(self.homes_max)
    }

    /// The most coins that so many home slots take.
    pub const fn coins_in(slots: usize) -> usize {
        slots * TABLE_LOAD_MAX_PERCENT / 100
    }

    /// Home slots at full size.
    pub fn slots_max(&self) -> usize {
        self.homes_max
    }

    /// How many slots coins are away from their homes, on average and at most: of a sample of the
    /// slots, if there are many.
    pub fn probe_slots(&self) -> (f64, usize) {
        const STRETCHES: usize = 64;
        let end = self.homes + TAIL_SLOTS;
        let step = end.div_ceil(STRETCHES);
        let (mut coins, mut sum, mut most) = (0usize, 0, 0);
        for start in (0..end).step_by(step) {
            let stop = end.min(start + step.min(TABLE_SAMPLE_SLOTS / STRETCHES));
            for at in start..stop {
                if self.slots[at] != EMPTY {
                    let away = at - self.home(self.slots[at]);
                    (coins, sum, most) = (coins + 1, sum + away, most.max(away));
                }
            }
        }
        (sum as f64 / coins.max(1) as f64, most)
    }

    /// Home slots in use: the table grows inside its map.
    pub fn homes(&self) -> usize {
        self.homes
    }

    /// Whether one more coin fits, after growing inside the map if need be. If not, the caller
    /// spills and evicts.
    #[inline]
    pub fn has_room(&mut self) -> bool {
        while self.is_crowded() {
            if self.homes == self.homes_max {
                return false;
            }
            self.grow();
        }
        true
    }

    #[inline]
    fn is_crowded(&self) -> bool {
        let load_max = if self.homes < self.homes_max {
            TABLE_LOAD_EASY_PERCENT
        } else {
            TABLE_LOAD_MAX_PERCENT
        };
        self.count >= self.homes * load_max / 100
            || self.slots[self.homes + TAIL_SLOTS - 1] != EMPTY
    }

    #[inline(always)]
    fn home(&self, row: u128) -> usize {
        Self::home_of(row, self.homes)
    }

    #[inline(always)]
    fn home_of(row: u128, homes: usize) -> usize {
        (((row >> 64) * homes as u128) >> 64) as usize
    }

    /// Asks the processor for the slots that an operation on the fingerprint will read: those at its home, and,
    /// since clusters run on, the cache line behind them where the home is late in its own. (Measured:
    /// 3 GB, 1.23 s of table with one line, 1.01 with two; 8 GB at 128 MiB, 4.1 and 3.3.)
    #[inline(always)]
    pub fn prefetch(&self, fingerprint: u128) {
        let home = self.home(fingerprint << POSITION_BITS);
        self.slots.prefetch(home);
        self.slots.prefetch(home + 3);
    }

    /// Adds a coin; [`Table::has_room`] must have said yes. If one with the same fingerprint is there, it is replaced and returned.
    #[inline]
    pub fn insert(&mut self, coin: CoinRow) -> Option<CoinRow> {
        debug_assert!(!self.is_crowded(), "the caller makes room first");
        debug_assert!(!coin.is_delete());
        let mut at = self.home(coin.0);
        let slots = &mut self.slots[..];
        let first = coin.0 & FINGERPRINT_MASK;
        while is_below(slots[at], first) {
            at += 1;
        }
        if slots[at] & FINGERPRINT_MASK == first && slots[at] != EMPTY {
            return Some(CoinRow(std::mem::replace(&mut slots[at], coin.0)));
        }
        self.count += 1;
        let mut carried = coin.0;
        while carried != EMPTY {
            std::mem::swap(&mut carried, &mut slots[at]);
            at += 1;
        }
        None
    }

    /// Removes and returns the coin with this fingerprint.
    #[inline]
    pub fn take(&mut self, fingerprint: u128) -> Option<CoinRow> {
        let first = fingerprint << POSITION_BITS;
        let mut at = self.home(first);
        let slots = &self.slots[..];
        while is_below(slots[at], first) {
            at += 1;
        }
        let slot = slots[at];
        if slot & FINGERPRINT_MASK != first || slot == EMPTY {
            return None;
        }
        self.close_gap(at);
        self.count -= 1;
        Some(CoinRow(slot))
    }

    #[inline]
    fn close_gap(&mut self, mut gap: usize) {
        let homes = self.homes;
        let slots = &mut self.slots[..homes + TAIL_SLOTS];
        while gap + 1 < slots.len() {
            let next = slots[gap + 1];
            if next == EMPTY || Self::home_of(next, homes) == gap + 1 {
                break;
            }
            slots[gap] = next;
            gap += 1;
        }
        slots[gap] = EMPTY;
    }

    /// All coins, in ascending order.
    pub fn coins(&self) -> impl Iterator<Item = CoinRow> + '_ {
        let used = &self.slots[..self.homes + TAIL_SLOTS];
        used.iter()
            .filter(|slot| **slot != EMPTY)
            .map(|slot| CoinRow(*slot))
    }

    /// Drops the oldest coins, so that at most `keep` are left. Every coin must be on disk.
    /// Returns how many were dropped.
    pub fn evict(&mut self, keep: usize) -> usize {
        if self.count <= keep {
            return 0;
        }
        let oldest_kept = self.txo_of_rank(self.count - keep);
        let before = self.count;
        self.respread(self.homes, |coin| coin.txo() >= oldest_kept);
        before - self.count
    }

    /// A position such that at least `rank` coins, and hardly more, are older. A histogram narrows
    /// the range until the part that the rank falls into holds few coins.
    fn txo_of_rank(&self, rank: usize) -> Txo {
        const PARTS: usize = 4096;
        let newest = self.coins().map(|coin| coin.txo().0).max().unwrap_or(0);
        let (mut low, mut width, mut older) = (0, (newest + 1).next_power_of_two(), 0);
        loop {
            let part_width = (width / PARTS as u64).max(1);
            let mut counts = [0usize; PARTS];
            for coin in self.coins().filter(|coin| coin.txo().0 >= low) {
                let part = ((coin.txo().0 - low) / part_width) as usize;
                if part < PARTS {
                    counts[part] += 1;
                }
            }
            let mut part = 0;
            while older + counts[part] < rank {
                older += counts[part];
                part += 1;
            }
            low += part as u64 * part_width;
            if part_width == 1 || counts[part] <= self.count / 64 {
                return Txo(low + part_width);
            }
            width = part_width;
        }
    }

    fn grow(&mut self) {
        let homes = (self.homes * 2).min(self.homes_max);
        let (old_end, new_end) = (self.homes + TAIL_SLOTS, homes + TAIL_SLOTS);
        let mut to = new_end;
        for from in (0..old_end).rev() {
            let slot = std::mem::replace(&mut self.slots[from], EMPTY);
            if slot != EMPTY {
                to -= 1;
                self.slots[to] = slot;
            }
        }
        self.respread(homes, |_| true);
    }

    /// Moves every coin that `keeps` accepts as near to its home among `homes` as the order allows,
    /// and forgets the others. Coins only ever move towards the front.
    fn respread(&mut self, homes: usize, keeps: impl Fn(CoinRow) -> bool) {
        let end = homes + TAIL_SLOTS;
        let (mut free, mut kept) = (0, 0);
        for from in 0..end {
            let slot = std::mem::replace(&mut self.slots[from], EMPTY);
            if slot != EMPTY && keeps(CoinRow(slot)) {
                let to = free.max(Self::home_of(slot, homes));
                assert!(to <= from, "a sweep writes behind its reader");
                self.slots[to] = slot;
                free = to + 1;
                kept += 1;
            }
        }
        self.slots.note_in_use(end);
        self.homes = homes;
        self.count = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn coin(fingerprint: u128, txo: u64) -> CoinRow {
        CoinRow::put(fingerprint, Txo(txo))
    }

    #[test]
    fn a_full_table_drops_the_oldest_coins() {
        let mut table = Table::new(1000).unwrap();
        let mut txo = 0;
        while table.has_room() {
            txo += 1;
            table.insert(coin(
                u128::from(txo).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060) >> 40,
                txo,
            ));
        }
        let dropped = table.evict(100);
        assert_eq!(dropped as u64, txo - table.count() as u64);
        assert_eq!(table.count(), 100);
        assert!(table.coins().all(|kept| kept.txo().0 > txo - 100));
    }

    #[test]
    fn a_coin_with_the_same_fingerprint_is_replaced_and_returned() {
        let mut table = Table::new(64).unwrap();
        assert_eq!(table.insert(coin(7, 1)), None);
        assert_eq!(table.insert(coin(7, 2)), Some(coin(7, 1)));
        assert_eq!(table.count(), 1);
        assert_eq!(table.take(7), Some(coin(7, 2)));
        assert_eq!(table.take(7), None);
    }

    /// A map that only marks what it deletes gets slower with every coin that ever was in it.
    #[test]
    fn coins_that_come_and_go_leave_nothing_behind() {
        const SLOTS: usize = 1 << 14;
        let mut table = Table::new(SLOTS).unwrap();
        let fingerprint = |number: u64| {
            u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835) >> 40
        };
        let live = (SLOTS * 7 / 10) as u64;
        let mut probes = Vec::new();
        for number in 1..60 * live {
            assert!(table.has_room());
            table.insert(coin(fingerprint(number), number));
            if let Some(old) = number.checked_sub(live).filter(|old| *old > 0) {
                assert!(table.take(fingerprint(old) & ((1 << 88) - 1)).is_some());
            }
            if number % (10 * live) == 2 * live {
                probes.push(table.probe_slots());
            }
        }
        assert_eq!(table.count() as u64, live);
        let (first, rest) = probes.split_first().unwrap();
        for (mean, most) in rest {
            assert!(*mean < first.0 * 1.5 + 0.5 && *most < 64, "{probes:?}");
        }
        let occupied = table.slots.iter().filter(|slot| **slot != EMPTY).count();
        assert_eq!(occupied, table.count(), "a slot without a coin is empty");
    }

    #[derive(Clone, Debug)]
    enum Op {
        Insert(u128),
        Take(u128),
        Evict(usize),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        // Fingerprints crowd at both ends, so that clusters are long and reach the tail.
        let fingerprint = prop_oneof![0u128..400, (1u128 << 88) - 200..1u128 << 88, 0u128..1 << 88];
        let op = prop_oneof![
            6 => fingerprint.clone().prop_map(Op::Insert),
            4 => fingerprint.prop_map(Op::Take),
            1 => (0usize..300).prop_map(Op::Evict),
        ];
        prop::collection::vec(op, 1..1500)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_answers_as_a_map_does(ops in ops(), slots in 16usize..600) {
            let mut table = Table::new(slots).unwrap();
            let mut model: BTreeMap<u128, u64> = BTreeMap::new();
            for (txo, op) in (1u64..).zip(ops) {
                match op {
                    Op::Insert(fingerprint) => {
                        while !table.has_room() {
                            table.evict(table.count() / 2);
                            model = table.coins().map(|c| (c.fingerprint(), c.txo().0)).collect();
                        }
                        let old = table.insert(coin(fingerprint, txo)).map(|c| c.txo().0);
                        prop_assert_eq!(old, model.insert(fingerprint, txo));
                    }
                    Op::Take(fingerprint) => {
                        let taken = table.take(fingerprint).map(|c| c.txo().0);
                        prop_assert_eq!(taken, model.remove(&fingerprint));
                    }
                    Op::Evict(keep) => {
                        table.evict(keep);
                        let mut youngest: Vec<_> = model.iter().map(|(f, t)| (*t, *f)).collect();
                        youngest.sort_unstable();
                        let gone = youngest.len().saturating_sub(keep);
                        model = youngest[gone..].iter().map(|(t, f)| (*f, *t)).collect();
                    }
                }
                prop_assert_eq!(table.count(), model.len());
            }
            let held: Vec<_> = table.coins().map(|c| (c.fingerprint(), c.txo().0)).collect();
            prop_assert_eq!(held, model.into_iter().collect::<Vec<_>>());
        }
    }
}
