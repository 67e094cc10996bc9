//! The redb file: opening it, transactions, and what redb's errors mean.
//!
//! Invariant: redb's cache size is always given, only [`Store::durable`] makes anything real, and what
//! redb takes from the heap is charged to it: work in a transaction that writes is inside redb as a
//! whole, so nothing that stays may be allocated there; what reads is held ([`crate::store::reading`]).
//!
//! `overlay.rs` repairs, in memory, a file that is only to be read.

mod fault;
mod overlay;
pub mod reading;
pub mod sealed;

pub use fault::Fault;

use crate::memory::heap::InRedb;
use crate::os;
use crate::os::opening::{open_file, open_with};
use crate::os::{io_error, io_kind};
use crate::store::reading::{Guard, Held, Reading};
use crate::{Error, Result};
use overlay::Overlay;
use redb::{
    Builder, Database, Durability, Key, ReadOnlyDatabase, ReadableDatabase, TableDefinition, Value,
    WriteTransaction,
};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// redb's cache where it reads and writes in sequence, as imports and exports do: a larger one gains
/// nothing. (Measured, 3 GB at 128 MiB: 12.0 s with 16 MiB, 11.7 s with 4 MiB, 11.5 s with this.)
pub const SEQUENTIAL_CACHE_BYTES: usize = 1 << 19;

/// What redb's heap, this cache included, takes of the budget: the allocator's pool, and room for what does
/// not fit it. Measured on chains of 3 and 8 GB as the peak of `VmData` less our own maps: 16.4 MiB with the
/// program, of which the pool is 12 and redb held 2 to 3 at a time. It also keeps 70 KB of state a GB of
/// the file: at 100 GB, more than mainnet takes, it held 9 MiB at most (measured on a sparse file).
pub const HEAP_BYTES: usize = 14 << 20;

/// redb's cache for questions.
pub const QUERY_CACHE_BYTES: usize = 32 << 20;

/// Bytes of redb's magic number, with which its file begins.
const REDB_MAGIC_BYTES: usize = 9;

/// Bytes of redb's header (redb 4.6, `header.rs`: `DB_HEADER_SIZE`), alone in the file's first page.
const REDB_HEADER_BYTES: usize = 320;
const HEADER_PAGE_BYTES: usize = 4096;

/// A file that redb has just made is smaller (72 KiB in redb 4.6, 4 MiB and a page in redb 4.5).
const FRESH_FILE_BYTES_MAX: u64 = 64 << 20;

/// A page as redb holds it.
pub type PageGuard = Guard<&'static [u8]>;

enum Handle {
    Writer(Database),
    Reader(ReadOnlyDatabase),
    /// A reader of a file that was left open; the repair is in memory only.
    Repaired(Database),
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
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::IndexInUse`] or
    /// [`crate::store::Fault::NotAnIndex`].
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

    /// Opens `path` for reading only. Several processes may do so at once, but not beside a writer. One
    /// that a writer left open, because it was killed, the disk was full or the power failed, is read as
    /// of its last durable commit, and stays as it is for the next writer to repair.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`], [`crate::store::Fault::Store`], [`crate::store::Fault::IndexInUse`],
    /// [`crate::store::Fault::NotAnIndex`], [`crate::store::Fault::DamagedIndex`],
    /// [`crate::store::Fault::NoIndex`], or [`crate::store::Fault::NoBlocks`] if nothing was ever written
    /// to it.
    pub fn open_read_only(path: &Path, cache_bytes: usize) -> Result<Store> {
        let file = match open_file(path) {
            Err(error) if io_kind(&error) == Some(ErrorKind::NotFound) => {
                let path = path.to_owned();
                return Err(Fault::NoIndex { path }.into());
            }
            opened => opened?,
        };
        let is_cut_off = is_creation_cut_off(&file).map_err(io_error("read", path))?;
        if is_cut_off {
            let path = path.to_owned();
            return Err(Fault::NoBlocks { path }.into());
        }
        let builder = builder(cache_bytes);
        let handle = Held::get_by(|| match builder.open_read_only(path) {
            Err(redb::DatabaseError::RepairAborted) => {
                let database = builder.create_with_backend(Overlay::new(file)?)?;
                Ok(Handle::Repaired(database))
            }
            opened => opened.map(Handle::Reader),
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
    /// [`crate::os::Fault::Io`].
    pub fn allocated_bytes(&self) -> Result<u64> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(&self.path);
        let metadata = metadata.map_err(|source| os::Fault::Io {
            action: "look at",
            path: self.path.clone(),
            source,
        })?;
        Ok(metadata.blocks() * 512)
    }

    /// A snapshot for reading: what was committed before, durable or not.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub fn read(&self) -> Result<Reading> {
        self.check(Held::get_by(|| match &*self.handle {
            Handle::Writer(handle) | Handle::Repaired(handle) => handle.begin_read(),
            Handle::Reader(handle) => handle.begin_read(),
        }))
    }

    /// Runs `work` in a transaction that is visible afterwards, but not yet safe from a power cut.
    ///
    /// # Errors
    /// What `work` returns, or [`crate::store::Fault::Store`]; then nothing has changed.
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
    /// What `work` returns, or [`crate::store::Fault::Store`]; then nothing has changed.
    pub fn durable<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        let _redb = InRedb::enter();
        let mut transaction = self.begin_write()?;
        transaction.set_quick_repair(true);
        self.finish(transaction, work)
    }

    fn begin_write(&self) -> Result<WriteTransaction> {
        match &*self.handle {
            Handle::Writer(handle) => self.check(handle.begin_write()),
            Handle::Reader(_) | Handle::Repaired(_) => {
                unreachable!("the callers of writes open the store for writing")
            }
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
    /// [`crate::store::Fault::Store`].
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
    /// [`crate::store::Fault::DamagedIndex`], [`crate::store::Fault::Store`].
    pub fn check<T, E: Into<redb::Error>>(&self, result: std::result::Result<T, E>) -> Result<T> {
        result.map_err(|source| store_error(&self.path, source.into()))
    }

    /// The error for a file of ours in which something cannot be read.
    pub fn damaged(&self, what: impl Into<String>) -> Error {
        Fault::DamagedIndex {
            path: self.path.clone(),
            what: what.into(),
        }
        .into()
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
    let not_an_index = |why| {
        let path = path.to_owned();
        Error::from(Fault::NotAnIndex { path, why })
    };
    match error {
        redb::Error::DatabaseAlreadyOpen => Fault::IndexInUse {
            path: path.to_owned(),
        }
        .into(),
        redb::Error::UpgradeRequired(_) => not_an_index(
            "it is a redb file of a kind that no blkdex wrote; \
             if it was an index once, `blkdex rebuild --force` makes it anew",
        ),
        redb::Error::Io(io) if io.kind() == ErrorKind::InvalidData => not_an_index(
            "it does not begin as one; if it was an index once, `blkdex rebuild --force` makes it anew, \
             otherwise give another file with --index",
        ),
        source => store_error(path, source),
    }
}

/// Tells damage from a disk that fails or is full.
fn store_error(path: &Path, source: redb::Error) -> Error {
    let what = match source {
        redb::Error::Corrupted(what) if what.starts_with("File truncated") => {
            format!("it is cut short; redb: {what}")
        }
        redb::Error::Corrupted(what) => format!("redb: {what}"),
        redb::Error::Io(io) if io.kind() == ErrorKind::UnexpectedEof => {
            "it ends before a page that it should have".into()
        }
        source => {
            return Fault::Store {
                path: path.to_owned(),
                source: Box::new(source),
            }
            .into();
        }
    };
    Fault::DamagedIndex {
        path: path.to_owned(),
        what,
    }
    .into()
}
