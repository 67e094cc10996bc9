//! Why a rebuild does not replace the index.

use crate::error::Family;
use crate::primitives::position::Height;
use std::path::PathBuf;

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// With the old index something would be lost.
    #[error("{}: {loss}: the same command with --force replaces it", path.display())]
    RebuildLoses {
        /// The old index.
        path: PathBuf,
        /// What would be lost.
        loss: crate::rebuild::Loss,
    },
    /// Blocks are not in the block files any more.
    #[error(
        "{gone}, and a new index needs every block: {} is left as it is; \
         `blkdex rebuild --datadir DIR` makes it anew from block files that are whole",
        path.display()
    )]
    BlocksGone {
        /// The old index.
        path: PathBuf,
        /// Which.
        gone: crate::utxo::GoneBlocks,
    },
    /// A file that an earlier rebuild left has more blocks than are wanted now.
    #[error("{} reaches to height {height}, beyond --until {until}", path.display())]
    ReachesBeyond {
        /// The file.
        path: PathBuf,
        /// Its tip.
        height: Height,
        /// The last block wanted.
        until: Height,
    },
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        Family::Data
    }
}
