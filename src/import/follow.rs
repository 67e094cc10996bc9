//! An import that stays: it waits for new blocks and takes them as they come.
//!
//! Invariant: while nothing changes, nothing is written and hardly anything read; and what is in the way is
//! said once, however often it is met.

use super::events::{Event, Notice, Watch};
use super::pass::End;
use super::trouble::{Remedy, remedy};
use super::work::Work;
use super::{Options, Summary};
use crate::Result;
use crate::datadir::{EndState, Lookout};
use crate::index::Index;
use crate::primitives::position::Height;
use crate::primitives::wire::Hash32;
use std::time::{Duration, Instant};

/// Time between two looks at the block files.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A look that takes long, since all files have to be scanned, is not all that is done: there is as long a
/// rest before the next one, up to this.
const REST_MAX: Duration = Duration::from_secs(10);

/// Time between two tries where something else is in the way.
const TRY_EVERY: Duration = Duration::from_secs(10);

/// Things in the way that are remembered, so as not to be said again.
const SAID_MAX: usize = 16;

/// How an import that stays has ended.
pub enum Followed {
    /// Before it came to the end of the chain: as an import that does not stay.
    Early(Box<Summary>),
    /// By a wish, with this block as the last one.
    AtTip(Height, Hash32),
}

/// Imports what the block files have and the index has not, and stays: looks about every second whether
/// there are new blocks, until whoever watches wishes it to end. `rest` waits as long as it is told, or
/// less, and comes back at once when the wish is there.
///
/// # Errors
/// As [`import`](super::import), until the end of the chain is reached; from then on what time cannot mend.
pub fn follow(
    options: &Options,
    rest: &mut dyn FnMut(Duration),
    watch: &mut Watch<'_>,
) -> Result<Followed> {
    let (mut work, index) = Work::begin(options, true, watch)?;
    let reached = work.reach_tip(index, watch)?;
    let is_early = matches!(reached.end, End::Interrupted);
    let index = work.conclude(reached, watch)?;
    let summary = work.summary(&index)?;
    if is_early {
        index.close()?;
        return Ok(Followed::Early(Box::new(summary)));
    }
    watch.tell(Event::Tip(&summary));
    work.follow(&index);
    let mut said = Said::nothing();
    let mut once = Watch {
        stop: watch.stop,
        tell: &mut |event| {
            if said.is_new(&event) {
                watch.tell(event);
            }
        },
    };
    Follower {
        work,
        rest,
        watch: &mut once,
        look_every: LOOK_EVERY,
    }
    .stay(index)
}

struct Follower<'a, 'w> {
    work: Work<'a>,
    rest: &'a mut dyn FnMut(Duration),
    watch: &'a mut Watch<'w>,
    /// Time to the next look.
    look_every: Duration,
}

impl Follower<'_, '_> {
    fn stay(&mut self, index: Index) -> Result<Followed> {
        let mut tip = index.tip();
        let (mut index, mut wait_for) = (Some(index), Remedy::Files);
        while self.waits(wait_for, index.as_ref())? {
            let began = Instant::now();
            match self.look(index.take()) {
                Ok(looked) => {
                    tip = looked.tip();
                    (index, wait_for) = (Some(looked), Remedy::Files);
                }
                Err(error) => {
                    let Some(remedy) = remedy(&error) else {
                        return Err(error);
                    };
                    let words = error.to_string();
                    self.watch.tell(Event::Notice(Notice::Trouble { words }));
                    (index, wait_for) = (None, remedy);
                }
            }
            self.look_every = began.elapsed().clamp(LOOK_EVERY, REST_MAX);
        }
        if let Some(index) = index {
            index.store().expect_in_place()?;
            index.close()?;
        }
        let (height, row) = tip.expect("the chain had an end, so there is a block");
        Ok(Followed::AtTip(height, row.hash))
    }

    /// Takes what is new.
    fn look(&mut self, index: Option<Index>) -> Result<Index> {
        self.work.look_again()?;
        let index = match index {
            Some(index) => index,
            None => self.work.open_again(self.watch)?,
        };
        Ok(self.work.reach_tip(index, self.watch)?.index)
    }

    /// Waits until it is time to look again; `false`: until it was wished to end.
    fn waits(&mut self, wait_for: Remedy, index: Option<&Index>) -> Result<bool> {
        let mut lookout = match wait_for {
            Remedy::Files => Some(Lookout::new(&self.work.datadir)),
            Remedy::Time => None,
        };
        let time = match lookout {
            Some(_) => self.look_every,
            None => TRY_EVERY,
        };
        while self.rests(time) {
            index.map_or(Ok(()), |index| index.store().expect_in_place())?;
            if lookout.as_mut().is_none_or(Lookout::sees_news) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rests for so long; `false`: until it was wished to end.
    fn rests(&mut self, mut time: Duration) -> bool {
        while !time.is_zero() && !self.watch.is_over() {
            let part = time.min(LOOK_EVERY);
            (self.rest)(part);
            time -= part;
            self.watch.tell(Event::Alive);
        }
        !self.watch.is_over()
    }
}

/// What was said since the last block came.
struct Said {
    /// Never more than it was made for.
    notices: Vec<Notice>,
    /// The newest block, if it was not whole when it was looked at last.
    not_whole: Option<Notice>,
}

impl Said {
    fn nothing() -> Said {
        Said {
            notices: Vec::with_capacity(SAID_MAX),
            not_whole: None,
        }
    }

    /// Whether it is to be told.
    fn is_new(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Added(_) => {
                self.notices.clear();
                self.not_whole = None;
            }
            Event::Notice(notice) => return self.is_new_notice(notice),
            _ => {}
        }
        true
    }

    fn is_new_notice(&mut self, notice: &Notice) -> bool {
        match notice {
            // That a node is still writing is no news to who waits for it.
            Notice::Unfinished(end) if end.state == EndState::BeingWritten => return false,
            Notice::NotWhole { .. } if self.not_whole.as_ref() != Some(notice) => {
                self.not_whole = Some(notice.clone());
                return false;
            }
            _ => {}
        }
        let is_new = !self.notices.contains(notice);
        if is_new && self.notices.len() < SAID_MAX {
            self.notices.push(notice.clone());
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(number: usize) -> Notice {
        let words = format!("trouble {number}");
        Notice::Trouble { words }
    }

    fn hears(said: &mut Said, notice: Notice) -> bool {
        said.is_new(&Event::Notice(notice))
    }

    #[test]
    fn what_is_in_the_way_is_said_once_until_a_block_comes() {
        let mut said = Said::nothing();
        assert!(hears(&mut said, trouble(1)) && hears(&mut said, trouble(2)));
        assert!(!hears(&mut said, trouble(1)) && !hears(&mut said, trouble(2)));
        let block = super::super::Added {
            height: Height(1),
            hash: [1; 32],
            previous_hash: [0; 32],
            time: 0,
            txs: 1,
            inputs: 0,
            outputs: 1,
            coins: 1,
        };
        assert!(said.is_new(&Event::Added(&block)));
        assert!(hears(&mut said, trouble(1)));
        for number in 0..1000 {
            hears(&mut said, trouble(number));
        }
        assert!(said.notices.len() <= SAID_MAX);
    }
}
