//! The index: one redb file, opened, committed to, rolled back.
//!
//! Invariant: the state after `Index::commit` is exactly "imported up to the tip". The tip and the
//! catalogue change together, in one durable transaction; what they do not name does not exist.
//!
//! | file | what |
//! | --- | --- |
//! | `left_out.rs` | blocks that break the rules |
//! | `meta.rs` | format, network, key, tip: what the index says of itself |
//! | `blocks.rs` | the rows of the tables that go by height |
//! | `remembered.rs` | where its blocks are from, for a rebuild |
//! | `roll_back.rs` | dropping the newest blocks |
//! | `scan_state.rs` | what the scan of the block files left to remember |
//! | `snapshot.rs` | reading: blocks, their places, rows of runs |
//! | `fault.rs` | what can go wrong |

pub(crate) mod blocks;
#[cfg(any(test, fuzzing))]
pub(crate) mod contents;
mod fault;
pub(crate) mod left_out;
pub(crate) mod meta;
pub(crate) mod remembered;
mod roll_back;
pub(crate) mod scan_state;
pub(crate) mod snapshot;

pub use fault::Fault;
pub use left_out::LeftOut;
pub use remembered::{Remembered, remembered};

use crate::datadir::{Found, Location, Wanted, find};
use crate::primitives::fingerprint::Fingerprints;
use crate::primitives::position::{Height, Place, Txo};
use crate::runs::catalogue::{self, Catalogue, Run};
use crate::runs::row::Relation;
use crate::store;
use crate::store::{QUERY_CACHE_BYTES, SEQUENTIAL_CACHE_BYTES, Store, sealed};
use crate::{Error, Result};
use blocks::{BLOCKS, BlockRow, HASHES, OFFSETS, PLACES, encode_place};
use meta::Meta;
use snapshot::Snapshot;
use std::path::Path;

/// An open index.
pub struct Index {
    store: Store,
    meta: Meta,
    tip: Option<(Height, BlockRow)>,
    catalogue: Catalogue,
}

/// A block about to be written to the tables that go by height.
pub(crate) struct NewBlock<'a> {
    /// Its height.
    pub height: Height,
    /// Its row.
    pub row: BlockRow,
    /// Its transactions' marks ([`blocks::TxMarks`]).
    pub marks: &'a [u8],
    /// Where its bytes are.
    pub place: Place,
}

impl Index {
    /// Opens the index at `path` for writing; makes it, for the network of `fresh`, if it is not there.
    ///
    /// # Errors
    /// [`crate::store::Fault::IndexInUse`], [`crate::store::Fault::NotAnIndex`],
    /// [`crate::store::Fault::DamagedIndex`], [`crate::index::Fault::OtherFormat`],
    /// [`crate::index::Fault::IndexOfOtherNetwork`], [`crate::store::Fault::Store`],
    /// [`crate::os::Fault::Io`].
    pub(crate) fn open_or_create(path: &Path, fresh: Meta) -> Result<Index> {
        let store = Store::create(path, SEQUENTIAL_CACHE_BYTES)?;
        let meta = match Meta::load(&store)? {
            Some(meta) => meta,
            None => {
                refuse_foreign_tables(&store)?;
                store.durable(|transaction| fresh.save(transaction))?;
                fresh.clone()
            }
        };
        let mut index = Index::load(store, meta)?;
        index.expect_network(&fresh.network, fresh.magic)?;
        index.sweep()?;
        Ok(index)
    }

    /// Refuses an index of another network.
    ///
    /// # Errors
    /// [`crate::index::Fault::IndexOfOtherNetwork`].
    pub(crate) fn expect_network(&self, name: &str, magic: [u8; 4]) -> Result<()> {
        if (&self.meta.network[..], self.meta.magic) == (name, magic) {
            return Ok(());
        }
        Err(Fault::IndexOfOtherNetwork {
            path: self.store.path().to_owned(),
            found: self.meta.network.clone(),
            expected: name.to_owned(),
        }
        .into())
    }

    /// Opens an index for questions. Several processes may read one at once, but not beside an import.
    ///
    /// # Errors
    /// [`crate::store::Fault::NoIndex`], [`crate::store::Fault::NoBlocks`],
    /// [`crate::store::Fault::IndexInUse`], [`crate::store::Fault::NotAnIndex`],
    /// [`crate::store::Fault::DamagedIndex`], [`crate::index::Fault::OtherFormat`],
    /// [`crate::store::Fault::Store`], [`crate::os::Fault::Io`].
    pub fn open(path: &Path) -> Result<Index> {
        Index::open_read_only(path, QUERY_CACHE_BYTES)
    }

    /// The same, for work that reads all of it in sequence.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub(crate) fn open_to_walk(path: &Path) -> Result<Index> {
        Index::open_read_only(path, SEQUENTIAL_CACHE_BYTES)
    }

    fn open_read_only(path: &Path, cache_bytes: usize) -> Result<Index> {
        let store = Store::open_read_only(path, cache_bytes)?;
        let Some(meta) = Meta::load(&store)? else {
            refuse_foreign_tables(&store)?;
            // Its first import ended before it wrote anything.
            let path = path.to_owned();
            return Err(store::Fault::NoBlocks { path }.into());
        };
        Index::load(store, meta)
    }

    fn load(store: Store, meta: Meta) -> Result<Index> {
        let snapshot = store.read()?;
        let catalogue = Catalogue::load(&store, &snapshot)?;
        let mut index = Index {
            store,
            meta,
            tip: None,
            catalogue,
        };
        if let Some(height) = index.meta.tip {
            if !index.catalogue.is_sealed() {
                return Err(index.store.damaged("its catalogue is missing"));
            }
            let row = index.snapshot()?.block(height)?;
            index.tip = Some((height, row));
        }
        Ok(index)
    }

    /// Drops tables of runs that the catalogue does not name: work that was cut off.
    fn sweep(&mut self) -> Result<()> {
        let named: Vec<String> = self.catalogue.runs().iter().map(Run::table_name).collect();
        let is_rubbish = |name: &str| {
            let relation = name.split_once('.').map(|(relation, _)| relation);
            Relation::ALL
                .iter()
                .any(|known| Some(known.name()) == relation)
                && !named.iter().any(|known| known == name)
        };
        let mut rubbish = self.store.read()?.table_names()?;
        rubbish.retain(|table| is_rubbish(table));
        if rubbish.is_empty() {
            return Ok(());
        }
        self.store.durable(|transaction| {
            let mut tables = rubbish.iter();
            tables.try_for_each(|table| transaction.delete_table(table))
        })
    }

    /// Closes it; see [`Store::close`].
    ///
    /// # Errors
    /// [`crate::store::Fault::DamagedIndex`].
    pub(crate) fn close(self) -> Result<()> {
        self.store.close()
    }

    /// Where the block files of its network are below `location`.
    ///
    /// # Errors
    /// Those of [`Source::find`](crate::datadir::Source::find).
    pub fn find_blocks(&self, location: &Location) -> Result<Found> {
        find(location, Wanted::Known(&self.meta.network()?))
    }

    /// The file under it.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What it says of itself.
    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Height and row of the last committed block.
    pub(crate) fn tip(&self) -> Option<(Height, BlockRow)> {
        self.tip
    }

    /// The error for an index without a tip.
    pub(crate) fn no_blocks(&self) -> Error {
        store::Fault::NoBlocks {
            path: self.store.path().to_owned(),
        }
        .into()
    }

    /// Height of the first block that is not committed.
    pub(crate) fn next_height(&self) -> Height {
        self.tip.map_or(Height(0), |(tip, _)| tip.next())
    }

    /// Position that the first output of the next block gets.
    pub(crate) fn next_txo(&self) -> Txo {
        self.tip.map_or(Txo(0), |(_, row)| Txo(row.outputs))
    }

    /// The fingerprints under its key.
    pub(crate) fn fingerprints(&self) -> Fingerprints {
        Fingerprints::new(&self.meta.fingerprint_key)
    }

    /// The runs that are real.
    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The store, and the catalogue to change, for a merge.
    pub(crate) fn for_merge(&mut self) -> (&Store, &mut Catalogue) {
        (&self.store, &mut self.catalogue)
    }

    /// Id for a run to be written.
    pub(crate) fn new_run_id(&mut self) -> u32 {
        self.catalogue.new_id()
    }

    /// A view of what was committed, volatile work of this process included.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub(crate) fn snapshot(&self) -> Result<Snapshot<'_>> {
        Snapshot::new(self)
    }

    /// Writes blocks above the tip. They mean nothing until [`Index::commit`].
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub(crate) fn write_blocks<'b>(&self, new: impl Iterator<Item = NewBlock<'b>>) -> Result<()> {
        let store = &self.store;
        store.volatile(|transaction| {
            let mut blocks = transaction.open_table(BLOCKS)?;
            let mut offsets = transaction.open_table(OFFSETS)?;
            let mut hashes = transaction.open_table(HASHES)?;
            let mut places = transaction.open_table(PLACES)?;
            for block in new {
                let height = block.height.0;
                blocks.insert(height, &block.row.seal(height)[..])?;
                offsets.insert(height, &sealed::seal(height.into(), block.marks)[..])?;
                hashes.insert(&block.row.hash, height)?;
                places.insert(height, &encode_place(&block.place)[..])?;
            }
            Ok(())
        })
    }

    /// Notes that from `first` to `last` there is one coin less than was written: an overwrite that
    /// was found late.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub(crate) fn take_coin_from(&self, first: Height, last: Height) -> Result<()> {
        let store = &self.store;
        store.volatile(|transaction| {
            let mut blocks = transaction.open_table(BLOCKS)?;
            for height in first.0..=last.0 {
                let row = blocks.get(height)?;
                let Some(mut row) = row.and_then(|row| BlockRow::open(height, row.value())) else {
                    return Err(store.damaged("a block's row cannot be read"));
                };
                row.coins -= 1;
                blocks.insert(height, &row.seal(height)[..])?;
            }
            Ok(())
        })
    }

    /// Makes everything up to `tip` real: names the runs, and moves the tip and the settled line.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`]; then the last commit stands.
    pub(crate) fn commit(&mut self, tip: Height, settled: Height, runs: &[Run]) -> Result<()> {
        let meta = Meta {
            tip: Some(tip),
            settled: Some(settled.max(self.meta.settled.unwrap_or(settled))),
            ..self.meta.clone()
        };
        self.store.durable(|transaction| {
            catalogue::change(transaction, |table| {
                for run in runs {
                    table.insert(run.entry_key(), &run.encode()[..])?;
                }
                Ok(())
            })?;
            meta.save(transaction)
        })?;
        for run in runs {
            self.catalogue.add(*run);
        }
        self.meta = meta;
        self.tip = Some((tip, self.snapshot()?.block(tip)?));
        Ok(())
    }

    /// Remembers where the block files are.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub(crate) fn set_blocks_dir(&mut self, dir: &Path) -> Result<()> {
        if self.meta.blocks_dir != dir {
            let meta = Meta {
                blocks_dir: dir.to_owned(),
                ..self.meta.clone()
            };
            self.store.durable(|transaction| meta.save(transaction))?;
            self.meta = meta;
        }
        Ok(())
    }
}

/// A redb file with tables, but without our meta table, belongs to another program.
fn refuse_foreign_tables(store: &Store) -> Result<()> {
    match store.read()?.table_names()?.is_empty() {
        true => Ok(()),
        false => Err(store::Fault::NotAnIndex {
            path: store.path().to_owned(),
            why: "it is a redb file of another program; give another file with --index",
        }
        .into()),
    }
}
