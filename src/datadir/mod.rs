//! bitcoind's files: which network they belong to, where they lie, and what is in them.
//!
//! Invariant: nothing is written where bitcoind writes; its files may grow while they are read.
//!
//! | file | purpose |
//! | --- | --- |
//! | `source` | what is to be read, as the user says it |
//! | `opened` | the block files of one network |
//! | `find` | the folder that they lie in |
//! | `conf` | what `bitcoin.conf` says of that |
//! | `files` | listing the block files, reading the key |
//! | `foreign` | block files of other coins |
//! | `xor` | the obfuscation |
//! | `records` | the records in a file |
//! | `leftovers` | what lies between them |
//! | `headers` | the tree of headers |
//! | `arena` | its memory: nodes and buckets |
//! | `best` | which of its chains has the most work |
//! | `chains` | what the tree then says of its chains |
//! | `end` | the end of the best chain, in types and words |
//! | `judge` | where it ends, and why |
//! | `pruned` | what a node deleted, or never had |
//! | `claimed` | the height that a block without ancestors claims |
//! | `scan` | all records of all files into the tree |
//! | `file_state` | what the next scan knows a file by |
//! | `lookout` | whether anything has changed since |
//! | `reader` | a block's bytes, by map or pread |
//! | `undo` | the undo files beside them |
//! | `fault` | what may be wrong with them |

mod arena;
mod best;
mod chains;
mod claimed;
mod conf;
mod end;
mod fault;
mod file_state;
mod files;
mod find;
mod foreign;
pub(crate) mod headers;
mod judge;
mod leftovers;
mod lookout;
pub(crate) mod opened;
mod pruned;
mod reader;
mod records;
pub(crate) mod scan;
mod source;
#[cfg(test)]
pub(crate) mod testing;
mod undo;
pub(crate) mod xor;

pub use fault::Fault;

pub(crate) use claimed::claimed_height;
pub use conf::Setting;
pub use end::{ChainEnd, EndState, Reach, Spot};
pub use file_state::FileState;
pub(crate) use files::{BlockFile, block_file_path};
pub use find::Found;
pub(crate) use find::{Wanted, find};
pub use headers::Counts;
pub(crate) use headers::{Aside, Best, ChainBlock, HeaderTree, Root};
pub(crate) use leftovers::leftovers_of;
pub use leftovers::{Leftover, LeftoverKind, Leftovers};
pub(crate) use lookout::Lookout;
pub(crate) use opened::Datadir;
pub use pruned::Gone;
pub(crate) use pruned::{LOOKS_MAX, is_vanished};
pub(crate) use reader::BlockReader;
pub use scan::{ScanProgress, Scanned};
pub(crate) use scan::{Watch, copies_of, scan};
pub use source::{Location, Source};
pub(crate) use undo::{UndoFile, UndoFiles};
pub(crate) use xor::XorKey;
