//! The numbers and hashes of the set at a height, from index and block files.
//!
//! Invariant: every coin is hashed once, in whichever order its hash wants.
//!
//! Memory: what the coins' stream takes; `hash_serialized_3` needs them in outpoint order, so there the
//! rest of the budget sorts them, with a temporary file beside the index if it does not do (about 80
//! bytes a coin).

use super::Uint256;
use super::muhash::MuHash;
use super::serialized::SerializedHash;
use super::stats::Stats;
use crate::Result;
use crate::limits::SORTER_BYTES_MIN;
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::memory::sorter::{Sorted, Sorter};
use crate::os::paths::folder_of;
use crate::primitives::coin::{Coin, height_and_flag};
use crate::primitives::position::{Height, Txo};
use crate::runs::row::SpendingRow;
use crate::utxo::{Progress, UtxoSet, Watch, Work, left_for_buffers, spent_rows};
use bitcoin::hashes::Hash;
use byteorder::{BigEndian, ByteOrder, LittleEndian};
use std::path::Path;

/// Which hashes to compute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hashes {
    /// MuHash3072.
    pub muhash: bool,
    /// `hash_serialized_3`.
    pub serialized: bool,
}

/// Bytes of an outpoint that sorts as Core sorts: txid, then vout in big-endian.
const OUTPOINT_BYTES: usize = 36;

/// Bytes behind it: code and amount.
const FIXED_BYTES: usize = 12;

/// Takes coins in any order, gives them back in outpoint order.
pub struct ByOutpoint(Sorter);

impl ByOutpoint {
    /// Sorts in `bytes` of memory and, if need be, a temporary file in `dir`.
    ///
    /// # Errors
    /// [`crate::memory::Fault::Memory`].
    pub fn new(bytes: usize, dir: &Path) -> Result<ByOutpoint> {
        Sorter::new(OUTPOINT_BYTES, bytes, dir).map(ByOutpoint)
    }

    /// Takes a coin.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn push(&mut self, coin: &Coin<'_>) -> Result<()> {
        let mut head = [0; OUTPOINT_BYTES + FIXED_BYTES];
        head[..32].copy_from_slice(&coin.txid);
        BigEndian::write_u32(&mut head[32..], coin.vout);
        LittleEndian::write_u32(&mut head[36..], coin.code());
        LittleEndian::write_u64(&mut head[40..], coin.amount_sat);
        self.0.push(&[&head, coin.script])
    }

    /// Gives all coins to `visit`, of which there are `count`.
    ///
    /// # Errors
    /// What `visit` returns; [`crate::os::Fault::Io`], [`crate::memory::Fault::TemporaryDamaged`],
    /// [`crate::error::Interrupted`].
    pub fn each(
        self,
        progress: Progress,
        watch: &mut Watch<'_>,
        mut visit: impl FnMut(&Coin<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut sorted: Sorted = self.0.finish()?;
        let mut done = 0;
        while let Some(record) = sorted.next_record()? {
            visit(&coin_of(record))?;
            done += 1;
            if done % 4096 == 0 {
                watch.went_on(&Progress { done, ..progress })?;
            }
        }
        Ok(())
    }
}

fn coin_of(record: &[u8]) -> Coin<'_> {
    let (height, coinbase) = height_and_flag(LittleEndian::read_u32(&record[36..]));
    Coin {
        txid: *record.first_chunk().expect("a record holds its key"),
        vout: BigEndian::read_u32(&record[32..]),
        height,
        coinbase,
        amount_sat: LittleEndian::read_u64(&record[40..]),
        script: &record[OUTPOINT_BYTES + FIXED_BYTES..],
    }
}

/// The buffer for the coins' stream, and how many bytes of `memory_bytes` are left beside it, at
/// least `least_bytes`.
///
/// # Errors
/// [`crate::memory::Fault::BudgetTooSmall`], [`crate::memory::Fault::Memory`].
pub fn spent_buffer(
    set: &UtxoSet<'_>,
    memory_bytes: usize,
    least_bytes: usize,
) -> Result<(Region<SpendingRow>, usize)> {
    let rows = spent_rows(set.snapshot(), set.height());
    let bytes = rows * size_of::<SpendingRow>();
    let left = left_for_buffers(memory_bytes, bytes + least_bytes)? - bytes;
    Ok((Region::new(Part::SpentOutputs, rows)?, left))
}

/// Recomputes what Core's `gettxoutsetinfo` says.
///
/// # Errors
/// Those of [`UtxoSet::each_coin`]; [`crate::memory::Fault::BudgetTooSmall`]; [`crate::os::Fault::Io`].
pub fn recompute(
    set: &mut UtxoSet<'_>,
    hashes: Hashes,
    memory_bytes: usize,
    watch: &mut Watch<'_>,
) -> Result<Stats> {
    let least = if hashes.serialized {
        SORTER_BYTES_MIN
    } else {
        0
    };
    let (mut buffer, left) = spent_buffer(set, memory_bytes, least)?;
    let dir = folder_of(set.snapshot().index().store().path()).to_owned();
    let mut sorter = match hashes.serialized {
        true => Some(ByOutpoint::new(left, &dir)?),
        false => None,
    };
    let mut muhash = hashes.muhash.then(MuHash::new);
    let mut stats = Stats {
        height: set.height().0,
        hash: Uint256::from_byte_array(set.row().hash),
        txouts: 0,
        bogosize: 0,
        total_amount_sat: 0,
        transactions: None,
        muhash: None,
        hash_serialized: None,
    };
    let mut transactions = 0;
    let mut previous = None;
    set.each_coin(&mut buffer, watch, |_: Txo, coin| {
        stats.txouts += 1;
        stats.bogosize += coin.bogosize();
        stats.total_amount_sat += u128::from(coin.amount_sat);
        transactions += u64::from(previous.replace(coin.txid) != Some(coin.txid));
        if let Some(muhash) = &mut muhash {
            muhash.insert(coin);
        }
        match &mut sorter {
            Some(sorter) => sorter.push(coin),
            None => Ok(()),
        }
    })?;
    stats.transactions = Some(transactions);
    stats.muhash = muhash.map(|muhash| muhash.finish());
    if let Some(sorter) = sorter {
        stats.hash_serialized = Some(hash_serialized(sorter, &stats, watch)?);
    }
    Ok(stats)
}

fn hash_serialized(sorter: ByOutpoint, stats: &Stats, watch: &mut Watch<'_>) -> Result<Uint256> {
    let height = Height(stats.height);
    let progress = Progress {
        work: Work::Sorting,
        height,
        last: height,
        done: 0,
        all: stats.txouts,
    };
    let mut hash = SerializedHash::new();
    sorter.each(progress, watch, |coin| {
        hash.push(coin);
        Ok(())
    })?;
    Ok(hash.finish())
}
