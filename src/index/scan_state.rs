//! The scan state: what a scan of the block files leaves to the next, which reads only what was added.
//!
//! Invariant: it is kept only of a scan that found the chain complete, and believed only if the anchor's
//! header is still where it was.
//!
//! `scanned`, file (u32) → its length (u64), time of its last change (i64), bytes scanned (u64), checksum
//! of its records (u64). `asides`, place (16 bytes) of a block off the best chain, above the anchor →
//! nothing. `anchor`, 0 → height (u32) and hash of a settled block, height of the chain's end (u32).
//! `chain_end`, 0 → [`ChainEnd`] as JSON.

use super::blocks::{PLACES, decode_place, encode_place};
use crate::Result;
use crate::datadir::{ChainEnd, FileState};
use crate::primitives::position::{Height, Place};
use crate::primitives::wire::Hash32;
use crate::store::writing::Writing;
use crate::store::{Store, TableDefinition};
use byteorder::{ByteOrder, LittleEndian};

const SCANNED: TableDefinition<'static, u32, &[u8]> = TableDefinition::new("scanned");
const ASIDES: TableDefinition<'static, &[u8], ()> = TableDefinition::new("asides");
const ANCHOR: TableDefinition<'static, u8, &[u8]> = TableDefinition::new("anchor");
const CHAIN_END: TableDefinition<'static, u8, &[u8]> = TableDefinition::new("chain_end");

const FILE_BYTES: usize = 32;
const _: () = assert!(8 + 8 + 8 + 8 == FILE_BYTES);
const ANCHOR_BYTES: usize = 40;
const _: () = assert!(4 + 32 + 4 == ANCHOR_BYTES);

/// See the module documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScanState {
    /// How far each file was read.
    pub files: Vec<FileState>,
    /// Places of blocks above the anchor that are not on the best chain.
    pub asides: Vec<Place>,
    /// A settled block of the best chain, from which the next scan goes on.
    pub anchor: (Height, Hash32),
    /// Height up to which the places are known.
    pub chain_end: Height,
}

impl ScanState {
    /// Reads it; `None` if there is none, or it cannot be read and a full scan has to do.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub fn load(store: &Store) -> Result<Option<ScanState>> {
        let snapshot = store.read()?;
        let Some(anchor) = snapshot.get(ANCHOR, 0)? else {
            return Ok(None);
        };
        let anchor = anchor.value();
        if anchor.len() != ANCHOR_BYTES {
            return Ok(None);
        }
        let mut state = ScanState {
            files: Vec::new(),
            asides: Vec::new(),
            anchor: (
                Height(LittleEndian::read_u32(anchor)),
                anchor[4..36].try_into().expect("length checked above"),
            ),
            chain_end: Height(LittleEndian::read_u32(&anchor[36..])),
        };
        for entry in snapshot.open_table(SCANNED)?.range::<u32>(..)? {
            let (file, bytes) = entry?;
            state.files.extend(decode_file(file.value(), bytes.value()));
        }
        for entry in snapshot.open_table(ASIDES)?.range::<&[u8]>(..)? {
            state.asides.extend(decode_place(entry?.0.value()));
        }
        Ok(Some(state))
    }

    /// Replaces the state that was kept.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub fn save(&self, transaction: &Writing) -> Result<()> {
        let mut scan = transaction.open_table(SCANNED)?;
        scan.clear()?;
        for file in &self.files {
            scan.insert(file.file, &encode_file(file)[..])?;
        }
        let mut asides = transaction.open_table(ASIDES)?;
        asides.clear()?;
        for place in &self.asides {
            asides.insert(&encode_place(place)[..], ())?;
        }
        let mut bytes = [0; ANCHOR_BYTES];
        LittleEndian::write_u32(&mut bytes, self.anchor.0.0);
        bytes[4..36].copy_from_slice(&self.anchor.1);
        LittleEndian::write_u32(&mut bytes[36..], self.chain_end.0);
        let mut anchor = transaction.open_table(ANCHOR)?;
        anchor.insert(0, &bytes[..])
    }
}

fn encode_file(file: &FileState) -> [u8; FILE_BYTES] {
    let mut bytes = [0; FILE_BYTES];
    LittleEndian::write_u64(&mut bytes, file.bytes);
    LittleEndian::write_i64(&mut bytes[8..], file.changed_ns);
    LittleEndian::write_u64(&mut bytes[16..], file.scanned_to_bytes);
    LittleEndian::write_u64(&mut bytes[24..], file.records_checksum);
    bytes
}

fn decode_file(file: u32, bytes: &[u8]) -> Option<FileState> {
    (bytes.len() == FILE_BYTES).then(|| FileState {
        file,
        bytes: LittleEndian::read_u64(bytes),
        changed_ns: LittleEndian::read_i64(&bytes[8..]),
        scanned_to_bytes: LittleEndian::read_u64(&bytes[16..]),
        records_checksum: LittleEndian::read_u64(&bytes[24..]),
    })
}

/// Where the chain ended when it was last looked at, and why; `None` if that was never noted, or cannot
/// be read.
///
/// # Errors
/// [`crate::store::Fault::Store`].
pub fn chain_end(store: &Store) -> Result<Option<ChainEnd>> {
    let snapshot = store.read()?;
    let stored = snapshot.get(CHAIN_END, 0)?;
    Ok(stored.and_then(|bytes| serde_json::from_slice(bytes.value()).ok()))
}

/// Notes where the chain ends, and why, unless that is known already.
///
/// # Errors
/// [`crate::store::Fault::Store`].
pub fn note_chain_end(store: &Store, end: &ChainEnd) -> Result<()> {
    if chain_end(store)?.as_ref() == Some(end) {
        return Ok(());
    }
    let bytes = serde_json::to_vec(end).expect("plain fields become JSON");
    store.durable(|transaction| {
        let mut table = transaction.open_table(CHAIN_END)?;
        table.insert(0, &bytes[..])
    })
}

/// Writes where the blocks of the best chain are.
///
/// # Errors
/// [`crate::store::Fault::Store`].
pub fn write_places(
    store: &Store,
    mut places: impl Iterator<Item = (Height, Place)>,
) -> Result<()> {
    store.volatile(|transaction| {
        let mut table = transaction.open_table(PLACES)?;
        // Borrowed: what it holds is not redb's, and so not freed in here.
        for (height, place) in places.by_ref() {
            table.insert(height.0, &encode_place(&place)[..])?;
        }
        Ok(())
    })
}

/// Forgets the scan state, so that the next scan looks at all files.
///
/// # Errors
/// [`crate::store::Fault::Store`].
pub fn forget(transaction: &Writing) -> Result<()> {
    let mut anchor = transaction.open_table(ANCHOR)?;
    anchor.remove(0)
}
