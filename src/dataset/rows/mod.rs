//! Rows that wait until a group of them is written, table by table, as compact as they were in the block.
//!
//! Invariant: a row is taken whole or not at all: who has no room says so before. What is text in the file is
//! made when its column is written: a transaction's id once, a block's hash once, an address from its script.
//!
//! Memory: what each table's `bytes` tells, made once.
//!
//! | file | what |
//! | --- | --- |
//! | `blocks.rs`, `transactions.rs`, `inputs.rs`, `outputs.rs` | the tables |
//! | `balances.rs` | what `export balances` writes |
//! | `list.rs` | bytes one behind the other; what rows say of block and transaction |

pub(crate) mod balances;
pub(crate) mod blocks;
pub(crate) mod inputs;
mod list;
pub(crate) mod outputs;
pub(crate) mod transactions;

pub(crate) use list::{BlockHead, TxHead};
