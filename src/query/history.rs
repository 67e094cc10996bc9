//! `history`: when a script received and spent, one event after the other.
//!
//! Invariant: an event is one output that was made or spent.
//!
//! Memory: that of the changes that it is made of.

use super::View;
use super::answers::{Event, History};
use super::changes::{Change, Changes};
use super::listing::{Listing, Turn};
use super::outputs::Ending;
use super::payees::Payees;
use super::payments::Located;
use crate::Result;
use crate::query::script::address_of;
use bitcoin::Script;

/// Events of a script, as they are read. What else is answered is in [`Events::answer`].
pub struct Events<'v, 'i> {
    changes: Changes<'v, 'i>,
    answer: History,
    is_over: bool,
}

impl<'i> View<'i> {
    /// Everything that ever happened to `script`. With `check` the scripts are compared, and the inputs found, in
    /// the block files, also if the index keeps txids; blocks that are gone ([`View::gone`]) are a fault then.
    ///
    /// # Errors
    /// [`crate::runs::Fault::Damaged`], [`crate::store::Fault::Store`], [`crate::query::Fault`].
    pub fn history(&mut self, script: &Script, check: bool) -> Result<History> {
        let listing = Listing {
            check,
            ..Listing::default()
        };
        let mut events = self.events(script, &listing)?;
        let list = events.by_ref().collect::<Result<_>>()?;
        Ok(History {
            events: list,
            ..events.answer
        })
    }

    /// The same, one by one, and not necessarily all of it.
    ///
    /// # Errors
    /// As [`View::history`]; [`crate::memory::Fault`], [`crate::os::Fault::Io`] where many are sorted.
    pub fn events<'v>(&'v mut self, script: &Script, listing: &Listing) -> Result<Events<'v, 'i>> {
        let changes = self.changes(Payees::one(script), listing)?;
        Ok(Events::of(script, changes))
    }

    /// The same of a script whose outputs, and how these ended, are known.
    pub(super) fn events_of_few<'v>(
        &'v mut self,
        script: &Script,
        listing: &Listing,
        located: Vec<Located>,
        endings: Vec<Option<Ending>>,
    ) -> Result<Events<'v, 'i>> {
        let payees = Payees::one(script);
        let changes = self.changes_of_few(located, endings, payees, listing)?;
        Ok(Events::of(script, changes))
    }
}

impl<'v, 'i> Events<'v, 'i> {
    fn of(script: &Script, changes: Changes<'v, 'i>) -> Events<'v, 'i> {
        let view = changes.view();
        Events {
            answer: History {
                script: script.to_owned(),
                address: address_of(script, view.network),
                height: view.at,
                checked: changes.checked,
                events: Vec::new(),
                next: None,
            },
            changes,
            is_over: false,
        }
    }
}

impl Events<'_, '_> {
    /// The answer without its list; [`History::next`] is told once the last one was given.
    pub fn answer(&self) -> &History {
        &self.answer
    }

    fn next_listed(&mut self) -> Result<Option<Event>> {
        while let Some(Change { event, .. }) = self.changes.advance()? {
            match self.changes.counter.turn(event.height) {
                Turn::Passed => {}
                Turn::Given => return Ok(Some(event)),
                Turn::Behind(next) => {
                    self.answer.next = Some(next);
                    break;
                }
            }
        }
        Ok(None)
    }
}

impl Iterator for Events<'_, '_> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        if self.is_over {
            return None;
        }
        let next = self.next_listed().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}
