//! `manifest.json`: what is certain of a set.
//!
//! Invariant: it is replaced in one step, and what it lists is there under the names that it gives; a file that
//! another takes the place of is removed after it is no longer listed. Processes that write into one
//! folder make it of what they find there: who is last lists all.

use super::folder::Folder;
use super::piece::{About, Common, Piece};
use super::plan::Apart;
use super::sums::Sums;
use super::{Fault, Table};
use crate::Result;
use crate::os::io_error;
use crate::primitives::position::Height;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

const FORMAT: u32 = 1;

/// How often it is made again because the folder changed meanwhile.
const TRIES: usize = 100;

/// More than listing the folder and writing the manifest take.
const DELAY_MS_MAX: u64 = 64;

/// See the module documentation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: u32,
    blkdex_version: String,
    network: String,
    hashes: String,
    spent_coins: bool,
    ranges: Vec<Range>,
    utxo_set: Option<UtxoSetThen>,
}

/// Blocks whose tables are in files of their own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Range {
    first: u32,
    last: u32,
    first_hash: String,
    last_hash: String,
    settled: bool,
    tables: BTreeMap<String, Listed>,
    sums: Sums,
}

/// A file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Listed {
    file: String,
    rows: u64,
    bytes: u64,
}

/// The UTXO set at the last height up to which no block is missing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UtxoSetThen {
    /// The height.
    pub height: u32,
    /// Its block.
    pub hash: String,
    /// Coins.
    pub txouts: u64,
    /// What they are worth.
    pub total_amount_sat: u128,
}

/// What is known of the files in the folder.
pub(crate) type Known = BTreeMap<Piece, About>;

impl Manifest {
    fn of(common: &Common, known: &Known) -> Manifest {
        let mut ranges: BTreeMap<(u32, u32, &str), Range> = BTreeMap::new();
        for (piece, about) in known {
            let key = (piece.first.0, piece.last.0, &about.last_hash[..]);
            let range = ranges.entry(key).or_insert_with(|| Range {
                first: piece.first.0,
                last: piece.last.0,
                first_hash: about.first_hash.clone(),
                last_hash: about.last_hash.clone(),
                settled: about.settled,
                tables: BTreeMap::new(),
                sums: about.sums,
            });
            // The file of a table that tells nothing of spent coins may have been written without them.
            if about.sums.inputs_unknown < range.sums.inputs_unknown {
                range.sums = about.sums;
            }
            range.tables.insert(
                piece.table.name().to_owned(),
                Listed {
                    file: piece.path(),
                    rows: about.rows,
                    bytes: about.bytes,
                },
            );
        }
        let ranges: Vec<Range> = ranges.into_values().collect();
        Manifest {
            format: FORMAT,
            blkdex_version: env!("CARGO_PKG_VERSION").to_owned(),
            network: common.network.clone(),
            hashes: common.hashes.name().to_owned(),
            spent_coins: common.has_spent_coins,
            utxo_set: utxo_set(&ranges),
            ranges,
        }
    }

    fn known(&self) -> Known {
        let mut known = Known::new();
        for range in &self.ranges {
            for (name, listed) in &range.tables {
                let Ok(table) = name.parse::<Table>() else {
                    continue;
                };
                let piece = Piece {
                    table,
                    first: Height(range.first),
                    last: Height(range.last),
                };
                let about = About {
                    first_hash: range.first_hash.clone(),
                    last_hash: range.last_hash.clone(),
                    settled: range.settled,
                    rows: listed.rows,
                    bytes: listed.bytes,
                    sums: range.sums,
                };
                known.insert(piece, about);
            }
        }
        known
    }
}

/// The set behind the blocks from 0 on, as far as none is missing.
fn utxo_set(ranges: &[Range]) -> Option<UtxoSetThen> {
    let mut sums = Sums::default();
    let mut last: Option<&Range> = None;
    loop {
        let next = last.map_or(0, |last| last.last + 1);
        // Of those that begin here the longest.
        let ranges = ranges.iter().filter(|range| range.first == next);
        let Some(range) = ranges.max_by_key(|range| range.last) else {
            break;
        };
        sums += range.sums;
        last = Some(range);
    }
    let last = last?;
    Some(UtxoSetThen {
        height: last.last,
        hash: last.last_hash.clone(),
        txouts: sums.coins()?,
        total_amount_sat: sums.coins_sat()?,
    })
}

fn path(folder: &Folder) -> PathBuf {
    folder.path().join("manifest.json")
}

/// What it says now; `None` if there is none that can be read.
fn read(folder: &Folder) -> Result<Option<Manifest>> {
    let path = path(folder);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)
            .ok()
            .filter(|manifest: &Manifest| manifest.format == FORMAT)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

/// What is known of all files: by the manifest, where it speaks of a file of as many bytes, else by their
/// footers.
///
/// # Errors
/// [`Fault::OtherSet`], [`Fault::BadFile`], [`crate::os::Fault::Io`].
pub(crate) fn known(folder: &Folder, common: &Common) -> Result<Known> {
    let manifest = read(folder)?;
    let is_same = |manifest: &Manifest| {
        (
            &manifest.network[..],
            &manifest.hashes[..],
            manifest.spent_coins,
        ) == (
            &common.network[..],
            common.hashes.name(),
            common.has_spent_coins,
        )
    };
    let listed = manifest.filter(is_same).map(|manifest| manifest.known());
    let listed = listed.unwrap_or_default();
    let mut known = Known::new();
    for (piece, bytes) in folder.pieces()? {
        let about = match listed.get(&piece).filter(|about| about.bytes == bytes) {
            Some(about) => about.clone(),
            None => super::piece::read(&folder.file_of(&piece), &piece, common)?,
        };
        known.insert(piece, about);
    }
    Ok(known)
}

/// So long two processes do not wait alike: each is about to remove files that the other one still lists, and
/// in step they would take turns for ever.
fn any_delay() -> Duration {
    let random = RandomState::new().build_hasher().finish();
    Duration::from_millis(random % DELAY_MS_MAX)
}

/// Writes it anew, of all files but those in `without`; `own` is what this process knows of files that it has
/// written.
///
/// # Errors
/// As [`known`].
pub(crate) fn publish(
    folder: &Folder,
    common: &Common,
    own: &Known,
    without: &[Piece],
) -> Result<Option<UtxoSetThen>> {
    for tried in 0..TRIES {
        if tried > 1 {
            sleep(any_delay());
        }
        let mut all = known(folder, common)?;
        all.retain(|piece, _| !without.contains(piece));
        let pieces: Vec<Piece> = all.keys().copied().collect();
        // Another process is about to remove a file that has become longer, or wrote blocks of this one's.
        let listed = Apart::of(&pieces).kept;
        all.retain(|piece, _| listed.contains(piece));
        for (piece, about) in own {
            // Not where another process has put its own in place of it.
            let entry = all.get_mut(piece);
            if let Some(entry) = entry.filter(|entry| entry.bytes == about.bytes) {
                entry.clone_from(about);
            }
        }
        let manifest = Manifest::of(common, &all);
        // Another process may have written its own meanwhile: until both say the same.
        if read(folder)?.as_ref() == Some(&manifest) {
            return Ok(manifest.utxo_set);
        }
        let path = path(folder);
        let growing = folder.begin(folder.path())?;
        let text = serde_json::to_string_pretty(&manifest).expect("strings and numbers");
        let mut file = growing.file();
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.write_all(b"\n"));
        written.map_err(io_error("write", &path))?;
        folder.name(growing, &path)?;
    }
    let path = path(folder);
    let why = "other processes write it all the time".to_owned();
    Err(Fault::BadFile { path, why }.into())
}
