//! Both directions between long work and whoever waits for it: news of it, and the wish that it ends.
//!
//! Invariant: long work asks at least once a block, a file or some thousand records, so the wish is heard
//! soon.

use super::Interrupted;
use crate::Result;
use std::sync::atomic::{AtomicBool, Ordering};

/// A kind of long work.
pub trait Topic: 'static {
    /// What is told of it.
    type News<'n>;
}

/// Who waits.
pub struct Watch<'a, T: Topic> {
    /// Ends the work when it becomes true.
    pub stop: &'a AtomicBool,
    /// Hears the news.
    pub tell: &'a mut dyn FnMut(T::News<'_>),
}

impl<T: Topic> Watch<'_, T> {
    /// Tells.
    pub fn tell(&mut self, news: T::News<'_>) {
        (self.tell)(news);
    }

    /// Whether the work is to end.
    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Tells, and ends the work if that is wished.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn went_on(&mut self, news: T::News<'_>) -> Result<()> {
        self.tell(news);
        match self.is_over() {
            true => Err(Interrupted.into()),
            false => Ok(()),
        }
    }
}

/// Does long work that nobody watches.
pub fn unwatched<T: Topic, R>(work: impl FnOnce(&mut Watch<'_, T>) -> R) -> R {
    work(&mut Watch {
        stop: &AtomicBool::new(false),
        tell: &mut |_| {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::fault_of;

    struct Counting;

    impl Topic for Counting {
        type News<'n> = &'n str;
    }

    #[test]
    fn work_goes_on_until_somebody_wishes_it_to_end() {
        let stop = AtomicBool::new(false);
        let mut heard = Vec::new();
        let mut watch = Watch::<Counting> {
            stop: &stop,
            tell: &mut |word| heard.push(word.to_owned()),
        };
        assert!(watch.went_on("one").is_ok());
        stop.store(true, Ordering::Relaxed);
        assert_eq!(fault_of(&watch.went_on("two")), Some(&Interrupted));
        assert_eq!(heard, ["one", "two"]);
    }
}
