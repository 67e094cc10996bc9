//! What redb gives out to read with: transactions, tables, values, each held so that what it
//! allocates and frees is charged to redb ([`crate::memory::heap`]).
//!
//! Invariant: of redb's things that outlive a call, none is dropped outside of [`InRedb`].

use crate::memory::heap::{InRedb, enter_redb, leave_redb};
use redb::{
    AccessGuard, Key, ReadOnlyTable, ReadTransaction, ReadableTable, StorageError, TableDefinition,
    TableError, Value,
};
use std::borrow::Borrow;
use std::ops::{Bound, Deref, RangeBounds};

/// A thing of redb's. Its fields are dropped in this order, after `drop` has entered redb.
pub struct Held<T> {
    thing: T,
    _leaves: Leaves,
}

struct Leaves;

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        enter_redb();
    }
}

impl Drop for Leaves {
    fn drop(&mut self) {
        leave_redb();
    }
}

/// A transaction that reads.
pub type Reading = Held<ReadTransaction>;

/// A table in it.
pub type ReadTable<K, V> = Held<ReadOnlyTable<K, V>>;

/// A key or a value in it.
pub type Guard<V> = Held<AccessGuard<'static, V>>;

/// The entries of a range.
pub type Range<K, V> = Held<redb::Range<'static, K, V>>;

/// An entry: its key and its value.
pub type Entry<K, V> = Result<(Guard<K>, Guard<V>), StorageError>;

impl<T> Held<T> {
    /// Holds what `work` gets from redb.
    ///
    /// # Errors
    /// What `work` returns.
    pub fn get_by<E>(work: impl FnOnce() -> Result<T, E>) -> Result<Held<T>, E> {
        let _redb = InRedb::enter();
        work().map(Held::new)
    }

    fn new(thing: T) -> Held<T> {
        Held {
            thing,
            _leaves: Leaves,
        }
    }
}

impl Reading {
    /// Opens a table.
    ///
    /// # Errors
    /// redb's.
    pub fn open_table<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<ReadTable<K, V>, TableError> {
        Held::get_by(|| self.thing.open_table(table))
    }
}

impl<K: Key + 'static, V: Value + 'static> ReadTable<K, V> {
    /// The value under `key`.
    ///
    /// # Errors
    /// redb's.
    pub fn get<'k>(
        &self,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Option<Guard<V>>, StorageError> {
        let _redb = InRedb::enter();
        Ok(self.thing.get(key)?.map(Held::new))
    }

    /// The largest key at or below `key`. Reads one page of redb, or two: a range would read its first
    /// page as well.
    ///
    /// # Errors
    /// redb's.
    pub fn key_at_or_below(&self, key: K) -> Result<Option<K>, StorageError>
    where
        K: for<'k> Value<SelfType<'k> = K>,
    {
        let _redb = InRedb::enter();
        let mut cursor = self.thing.upper_bound(Bound::Included(key))?;
        Ok(cursor.peek_prev()?.map(|(key, _)| key.value()))
    }

    /// The entries of a range of keys.
    ///
    /// # Errors
    /// redb's.
    pub fn range<'k, B: Borrow<K::SelfType<'k>> + 'k>(
        &self,
        keys: impl RangeBounds<B> + 'k,
    ) -> Result<Range<K, V>, StorageError> {
        Held::get_by(|| self.thing.range(keys))
    }
}

fn held<K: Key, V: Value>(
    entry: Result<(AccessGuard<'static, K>, AccessGuard<'static, V>), StorageError>,
) -> Entry<K, V> {
    entry.map(|(key, value)| (Held::new(key), Held::new(value)))
}

impl<K: Key + 'static, V: Value + 'static> Iterator for Range<K, V> {
    type Item = Entry<K, V>;

    fn next(&mut self) -> Option<Entry<K, V>> {
        let _redb = InRedb::enter();
        self.thing.next().map(held)
    }
}

impl<K: Key + 'static, V: Value + 'static> DoubleEndedIterator for Range<K, V> {
    fn next_back(&mut self) -> Option<Entry<K, V>> {
        let _redb = InRedb::enter();
        self.thing.next_back().map(held)
    }
}

/// For what neither allocates nor frees, as the value of a guard, and for work inside of [`InRedb`].
impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.thing
    }
}
