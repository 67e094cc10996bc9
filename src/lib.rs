//! blkdex: the block files of a Bitcoin Core datadir, turned into one file that answers.

pub mod datadir;
pub mod error;
pub mod limits;
pub mod position;

pub use error::{Error, Result};
