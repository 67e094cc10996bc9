//! Memory of fixed size, and what else there is, counted.
//!
//! | file | what |
//! | --- | --- |
//! | `part.rs` | the parts that memory is charged to |
//! | `plan.rs` | one number split into parts |
//! | `region.rs` | memory of fixed size, made for a part |
//! | `account.rs` | what the parts take |
//! | `sorter.rs` | sorting more than memory holds |
//! | `pool.rs` | a pool for buffers, in front of mimalloc |
//! | `counting.rs` | an allocator that counts |
//! | `heap.rs` | what it has counted, and how much of it is redb's |
//! | `fault.rs` | what can go wrong |

pub(crate) mod account;
pub(crate) mod counting;
mod fault;
pub(crate) mod heap;
pub(crate) mod part;
pub(crate) mod plan;
pub(crate) mod pool;
pub(crate) mod region;
pub(crate) mod sorter;

pub use account::{Account, Taken, forget_most};
pub use counting::Counting;
pub use fault::Fault;
pub use heap::Counted;
pub use part::Part;
pub use plan::{
    BUDGET_BYTES_MIN, Plan, Planned, QUESTION_BYTES_MAX, QUESTION_BYTES_MIN, auto_bytes,
    auto_question_bytes,
};
pub use pool::Pooled;
