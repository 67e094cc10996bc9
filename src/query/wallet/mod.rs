//! Questions about a wallet: all scripts that a descriptor stands for, as far as they are wanted.
//!
//! Invariant: whether a script was ever used is asked as of the same block as everything else, so a wallet at
//! height h is the one that an index whose tip is h has.
//!
//! Memory: some hundred scripts at a time; where their rows are wanted in one order, the scripts that were ever used.
//!
//! | file | what |
//! | --- | --- |
//! | `balance.rs` | `balance` |
//! | `utxos.rs` | `utxos` |
//! | `history.rs` | `history` |

mod balance;
mod history;
mod utxos;

pub use balance::{BranchBalance, WalletBalance};
pub(super) use history::Txs;
pub use history::{WalletHistory, WalletTx, WalletTxs};
pub use utxos::{WalletUnspent, WalletUtxo, WalletUtxos};

use super::payees::Payees;
use super::script::{Branch, INDEX_MAX, Wallet};
use super::{Fault, View};
use crate::{Error, Result};
use bitcoin::ScriptBuf;
use serde::Serialize;
use std::collections::VecDeque;

/// How far the scripts of a wallet are derived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// In each branch until so many in a row were never used: at least 1.
    GapLimit(u32),
    /// Those of these indexes, the last one included.
    Range {
        /// The first.
        first: u32,
        /// The last.
        last: u32,
    },
}

/// How many scripts in a row wallets leave unused at most (BIP 44).
pub const GAP_LIMIT: u32 = 20;

/// Indexes whose scripts are looked up together, at most.
const TOGETHER_MAX: u32 = 256;

/// A script, and where in its wallet it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Derived {
    /// The script.
    #[serde(skip)]
    pub script: ScriptBuf,
    /// The descriptor of its branch, with its checksum.
    pub descriptor: String,
    /// The number of its branch, from 0 on.
    pub branch: usize,
    /// Its index there; `None`: the branch has one only.
    pub index: Option<u32>,
    /// Whether an output ever paid it.
    pub used: bool,
}

/// Goes through the scripts of a wallet: branch after branch, by index.
pub struct Scripts<'w> {
    wallet: &'w Wallet,
    extent: Extent,
    branch: usize,
    /// The index that comes next; `None`: the branch has no more.
    next: Option<u32>,
    unused_in_a_row: u32,
    /// Scripts that were looked up and are not handed out yet.
    waiting: VecDeque<Derived>,
}

impl Wallet {
    /// Its scripts, as far as they are wanted.
    pub fn scripts(&self, extent: Extent) -> Scripts<'_> {
        let mut scripts = Scripts {
            wallet: self,
            extent,
            branch: 0,
            next: None,
            unused_in_a_row: 0,
            waiting: VecDeque::new(),
        };
        scripts.next = scripts.first();
        scripts
    }

    /// Those of its scripts that were ever used.
    ///
    /// # Errors
    /// Those of [`Scripts::next`].
    fn used(&self, extent: Extent, view: &View<'_>) -> Result<Used> {
        let mut used = Used::default();
        let mut scripts = self.scripts(extent);
        while let Some(derived) = scripts.next(view)? {
            if derived.used {
                used.push(&derived);
            }
        }
        Ok(used)
    }
}

/// Scripts of a wallet that were ever used, and in the same order where in it they are.
#[derive(Default)]
struct Used {
    payees: Payees,
    origins: Vec<Origin>,
}

impl Used {
    fn push(&mut self, derived: &Derived) {
        self.payees.push(&derived.script);
        self.origins.push(Origin {
            branch: derived.branch,
            index: derived.index,
        });
    }
}

/// Where in its wallet a script is.
#[derive(Clone, Copy)]
struct Origin {
    branch: usize,
    index: Option<u32>,
}

impl Scripts<'_> {
    /// The next script; `None`: there is no more.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`]; [`crate::query::Fault::NotAScript`].
    pub fn next(&mut self, view: &View<'_>) -> Result<Option<Derived>> {
        while self.waiting.is_empty() {
            let Some(branch) = self.wallet.branches().get(self.branch) else {
                return Ok(None);
            };
            match self.next {
                Some(index) => self.derive(view, branch, index)?,
                None => {
                    self.branch += 1;
                    self.next = self.first();
                    self.unused_in_a_row = 0;
                }
            }
        }
        Ok(self.waiting.pop_front())
    }

    /// Derives the scripts of the next indexes, as many as are wanted whether they were used or not, and has them looked
    /// up together.
    fn derive(&mut self, view: &View<'_>, branch: &Branch, first: u32) -> Result<()> {
        let mut of_indexes = Vec::new();
        let mut payees = Payees::default();
        for index in first..=self.last_wanted(branch, first) {
            let scripts = branch.scripts_at(index).map_err(|why| {
                Error::from(Fault::NotAScript {
                    text: branch.descriptor(),
                    why,
                })
            })?;
            scripts.iter().for_each(|script| payees.push(script));
            of_indexes.push((index, scripts));
        }
        let mut used = view.were_used(&payees)?.into_iter();
        let descriptor = branch.descriptor();
        for (index, scripts) in of_indexes {
            let mut is_used = false;
            for script in scripts {
                let used = used.next().unwrap_or_default();
                is_used |= used;
                self.waiting.push_back(Derived {
                    used,
                    script,
                    descriptor: descriptor.clone(),
                    branch: self.branch,
                    index: branch.is_ranged().then_some(index),
                });
            }
            self.unused_in_a_row = if is_used { 0 } else { self.unused_in_a_row + 1 };
            self.next = self.after(branch, index);
        }
        Ok(())
    }

    /// The last index that is wanted, whether scripts from `first` on were used or not.
    fn last_wanted(&self, branch: &Branch, first: u32) -> u32 {
        let last = match self.extent {
            _ if !branch.is_ranged() => first,
            Extent::GapLimit(limit) => {
                let more = limit.saturating_sub(self.unused_in_a_row).max(1);
                first.saturating_add(more - 1)
            }
            Extent::Range { last, .. } => last,
        };
        last.min(INDEX_MAX)
            .min(first.saturating_add(TOGETHER_MAX - 1))
    }

    /// The first index of a branch.
    fn first(&self) -> Option<u32> {
        let branch = self.wallet.branches().get(self.branch)?;
        match self.extent {
            Extent::Range { first, .. } if branch.is_ranged() => Some(first),
            _ => Some(0),
        }
    }

    /// The index after this one, if it is wanted.
    fn after(&self, branch: &Branch, index: u32) -> Option<u32> {
        let is_last = match self.extent {
            _ if !branch.is_ranged() || index >= INDEX_MAX => true,
            Extent::GapLimit(limit) => self.unused_in_a_row >= limit,
            Extent::Range { last, .. } => index >= last,
        };
        (!is_last).then_some(index + 1)
    }
}
