//! What the operating system is asked and told.
//!
//! Invariant: nothing here knows what a block or an index is.
//!
//! | file | what |
//! | --- | --- |
//! | `machine.rs` | what the kernel says of memory |
//! | `system.rs` | disks, locks, signals, reading ahead |
//! | `opening.rs` | opens what has to be a file |
//! | `kept.rs` | what no output may replace |
//! | `sigbus.rs` | the last words when a map cannot be read |
//! | `path_text.rs` | paths in JSON |

mod fault;
pub mod kept;
pub mod machine;
pub mod opening;
pub mod path_text;
pub mod sigbus;
pub mod system;

pub use fault::Fault;
pub(crate) use fault::{io_error, io_kind};
