//! `utxos` and `history` of many scripts.
//!
//! Invariant: what was read together of a script that has few outputs is all that an answer about it is made of. One
//! that has many is only counted, and read when its turn comes.
//!
//! Memory: what is known of as many outputs as there is room for.

use super::Distinct;
use crate::Result;
use crate::primitives::position::Txo;
use crate::query::gathered::Received;
use crate::query::listing::{AT_ONCE_MAX, Listing};
use crate::query::outputs::{Ending, Spent};
use crate::query::payees::Payees;
use crate::query::payments::{Located, Payment, received};
use crate::query::{Events, Unspent, View};
use bitcoin::ScriptBuf;
use std::ops::Range;

/// The output with which a script has many.
const FIRST_OF_MANY: usize = AT_ONCE_MAX + 1;

/// What is to be listed of the scripts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listed {
    /// Their unspent outputs.
    Unspent,
    /// Their events.
    Events,
}

/// Scripts that were looked up together.
pub struct LookedUp {
    scripts: Vec<ScriptBuf>,
    listing: Listing,
    listed: Listed,
    /// Which of the distinct scripts each is.
    numbers: Vec<u32>,
    /// Of each distinct script the outputs among `located`; `None`: they are many.
    few: Vec<Option<Range<usize>>>,
    /// By script, then in chain order.
    located: Vec<Located>,
    /// How they ended, where that is listed.
    endings: Vec<Option<Ending>>,
}

/// Outputs of scripts, as far as there is room for them.
struct Walked {
    /// Outputs of each script, of one with many not all.
    counts: Vec<usize>,
    /// Those of scripts with few; `None`: there are too many.
    rows: Option<Vec<Received>>,
}

impl<'i> View<'i> {
    /// Looks up the first of `scripts`, as many as memory allows and at least one: [`LookedUp::len`] says how many
    /// these are. They are to be listed, in any order, by [`View::unspent_of`] or [`View::events_of`].
    ///
    /// # Errors
    /// Those of [`View::unspent`], [`View::events`].
    pub fn look_up(
        &mut self,
        scripts: &[ScriptBuf],
        listing: &Listing,
        listed: Listed,
    ) -> Result<LookedUp> {
        let end = match listed {
            Listed::Unspent => self.end(),
            Listed::Events => self.stretch(listing)?.end,
        };
        let Distinct { payees, numbers } = Distinct::of(scripts);
        let Walked { counts, rows } = self.walk(&payees, end)?;
        let taken = self.as_many(&numbers, &counts);
        let mut rows = match rows {
            Some(rows) => rows,
            None => {
                let last = numbers[..taken].iter().max();
                let some = payees.first(last.map_or(0, |last| *last as usize + 1));
                self.gather(&some, &counts, end)?
            }
        };
        rows.sort_unstable();
        let located = self.locate_all(&payees, &rows, end, (listing, listed))?;
        let mut looked_up = LookedUp {
            scripts: scripts[..taken].to_vec(),
            listing: *listing,
            listed,
            few: ranges(&located, &counts),
            numbers: numbers[..taken].to_vec(),
            endings: Vec::new(),
            located,
        };
        if listed == Listed::Events {
            looked_up.endings = self.endings_of_all(&looked_up.located, listing)?;
        }
        Ok(looked_up)
    }

    /// Counts the outputs below `end`, up to many, and gathers those of scripts that have few, as long as there is room.
    fn walk(&self, payees: &Payees, end: Txo) -> Result<Walked> {
        let room = self.share.list_rows;
        let mut counts = vec![0; payees.len()];
        let mut rows = Some(Vec::new());
        self.each_row_of(payees, Txo(0), |payee, row| {
            if row.txo() >= end {
                return Ok(false);
            }
            let count: &mut usize = &mut counts[payee as usize];
            *count += 1;
            let Some(gathered) = &mut rows else {
                return Ok(*count <= AT_ONCE_MAX);
            };
            match *count {
                ..=AT_ONCE_MAX => gathered.push(received(&row, payee)),
                FIRST_OF_MANY => gathered.retain(|row| row.payee != payee),
                _ => {}
            }
            if gathered.len() > room {
                rows = None;
            }
            Ok(*count <= AT_ONCE_MAX)
        })?;
        Ok(Walked { counts, rows })
    }

    /// Gathers the outputs below `end` of scripts that have few, of which it is known that there is room for them.
    fn gather(&self, payees: &Payees, counts: &[usize], end: Txo) -> Result<Vec<Received>> {
        let mut rows = Vec::new();
        self.each_row_of(payees, Txo(0), |payee, row| {
            let is_wanted = counts[payee as usize] <= AT_ONCE_MAX && row.txo() < end;
            if is_wanted {
                rows.push(received(&row, payee));
            }
            Ok(is_wanted)
        })?;
        Ok(rows)
    }

    /// How many of the first scripts there is room for.
    fn as_many(&self, numbers: &[u32], counts: &[usize]) -> usize {
        let (mut rows, mut known) = (0, 0);
        let mut has_room = |number: &u32| {
            if *number as usize == known {
                known += 1;
                rows += match counts[*number as usize] {
                    few if few <= AT_ONCE_MAX => few,
                    _ => 0,
                };
            }
            rows <= self.share.list_rows
        };
        numbers.iter().take_while(|number| has_room(number)).count()
    }

    /// Finds all of `rows`, which are in chain order, that are listed.
    fn locate_all(
        &mut self,
        payees: &Payees,
        rows: &[Received],
        end: Txo,
        wanted: (&Listing, Listed),
    ) -> Result<Vec<Located>> {
        let (listing, listed) = wanted;
        let txos: Vec<Txo> = rows.iter().map(|row| row.txo).collect();
        let spenders = self.snapshot.spenders(&txos, end)?;
        let payments = rows.iter().zip(spenders).map(|(row, spender)| Payment {
            txo: row.txo,
            payee: row.payee,
            amount_sat: row.amount_sat,
            spender,
        });
        let is_listed = |payment: &Payment| listed == Listed::Events || payment.spender.is_none();
        let payments: Vec<Payment> = payments.filter(is_listed).collect();
        let mut located = self.locate(payees, &payments, self.source(listing.check))?;
        located.sort_by_key(|found| found.payment.payee);
        Ok(located)
    }

    fn endings_of_all(
        &mut self,
        located: &[Located],
        listing: &Listing,
    ) -> Result<Vec<Option<Ending>>> {
        let spent = |found: &Located| {
            let outpoint = found.outpoint;
            found
                .payment
                .spender
                .map(|spender| Spent { outpoint, spender })
        };
        let all_spent = located.iter().filter_map(spent).collect();
        let mut known = self
            .endings(all_spent, self.source(listing.check))?
            .into_iter();
        let ending = |found: &Located| found.payment.spender.and_then(|_| known.next());
        Ok(located.iter().map(ending).collect())
    }

    /// The unspent outputs of the script at `at` among those that were looked up.
    ///
    /// # Errors
    /// Those of [`View::unspent`].
    pub fn unspent_of<'v>(
        &'v mut self,
        looked_up: &LookedUp,
        at: usize,
    ) -> Result<Unspent<'v, 'i>> {
        assert!(looked_up.listed == Listed::Unspent);
        let (script, listing) = (&looked_up.scripts[at], &looked_up.listing);
        match looked_up.few_of(at) {
            Some((located, _)) => self.unspent_of_few(script, listing, located),
            None => self.unspent(script, listing),
        }
    }

    /// The events of the script at `at` among those that were looked up.
    ///
    /// # Errors
    /// Those of [`View::events`].
    pub fn events_of<'v>(&'v mut self, looked_up: &LookedUp, at: usize) -> Result<Events<'v, 'i>> {
        assert!(looked_up.listed == Listed::Events);
        let (script, listing) = (&looked_up.scripts[at], &looked_up.listing);
        match looked_up.few_of(at) {
            Some((located, endings)) => self.events_of_few(script, listing, located, endings),
            None => self.events(script, listing),
        }
    }
}

impl LookedUp {
    /// How many scripts were looked up.
    pub fn len(&self) -> usize {
        self.scripts.len()
    }

    /// Whether none was, since none was given.
    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty()
    }

    /// All outputs of a script that is asked about alone, and how they ended; `None`: they are many.
    fn few_of(&self, at: usize) -> Option<(Vec<Located>, Vec<Option<Ending>>)> {
        let range = self.few[self.numbers[at] as usize].clone()?;
        let endings = self.endings.get(range.clone()).unwrap_or_default();
        let mut located = self.located[range].to_vec();
        located.iter_mut().for_each(|found| found.payment.payee = 0);
        Some((located, endings.to_vec()))
    }
}

/// Where the outputs of each script are among those of all.
fn ranges(located: &[Located], counts: &[usize]) -> Vec<Option<Range<usize>>> {
    let mut start = 0;
    let of_payee = |(payee, count): (u32, &usize)| {
        let own = located[start..].partition_point(|found| found.payment.payee <= payee);
        let range = start..start + own;
        start = range.end;
        (*count <= AT_ONCE_MAX).then_some(range)
    };
    (0..).zip(counts).map(of_payee).collect()
}
