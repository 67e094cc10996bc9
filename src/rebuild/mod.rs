//! The rebuild: a new index beside the old one, checked, and only then in its place.
//!
//! Invariant: under the index's own name there is, at every moment, either the old file, untouched, or
//! the new one, imported to the end, checked and safe on disk. A rebuild that was cut off is gone on
//! with by the next, or begun anew where that cannot be.
//!
//! | file | what |
//! | --- | --- |
//! | `loss.rs` | what would be lost with the old index |
//! | `place.rs` | beside the real file, and in its place |
//! | `fault.rs` | what can go wrong |

mod fault;
mod loss;
mod place;

pub use fault::Fault;

pub use loss::{Loss, Old};
pub use place::new_path;

use crate::datadir::Datadir;
use crate::doctor;
use crate::export;
use crate::import::events::{Event, Notice, Watch};
use crate::import::summary::Summary;
use crate::import::{self, import};
use crate::index;
use crate::index::{Index, remembered};
use crate::os::kept::refuse_block_file;
use crate::os::paths::behind_links;
use crate::os::{self, io_error};
use crate::primitives::position::Height;
use crate::runs;
use crate::store;
use crate::store::contention::{Use, in_use, is_in_use};
use crate::utxo::{self, gone_between};
use crate::verify;
use crate::verify::proof::{self, Verified, verify};
use crate::{Error, Result};
use std::fs;
use std::path::Path;

/// What a rebuild has done.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// The import.
    pub summary: Summary,
    /// What the check of the new file has found; `None` if the import was interrupted, and the old
    /// file is still there.
    pub verified: Option<Verified>,
}

/// Makes the index at `options.index` anew, unless something of `old` would be lost. If it keeps txids, so does
/// the new one.
///
/// # Errors
/// [`crate::rebuild::Fault::RebuildLoses`]; [`crate::store::Fault::IndexInUse`]; those of the import and of
/// the check. The old file is then as it was.
pub fn rebuild(
    options: &import::Options,
    old: Option<&Old>,
    watch: &mut Watch<'_>,
) -> Result<Rebuilt> {
    let index = behind_links(&options.index);
    refuse_used(&index)?;
    let datadir = Datadir::open(&options.source)?;
    refuse_block_file(datadir.blocks_dir(), &index)?;
    if datadir.gap().is_some() {
        refuse_gone(&index, options.until, &datadir)?;
    }
    let options = import::Options {
        index: new_path(&index),
        // What cannot be read any more is not remembered either.
        keeps_txids: options.keeps_txids || remembered(&index).is_ok_and(|old| old.keeps_txids),
        ..options.clone()
    };
    let has_leftover = place::check_leftover(&options.index, &index)?;
    if let Some(old) = old {
        look_ahead(&options, old, watch)?;
    }
    let done = match attempt(&options, watch) {
        Err(error) if has_leftover && is_of_leftover(&error) => {
            begin_anew(&options.index, &error.to_string(), watch)?;
            attempt(&options, watch)?
        }
        done => done?,
    };
    if done.verified.is_none() {
        return Ok(done);
    }
    if let Some(old) = old {
        old.refuse_loss_by(&Index::open_to_walk(&options.index)?)?;
    }
    // Another import may have begun meanwhile.
    refuse_used(&index)?;
    if let Some(notice) = place::put_in_place(&options.index, &index)? {
        watch.tell(Event::Notice(notice));
    }
    Ok(done)
}

/// Refuses block files that have not all of the blocks any more which the old index, if it can be read, has from
/// such files.
fn refuse_gone(path: &Path, until: Option<Height>, datadir: &Datadir) -> Result<()> {
    let Ok(old) = Index::open_to_walk(path) else {
        return Ok(());
    };
    let Some((tip, _)) = old.tip() else {
        return Ok(());
    };
    let last = until.map_or(tip, |until| until.min(tip));
    match gone_between(&old.snapshot()?, Height(0), last, datadir.blocks_dir())? {
        Some(gone) => Err(Fault::BlocksGone {
            path: path.to_owned(),
            gone,
        }
        .into()),
        None => Ok(()),
    }
}

/// Takes a leftover away that cannot be gone on with, and says so.
fn begin_anew(new: &Path, why: &str, watch: &mut Watch<'_>) -> Result<()> {
    watch.tell(Event::Notice(Notice::BegunAnew {
        path: new.to_owned(),
        why: why.to_owned(),
    }));
    fs::remove_file(new).map_err(io_error("remove", new))
}

/// Imports, and checks what came of it.
fn attempt(options: &import::Options, watch: &mut Watch<'_>) -> Result<Rebuilt> {
    let summary = import(options, watch)?;
    if summary.interrupted {
        return Ok(Rebuilt {
            summary,
            verified: None,
        });
    }
    let tip = summary.tip.map(|(height, _)| height);
    if let Some((until, height)) = options.until.zip(tip).filter(|(until, tip)| tip > until) {
        return Err(Fault::ReachesBeyond {
            path: options.index.clone(),
            height,
            until,
        }
        .into());
    }
    let verified = Some(check(options, watch)?);
    Ok(Rebuilt { summary, verified })
}

/// Whether a file that an earlier rebuild left can be to blame: it is damaged, of another chain or of
/// another version. What the disk, the block files or the arguments are to blame for stays an error.
fn is_of_leftover(error: &Error) -> bool {
    let of_store = error.fault().is_some_and(store::Fault::is_of_file);
    let of_import = matches!(
        error.fault(),
        Some(import::Fault::ForkTooDeep { .. } | import::Fault::InvalidSettledBlock { .. })
    );
    let beyond = matches!(error.fault(), Some(Fault::ReachesBeyond { .. }));
    let differs = matches!(error.fault(), Some(verify::Fault::Differs { .. }));
    let same = matches!(error.fault(), Some(export::Fault::SameFingerprint { .. }));
    let of_rows = error.fault::<runs::Fault>().is_some() || error.fault::<index::Fault>().is_some();
    let of_coins = error.fault::<utxo::Fault>().is_some();
    of_store || of_import || beyond || differs || same || of_rows || of_coins
}

/// Refuses an index that another process writes to. The file itself is not looked into: it may be
/// damaged.
fn refuse_used(path: &Path) -> Result<()> {
    match is_in_use(path, Use::Writing) {
        Ok(true) => Err(in_use(path).into()),
        Err(error) if matches!(error.fault(), Some(os::Fault::NotAFile { .. })) => Err(error),
        Ok(false) | Err(_) => Ok(()),
    }
}

/// Refuses to begin what is seen to lose something.
fn look_ahead(options: &import::Options, old: &Old, watch: &mut Watch<'_>) -> Result<()> {
    let examined = doctor::examine(
        &doctor::Options {
            source: options.source.clone(),
            index: options.index.clone(),
            memory_bytes: options.memory_bytes,
            keeps_txids: options.keeps_txids,
            deep: false,
            checks_witness: false,
        },
        watch,
    )?;
    let best = examined.chain.and_then(|chain| chain.reach.height);
    let end = best.map(|best| options.until.map_or(best, |until| until.min(best)));
    old.refuse_loss(examined.network.as_deref(), end)
}

/// Recomputes the coins from the block files, and compares their number with the one that the import
/// counted on its way.
fn check(options: &import::Options, watch: &mut Watch<'_>) -> Result<Verified> {
    let check = proof::Options {
        at: None,
        location: None,
        memory_bytes: options.memory_bytes,
        hash_serialized: false,
        expect: None,
        undo: false,
    };
    let mut reading = utxo::Watch {
        stop: watch.stop,
        tell: &mut |progress| (watch.tell)(Event::Reading(progress)),
    };
    let verified = verify(&options.index, &check, &mut reading)?;
    let index = Index::open_to_walk(&options.index)?;
    if let Some((height, row)) = index
        .tip()
        .filter(|(_, r)| r.coins != verified.stats.txouts)
    {
        return Err(verify::Fault::Differs {
            height,
            field: "txouts",
            found: verified.stats.txouts.to_string(),
            expected: row.coins.to_string(),
        }
        .into());
    }
    Ok(verified)
}
