//! What the budget of an import is split into.
//!
//! Invariant: each room says what it needs; here is only how what is free is shared. What redb and the
//! allocator take is charged at what was measured.

use crate::Result;
use crate::batch::Batch;
use crate::batch::kept::Kept;
use crate::batch::pending::Pending;
use crate::batch::rows::RowBuffers;
use crate::batch::table::Table;
use crate::datadir::BlockReader;
use crate::memory::Fault;
use crate::memory::part::Part;
use crate::memory::plan::{BUDGET_BYTES_MIN, PROCESS_BYTES, Plan, Planned};
use crate::store::HEAP_BYTES;

const MIB: usize = 1 << 20;

/// What redb remembers of each page it touched since the last durable commit, 50 bytes a page of 16 or 32
/// KiB, is this part of the budget.
const REDB_BUDGET_PARTS: usize = 128;

/// More of pending spends and of deletes is of more use as table.
const PENDING_BYTES_MAX: usize = 256 * MIB;
const DELETES_BYTES_MAX: usize = 128 * MIB;

/// More than any machine has: 64 TiB.
const BUDGET_MEBIBYTES_MAX: usize = 64 << 20;

/// Splits `budget_bytes`; `table_bytes` sets the table's share by hand, for experiments. `keeps_txids`: of an
/// index that does.
///
/// # Errors
/// [`Fault::BudgetTooSmall`], [`Fault::TableTooLarge`].
pub fn plan(budget_bytes: usize, table_bytes: Option<usize>, keeps_txids: bool) -> Result<Plan> {
    if budget_bytes < BUDGET_BYTES_MIN {
        let least_bytes = BUDGET_BYTES_MIN;
        return Err(Fault::BudgetTooSmall {
            budget_bytes,
            least_bytes,
        }
        .into());
    }
    let redb = HEAP_BYTES + (budget_bytes - BUDGET_BYTES_MIN) / REDB_BUDGET_PARTS;
    let block = Batch::BLOCK_BYTES + BlockReader::WINDOW_BYTES;
    let kept = if keeps_txids { Kept::BYTES } else { 0 };
    let pages = Batch::PAGES_BYTES + kept;
    let free = budget_bytes - (PROCESS_BYTES + redb + block + pages);
    let pending = (free / 24).clamp(Pending::BYTES_MIN, PENDING_BYTES_MAX);
    let deletes = (free / 16).clamp(Batch::DELETES_BYTES_MIN, DELETES_BYTES_MAX);
    let rows = (free / 100 * 42 / MIB * MIB).min(RowBuffers::BYTES_MAX);
    let table = table_share(free - pending - deletes - rows, table_bytes)?;
    let unused = free - pending - deletes - rows - table;
    let planned = |part, bytes, why| Planned { part, bytes, why };
    let parts = vec![
        planned(
            Part::Table,
            table,
            "coins by outpoint; before that, headers while scanning",
        ),
        planned(
            Part::Rows,
            rows,
            "rows waiting to be written; the buffer of merges",
        ),
        planned(
            Part::Pending,
            pending,
            "spends that missed the table, until the next commit",
        ),
        planned(
            Part::Deletes,
            deletes,
            "deletes of coins that are on disk already; at a commit, the buffer that merges coins",
        ),
        planned(
            Part::Redb,
            redb,
            "redb's cache and heap: the allocator's pool",
        ),
        planned(Part::Block, block, "one block, and what it comes down to"),
        planned(Part::Pages, pages, "pages being written and read"),
        planned(
            Part::Process,
            PROCESS_BYTES + unused,
            "program, stack, allocator",
        ),
    ];
    Ok(Plan::new(budget_bytes, parts))
}

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

/// What the tree of headers may take: while scanning, the parts that are made later are not there.
pub fn headers_bytes(plan: &Plan) -> usize {
    let others = [Part::Redb, Part::Block, Part::Pages].map(|part| plan.bytes_of(part));
    plan.budget_bytes() - PROCESS_BYTES - others.into_iter().sum::<usize>()
}

/// The least budget, to a few MiB, whose table holds `coins`: the plan, asked the other way round.
pub fn least_for_coins(coins: u64) -> usize {
    let holds = |mebibytes: usize| {
        plan(mebibytes * MIB, None, false)
            .is_ok_and(|plan| Table::coins_in(Table::slots_of(&plan)) as u64 >= coins)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_budget_leaves_a_table_and_room_for_headers() {
        for megabytes in [64, 72, 96, 120, 128, 256, 1000, 4096, 65_536] {
            let plan = plan(megabytes * MIB, None, false).expect("it is enough");
            assert!(Table::slots_of(&plan) > 100_000, "{megabytes} MiB");
            let made_later = [Part::Table, Part::Rows, Part::Pending, Part::Deletes];
            let made_later: usize = made_later.map(|part| plan.bytes_of(part)).iter().sum();
            assert_eq!(headers_bytes(&plan), made_later);
        }
    }

    #[test]
    fn one_byte_too_little_is_refused_with_the_smallest_that_works() {
        let refused = plan(BUDGET_BYTES_MIN - 1, None, false).expect_err("it is too little");
        assert!(
            refused.to_string().contains(&BUDGET_BYTES_MIN.to_string()),
            "{refused}"
        );
        assert!(plan(BUDGET_BYTES_MIN, None, false).is_ok());
    }

    #[test]
    fn the_least_budget_for_coins_holds_them_and_little_less_does_not() {
        let coins_of = |bytes| {
            let plan = plan(bytes, None, false).expect("it is enough");
            Table::coins_in(Table::slots_of(&plan)) as u64
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
    fn a_table_set_by_hand_leaves_what_it_does_not_take_and_cannot_take_more() {
        assert!(plan(128 * MIB, Some(100 * MIB), false).is_err());
        let whole = plan(128 * MIB, None, false).expect("it is enough");
        let by_hand = plan(128 * MIB, Some(MIB), false).expect("it is enough");
        assert_eq!(by_hand.bytes_of(Part::Table), MIB);
        assert_eq!(headers_bytes(&by_hand), headers_bytes(&whole));
    }
}
