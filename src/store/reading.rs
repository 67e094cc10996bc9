//! What redb gives out to read with: transactions, tables, values.
//!
//! Invariant: bytes are given out only once redb could make of them what they are said to be.

use super::held::Held;
use crate::Result;
use redb::{
    AccessGuard, Key, ReadOnlyTable, ReadTransaction, StorageError, TableDefinition, TableError,
    TableHandle, Value,
};
use std::borrow::Borrow;
use std::ops::RangeBounds;
use std::sync::Arc;

/// A transaction that reads. Clones are one transaction.
#[derive(Clone)]
pub struct Reading(Arc<Held<ReadTransaction>>);

/// A table in it.
pub type ReadTable<K, V> = Held<ReadOnlyTable<K, V>>;

/// A key or a value in a table.
pub type Guard<'a, V> = Held<AccessGuard<'a, V>>;

/// The entries of a range.
pub type Range<'a, K, V> = Held<redb::Range<'a, K, V>>;

/// An entry: its key and its value.
pub type Entry<'a, K, V> = (Guard<'a, K>, Guard<'a, V>);

impl Reading {
    pub(super) fn new(transaction: Held<ReadTransaction>) -> Reading {
        Reading(Arc::new(transaction))
    }

    /// Opens a table.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], also if it is not there; [`crate::store::Fault::DamagedIndex`].
    pub fn open_table<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<ReadTable<K, V>> {
        let table = self.0.call(|transaction| transaction.open_table(table))?;
        Ok(Held::new(self.0.file(), table))
    }

    /// Opens a table; `None` if it is not there.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn find_table<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<Option<ReadTable<K, V>>> {
        let found = self
            .0
            .call(|transaction| match transaction.open_table(table) {
                Err(TableError::TableDoesNotExist(_)) => Ok(None),
                opened => opened.map(Some),
            })?;
        Ok(found.map(|table| Held::new(self.0.file(), table)))
    }

    /// Reads one value of a table; `None` if the key, or the whole table, is not there.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn get<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
        key: K::SelfType<'_>,
    ) -> Result<Option<Guard<'static, V>>> {
        match self.find_table(table)? {
            Some(table) => table.get(key),
            None => Ok(None),
        }
    }

    /// Names of all tables.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn table_names(&self) -> Result<Vec<String>> {
        let tables = self
            .0
            .call(|transaction| transaction.list_tables().map(Vec::from_iter))?;
        let tables = Held::new(self.0.file(), tables);
        // Copied out here: what is allocated inside redb is charged to it.
        let names = tables.thing().iter().map(|table| table.name().to_owned());
        Ok(names.collect())
    }
}

impl<K: Key + 'static, V: Value + 'static> ReadTable<K, V> {
    /// The value under `key`.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn get<'k>(&self, key: impl Borrow<K::SelfType<'k>>) -> Result<Option<Guard<'static, V>>> {
        let value = self.call(|table| table.get(key).map(|value| value.map(readable)))?;
        Ok(value.map(|value| Held::new(self.file(), value)))
    }

    /// The entries of a range of keys. redb reads no page before an entry is asked for, and then only those of the
    /// end it is asked for at.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn range<'k, B: Borrow<K::SelfType<'k>> + 'k>(
        &self,
        keys: impl RangeBounds<B> + 'k,
    ) -> Result<Range<'static, K, V>> {
        let range = self.call(|table| table.range(keys))?;
        Ok(Held::new(self.file(), range))
    }
}

impl<'a, K: Key + 'static, V: Value + 'static> Range<'a, K, V> {
    #[inline]
    fn step<'s>(
        &'s mut self,
        step: impl FnOnce(
            &'s mut redb::Range<'a, K, V>,
        ) -> Option<
            std::result::Result<(AccessGuard<'a, K>, AccessGuard<'a, V>), StorageError>,
        >,
    ) -> Option<Result<Entry<'a, K, V>>> {
        let (file, range) = self.parts_mut();
        let entry = file.call(|| {
            let entry = step(range).transpose()?;
            Ok::<_, StorageError>(entry.map(|(key, value)| (readable(key), readable(value))))
        });
        let entry = entry.transpose()?;
        Some(entry.map(|(key, value)| (Held::new(file, key), Held::new(file, value))))
    }
}

impl<'a, K: Key + 'static, V: Value + 'static> Iterator for Range<'a, K, V> {
    type Item = Result<Entry<'a, K, V>>;

    #[inline]
    fn next(&mut self) -> Option<Result<Entry<'a, K, V>>> {
        self.step(Iterator::next)
    }
}

impl<'a, K: Key + 'static, V: Value + 'static> DoubleEndedIterator for Range<'a, K, V> {
    #[inline]
    fn next_back(&mut self) -> Option<Result<Entry<'a, K, V>>> {
        self.step(DoubleEndedIterator::next_back)
    }
}

impl<V: Value + 'static> Guard<'_, V> {
    /// What is stored there. It is redb that makes it out of the bytes, but from one that [`readable`] has
    /// seen, so it does not panic.
    #[inline]
    pub fn value(&self) -> V::SelfType<'_> {
        self.thing().value()
    }
}

/// The guard, of which the value was made once: as its bytes do not change, that does not panic later
/// either.
#[inline]
pub(super) fn readable<V: Value>(guard: AccessGuard<'_, V>) -> AccessGuard<'_, V> {
    let _ = guard.value();
    guard
}
