//! One number, split into named parts before anything is read.
//!
//! Invariant: the parts add up to the budget. Each part is made once, at its planned size, and does
//! not grow; what redb and the allocator take is charged at what was measured.

use crate::Result;
use crate::batch::Batch;
use crate::batch::pending::Pending;
use crate::batch::table::Table;
use crate::datadir::BlockReader;
use crate::limits::COIN_CHANGES_MAX;
use crate::memory::Fault;
use crate::os::machine::available_bytes;
use crate::runs::row::CoinRow;
use crate::store::SEQUENTIAL_CACHE_BYTES;

const MIB: usize = 1 << 20;

/// Program, libraries, stack, lists of files and runs, what mimalloc holds.
const PROCESS_BYTES: usize = 8 * MIB;

/// What redb's heap, cache included, takes: the allocator's pool, and room for what does not fit it.
/// Measured on chains of 3 and 8 GB as the peak of `VmData` less our own maps: 16.4 MiB with the
/// program, of which the pool is 12 and redb held 2 to 3 at a time. It also keeps 70 KB of state a GB of
/// the file: at 100 GB, more than mainnet takes, it held 9 MiB at most (measured on a sparse file).
const REDB_BYTES: usize = 14 * MIB;

/// ...and for what it remembers of each page it touched since the last durable commit: 50 bytes a page
/// of 16 or 32 KiB.
const REDB_BUDGET_PARTS: usize = 128;

/// The least that a budget can be.
pub const BUDGET_BYTES_MIN: usize = 64 * MIB;

/// Rows that wait take no more: with so many, mainnet's 4.4 G outputs are under 400 runs, which merge in
/// one pass. What is left is of more use as table.
const ROWS_BYTES_MAX: usize = 413 * MIB;

/// The most that `--memory auto` takes.
const AUTO_BYTES_MAX: u64 = 4 << 30;

/// The budget that `--memory auto` stands for: half of what the machine or its control group allows,
/// at most 4 GiB, and at least the least that works.
pub fn auto_bytes() -> usize {
    let available = available_bytes().unwrap_or(2 * AUTO_BYTES_MAX);
    ((available / 2).min(AUTO_BYTES_MAX) as usize).max(BUDGET_BYTES_MIN)
}

/// A part of the plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its name in reports.
    pub name: &'static str,
    /// How much it may take.
    pub bytes: usize,
    /// What for.
    pub why: &'static str,
}

/// Sizes that follow from the plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// Home slots of the table.
    pub table_slots: usize,
    /// Bytes of waiting rows.
    pub rows_bytes: usize,
    /// Pending spends.
    pub pending_rows: usize,
    /// Deletes of coins on disk that wait.
    pub deletes_rows: usize,
    /// redb's cache.
    pub redb_cache_bytes: usize,
    /// Headers, while scanning: in the memory that later becomes table and rows.
    pub header_arena_bytes: usize,
    /// Bytes of a merged segment, if set by hand.
    pub segment_bytes: Option<u64>,
}

/// The plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The one number.
    pub budget_bytes: usize,
    /// The parts, which add up to it.
    pub parts: Vec<Part>,
    /// The sizes.
    pub sizes: Sizes,
}

impl Plan {
    /// Splits `budget_bytes`; `table_bytes` sets the table's share by hand, for experiments.
    ///
    /// # Errors
    /// [`crate::memory::Fault::BudgetTooSmall`].
    pub fn new(budget_bytes: usize, table_bytes: Option<usize>) -> Result<Plan> {
        if budget_bytes < BUDGET_BYTES_MIN {
            let least_bytes = BUDGET_BYTES_MIN;
            return Err(Fault::BudgetTooSmall {
                budget_bytes,
                least_bytes,
            }
            .into());
        }
        let redb = REDB_BYTES + (budget_bytes - BUDGET_BYTES_MIN) / REDB_BUDGET_PARTS;
        let (block, pages) = (Batch::BLOCK_BYTES, Batch::PAGES_BYTES);
        let fixed = PROCESS_BYTES + redb + block + pages;
        let free = budget_bytes - fixed;
        let row = size_of::<CoinRow>();
        let pending = (free / 24).clamp(Pending::ROWS_MIN * row, 256 * MIB);
        let deletes = (free / 16).clamp(2 * COIN_CHANGES_MAX * row, 128 * MIB);
        let rows = (free / 100 * 42 / MIB * MIB).min(ROWS_BYTES_MAX);
        let table = table_share(free - pending - deletes - rows, table_bytes)?;
        let unused = free - pending - deletes - rows - table;
        let part = |name, bytes, why| Part { name, bytes, why };
        let parts = vec![
            part(
                "table",
                table,
                "coins by outpoint; before that, headers while scanning",
            ),
            part(
                "rows",
                rows,
                "rows waiting to be written; the buffer of merges",
            ),
            part(
                "pending",
                pending,
                "spends that missed the table, until the next commit",
            ),
            part(
                "deletes",
                deletes,
                "deletes of coins that are on disk already; at a commit, the buffer that merges coins",
            ),
            part("redb", redb, "redb's cache and heap: the allocator's pool"),
            part("block", block, "one block, and what it comes down to"),
            part("pages", pages, "pages being written and read"),
            part(
                "process",
                PROCESS_BYTES + unused,
                "program, stack, allocator",
            ),
        ];
        let sizes = Sizes {
            table_slots: Table::slots_in(table),
            rows_bytes: rows,
            pending_rows: pending / row,
            deletes_rows: deletes / row,
            redb_cache_bytes: SEQUENTIAL_CACHE_BYTES,
            header_arena_bytes: free,
            segment_bytes: None,
        };
        assert_eq!(
            parts.iter().map(|part| part.bytes).sum::<usize>(),
            budget_bytes
        );
        Ok(Plan {
            budget_bytes,
            parts,
            sizes,
        })
    }
}

/// The least budget, to a few MiB, whose table holds `coins`: the plan, asked the other way round.
pub fn least_for_coins(coins: u64) -> usize {
    let holds = |mebibytes: usize| {
        let plan = Plan::new(mebibytes * MIB, None);
        plan.is_ok_and(|plan| Table::coins_in(plan.sizes.table_slots) as u64 >= coins)
    };
    let (mut too_small, mut enough) = (BUDGET_BYTES_MIN / MIB - 1, BUDGET_BYTES_MIN / MIB);
    while !holds(enough) && enough < BUDGET_MEBIBYTES_MAX {
        (too_small, enough) = (enough, enough * 2);
    }
    while enough - too_small > 1 {
        let middle = too_small + (enough - too_small) / 2;
        match holds(middle) {
            true => enough = middle,
            false => too_small = middle,
        }
    }
    enough * MIB
}

/// More than any machine has: 64 TiB.
const BUDGET_MEBIBYTES_MAX: usize = 64 << 20;

/// The table's share: all that is left for it, or less if so asked.
fn table_share(most_bytes: usize, asked_bytes: Option<usize>) -> Result<usize> {
    match asked_bytes {
        Some(asked_bytes) if asked_bytes > most_bytes => Err(Fault::TableTooLarge {
            asked_bytes,
            most_bytes,
        }
        .into()),
        Some(asked_bytes) => Ok(asked_bytes),
        None => Ok(most_bytes),
    }
}

/// What a command that only reads has left of `budget_bytes` for its own buffers, beside the program,
/// redb and a block; at least `least_bytes`.
///
/// # Errors
/// [`crate::memory::Fault::BudgetTooSmall`].
pub fn left_when_reading(budget_bytes: usize, least_bytes: usize) -> Result<usize> {
    let fixed = PROCESS_BYTES + REDB_BYTES + BlockReader::WINDOW_BYTES;
    match budget_bytes.checked_sub(fixed) {
        Some(left) if left >= least_bytes => Ok(left),
        _ => Err(Fault::BudgetTooSmall {
            budget_bytes,
            least_bytes: fixed + least_bytes,
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_budget_at_every_size() {
        for megabytes in [64, 72, 96, 120, 128, 256, 1000, 4096, 65_536] {
            let plan = Plan::new(megabytes * MIB, None).unwrap();
            assert_eq!(
                plan.parts.iter().map(|part| part.bytes).sum::<usize>(),
                megabytes * MIB
            );
            assert!(
                plan.sizes.table_slots > 100_000,
                "{megabytes} MiB leave a table"
            );
        }
    }

    #[test]
    fn one_byte_too_little_is_refused_with_the_smallest_that_works() {
        let refused = Plan::new(BUDGET_BYTES_MIN - 1, None).unwrap_err();
        assert!(
            refused.to_string().contains(&BUDGET_BYTES_MIN.to_string()),
            "{refused}"
        );
        assert!(Plan::new(BUDGET_BYTES_MIN, None).is_ok());
    }

    #[test]
    fn the_least_budget_for_coins_holds_them_and_little_less_does_not() {
        let coins_of = |bytes| {
            let plan = Plan::new(bytes, None).unwrap();
            Table::coins_in(plan.sizes.table_slots) as u64
        };
        for coins in [0, 1000, 1_000_000, 37_600_000, 190_000_000, 5_000_000_000] {
            let least = least_for_coins(coins);
            assert!(coins_of(least) >= coins, "{coins}");
            let less = least - 8 * MIB;
            assert!(
                less < BUDGET_BYTES_MIN || coins_of(less) < coins,
                "{coins}: {least}"
            );
        }
        assert_eq!(least_for_coins(0), BUDGET_BYTES_MIN);
        assert!(least_for_coins(u64::MAX) >= BUDGET_MEBIBYTES_MAX * MIB);
    }

    #[test]
    fn a_table_larger_than_its_share_is_refused() {
        assert!(Plan::new(128 * MIB, Some(100 * MIB)).is_err());
        assert_eq!(Plan::new(128 * MIB, Some(MIB)).unwrap().parts[0].bytes, MIB);
    }
}
