//! An import that stays, in this process: what happens between two looks is up to the test.
//!
//! Invariant: nobody sleeps; a rest is over when the step that the test makes of it is done.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use blkdex::import::{Added, Event, Followed, Notice, Options, Summary, Watch, follow};

/// Steps after which a test hangs.
const STEPS_MAX: usize = 10_000;

/// What was heard.
#[derive(Default)]
pub struct Heard {
    pub added: Vec<Added>,
    pub notices: Vec<Notice>,
    pub tips: Vec<Summary>,
}

impl Heard {
    /// Heights and hashes of the blocks that were told.
    pub fn blocks(&self) -> Vec<(u32, BlockHash)> {
        let blocks = self.added.iter();
        blocks
            .map(|block| (block.height.0, BlockHash::from_byte_array(block.hash)))
            .collect()
    }
}

/// Follows; `step` is called at each rest, with what was heard so far, until it says that it is over.
pub fn follow_in_steps(
    options: &Options,
    mut step: impl FnMut(usize, &Heard) -> bool,
) -> (blkdex::Result<Followed>, Heard) {
    let (stop, heard) = (AtomicBool::new(false), RefCell::new(Heard::default()));
    let mut steps = 0;
    let mut rest = |time: Duration| {
        assert!(!time.is_zero() && steps < STEPS_MAX, "{steps} steps");
        let is_over = step(steps, &heard.borrow());
        stop.store(is_over, Ordering::Relaxed);
        steps += 1;
    };
    let mut tell = |event: Event<'_>| {
        let mut heard = heard.borrow_mut();
        match event {
            Event::Added(block) => heard.added.push(block.clone()),
            // What a test holds is on the same heap.
            Event::Notice(Notice::Memory(_)) => {}
            Event::Notice(notice) => heard.notices.push(notice),
            Event::Tip(summary) => heard.tips.push(summary.clone()),
            _ => {}
        }
    };
    let mut watch = Watch {
        stop: &stop,
        tell: &mut tell,
    };
    let followed = follow(options, &mut rest, &mut watch);
    (followed, heard.into_inner())
}

/// The block that it ended at.
pub fn end(followed: blkdex::Result<Followed>) -> (u32, BlockHash) {
    match followed.unwrap() {
        Followed::AtTip(height, hash) => (height.0, BlockHash::from_byte_array(hash)),
        Followed::Early(summary) => panic!("it never came to the tip: {:?}", summary.tip),
    }
}
