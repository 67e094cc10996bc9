//! Questions to an index, at any height.
//!
//! Invariant: an answer at height h is the one that an index whose tip is h would give.
//!
//! ```no_run
//! use blkdex::index::Index;
//! use blkdex::query::{Listing, View, script};
//!
//! let index = Index::open("blkdex.redb".as_ref())?;
//! let mut view = View::new(&index, None, None)?;
//! let script = script::parse("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", view.network())?;
//! println!("{} sat", view.balance(&script, false)?.balance_sat);
//! // However many there are, they are read a few thousand at a time.
//! for utxo in view.unspent(&script, &Listing::default())? {
//!     println!("{} sat", utxo?.amount_sat);
//! }
//! # Ok::<(), blkdex::Error>(())
//! ```
//!
//! | file | what |
//! | --- | --- |
//! | `answers.rs`, `parts.rs` | what is answered; what JSON has beside names |
//! | `status.rs` | `status` |
//! | `listing.rs` | which part of a list, and within what memory |
//! | `payees.rs` | the scripts that a question is about |
//! | `payments.rs` | outputs that pay them, and where they are |
//! | `balance.rs`, `utxos.rs`, `history.rs` | `balance`, `utxos`, `history` |
//! | `wallet/` | the same of all scripts of a descriptor |
//! | `lists/` | many questions at once, and many scripts as one |
//! | `changes.rs` | what happens to balances, which histories are made of |
//! | `survey.rs` | what is known of that before the first change |
//! | `gathered.rs` | rows sorted |
//! | `outputs.rs` | `outpoint`; where outputs came from and where they went |
//! | `tx.rs`, `block.rs` | `tx`, `block` |
//! | `blocks.rs` | transactions out of the block files |
//! | `fault.rs` | why there is no answer |

mod answers;
mod balance;
mod block;
mod blocks;
mod changes;
mod fault;
mod gathered;
mod history;
mod listing;
pub mod lists;
mod outputs;
mod parts;
mod payees;
mod payments;
pub mod script;
mod status;
mod survey;
mod tx;
mod utxos;
pub mod wallet;

pub use answers::{
    Balance, BlockInfo, Event, EventKind, History, InputInfo, OutputInfo, OutputOfTx, RunCounts,
    SpentBy, Status, TxInfo, Utxo, Utxos,
};
pub use balance::BALANCE_CHECKED_MAX;
pub use block::BlockName;
pub use fault::Fault;
pub use history::Events;
pub use listing::{AT_ONCE_MAX, Listing, Start};
pub use parts::type_of;
pub use payments::expect_indexed;
pub use utxos::Unspent;

use crate::datadir::Location;
use crate::index::Index;
use crate::index::blocks::BlockRow;
use crate::index::kept::KeptTxids;
use crate::index::snapshot::Snapshot;
use crate::memory::QUESTION_BYTES_MAX;
use crate::primitives::network::NetworkName;
use crate::primitives::position::{Height, Txo};
use crate::utxo::{self, AsOf, At, GoneBlocks};
use crate::{Error, Result};
use blocks::{BlockFiles, Found, Visited};
use listing::Share;

/// Where txids are read, and what else the relations do not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    /// In the block files, where the scripts are compared and the inputs found as well.
    Files,
    /// The same, as far as they are there; else in the index, if it keeps txids.
    FilesAtHand,
    /// In the index, which keeps them.
    Index,
}

/// An index as it was when `at` was its tip.
pub struct View<'i> {
    snapshot: Snapshot<'i>,
    network: NetworkName,
    at: Height,
    row: BlockRow,
    location: Location,
    /// Whether the location was given, and is not only where the files once were.
    is_given: bool,
    files: Option<BlockFiles>,
    gone: Option<GoneBlocks>,
    share: Share,
}

impl<'i> View<'i> {
    /// The index as of the block `at`; `None`: at its tip. The block files are at `location`; `None`: where
    /// they were when they were imported. They are opened when a question needs them.
    ///
    /// # Errors
    /// Those of [`At::height`].
    pub fn new(index: &'i Index, at: Option<At>, location: Option<Location>) -> Result<View<'i>> {
        let meta = index.meta();
        let (tip, tip_row) = index.tip().ok_or_else(|| index.no_blocks())?;
        let at = at.map_or(Ok(tip), |at| at.height(index))?;
        let snapshot = index.snapshot()?;
        let row = match at == tip {
            true => tip_row,
            false => snapshot.block(at)?,
        };
        Ok(View {
            network: meta.network.parse()?,
            snapshot,
            at,
            row,
            is_given: location.is_some(),
            location: location.unwrap_or_else(|| Location::BlocksDir(meta.blocks_dir.clone())),
            files: None,
            gone: None,
            share: Share::of(QUESTION_BYTES_MAX),
        })
    }

    /// The block that answers are as of.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn as_of(&self) -> Result<AsOf> {
        utxo::as_of(&self.snapshot, self.at)
    }

    /// The index's network, whose addresses it takes and gives.
    pub fn network(&self) -> NetworkName {
        self.network
    }

    /// Position behind the last output.
    fn end(&self) -> Txo {
        Txo(self.row.outputs)
    }

    /// The index, and the block files.
    fn parts(&mut self) -> Result<(&Snapshot<'i>, &mut BlockFiles)> {
        let files = match &mut self.files {
            Some(files) => files,
            none => {
                let network = self.snapshot.index().meta().network()?;
                none.insert(BlockFiles::open(&self.location, &network, self.is_given)?)
            }
        };
        Ok((&self.snapshot, files))
    }

    /// See [`BlockFiles::each_tx`]. Blocks that are gone are noted.
    fn each_tx_or_gone(
        &mut self,
        wanted: &[Txo],
        mut visit: impl FnMut(Visited<'_, '_>, &[Txo]) -> Result<()>,
    ) -> Result<()> {
        let last = self.at;
        self.parts()?;
        let mut gone = self.gone.take();
        let (snapshot, files) = self.parts()?;
        let done = files.each_tx(snapshot, last, wanted, |visited, here| {
            if let Visited::Gone(block) = &visited {
                GoneBlocks::note(&mut gone, block.height, block.path.clone());
            }
            visit(visited, here)
        });
        self.gone = gone;
        done
    }

    /// The same, where all blocks are needed.
    fn each_tx(
        &mut self,
        wanted: &[Txo],
        mut visit: impl FnMut(&Found<'_>, &[Txo]) -> Result<()>,
    ) -> Result<()> {
        let last = self.at;
        let mut gone = None;
        let (snapshot, files) = self.parts()?;
        files.each_tx(snapshot, last, wanted, |visited, here| match visited {
            // With the first that is gone there is no answer; which others are, is to be said.
            Visited::Tx(found) if gone.is_none() => visit(found, here),
            Visited::Tx(_) => Ok(()),
            Visited::Gone(block) => {
                GoneBlocks::note(&mut gone, block.height, block.path.clone());
                Ok(())
            }
        })?;
        match gone {
            Some(gone) => Err(Error::from(utxo::Fault::Gone(gone))),
            None => Ok(()),
        }
    }

    /// Blocks that answers were to be read from, but that are not there any more: there the answers have
    /// nothing where they might.
    pub fn gone(&self) -> Option<&GoneBlocks> {
        self.gone.as_ref()
    }

    /// Whether the index keeps txids, and so answers without block files.
    pub fn keeps_txids(&self) -> bool {
        self.snapshot.index().keeps_txids()
    }

    /// The txids that the index keeps.
    fn kept_txids(&self) -> Result<KeptTxids<'i>> {
        let kept = self.snapshot.kept_txids()?;
        Ok(kept.expect("asked for only where the index keeps them"))
    }

    /// Where to read about outputs that pay a script.
    fn source(&self, check: bool) -> Source {
        match (check, self.keeps_txids()) {
            (true, _) => Source::Files,
            (false, true) => Source::Index,
            (false, false) => Source::FilesAtHand,
        }
    }
}
