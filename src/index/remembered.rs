//! Where an index has its blocks from: what a rebuild can begin with, even of an index that is of no
//! other use.
//!
//! Invariant: only the meta table is read, and of other formats only what all of them have.

use super::meta::{META, Meta};
use super::opening::refuse_foreign_tables;
use crate::Result;
use crate::index::Fault;
use crate::store::contention::no_blocks;
use crate::store::{QUERY_CACHE_BYTES, Store};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// See the module documentation.
pub struct Remembered {
    /// Name of the network.
    pub network: String,
    /// Folder of the block files.
    pub blocks_dir: PathBuf,
    /// Whether txids are kept.
    pub keeps_txids: bool,
}

/// What the index at `path` remembers.
///
/// # Errors
/// As [`super::Index::open`].
pub fn remembered(path: &Path) -> Result<Remembered> {
    let store = Store::open_read_only(path, QUERY_CACHE_BYTES)?;
    match Meta::load(&store) {
        Ok(Some(meta)) => Ok(Remembered {
            network: meta.network,
            blocks_dir: meta.blocks_dir,
            keeps_txids: meta.keeps_txids,
        }),
        Ok(None) => {
            refuse_foreign_tables(&store)?;
            Err(no_blocks(path).into())
        }
        Err(error) => match error.fault() {
            Some(Fault::OtherFormat { .. }) => of_other_format(&store)?.ok_or(error),
            _ => Err(error),
        },
    }
}

fn of_other_format(store: &Store) -> Result<Option<Remembered>> {
    let snapshot = store.read()?;
    let field = |name| -> Result<Option<Vec<u8>>> {
        let value = snapshot.get(META, name)?;
        Ok(value.map(|value| value.value().to_vec()))
    };
    let network = field("network")?.and_then(|name| String::from_utf8(name).ok());
    let blocks_dir = field("blocks_dir")?.map(|dir| OsStr::from_bytes(&dir).into());
    Ok(network
        .zip(blocks_dir)
        .map(|(network, blocks_dir)| Remembered {
            network,
            blocks_dir,
            keeps_txids: false,
        }))
}
