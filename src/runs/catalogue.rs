//! The catalogue: which runs are real.
//!
//! Invariant: of one relation, the runs that cover a key hold, taken together, all of its rows up to
//! the tip, none twice. A table that the catalogue does not name is rubbish, whatever is in it.
//!
//! Entry, under the key relation · 2^32 + run (u64), little-endian:
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 4 | first height |
//! | 4 | 4 | last height |
//! | 8 | 16 | lowest key; rows below it have moved to another run |
//! | 24 | 16 | end of the keys, exclusive |
//! | 40 | 8 | rows |
//! | 48 | 8 | pages |
//! | 56 | 1 | bit 0: it is never merged; bit 1: its pages are of index format 5 or 6 (`page/`) |
//!
//! The last entry, under the key 2^64 - 1, is the XXH3-64 of all others, keys and entries in order.

use super::old_page_bytes;
use super::row::Relation;
use crate::Result;
use crate::limits::{PAGE_BYTES, RUNS_MAX};
use crate::primitives::position::Height;
use crate::store::reading::Reading;
use crate::store::writing::{WriteTable, Writing};
use crate::store::{Store, TableDefinition};
use byteorder::{ByteOrder, LittleEndian};
use std::hash::Hasher;
use twox_hash::XxHash3_64;

/// Runs that the catalogue has room for from the start, so that naming one takes no memory.
const RUNS_RESERVED: usize = 16 * RUNS_MAX;

/// The redb table that holds the catalogue; [`change`] changes it.
const RUNS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("runs");

/// Key of the entry that seals the others.
const SEAL_KEY: u64 = u64::MAX;

/// Changes the catalogue in a transaction, and seals it anew.
///
/// # Errors
/// What `work` returns, or [`crate::store::Fault::Store`].
pub fn change(
    transaction: &Writing,
    work: impl FnOnce(&mut WriteTable<'_, u64, &'static [u8]>) -> Result<()>,
) -> Result<()> {
    let mut table = transaction.open_table(RUNS)?;
    work(&mut table)?;
    let mut hasher = XxHash3_64::with_seed(0);
    for entry in table.range(..SEAL_KEY)? {
        let (key, bytes) = entry?;
        hasher.write(&key.value().to_le_bytes());
        hasher.write(bytes.value());
    }
    let sum = hasher.finish().to_le_bytes();
    table.insert(SEAL_KEY, &sum[..])
}

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 57;
const _: () = assert!(4 + 4 + 16 + 16 + 8 + 8 + 1 == ENTRY_BYTES);

/// A run that is, or will be, named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Its relation.
    pub relation: Relation,
    /// Its number, unique in the index.
    pub id: u32,
    /// First height whose rows it has.
    pub from: Height,
    /// Last height whose rows it has.
    pub to: Height,
    /// Rows with a smaller key are not its own any more.
    pub low_key: u128,
    /// All its keys are smaller.
    pub end_key: u128,
    /// Rows, those below `low_key` included.
    pub rows: u64,
    /// Pages that hold them.
    pub pages: u64,
    /// Its pages are as they were until index format 4.
    pub is_old: bool,
    /// Never merged: its keys overlap no other run of this kind.
    pub is_apart: bool,
}

impl Run {
    /// Key of its entry.
    pub fn entry_key(&self) -> u64 {
        (self.relation as u64) << 32 | u64::from(self.id)
    }

    /// Name of the redb table with its pages.
    pub fn table_name(&self) -> String {
        format!("{}.{}", self.relation.name(), self.id)
    }

    /// What is left of it once the rows below `key` are gone; `None` if nothing is.
    pub fn above(&self, key: u128) -> Option<Run> {
        let low_key = self.low_key.max(key);
        (self.end_key > key).then_some(Run { low_key, ..*self })
    }

    /// Bytes of its pages.
    pub fn bytes(&self) -> u64 {
        self.pages * self.page_bytes() as u64
    }

    /// Bytes of each page.
    pub fn page_bytes(&self) -> usize {
        match self.is_old {
            true => old_page_bytes(self.relation),
            false => PAGE_BYTES,
        }
    }

    /// The entry's bytes.
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        LittleEndian::write_u32(&mut bytes[0..], self.from.0);
        LittleEndian::write_u32(&mut bytes[4..], self.to.0);
        LittleEndian::write_u128(&mut bytes[8..], self.low_key);
        LittleEndian::write_u128(&mut bytes[24..], self.end_key);
        LittleEndian::write_u64(&mut bytes[40..], self.rows);
        LittleEndian::write_u64(&mut bytes[48..], self.pages);
        bytes[56] = u8::from(self.is_apart) | u8::from(!self.is_old) << 1;
        bytes
    }

    /// The run of an entry; `None` if it is no entry.
    pub fn decode(key: u64, bytes: &[u8]) -> Option<Run> {
        let relation = *Relation::ALL.get((key >> 32) as usize)?;
        if bytes.len() != ENTRY_BYTES {
            return None;
        }
        Some(Run {
            relation,
            id: key as u32,
            from: Height(LittleEndian::read_u32(&bytes[0..])),
            to: Height(LittleEndian::read_u32(&bytes[4..])),
            low_key: LittleEndian::read_u128(&bytes[8..]),
            end_key: LittleEndian::read_u128(&bytes[24..]),
            rows: LittleEndian::read_u64(&bytes[40..]),
            pages: LittleEndian::read_u64(&bytes[48..]),
            is_old: bytes[56] & 2 == 0,
            is_apart: bytes[56] & 1 == 1,
        })
    }
}

/// The catalogue in memory.
pub struct Catalogue {
    runs: Vec<Run>,
    next_id: u32,
    is_sealed: bool,
}

impl Default for Catalogue {
    fn default() -> Catalogue {
        Catalogue {
            runs: Vec::with_capacity(RUNS_RESERVED),
            next_id: 0,
            is_sealed: false,
        }
    }
}

impl Catalogue {
    /// What `snapshot` says is real.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], or [`crate::store::Fault::DamagedIndex`] for an entry that is none.
    pub fn load(store: &Store, snapshot: &Reading) -> Result<Catalogue> {
        let Some(table) = snapshot.find_table(RUNS)? else {
            return Ok(Catalogue::default());
        };
        let damaged = || store.damaged("its catalogue cannot be read");
        let mut catalogue = Catalogue::default();
        let mut hasher = XxHash3_64::with_seed(0);
        for entry in table.range(..SEAL_KEY)? {
            let (key, bytes) = entry?;
            hasher.write(&key.value().to_le_bytes());
            hasher.write(bytes.value());
            catalogue.add(Run::decode(key.value(), bytes.value()).ok_or_else(damaged)?);
        }
        if let Some(seal) = table.get(SEAL_KEY)? {
            if *seal.value() != hasher.finish().to_le_bytes() {
                return Err(damaged());
            }
            catalogue.is_sealed = true;
        }
        Ok(catalogue)
    }

    /// Whether it was found with its seal; only an index without blocks has none.
    pub fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// An id that no run has had.
    pub fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Notes a run that was named.
    pub fn add(&mut self, run: Run) {
        self.next_id = self.next_id.max(run.id + 1);
        self.runs.push(run);
    }

    /// Forgets a run.
    pub fn remove(&mut self, run: &Run) {
        self.runs
            .retain(|other| other.entry_key() != run.entry_key());
    }

    /// Replaces what is known of the run with the same relation and id.
    pub fn update(&mut self, run: Run) {
        for other in self
            .runs
            .iter_mut()
            .filter(|other| other.entry_key() == run.entry_key())
        {
            *other = run;
        }
    }

    /// All runs.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The runs of one relation that may merge.
    pub fn mergeable(&self, relation: Relation) -> Vec<Run> {
        let mut runs = self.of(relation);
        runs.retain(|run| !run.is_apart);
        runs
    }

    /// The runs of one relation.
    pub fn of(&self, relation: Relation) -> Vec<Run> {
        self.runs
            .iter()
            .filter(|run| run.relation == relation)
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_and_one_byte_less_does_not() {
        let run = Run {
            relation: Relation::Spending,
            id: 0xAABB_CCDD,
            from: Height(1),
            to: Height(2),
            low_key: 3,
            end_key: 4,
            rows: 5,
            pages: 6,
            is_old: false,
            is_apart: true,
        };
        let bytes = run.encode();
        assert_eq!(Run::decode(run.entry_key(), &bytes), Some(run));
        assert_eq!(Run::decode(run.entry_key(), &bytes[1..]), None);
        assert_eq!(Run::decode(4 << 32, &bytes), None);
        let golden = [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0];
        assert_eq!(bytes[..12], golden);
        assert_eq!((bytes[24], bytes[40], bytes[48], bytes[56]), (4, 5, 6, 3));
    }
}
