//! Opening an index, for reading and for an import.
//!
//! Invariant: what is open is an index of this format, whole up to its tip. For an import it holds nothing
//! else: what no commit named is dropped.

use super::meta::Meta;
use super::{Fault, Index};
use crate::Result;
use crate::error::Family;
use crate::runs::catalogue::{Catalogue, Run};
use crate::runs::row::Relation;
use crate::store::contention::no_blocks;
use crate::store::{self, QUERY_CACHE_BYTES, SEQUENTIAL_CACHE_BYTES, Sharing, Store};
use std::path::Path;

impl Index {
    /// Opens the index at `path` for writing, beside readers; makes it, for the network of `fresh`, if it is
    /// not there. One that keeps txids goes on with it, whatever `fresh` says.
    ///
    /// # Errors
    /// [`crate::index::Fault::KeepsNoTxids`] if txids are to be kept from the middle of the chain on;
    /// [`crate::store::Fault::IndexInUse`], [`crate::store::Fault::NotAnIndex`],
    /// [`crate::store::Fault::DamagedIndex`], [`crate::index::Fault::OtherFormat`],
    /// [`crate::index::Fault::IndexOfOtherNetwork`], [`crate::store::Fault::Store`],
    /// [`crate::os::Fault::Io`].
    pub(crate) fn open_or_create(path: &Path, fresh: Meta) -> Result<Index> {
        let store = Store::create(path, SEQUENTIAL_CACHE_BYTES, Sharing::WithReaders)?;
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
        index.raise_format()?;
        if fresh.keeps_txids {
            index.keep_txids()?;
        }
        index.sweep()?;
        Ok(index)
    }

    /// Shares it, opened for writing, with readers or with nobody from now on; with readers all the same if
    /// some have it open.
    ///
    /// # Errors
    /// As [`Index::open_or_create`]: for a moment the index is not open, and another process can write to it.
    pub(crate) fn share(self, sharing: Sharing) -> Result<Index> {
        if self.store.sharing() == sharing {
            return Ok(self);
        }
        let (path, fresh) = (self.store.path().to_owned(), self.meta.clone());
        self.close()?;
        match (
            Store::create(&path, SEQUENTIAL_CACHE_BYTES, sharing),
            sharing,
        ) {
            (Err(error), Sharing::Alone) if error.family() == Family::Contention => {
                Index::open_or_create(&path, fresh)
            }
            (store, _) => {
                let store = store?;
                let meta = Meta::load(&store)?;
                let meta =
                    meta.ok_or_else(|| store.damaged("it says nothing of itself any more"))?;
                Index::load(store, meta)
            }
        }
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

    /// Gives an index of the format before the present one, because runs may be written.
    fn raise_format(&mut self) -> Result<()> {
        if !self.meta.is_old {
            return Ok(());
        }
        self.meta.is_old = false;
        let meta = &self.meta;
        self.store.durable(|transaction| meta.save(transaction))
    }

    /// From the first block on txids are kept.
    fn keep_txids(&mut self) -> Result<()> {
        if self.tip.is_some() || self.meta.keeps_txids {
            return self.expect_kept_txids();
        }
        let meta = Meta {
            keeps_txids: true,
            ..self.meta.clone()
        };
        self.store.durable(|transaction| meta.save(transaction))?;
        self.meta = meta;
        Ok(())
    }

    /// Refuses an index that keeps no txids.
    ///
    /// # Errors
    /// [`crate::index::Fault::KeepsNoTxids`].
    pub(crate) fn expect_kept_txids(&self) -> Result<()> {
        if self.meta.keeps_txids {
            return Ok(());
        }
        let path = self.store.path().to_owned();
        Err(Fault::KeepsNoTxids { path }.into())
    }

    /// Opens an index for questions, as it is now. Several processes may read one at once, beside an import
    /// too, unless that is a long one, which is alone with the file.
    ///
    /// # Errors
    /// [`crate::store::Fault::NoIndex`], [`crate::store::Fault::NoBlocks`],
    /// [`crate::store::Fault::IndexInUse`], [`crate::store::Fault::NotAnIndex`],
    /// [`crate::store::Fault::DamagedIndex`], [`crate::index::Fault::OtherFormat`],
    /// [`crate::store::Fault::Store`], [`crate::os::Fault::Io`].
    pub fn open(path: &Path) -> Result<Index> {
        Index::open_read_only(path, QUERY_CACHE_BYTES)
    }

    /// The same, for questions that are answered within so many bytes of memory.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn open_within(path: &Path, memory_bytes: usize) -> Result<Index> {
        Index::open_read_only(path, QUERY_CACHE_BYTES.min(memory_bytes / 8))
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
            return Err(no_blocks(path).into());
        };
        Index::load(store, meta)
    }

    pub(super) fn load(store: Store, meta: Meta) -> Result<Index> {
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
}

/// A redb file with tables, but without our meta table, belongs to another program.
pub(super) fn refuse_foreign_tables(store: &Store) -> Result<()> {
    match store.read()?.table_names()?.is_empty() {
        true => Ok(()),
        false => Err(store::Fault::NotAnIndex {
            path: store.path().to_owned(),
            why: "it is a redb file of another program; give another file with --index",
        }
        .into()),
    }
}
