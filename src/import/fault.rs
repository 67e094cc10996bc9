//! Why an import cannot go on.

use crate::datadir::Datadir;
use crate::error::Family;
use crate::primitives::network::NetworkName;
use crate::primitives::position::Height;
use bitcoin::hashes::Hash;

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The chain in the block files leaves the index below its settled line.
    #[error(
        "the best chain in the block files leaves the index (tip {tip}) at or below height {settled}, where it is settled: {}",
        match files {
            Files::Whole => "`blkdex rebuild --force` makes it anew",
            Files::Lacking => "blocks are missing in the files, which may be those of the index: import again when they are there",
            Files::Pruned => "the node has deleted blocks that a new index needs: `blkdex rebuild --force --datadir DIR` makes it anew from the files of a node that has them all",
        }
    )]
    ForkTooDeep {
        /// What the files lack may be the index's own chain.
        files: Files,
        /// Tip of the index.
        tip: Height,
        /// Its settled line.
        settled: Height,
    },
    /// An import cannot go on, but what is below can be had.
    #[error("{source}; the same command with `--until {until}` imports what is below")]
    StopsAbove {
        /// Why it cannot.
        source: Box<crate::Error>,
        /// The last block that it could import.
        until: Height,
    },
    /// The block that all others follow was named as invalid.
    #[error("the genesis block of {network} cannot be left out")]
    GenesisLeftOut {
        /// The network.
        network: NetworkName,
    },
    /// The block files were obfuscated with another key when they were looked at before.
    #[error(
        "the key in {} is another one than before: other block files are there now, or the datadir is being copied",
        dir.join("xor.dat").display()
    )]
    KeyChanged {
        /// Folder of the block files.
        dir: std::path::PathBuf,
    },
    /// A settled block breaks the rules.
    #[error("block {height} ({}), which is settled: {fault}; is the datadir whole? `--invalid HASH` excludes a block by hand", bitcoin::BlockHash::from_byte_array(*hash))]
    InvalidSettledBlock {
        /// Its height.
        height: Height,
        /// Its hash, in internal byte order.
        hash: [u8; 32],
        /// What is wrong, naming transaction and outpoint.
        fault: String,
    },
    /// Disk, memory or rights that the work needs are not there.
    #[error("{0}")]
    Lacks(super::needs::lack::Lacks),
}

/// Whether the files lack something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Files {
    /// Nothing.
    Whole,
    /// Blocks that may come, or are damaged.
    Lacking,
    /// Blocks that the node has deleted.
    Pruned,
}

impl Files {
    /// Those of a datadir in which the best chain is complete, or not.
    pub(crate) fn of(datadir: &Datadir, complete: bool) -> Files {
        match complete {
            false => Files::Lacking,
            true if datadir.is_partial() => Files::Pruned,
            true => Files::Whole,
        }
    }
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        match self {
            Fault::GenesisLeftOut { .. } => Family::User,
            Fault::Lacks(..) => Family::Machine,
            _ => Family::Data,
        }
    }
}
