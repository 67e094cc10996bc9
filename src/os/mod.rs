//! What the operating system is asked and told.
//!
//! Invariant: nothing here knows what a block or an index is. Of all rooms, only this one calls libc.
//!
//! | file | what |
//! | --- | --- |
//! | `process.rs` | what the kernel counts of this process |
//! | `memory_limits.rs` | how much memory there may be |
//! | `disk.rs` | room, rights, reading ahead |
//! | `file_map.rs` | files mapped for reading |
//! | `sigbus.rs` | the last words when a map cannot be read |
//! | `signals.rs` | what is done at a signal |
//! | `locks.rs` | who locks a file |
//! | `opening.rs` | opens what has to be a file |
//! | `growing.rs` | a file that gets its name when it is whole |
//! | `kept.rs` | what no output may replace |
//! | `paths.rs` | where paths lead |
//! | `path_text.rs` | paths in JSON |
//! | `fault.rs` | what can go wrong |

pub(crate) mod disk;
mod fault;
pub(crate) mod file_map;
pub(crate) mod growing;
pub(crate) mod kept;
pub(crate) mod locks;
pub(crate) mod memory_limits;
pub(crate) mod opening;
pub(crate) mod path_text;
pub(crate) mod paths;
pub(crate) mod process;
pub(crate) mod sigbus;
pub(crate) mod signals;

pub use fault::Fault;
pub(crate) use fault::{advice, io_error, io_kind, is_full};
pub use kept::Kept;
pub use process::Resident;
pub use signals::is_ignored;
