//! What would be lost if a new index took an old one's place.
//!
//! Invariant: a new index that reaches as high as the old one, and has its settled blocks, loses nothing.

use crate::Result;
use crate::index::Index;
use crate::primitives::position::Height;
use crate::primitives::wire::Hash32;
use crate::rebuild::Fault;
use crate::store::SEQUENTIAL_CACHE_BYTES;
use std::path::{Path, PathBuf};

/// What the old index holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Old {
    path: PathBuf,
    network: String,
    magic: [u8; 4],
    tip: Height,
    /// A block that no reorganisation can reach, and its hash.
    settled: (Height, Hash32),
}

/// What would be lost.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Loss {
    /// Blocks on top.
    #[error("the new index would end at height {new}, but it is at {old}")]
    Blocks {
        /// Tip of the new one.
        new: Height,
        /// Tip of the old one.
        old: Height,
    },
    /// The chain.
    #[error("the new index would hold another chain, with another block {height}")]
    Chain {
        /// Height of a block that differs.
        height: Height,
    },
    /// The network.
    #[error("the new index would hold {new}, but it holds {old}")]
    Network {
        /// The new one's.
        new: String,
        /// The old one's.
        old: String,
    },
}

impl Old {
    /// Looks into the index; `None` if it has no blocks.
    ///
    /// # Errors
    /// Those of [`Index::open`]: what cannot be read cannot be lost.
    pub fn look(path: &Path) -> Result<Option<Old>> {
        let index = Index::open(path, SEQUENTIAL_CACHE_BYTES)?;
        let Some((tip, _)) = index.tip() else {
            return Ok(None);
        };
        let meta = index.meta();
        // Where nothing is settled the first block tells chains apart.
        let height = meta.settled.unwrap_or_default().max(Height(1)).min(tip);
        let hash = index.snapshot()?.block(height)?.hash;
        Ok(Some(Old {
            path: path.to_owned(),
            network: meta.network.clone(),
            magic: meta.magic,
            tip,
            settled: (height, hash),
        }))
    }

    /// Refuses what is seen beforehand to lose something.
    ///
    /// # Errors
    /// [`crate::rebuild::Fault::RebuildLoses`].
    pub fn refuse_loss(&self, network: Option<&str>, end: Option<Height>) -> Result<()> {
        if let Some(new) = network.filter(|new| **new != self.network) {
            return self.lost(Loss::Network {
                new: new.to_owned(),
                old: self.network.clone(),
            });
        }
        match end.filter(|end| *end < self.tip) {
            Some(new) => self.lost(Loss::Blocks { new, old: self.tip }),
            None => Ok(()),
        }
    }

    /// Refuses a new index with which something would be lost.
    ///
    /// # Errors
    /// [`crate::rebuild::Fault::RebuildLoses`], [`crate::store::Fault::Store`].
    pub fn refuse_loss_by(&self, index: &Index) -> Result<()> {
        let meta = index.meta();
        let end = index.tip().map_or(Height(0), |(tip, _)| tip);
        self.refuse_loss(Some(&meta.network), Some(end))?;
        let (height, hash) = self.settled;
        if meta.magic == self.magic && index.snapshot()?.block(height)?.hash == hash {
            return Ok(());
        }
        self.lost(Loss::Chain { height })
    }

    fn lost(&self, loss: Loss) -> Result<()> {
        Err(Fault::RebuildLoses {
            path: self.path.clone(),
            loss,
        }
        .into())
    }
}
