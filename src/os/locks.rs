//! Who locks a file.
//!
//! Invariant: asking takes no lock.

use rustix::process::{Flock, FlockOffsetType, FlockType, Pid, fcntl_getlk};
use std::fs::File;

/// All of a file.
const WHOLE: Flock = Flock {
    start: 0,
    length: 0,
    pid: None,
    typ: FlockType::WriteLock,
    offset_type: FlockOffsetType::Set,
};

/// The process that has a lock on `file`, as fcntl makes them; `None` if nobody has, or it cannot be
/// asked for.
pub fn locked_by(file: &File) -> Option<i32> {
    let lock = fcntl_getlk(file, &WHOLE).ok()??;
    Some(Pid::as_raw(lock.pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_locks_is_free() {
        let file = tempfile::tempfile().expect("temporary file");
        assert_eq!(locked_by(&file), None);
    }
}
