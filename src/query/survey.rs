//! What is known of changes before the first: who spent what, and what was owned before.
//!
//! Invariant: every output up to the last block of the list is walked over once; where a spend is listed, it waits
//! among [`Survey::spends`].
//!
//! Memory: a batch of outputs, and what sorts spends.

use super::gathered::{Gathered, Spend};
use super::listing::{AT_ONCE_MAX, Listing, Stretch};
use super::payees::Payees;
use super::payments::{Located, Payment, is_checked};
use super::{Source, View};
use crate::Result;
use crate::primitives::position::Txo;

/// See the module documentation.
pub(super) struct Survey {
    pub stretch: Stretch,
    /// Whether the scripts of all outputs are compared.
    pub checked: bool,
    /// What was owned before the first block of the list.
    pub before_sat: u128,
    has_before: bool,
    pub spends: Gathered<Spend>,
    /// All outputs, if they are few.
    pub all: Option<Vec<Located>>,
}

impl Survey {
    fn note(&mut self, payment: &Payment) -> Result<()> {
        let Stretch { from, end } = self.stretch;
        let amount_sat = payment.amount_sat;
        let is_before = payment.txo < from;
        if is_before {
            self.has_before = true;
            self.before_sat += u128::from(amount_sat);
        }
        match payment.spender {
            Some(spender) if spender.is_below(from) => {
                self.before_sat -= u128::from(amount_sat);
                Ok(())
            }
            Some(spender) if spender.is_below(end) => self.spends.push(Spend {
                spender,
                txo: payment.txo,
                payee: payment.payee,
                amount_sat,
            }),
            _ => Ok(()),
        }
    }
}

impl View<'_> {
    /// Walks over all outputs, and sorts their spends.
    pub(super) fn survey(
        &mut self,
        payees: &Payees,
        listing: &Listing,
        source: Source,
    ) -> Result<Survey> {
        let mut survey = self.nothing_surveyed(listing, source)?;
        let stretch = survey.stretch;
        let mut payments = self.payments(payees, Txo(0), stretch.end)?;
        let mut batch = payments.next_batch(&self.snapshot, AT_ONCE_MAX + 1, stretch.end)?;
        if batch.len() <= AT_ONCE_MAX {
            let located = self.locate(payees, &batch, source)?;
            return self.survey_of_few(located, listing, source);
        }
        let mut block_end = Txo(0);
        while !batch.is_empty() {
            if listing.check {
                let before = batch.partition_point(|payment| payment.txo < stretch.from);
                let listed = batch.split_off(before);
                batch = self.compared(payees, &batch)?;
                batch.extend(listed);
            } else if survey.checked {
                survey.checked = self.has_blocks_of(&batch, &mut block_end)?;
            }
            batch.iter().try_for_each(|payment| survey.note(payment))?;
            batch = payments.next_batch(&self.snapshot, self.share.rows, stretch.end)?;
        }
        // What came before was taken from the index alone.
        survey.checked &= listing.check || !survey.has_before;
        Ok(survey)
    }

    /// The same of outputs that are few, and all known.
    pub(super) fn survey_of_few(
        &self,
        located: Vec<Located>,
        listing: &Listing,
        source: Source,
    ) -> Result<Survey> {
        let mut survey = self.nothing_surveyed(listing, source)?;
        survey.checked = is_checked(&located, source);
        let mut payments = located.iter().map(|found| &found.payment);
        payments.try_for_each(|payment| survey.note(payment))?;
        survey.all = Some(located);
        Ok(survey)
    }

    fn nothing_surveyed(&self, listing: &Listing, source: Source) -> Result<Survey> {
        Ok(Survey {
            stretch: self.stretch(listing)?,
            checked: source != Source::Index,
            before_sat: 0,
            has_before: false,
            spends: Gathered::new(self.sorting(self.share.spends_bytes)),
            all: None,
        })
    }
}
