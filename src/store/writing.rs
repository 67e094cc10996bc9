//! What redb gives out to write with: a transaction and its tables.
//!
//! Invariant: of what a transaction did, nothing is kept unless it is committed.

use super::held::Held;
use super::reading::{Guard, Range, readable};
use crate::Result;
use redb::{Key, ReadableTable, StorageError, Table, TableDefinition, Value, WriteTransaction};
use std::borrow::Borrow;
use std::ops::{Bound, RangeBounds};

/// A transaction that writes.
pub type Writing = Held<WriteTransaction>;

/// A table in it.
pub type WriteTable<'t, K, V> = Held<Table<'t, K, V>>;

impl Writing {
    /// Opens a table; makes it if it is not there.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn open_table<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<WriteTable<'_, K, V>> {
        let table = self.call(|transaction| transaction.open_table(table))?;
        Ok(Held::new(self.file(), table))
    }

    /// Deletes a table, if it is there.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn delete_table(&self, name: &str) -> Result<()> {
        // redb looks at the name only.
        let table = TableDefinition::<(), ()>::new(name);
        self.call(|transaction| transaction.delete_table(table).map(drop))
    }
}

impl<K: Key + 'static, V: Value + 'static> WriteTable<'_, K, V> {
    /// The value under `key`.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn get<'k>(&self, key: impl Borrow<K::SelfType<'k>>) -> Result<Option<Guard<'_, V>>> {
        let value = self.call(|table| table.get(key).map(|value| value.map(readable)))?;
        Ok(value.map(|value| Held::new(self.file(), value)))
    }

    /// The entries of a range of keys.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn range<'k, B: Borrow<K::SelfType<'k>> + 'k>(
        &self,
        keys: impl RangeBounds<B> + 'k,
    ) -> Result<Range<'_, K, V>> {
        let range = self.call(|table| table.range(keys))?;
        Ok(Held::new(self.file(), range))
    }

    /// The smallest key.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn first_key(&self) -> Result<Option<K>>
    where
        K: for<'k> Value<SelfType<'k> = K>,
    {
        self.call(|table| {
            let first = table.first()?;
            Ok::<_, StorageError>(first.map(|(key, _)| key.value()))
        })
    }

    /// Puts a value under `key`, in place of any other.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn insert<'k, 'v>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
        value: impl Borrow<V::SelfType<'v>>,
    ) -> Result<()> {
        self.call_mut(|table| table.insert(key, value).map(drop))
    }

    /// Puts entries behind all others; they come in ascending order.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn append<'k, 'v>(
        &mut self,
        entries: impl Iterator<Item = (K::SelfType<'k>, V::SelfType<'v>)>,
    ) -> Result<()> {
        let file = self.file().clone();
        let end =
            self.call_mut(|table| table.upper_bound_mut(Bound::<K::SelfType<'_>>::Unbounded))?;
        let mut end = Held::new(&file, end);
        for (key, value) in entries {
            end.call_mut(|end| end.insert_before(key, value))?;
        }
        end.finish(redb::CursorMut::close)
    }

    /// Removes the entry under `key`, if there is one.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn remove<'k>(&mut self, key: impl Borrow<K::SelfType<'k>>) -> Result<()> {
        self.call_mut(|table| table.remove(key).map(drop))
    }

    /// Removes the entry with the smallest key, if there is one.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn pop_first(&mut self) -> Result<()> {
        self.call_mut(|table| table.pop_first().map(drop))
    }

    /// Removes the entries from `key` on.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn remove_from<'k>(&mut self, key: impl Borrow<K::SelfType<'k>> + 'k) -> Result<()> {
        self.call_mut(|table| table.retain_in(key.., |_, _| false))
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn clear(&mut self) -> Result<()> {
        self.call_mut(|table| table.retain(|_, _| false))
    }
}
