//! Many questions at once: looked up in the order in which the index and the block files have what answers them,
//! answered in the order asked.
//!
//! Invariant: each answer is the one that the question alone gets. What is asked together is compared together, so
//! [`Balance::checked`](crate::query::Balance) is told of all of it.
//!
//! ```no_run
//! use blkdex::index::Index;
//! use blkdex::query::lists::Listed;
//! use blkdex::query::{Listing, View, script};
//!
//! let index = Index::open("blkdex.redb".as_ref())?;
//! let mut view = View::new(&index, None, None)?;
//! let addresses = ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "12c6DSiU4Rq3P4ZxziKxzrL5LmMBrzjrJX"];
//! let parse = |address| script::parse(address, view.network());
//! let scripts = addresses.into_iter().map(parse).collect::<blkdex::Result<Vec<_>>>()?;
//! for balance in view.balances(&scripts, false)? {
//!     println!("{} owns {} sat", balance.script, balance.balance_sat);
//! }
//! let mut rest = &scripts[..];
//! while !rest.is_empty() {
//!     let looked_up = view.look_up(rest, &Listing::default(), Listed::Unspent)?;
//!     for at in 0..looked_up.len() {
//!         for utxo in view.unspent_of(&looked_up, at)? {
//!             println!("{} has {} sat", rest[at], utxo?.amount_sat);
//!         }
//!     }
//!     rest = &rest[looked_up.len()..];
//! }
//! # Ok::<(), blkdex::Error>(())
//! ```
//!
//! Memory: what is handed in, some hundred bytes for each, and what sorts outputs: [`View::list_bytes`] says how much
//! to hand in at once.
//!
//! | file | what |
//! | --- | --- |
//! | `balances.rs` | `balance` of many scripts |
//! | `looked_up.rs` | `utxos` and `history` of many scripts |
//! | `outpoints.rs` | many `outpoint`s |
//! | `set.rs` | many scripts as one |

mod balances;
mod looked_up;
mod outpoints;
mod set;

pub use balances::Balances;
pub use looked_up::{Listed, LookedUp};
pub use outpoints::is_of_one;
pub use set::{ScriptSet, SetBalance, SetHistory, SetTxs, SetUnspent, SetUtxo, SetUtxos};

use super::View;
use super::payees::Payees;
use crate::primitives::consensus::SCRIPT_BYTES_MAX;
use bitcoin::ScriptBuf;

/// Bytes that a question of a list takes beside its text and its script.
pub const LISTED_BYTES: usize = 320;

impl View<'_> {
    /// So many bytes of questions are best handed in at once, each counted with its text, its script, and
    /// [`LISTED_BYTES`].
    pub fn list_bytes(&self) -> usize {
        self.share.list_bytes
    }

    /// So many outpoints are best handed in at once.
    pub fn outpoints_at_once(&self) -> usize {
        self.share.list_bytes / SCRIPT_BYTES_MAX
    }
}

/// Scripts without repetitions, and which of them each script asked about is.
struct Distinct {
    payees: Payees,
    numbers: Vec<u32>,
}

impl Distinct {
    fn of(scripts: &[ScriptBuf]) -> Distinct {
        let mut order: Vec<u32> = (0..scripts.len() as u32).collect();
        order.sort_unstable_by(|one, other| {
            let script = |number: &u32| &scripts[*number as usize];
            script(one).cmp(script(other)).then(one.cmp(other))
        });
        let mut numbers = vec![0; scripts.len()];
        let mut first = None::<u32>;
        // Each first stands for itself; others for the first that is the same.
        for number in order {
            let same = first.filter(|first| scripts[*first as usize] == scripts[number as usize]);
            numbers[number as usize] = same.unwrap_or(number);
            first = same.or(Some(number));
        }
        let mut payees = Payees::default();
        for at in 0..numbers.len() {
            numbers[at] = match numbers[at] as usize {
                first if first < at => numbers[first],
                _ => {
                    payees.push(&scripts[at]);
                    payees.len() as u32 - 1
                }
            };
        }
        Distinct { payees, numbers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_are_repeated_are_looked_up_once() {
        let of = |byte: u8| ScriptBuf::from_bytes(vec![byte; usize::from(byte)]);
        let scripts = [7, 3, 7, 0, 3, 9, 7].map(of);
        let distinct = Distinct::of(&scripts);
        assert_eq!(distinct.numbers, [0, 1, 0, 2, 1, 3, 0]);
        assert_eq!(distinct.payees.len(), 4);
        for (script, number) in scripts.iter().zip(&distinct.numbers) {
            assert_eq!(distinct.payees.get(*number), script.as_script());
        }
    }
}
