//! Finds the records at heights, in one pass over a log.
//!
//! Invariant: a height is answered by the last record at or below it, in the order of the log. Where
//! a reorganisation made heights fall, that is the record of the chain that came to stay.

use super::Fault;
use super::read::read;
use super::record::{Head, Line, PartUse, Record};
use crate::Result;
use crate::primitives::position::Height;
use std::path::Path;
use std::rc::Rc;

/// A record, and the run that made it.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// Its place among all records, from 0 on.
    pub index: u64,
    /// Number of the run, from 1 on.
    pub run: u64,
    /// How that run began.
    pub head: Rc<Head>,
    /// The record.
    pub record: Rc<Record>,
}

/// What `part` was planned to take; a part that the plan does not name, what it was made with.
pub fn planned_bytes(head: &Head, part: &PartUse) -> u64 {
    let mut planned = head.parts.iter();
    let planned = planned.find(|planned| planned.part == part.part);
    planned.map_or(part.capacity_bytes, |planned| planned.planned_bytes)
}

/// What was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Answers {
    /// A record for each height.
    pub found: Vec<Found>,
    /// Runs in the log.
    pub runs: u64,
    /// Numbers of the lines that were cut short.
    pub cut: Vec<u64>,
}

/// The records at `heights`; `None` is the end of the log.
///
/// # Errors
/// [`crate::os::Fault::Io`]; [`crate::ledger::Fault`] for what is no such log or has no record there.
pub fn find(path: &Path, heights: &[Option<Height>]) -> Result<Answers> {
    let mut found: Vec<Option<Found>> = vec![None; heights.len()];
    let (mut index, mut runs, mut head) = (0, 0, None);
    let mut ends: Option<(Height, Height)> = None;
    let cut = read(path, |line| match line {
        Line::Head(new) => {
            runs += 1;
            head = Some(Rc::new(new));
        }
        Line::Record(record) => {
            let record: Rc<Record> = record.into();
            let height = record.height;
            ends = Some((ends.map_or(height, |(first, _)| first.min(height)), height));
            let head = head.as_ref().expect("a log begins with a head");
            for (wanted, found) in heights.iter().zip(&mut found) {
                if wanted.is_none_or(|wanted| height <= wanted) {
                    *found = Some(Found {
                        index,
                        run: runs,
                        head: Rc::clone(head),
                        record: Rc::clone(&record),
                    });
                }
            }
            index += 1;
        }
    })?;
    let path = path.to_owned();
    let Some((first, last)) = ends else {
        return Err(Fault::NoRecords { path }.into());
    };
    if let Some(wanted) = heights.iter().flatten().find(|h| **h < first || **h > last) {
        let wanted = *wanted;
        return Err(Fault::NoSuchHeight {
            path,
            wanted,
            first,
            last,
        }
        .into());
    }
    Ok(Answers {
        found: found.into_iter().flatten().collect(),
        runs,
        cut,
    })
}
