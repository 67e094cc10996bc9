//! `verify`: the index proven against Bitcoin Core's own numbers.
//!
//! Invariant: the first number in which Core and we differ is an error, and nothing that Core is known
//! to say of the height is left uncompared.

use super::Uint256;
use super::assumeutxo::{self, Known};
use super::expect::Expected;
use super::recompute::{Hashes, recompute};
use super::stats::Stats;
use super::undo::{UndoCounts, check_undo};
use crate::Result;
use crate::datadir::Location;
use crate::index::Index;
use crate::index::snapshot::Snapshot;
use crate::memory::auto_bytes;
use crate::os::sigbus::catch_sigbus;
use crate::primitives::position::Height;
use crate::utxo::{AsOf, At, UtxoSet, Watch};
use crate::verify::Fault;
use bitcoin::hashes::Hash;
use std::path::Path;
use std::time::Instant;

/// What to verify.
#[derive(Clone, Debug)]
pub struct Options {
    /// The block that it is as of; `None`: the tip, or the height of `expect`.
    pub at: Option<At>,
    /// The block files; `None`: where they were when they were imported.
    pub location: Option<Location>,
    /// All memory, in bytes.
    pub memory_bytes: usize,
    /// Whether `hash_serialized_3` is computed even if nothing is known to compare it with.
    pub hash_serialized: bool,
    /// What `gettxoutsetinfo` said.
    pub expect: Option<Expected>,
    /// Whether the undo files are compared too.
    pub undo: bool,
}

impl Default for Options {
    /// The set at the tip, its MuHash and what Core ships.
    fn default() -> Options {
        Options {
            at: None,
            location: None,
            memory_bytes: auto_bytes(),
            hash_serialized: false,
            expect: None,
            undo: false,
        }
    }
}

/// What was found, and equals all that Core is known to say.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The block that the set is as of.
    pub as_of: AsOf,
    /// Numbers and hashes of the set.
    pub stats: Stats,
    /// Heights at or below this one whose block Core ships the hash of: compared with.
    pub known_blocks: Vec<Height>,
    /// Whether Core ships the hash of this very set: compared with.
    pub known_set: bool,
    /// Whether it equals what `gettxoutsetinfo` said.
    pub equals_expected: bool,
    /// What was compared with the undo files, if that was asked for.
    pub undo: Option<UndoCounts>,
    /// Seconds from start to end.
    pub seconds: f64,
}

/// Recomputes what Core would say, and compares it with all that is known.
///
/// # Errors
/// [`crate::verify::Fault::Differs`] for the first difference; those of reading.
pub fn verify(index: &Path, options: &Options, watch: &mut Watch<'_>) -> Result<Verified> {
    let started = Instant::now();
    catch_sigbus();
    let index = Index::open_to_walk(index)?;
    let at = height_wanted(&index, options)?;
    let mut set = UtxoSet::open(&index, at.map(At::Height), options.location.as_ref())?;
    let as_of = set.as_of()?;
    let known_blocks = compare_known_blocks(set.snapshot(), set.height())?;
    if let Some(expected) = &options.expect {
        let found = Uint256::from_byte_array(set.row().hash);
        differ(set.height(), "bestblock", &expected.block_hash(), &found)?;
    }
    let known = match assumeutxo::known(index.meta().magic, set.height().0, &set.row().hash) {
        Known::Block(known) => Some(known),
        Known::Nothing | Known::OtherBlock(_) => None,
    };
    let expects_serialized = (options.expect.as_ref()).is_some_and(Expected::wants_hash_serialized);
    let hashes = Hashes {
        muhash: true,
        serialized: options.hash_serialized || expects_serialized || known.is_some(),
    };
    let undo = match options.undo {
        true => Some(check_undo(&mut set, options.memory_bytes, watch)?),
        false => None,
    };
    let stats = recompute(&mut set, hashes, options.memory_bytes, watch)?;
    if let (Some(known), Some(found)) = (known, &stats.hash_serialized) {
        differ(
            set.height(),
            "hash_serialized_3",
            &known.hash_serialized(),
            found,
        )?;
    }
    let difference = options
        .expect
        .as_ref()
        .and_then(|e| e.first_difference(&stats));
    if let Some(difference) = difference {
        return Err(Fault::Differs {
            height: set.height(),
            field: difference.field,
            found: difference.found,
            expected: difference.expected,
        }
        .into());
    }
    Ok(Verified {
        as_of,
        stats,
        known_blocks,
        known_set: known.is_some(),
        equals_expected: options.expect.is_some(),
        undo,
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn height_wanted(index: &Index, options: &Options) -> Result<Option<Height>> {
    let expected = options.expect.as_ref().map(|e| Height(e.height()));
    let at = options.at.map(|at| at.height(index)).transpose()?;
    match (at, expected) {
        (Some(at), Some(expected)) if at != expected => {
            Err(Fault::ExpectHeight { at, expected }.into())
        }
        (at, expected) => Ok(at.or(expected)),
    }
}

/// Compares hash and transaction count of every block that Core ships them of. On regtest, where
/// every chain is its own, only of those blocks that are there.
fn compare_known_blocks(snapshot: &Snapshot<'_>, last: Height) -> Result<Vec<Height>> {
    let magic = snapshot.index().meta().magic;
    let mut compared = Vec::new();
    for row in assumeutxo::of_network(magic).filter(|row| row.height <= last.0) {
        let height = Height(row.height);
        let block = snapshot.block(height)?;
        match assumeutxo::known(magic, row.height, &block.hash) {
            Known::Block(known) if known == row => {
                differ(
                    height,
                    "transactions so far",
                    &known.chain_tx_count,
                    &block.txs,
                )?;
                compared.push(height);
            }
            Known::OtherBlock(known) => {
                let found = Uint256::from_byte_array(block.hash);
                differ(height, "block hash", &known.block_hash(), &found)?;
            }
            Known::Block(_) | Known::Nothing => {}
        }
    }
    Ok(compared)
}

fn differ<T: PartialEq + ToString>(
    height: Height,
    field: &'static str,
    expected: &T,
    found: &T,
) -> Result<()> {
    match expected == found {
        true => Ok(()),
        false => Err(Fault::Differs {
            height,
            field,
            found: found.to_string(),
            expected: expected.to_string(),
        }
        .into()),
    }
}
