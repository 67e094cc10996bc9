//! The redb file: opening it, transactions, and what redb's errors mean.
//!
//! Invariant: redb's cache size is always given, only [`Store::durable`] makes anything real, and what
//! redb takes from the heap is charged to it: work in a transaction that writes is inside redb as a
//! whole, so nothing that stays may be allocated there; what reads is held ([`crate::held`]).

use crate::error::io_error;
use crate::held::{Guard, Held, Reading};
use crate::ledger::heap::InRedb;
use crate::opening::{open_file, open_with};
use crate::{Error, Result};
use redb::{
    Builder, Database, Durability, Key, ReadOnlyDatabase, ReadableDatabase, TableDefinition, Value,
    WriteTransaction,
};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of redb's magic number, with which its file begins.
const REDB_MAGIC_BYTES: usize = 9;

/// Bytes of redb's header (redb 4.5, `header.rs`: `DB_HEADER_SIZE`), alone in the file's first page.
const REDB_HEADER_BYTES: usize = 320;
const HEADER_PAGE_BYTES: usize = 4096;

/// A file that redb has just made is smaller (4 MiB and the header's page, in redb 4.5).
const FRESH_FILE_BYTES_MAX: u64 = 64 << 20;

/// A page as redb holds it.
pub type PageGuard = Guard<&'static [u8]>;

enum Handle {
    Writer(Database),
    Reader(ReadOnlyDatabase),
}

/// An open index file.
pub struct Store {
    path: PathBuf,
    handle: Held<Handle>,
}

impl Store {
    /// Opens `path` for writing and makes it (mode 0600) if it is not there.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::IndexInUse`] or [`Error::NotAnIndex`].
    pub fn create(path: &Path, cache_bytes: usize) -> Result<Store> {
        let file = open_private(path)?;
        begin_anew_if_cut_off(&file).map_err(io_error("open", path))?;
        let handle = Held::get_by(|| {
            let backend = redb::backends::FileBackend::new(file)?;
            let database = builder(cache_bytes).create_with_backend(backend)?;
            Ok(Handle::Writer(database))
        });
        Ok(Store {
            path: path.to_owned(),
            handle: handle.map_err(|error: redb::DatabaseError| open_error(path, error.into()))?,
        })
    }

    /// Opens `path` for reading only. Several processes may do so at once, but not beside a writer.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Store`], [`Error::IndexInUse`], [`Error::NotAnIndex`], or
    /// [`Error::NeedsRecovery`] after a writer was killed.
    pub fn open_read_only(path: &Path, cache_bytes: usize) -> Result<Store> {
        let file = open_file(path)?;
        let is_cut_off = is_creation_cut_off(&file).map_err(io_error("read", path))?;
        if is_cut_off {
            let path = path.to_owned();
            return Err(Error::NeedsRecovery { path });
        }
        let handle = Held::get_by(|| {
            let database = builder(cache_bytes).open_read_only(path)?;
            Ok(Handle::Reader(database))
        });
        Ok(Store {
            path: path.to_owned(),
            handle: handle.map_err(|error: redb::DatabaseError| open_error(path, error.into()))?,
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that the file takes on disk (allocated blocks, not its apparent length).
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn allocated_bytes(&self) -> Result<u64> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(&self.path);
        let metadata = metadata.map_err(|source| Error::Io {
            action: "look at",
            path: self.path.clone(),
            source,
        })?;
        Ok(metadata.blocks() * 512)
    }

    /// A snapshot for reading: what was committed before, durable or not.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn read(&self) -> Result<Reading> {
        self.check(Held::get_by(|| match &*self.handle {
            Handle::Writer(handle) => handle.begin_read(),
            Handle::Reader(handle) => handle.begin_read(),
        }))
    }

    /// Runs `work` in a transaction that is visible afterwards, but not yet safe from a power cut.
    ///
    /// # Errors
    /// What `work` returns, or [`Error::Store`]; then nothing has changed.
    pub fn volatile<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        let _redb = InRedb::enter();
        let mut transaction = self.begin_write()?;
        self.check(transaction.set_durability(Durability::None))?;
        self.finish(transaction, work)
    }

    /// Runs `work` in a transaction after which everything, earlier volatile work included, is on
    /// disk. A file killed later reopens without reading it whole (`set_quick_repair`).
    ///
    /// # Errors
    /// What `work` returns, or [`Error::Store`]; then nothing has changed.
    pub fn durable<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        let _redb = InRedb::enter();
        let mut transaction = self.begin_write()?;
        transaction.set_quick_repair(true);
        self.finish(transaction, work)
    }

    fn begin_write(&self) -> Result<WriteTransaction> {
        match &*self.handle {
            Handle::Writer(handle) => self.check(handle.begin_write()),
            Handle::Reader(_) => unreachable!("the callers of writes open the store for writing"),
        }
    }

    fn finish<T>(
        &self,
        transaction: WriteTransaction,
        work: impl FnOnce(&WriteTransaction) -> Result<T>,
    ) -> Result<T> {
        let done = work(&transaction)?;
        self.check(transaction.commit())?;
        Ok(done)
    }

    /// Reads one value of a table; `None` if the key, or the whole table, is not there.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn get<K: Key + 'static, V: Value + 'static>(
        &self,
        transaction: &Reading,
        table: TableDefinition<'_, K, V>,
        key: K::SelfType<'_>,
    ) -> Result<Option<Guard<V>>> {
        match transaction.open_table(table) {
            Ok(table) => self.check(table.get(key)),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => self.check(Err(error)),
        }
    }

    /// Names the file in an error of redb's.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn check<T, E: Into<redb::Error>>(&self, result: std::result::Result<T, E>) -> Result<T> {
        result.map_err(|source| Error::Store {
            path: self.path.clone(),
            source: Box::new(source.into()),
        })
    }
}

fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    builder
}

/// Whether the making of this file was cut off before redb wrote its magic number, which it does
/// last: but for the rest of the header, there is nothing in it. redb refuses such a file, unless it
/// is empty.
fn is_creation_cut_off(file: &File) -> std::io::Result<bool> {
    let bytes = file.metadata()?.len();
    if bytes > FRESH_FILE_BYTES_MAX {
        return Ok(false);
    }
    let mut page = [0; HEADER_PAGE_BYTES];
    let mut at = 0;
    while at < bytes {
        let read = file.read_at(&mut page, at)?;
        let skip = if at == 0 { REDB_HEADER_BYTES } else { 0 };
        let is_magic = at == 0 && page[..read.min(REDB_MAGIC_BYTES)].iter().any(|&b| b != 0);
        if read == 0 || is_magic || page[skip.min(read)..read].iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        at += read as u64;
    }
    Ok(true)
}

/// Empties a file whose making was cut off, unless another process is making it right now.
fn begin_anew_if_cut_off(file: &File) -> std::io::Result<()> {
    if file.try_lock().is_ok() {
        if is_creation_cut_off(file)? {
            file.set_len(0)?;
        }
        file.unlock()?;
    }
    Ok(())
}

fn open_private(path: &Path) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    open_with(&mut options, path)
}

fn open_error(path: &Path, error: redb::Error) -> Error {
    let path = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen => Error::IndexInUse { path },
        redb::Error::RepairAborted => Error::NeedsRecovery { path },
        redb::Error::UpgradeRequired(_) => Error::NotAnIndex {
            path,
            why: "an older redb format",
        },
        redb::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => Error::NotAnIndex {
            path,
            why: "not a redb file",
        },
        source => Error::Store {
            path,
            source: Box::new(source),
        },
    }
}
