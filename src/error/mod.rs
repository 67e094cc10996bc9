//! The one error of the library: a fault of any room, and whose fault it is.
//!
//! Invariant: a room tells its faults in an enum of its own, `Fault`, whose variants carry data: which
//! file, which byte or height, what was found and what was expected. Messages are one line, lower case,
//! without a full stop, advice last.
//!
//! `watch.rs`: how somebody who waits hears of long work, and ends it.

mod watch;

pub use watch::{Topic, Watch, unwatched};

use std::any::Any;
use std::fmt;

/// Whose fault it is, and with that the exit code of a program that ends by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// What was asked for cannot be: the same files never make it right.
    User,
    /// The machine refused: a right, a disk, memory.
    Machine,
    /// The files, or the index, are not what they should be.
    Data,
    /// Another process is in the way: later it may work.
    Contention,
    /// Nobody's: somebody asked to stop, and what was done is committed.
    Interruption,
}

impl Family {
    /// The exit code; that of contention is `EX_TEMPFAIL` of `sysexits.h`.
    pub const fn exit_code(self) -> u8 {
        match self {
            Family::Machine | Family::Data => 1,
            Family::User => 2,
            Family::Contention => 75,
            Family::Interruption => 130,
        }
    }
}

/// What a room can say went wrong.
pub trait Fault: std::error::Error + Any + Send + Sync {
    /// Whose it is.
    fn family(&self) -> Family;
}

/// Anything that can go wrong outside of our own code: the [`Fault`] of a room.
pub struct Error(Box<dyn Fault>);

/// What every fallible function of the library returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whose fault it is.
    pub fn family(&self) -> Family {
        self.0.family()
    }

    /// The fault, if it is one of this room's.
    pub fn fault<F: Fault>(&self) -> Option<&F> {
        let fault: &dyn Any = self.0.as_ref();
        fault.downcast_ref()
    }
}

/// The fault of a result, if it is one of this room's.
pub fn fault_of<T, F: Fault>(result: &Result<T>) -> Option<&F> {
    result.as_ref().err().and_then(Error::fault)
}

impl<F: Fault> From<F> for Error {
    fn from(fault: F) -> Error {
        Error(Box::new(fault))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// Somebody asked to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Fault for Interrupted {
    fn family(&self) -> Family {
        Family::Interruption
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
    #[error("number {0}")]
    struct Number(u32);

    impl Fault for Number {
        fn family(&self) -> Family {
            Family::Data
        }
    }

    #[test]
    fn a_fault_is_found_again_and_only_as_what_it_is() {
        let error = Error::from(Number(7));
        assert_eq!(error.family(), Family::Data);
        assert_eq!(error.fault(), Some(&Number(7)));
        assert_eq!(error.fault::<Interrupted>(), None);
        assert_eq!(error.to_string(), "number 7");
    }

    #[test]
    fn every_family_has_its_exit_code() {
        let families = [
            (Family::User, 2),
            (Family::Machine, 1),
            (Family::Data, 1),
            (Family::Contention, 75),
            (Family::Interruption, 130),
        ];
        for (family, code) in families {
            assert_eq!(family.exit_code(), code, "{family:?}");
        }
    }
}
