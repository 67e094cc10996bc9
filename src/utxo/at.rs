//! The block that an answer is as of: named by height, by hash, or by a moment.
//!
//! Invariant: a moment stands for the last block whose median time past (BIP 113, of the block and the ten
//! before it) is not after it. Unlike the times of blocks it never falls from one block to the next, so
//! the block is found by halving.

use super::Fault;
use crate::index::Index;
use crate::index::snapshot::Snapshot;
use crate::primitives::header::time_of;
use crate::primitives::position::Height;
use crate::{Error, Result};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use serde::Serialize;

/// Blocks whose times a median is of (Bitcoin Core, `chain.h`: `nMedianTimeSpan`).
const MEDIAN_BLOCKS: u32 = 11;

/// How a block is named that answers are to be as of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// By its height.
    Height(Height),
    /// By its hash.
    Hash(BlockHash),
    /// By a moment, in Unix seconds: the last block whose median time past is not after it.
    Time(i64),
}

impl From<Height> for At {
    fn from(height: Height) -> At {
        At::Height(height)
    }
}

/// The block that an answer is as of: nothing above it was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct AsOf {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// The time in its header.
    pub time: u32,
    /// Median time of the block and the ten before it (BIP 113), which dates are compared with.
    pub median_time: u32,
    /// Whether it is the last block of the index.
    pub tip: bool,
}

impl At {
    /// The height of the block.
    ///
    /// # Errors
    /// [`crate::store::Fault::NoBlocks`], [`Fault::AboveTip`], [`Fault::UnknownBlock`], [`Fault::BeforeGenesis`];
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn height(self, index: &Index) -> Result<Height> {
        let (tip, _) = index.tip().ok_or_else(|| index.no_blocks())?;
        let snapshot = index.snapshot()?;
        match self {
            At::Height(wanted) if wanted > tip => Err(Fault::AboveTip { wanted, tip }.into()),
            At::Height(height) => Ok(height),
            At::Hash(hash) => {
                let height = snapshot.height_of(&hash.to_byte_array())?;
                height.ok_or_else(|| Error::from(Fault::UnknownBlock { hash }))
            }
            At::Time(time) => height_at_time(&snapshot, tip, time),
        }
    }
}

fn height_at_time(snapshot: &Snapshot<'_>, tip: Height, wanted: i64) -> Result<Height> {
    let is_after = |height| Ok::<_, Error>(i64::from(median_time(snapshot, height)?) > wanted);
    if is_after(Height(0))? {
        let genesis = median_time(snapshot, Height(0))?;
        return Err(Fault::BeforeGenesis { wanted, genesis }.into());
    }
    // The block at `low` is not after the moment; the one at `high` is, or is above the tip.
    let (mut low, mut high) = (0, tip.0 + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match is_after(Height(middle))? {
            true => high = middle,
            false => low = middle,
        }
    }
    Ok(Height(low))
}

fn median_time(snapshot: &Snapshot<'_>, height: Height) -> Result<u32> {
    let first = height.0.saturating_sub(MEDIAN_BLOCKS - 1);
    let mut times = (first..=height.0)
        .map(|height| Ok(time_of(&snapshot.block(Height(height))?.header)))
        .collect::<Result<Vec<u32>>>()?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// The block at `height`, as answers tell of it.
pub(crate) fn as_of(snapshot: &Snapshot<'_>, height: Height) -> Result<AsOf> {
    let row = snapshot.block(height)?;
    let tip = snapshot.index().tip().map(|(tip, _)| tip);
    Ok(AsOf {
        height,
        hash: BlockHash::from_byte_array(row.hash),
        time: time_of(&row.header),
        median_time: median_time(snapshot, height)?,
        tip: tip == Some(height),
    })
}
