//! What a walk over the set may take of a budget.
//!
//! Invariant: what is left is the caller's own; program, redb and one block are charged before.

use crate::Result;
use crate::datadir::BlockReader;
use crate::memory::Fault;
use crate::memory::plan::PROCESS_BYTES;
use crate::store::HEAP_BYTES;

/// What of `budget_bytes` is left for buffers, beside the program, redb and a block; at least
/// `least_bytes`.
///
/// # Errors
/// [`Fault::BudgetTooSmall`].
pub fn left_for_buffers(budget_bytes: usize, least_bytes: usize) -> Result<usize> {
    let fixed = PROCESS_BYTES + HEAP_BYTES + BlockReader::WINDOW_BYTES;
    match budget_bytes.checked_sub(fixed) {
        Some(left) if left >= least_bytes => Ok(left),
        _ => Err(Fault::BudgetTooSmall {
            budget_bytes,
            least_bytes: fixed + least_bytes,
        }
        .into()),
    }
}
