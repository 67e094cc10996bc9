//! What the scan of the block files left to remember, so that catching up reads only what was added.
//!
//! Invariant: it is written together with the positions that it led to, and believed only if the
//! anchor's header is still where it was.
//!
//! `scan`, file (u32) → bytes scanned (u64), length of the last block (u32), its hash (32 bytes).
//! `asides`, position (16 bytes) of a block off the best chain, above the anchor → nothing.
//! `invalid`, hash of a block that breaks the rules → nothing.
//! `anchor`, 0 → height (u32) and hash of a settled block, height of the chain's end (u32).

use super::blocks::{POSITIONS, decode_place, encode_place};
use crate::Result;
use crate::datadir::FileMemory;
use crate::position::{Height, Place};
use crate::store::Store;
use crate::wire::Hash32;
use byteorder::{ByteOrder, LittleEndian};
use redb::{TableDefinition, WriteTransaction};

const SCAN: TableDefinition<'static, u32, &[u8]> = TableDefinition::new("scan");
const ASIDES: TableDefinition<'static, &[u8], ()> = TableDefinition::new("asides");
const INVALID: TableDefinition<'static, &[u8; 32], ()> = TableDefinition::new("invalid");
const ANCHOR: TableDefinition<'static, u8, &[u8]> = TableDefinition::new("anchor");

const FILE_BYTES: usize = 44;
const _: () = assert!(8 + 4 + 32 == FILE_BYTES);
const ANCHOR_BYTES: usize = 40;
const _: () = assert!(4 + 32 + 4 == ANCHOR_BYTES);

/// See the module documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScanMemory {
    /// How far each file was read.
    pub files: Vec<FileMemory>,
    /// Places of blocks above the anchor that are not on the best chain.
    pub asides: Vec<Place>,
    /// A settled block of the best chain, from which the next scan goes on.
    pub anchor: (Height, Hash32),
    /// Height up to which the positions are known.
    pub chain_end: Height,
}

impl ScanMemory {
    /// Reads it; `None` if there is none, or it cannot be read and a full scan has to do.
    ///
    /// # Errors
    /// [`crate::Error::Store`].
    pub fn load(store: &Store) -> Result<Option<ScanMemory>> {
        let snapshot = store.read()?;
        let Some(anchor) = store.get(&snapshot, ANCHOR, 0)? else {
            return Ok(None);
        };
        let anchor = anchor.value();
        if anchor.len() != ANCHOR_BYTES {
            return Ok(None);
        }
        let mut memory = ScanMemory {
            files: Vec::new(),
            asides: Vec::new(),
            anchor: (
                Height(LittleEndian::read_u32(anchor)),
                anchor[4..36].try_into().expect("length checked above"),
            ),
            chain_end: Height(LittleEndian::read_u32(&anchor[36..])),
        };
        for entry in store.check(store.check(snapshot.open_table(SCAN))?.range::<u32>(..))? {
            let (file, bytes) = store.check(entry)?;
            memory
                .files
                .extend(decode_file(file.value(), bytes.value()));
        }
        for entry in store.check(store.check(snapshot.open_table(ASIDES))?.range::<&[u8]>(..))? {
            memory
                .asides
                .extend(decode_place(store.check(entry)?.0.value()));
        }
        Ok(Some(memory))
    }

    /// Replaces what was remembered.
    ///
    /// # Errors
    /// [`crate::Error::Store`].
    pub fn save(&self, store: &Store, transaction: &WriteTransaction) -> Result<()> {
        let mut scan = store.check(transaction.open_table(SCAN))?;
        store.check(scan.retain(|_, _| false))?;
        for file in &self.files {
            store.check(scan.insert(file.file, &encode_file(file)[..]))?;
        }
        let mut asides = store.check(transaction.open_table(ASIDES))?;
        store.check(asides.retain(|_, _| false))?;
        for place in &self.asides {
            store.check(asides.insert(&encode_place(place)[..], ()))?;
        }
        let mut bytes = [0; ANCHOR_BYTES];
        LittleEndian::write_u32(&mut bytes, self.anchor.0.0);
        bytes[4..36].copy_from_slice(&self.anchor.1);
        LittleEndian::write_u32(&mut bytes[36..], self.chain_end.0);
        let mut anchor = store.check(transaction.open_table(ANCHOR))?;
        store.check(anchor.insert(0, &bytes[..])).map(drop)
    }
}

fn encode_file(file: &FileMemory) -> [u8; FILE_BYTES] {
    let mut bytes = [0; FILE_BYTES];
    LittleEndian::write_u64(&mut bytes, file.scanned_to_bytes);
    LittleEndian::write_u32(&mut bytes[8..], file.last_bytes);
    bytes[12..].copy_from_slice(&file.last_hash);
    bytes
}

fn decode_file(file: u32, bytes: &[u8]) -> Option<FileMemory> {
    (bytes.len() == FILE_BYTES).then(|| FileMemory {
        file,
        scanned_to_bytes: LittleEndian::read_u64(bytes),
        last_bytes: LittleEndian::read_u32(&bytes[8..]),
        last_hash: bytes[12..].try_into().expect("length checked above"),
    })
}

/// Writes positions of the best chain.
///
/// # Errors
/// [`crate::Error::Store`].
pub fn write_positions(
    store: &Store,
    mut places: impl Iterator<Item = (Height, Place)>,
) -> Result<()> {
    store.volatile(|transaction| {
        let mut positions = store.check(transaction.open_table(POSITIONS))?;
        // Borrowed: what it holds is not redb's, and so not freed in here.
        for (height, place) in places.by_ref() {
            store.check(positions.insert(height.0, &encode_place(&place)[..]))?;
        }
        Ok(())
    })
}

/// Blocks known to break the rules.
///
/// # Errors
/// [`crate::Error::Store`].
pub fn invalid_blocks(store: &Store) -> Result<Vec<Hash32>> {
    let snapshot = store.read()?;
    let table = match snapshot.open_table(INVALID) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        other => store.check(other)?,
    };
    let mut hashes = Vec::new();
    for entry in store.check(table.range::<&[u8; 32]>(..))? {
        hashes.push(*store.check(entry)?.0.value());
    }
    Ok(hashes)
}

/// Notes a block that breaks the rules, for this import and all later ones.
///
/// # Errors
/// [`crate::Error::Store`].
pub fn mark_invalid(store: &Store, hash: &Hash32) -> Result<()> {
    store.durable(|transaction| insert_invalid(store, transaction, hash).map(drop))
}

/// Notes a block that a person says is invalid. It may lie below the anchor, so that, unless it was
/// known before, a full scan follows.
///
/// # Errors
/// [`crate::Error::Store`].
pub fn exclude(store: &Store, hash: &Hash32) -> Result<()> {
    store.durable(|transaction| {
        if insert_invalid(store, transaction, hash)? {
            let mut anchor = store.check(transaction.open_table(ANCHOR))?;
            store.check(anchor.remove(0))?;
        }
        Ok(())
    })
}

/// Says whether it is new.
fn insert_invalid(store: &Store, transaction: &WriteTransaction, hash: &Hash32) -> Result<bool> {
    let mut table = store.check(transaction.open_table(INVALID))?;
    Ok(store.check(table.insert(hash, ()))?.is_none())
}
