//! `balance` of many scripts.
//!
//! Invariant: the order of answers is that of the scripts.
//!
//! Memory: sums of each script, and what sorts outputs.

use super::Distinct;
use crate::Result;
use crate::primitives::network::NetworkName;
use crate::primitives::position::Height;
use crate::query::balance::Sums;
use crate::query::{Balance, View};
use bitcoin::ScriptBuf;

/// Balances, made as they are taken.
pub struct Balances<'a> {
    network: NetworkName,
    height: Height,
    scripts: &'a [ScriptBuf],
    numbers: std::vec::IntoIter<u32>,
    sums: Vec<Sums>,
    checked: bool,
}

impl View<'_> {
    /// What each of `scripts` received, sent and owns: see [`View::balance`], whose bound on what is compared
    /// without `check` holds for all of them together.
    ///
    /// # Errors
    /// Those of [`View::balance`]; [`crate::memory::Fault`], [`crate::os::Fault::Io`] where many outputs are sorted.
    pub fn balances<'a>(&mut self, scripts: &'a [ScriptBuf], check: bool) -> Result<Balances<'a>> {
        let Distinct { payees, numbers } = Distinct::of(scripts);
        let mut sums = vec![Sums::default(); payees.len()];
        let checked = self.each_fate(&payees, check, |payment, fate| {
            sums[payment.payee as usize].add(payment, fate);
        })?;
        Ok(Balances {
            network: self.network,
            height: self.at,
            scripts,
            numbers: numbers.into_iter(),
            sums,
            checked,
        })
    }
}

impl Iterator for Balances<'_> {
    type Item = Balance;

    fn next(&mut self) -> Option<Balance> {
        let number = self.numbers.next()?;
        let (script, behind) = self.scripts.split_first()?;
        self.scripts = behind;
        let sums = &self.sums[number as usize];
        Some(sums.balance_of(script, self.network, self.height, self.checked))
    }
}
