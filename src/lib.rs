//! blkdex: the block files of a Bitcoin Core datadir, turned into one file that answers.

pub mod batch;
pub mod chain;
pub mod datadir;
pub mod doctor;
pub mod error;
pub mod export;
pub mod fingerprint;
pub mod import;
pub mod index;
pub mod limits;
pub mod machine;
pub mod memory;
pub mod merging;
pub mod position;
pub mod query;
pub mod region;
pub mod report;
pub mod runs;
pub mod script;
pub mod sorter;
pub mod stages;
pub mod store;
pub mod system;
pub mod table;
pub mod utxo;
pub mod verify;
pub mod wire;

pub use error::{Error, Result};
