//! What would be lost if a new index took an old one's place.
//!
//! Invariant: a new index that reaches as high as the old one, and has its settled blocks, loses nothing.

use crate::index::{self, Index};
use crate::primitives::position::Height;
use crate::primitives::wire::Hash32;
use crate::rebuild::Fault;
use crate::runs;
use crate::store::{self};
use crate::{Error, Result};
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
    /// Looks into the index; `None` if nothing can be lost with it: it is not there, has no blocks, or is
    /// damaged, which is what a rebuild is for.
    ///
    /// # Errors
    /// Those of [`Index::open`] otherwise: an index that cannot be read for another reason may hold more
    /// than the new one, and what is no index may be somebody else's.
    pub fn look(path: &Path) -> Result<Option<Old>> {
        match Old::read(path) {
            Err(error) if holds_nothing(&error) => Ok(None),
            read => read,
        }
    }

    fn read(path: &Path) -> Result<Option<Old>> {
        let index = Index::open_to_walk(path)?;
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
    pub(crate) fn refuse_loss_by(&self, index: &Index) -> Result<()> {
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

/// Whether the error says that there is no index that could hold more than the new one.
fn holds_nothing(error: &Error) -> bool {
    let of_file = matches!(
        error.fault(),
        Some(
            store::Fault::NoIndex { .. }
                | store::Fault::NoBlocks { .. }
                | store::Fault::DamagedIndex { .. }
        )
    );
    let of_rows = error.fault::<runs::Fault>().is_some();
    let of_format = matches!(error.fault(), Some(index::Fault::OtherFormat { .. }));
    of_file || of_rows || of_format
}
