//! The index as one redb file: opening it, transactions, and what redb's errors mean. No other room knows
//! that it is redb.
//!
//! Invariant: redb's cache size is always given, only `Store::durable` makes anything real, a reader sees
//! the file as of one moment, and what redb takes from the heap is charged to it: work in a transaction
//! that writes is inside redb as a whole, so nothing that stays may be allocated there.
//!
//! | file | what |
//! | --- | --- |
//! | `contention.rs` | who else has it open, and how far that one is |
//! | `fault.rs` | what is wrong with the file |
//! | `file.rs` | the file, as redb is called on it |
//! | `held.rs` | what redb gives out, as it is called and dropped |
//! | `panics.rs` | panics of redb become words |
//! | `making.rs` | a new file is made beside its name |
//! | `overlay.rs` | repairs, in memory, a file that is only to be read |
//! | `reading.rs` | transactions that read |
//! | `writing.rs` | transactions that write |
//! | `waiting.rs` | work that waits for the next commit |
//! | `sealed.rs` | checksums of rows |

pub mod contention;
mod fault;
mod file;
mod held;
mod making;
mod overlay;
mod panics;
pub(crate) mod reading;
pub(crate) mod sealed;
mod waiting;
pub(crate) mod writing;

pub use fault::Fault;
pub(crate) use redb::{TableDefinition, TableHandle};

use crate::error::Family;
use crate::memory::heap::InRedb;
use crate::os::opening::{open_file, open_with};
use crate::os::{io_error, io_kind};
use crate::{Error, Result};
use contention::{LOOK_EVERY, OVERLAYS_END_MAX, lock_to_write, no_blocks};
use file::IndexFile;
use held::Held;
use overlay::Overlay;
use reading::{Guard, Reading};
use redb::backends::FileBackend;
use redb::{
    Builder, ConcurrencyMode, Database, DatabaseError, Durability, ReadOnlyDatabase,
    ReadableDatabase,
};
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use waiting::{Waiting, Works};
use writing::Writing;

/// redb's cache where it reads and writes in sequence, as imports and exports do: a larger one gains
/// nothing. (Measured, 3 GB at 128 MiB: 12.0 s with 16 MiB, 11.7 s with 4 MiB, 11.5 s with this.)
pub(crate) const SEQUENTIAL_CACHE_BYTES: usize = 1 << 19;

/// What redb's heap, this cache included, takes of the budget: the allocator's pool, and room for what does
/// not fit it. Measured on chains of 3 and 8 GB as the peak of `VmData` less our own maps: 16.4 MiB with the
/// program, of which the pool is 12 and redb held 2 to 3 at a time. It also keeps 70 KB of state a GB of
/// the file: at 100 GB, more than mainnet takes, it held 9 MiB at most (measured on a sparse file).
pub(crate) const HEAP_BYTES: usize = 14 << 20;

/// redb's cache for questions.
pub(crate) const QUERY_CACHE_BYTES: usize = 32 << 20;

/// A page as redb holds it.
pub(crate) type PageGuard = Guard<'static, &'static [u8]>;

/// Who may have the file open beside the one that writes to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sharing {
    /// Nobody: what is not durable costs no sync. (Measured, 3 GB of blocks, with a transaction that is
    /// durable in place of each that is not: 4 to 13 % more time at 1 GiB, 20 to 30 % at 128 MiB, up to
    /// twice as much at 64 MiB.)
    Alone,
    /// Readers, which follow its commits. Each is durable, and so they are few: what need not be durable
    /// waits in an open transaction for the next that must, or for the next look at it.
    WithReaders,
}

enum Handle {
    Writer(Database),
    Reader(ReadOnlyDatabase),
    /// A reader of a file that was left open; the repair is in memory only.
    Repaired(Database),
}

/// An open index file.
pub(crate) struct Store {
    /// Above the handle: what it holds is let go first.
    waiting: Waiting,
    /// All that a reader sees: what a writer commits meanwhile would not go with what was read before.
    pinned: Option<Reading>,
    handle: Held<Handle>,
    sharing: Sharing,
    /// The file that was opened, whatever has its name by now.
    inode: Inode,
}

/// Which file it is: its device, and its number there.
type Inode = (u64, u64);

fn inode_of(file: &Metadata) -> Inode {
    (file.dev(), file.ino())
}

impl Store {
    /// Opens `path` for writing and makes it (mode 0600) if it is not there.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`], [`crate::store::Fault::Store`], [`crate::store::Fault::IndexInUse`],
    /// [`crate::store::Fault::NotAnIndex`], [`crate::store::Fault::DamagedIndex`].
    pub fn create(path: &Path, cache_bytes: usize, sharing: Sharing) -> Result<Store> {
        let file = Arc::new(IndexFile::new(path, true));
        let mode = match sharing {
            Sharing::Alone => ConcurrencyMode::ExclusiveWriter,
            Sharing::WithReaders => ConcurrencyMode::SingleWriter,
        };
        let open = |opened: File| {
            let meta = opened.metadata().map_err(io_error("look at", path))?;
            let handle = file.open(|| {
                let backend = FileBackend::new(opened)?;
                if sharing == Sharing::WithReaders {
                    lock_to_write(&backend)?;
                }
                let database = builder(cache_bytes, mode).create_with_backend(backend)?;
                Ok(Handle::Writer(database))
            });
            Ok((Held::new(&file, handle?), inode_of(&meta)))
        };
        let (handle, inode) = match open_with(File::options().read(true).write(true), path) {
            Err(error) if io_kind(&error) == Some(ErrorKind::NotFound) => making::make(path, open)?,
            opened => open(opened?)?,
        };
        Ok(Store {
            waiting: Waiting::default(),
            pinned: None,
            handle,
            sharing,
            inode,
        })
    }

    /// Opens `path` for reading only, as of now: what is committed later is not seen. Several processes may
    /// do so at once, beside a writer [with readers](Sharing::WithReaders) too, which meanwhile leaves what
    /// they read where it is. A file that a writer left open, because it was killed, the disk was full or
    /// the power failed, is read as of its last durable commit, and stays as it is for the next writer to
    /// repair; only then a writer has to wait.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`], [`crate::store::Fault::Store`], [`crate::store::Fault::IndexInUse`],
    /// [`crate::store::Fault::NotAnIndex`], [`crate::store::Fault::DamagedIndex`],
    /// [`crate::store::Fault::NoIndex`], or [`crate::store::Fault::NoBlocks`] if it is empty.
    pub fn open_read_only(path: &Path, cache_bytes: usize) -> Result<Store> {
        let opened = match open_file(path) {
            Err(error) if io_kind(&error) == Some(ErrorKind::NotFound) => {
                let path = path.to_owned();
                return Err(Fault::NoIndex { path }.into());
            }
            opened => opened?,
        };
        let meta = opened.metadata().map_err(io_error("look at", path))?;
        if meta.len() == 0 {
            return Err(no_blocks(path).into());
        }
        let file = Arc::new(IndexFile::new(path, false));
        let handle = Held::new(&file, open_reader(&file, cache_bytes)?);
        let pinned = Some(begin_read(&handle)?);
        Ok(Store {
            waiting: Waiting::default(),
            pinned,
            handle,
            sharing: Sharing::WithReaders,
            inode: inode_of(&meta),
        })
    }

    /// Closes the file, as dropping it does. What was committed is safe whatever comes of that; but if
    /// redb panics, that is said.
    ///
    /// # Errors
    /// [`crate::store::Fault::DamagedIndex`].
    pub fn close(self) -> Result<()> {
        self.commit_waiting()?;
        let file = Arc::clone(self.handle.file());
        drop(self);
        file.expect_usable()
    }

    /// Who may have it open beside this one.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.handle.file().path()
    }

    /// Refuses to go on with a file that has lost its name: what is written to it is in no index.
    ///
    /// # Errors
    /// [`crate::store::Fault::IndexReplaced`], [`crate::os::Fault::Io`].
    pub fn expect_in_place(&self) -> Result<()> {
        match std::fs::metadata(self.path()) {
            Ok(meta) if inode_of(&meta) == self.inode => Ok(()),
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(io_error("look at", self.path())(error))
            }
            _ => {
                let path = self.path().to_owned();
                Err(Fault::IndexReplaced { path }.into())
            }
        }
    }

    /// Bytes that the file takes on disk (allocated blocks, not its apparent length).
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`].
    pub fn allocated_bytes(&self) -> Result<u64> {
        let metadata = std::fs::metadata(self.path());
        let metadata = metadata.map_err(io_error("look at", self.path()))?;
        Ok(metadata.blocks() * 512)
    }

    /// A snapshot for reading: to a writer what was committed before, durable or not; to a reader what was
    /// there when it was opened.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`].
    pub fn read(&self) -> Result<Reading> {
        match &self.pinned {
            Some(pinned) => Ok(pinned.clone()),
            None => {
                self.commit_waiting()?;
                begin_read(&self.handle)
            }
        }
    }

    /// Runs `work` in a transaction that is visible afterwards, but need not be safe from a power cut.
    ///
    /// # Errors
    /// What `work` returns, or [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`]; then
    /// nothing has changed, and of earlier volatile work only what was committed is there.
    pub fn volatile<T>(&self, work: impl FnOnce(&Writing) -> Result<T>) -> Result<T> {
        let _redb = InRedb::enter();
        if self.sharing == Sharing::WithReaders {
            return self.join_waiting(work);
        }
        let mut writing = self.begin_write()?;
        writing.call_mut(|transaction| transaction.set_durability(Durability::None))?;
        finish(writing, work)
    }

    /// Runs `work` in a transaction after which everything, earlier volatile work included, is on
    /// disk. A file killed later reopens without reading it whole (`set_quick_repair`).
    ///
    /// # Errors
    /// What `work` returns, or [`crate::store::Fault::Store`], [`crate::store::Fault::DamagedIndex`],
    /// [`crate::store::Fault::IndexReplaced`]; then nothing has changed.
    pub fn durable<T>(&self, work: impl FnOnce(&Writing) -> Result<T>) -> Result<T> {
        self.expect_in_place()?;
        let _redb = InRedb::enter();
        let works = self.take_waiting()?;
        let done = finish(works.writing, work);
        if done.is_err() && works.count > 0 {
            self.waiting.lose();
        }
        done
    }

    /// Does `work` in a transaction that waits for more.
    fn join_waiting<T>(&self, work: impl FnOnce(&Writing) -> Result<T>) -> Result<T> {
        let mut works = self.take_waiting()?;
        let done = work(&works.writing);
        match done {
            Ok(_) => {
                works.count += 1;
                let are_many = works.are_many();
                self.waiting.put(works);
                if are_many {
                    self.commit_waiting()?;
                }
            }
            Err(_) if works.count > 0 => self.waiting.lose(),
            Err(_) => {}
        }
        done
    }

    /// Makes what waits real, and seen.
    fn commit_waiting(&self) -> Result<()> {
        match self.waiting.is_empty() {
            true => Ok(()),
            false => self.durable(|_| Ok(())),
        }
    }

    fn take_waiting(&self) -> Result<Works> {
        match self.handle.file().call(|| self.waiting.take())? {
            Some(works) => Ok(works),
            None => {
                let writing = self.begin_durable()?;
                Ok(Works { writing, count: 0 })
            }
        }
    }

    fn begin_durable(&self) -> Result<Writing> {
        let mut writing = self.begin_write()?;
        writing.call_mut(|transaction| {
            transaction.set_quick_repair(true);
            Ok::<_, redb::Error>(())
        })?;
        Ok(writing)
    }

    fn begin_write(&self) -> Result<Writing> {
        let Handle::Writer(handle) = self.handle.thing() else {
            unreachable!("the callers of writes open the store for writing");
        };
        let file = self.handle.file();
        let writing = file.call(|| handle.begin_write())?;
        Ok(Held::new(file, writing))
    }

    /// The error for a file of ours in which something cannot be read.
    pub fn damaged(&self, what: &str) -> Error {
        self.handle.file().damaged(what)
    }
}

fn finish<T>(writing: Writing, work: impl FnOnce(&Writing) -> Result<T>) -> Result<T> {
    let done = work(&writing)?;
    writing.finish(redb::WriteTransaction::commit)?;
    Ok(done)
}

fn begin_read(handle: &Held<Handle>) -> Result<Reading> {
    let reading = handle.call(|handle| match handle {
        Handle::Writer(handle) | Handle::Repaired(handle) => handle.begin_read(),
        Handle::Reader(handle) => handle.begin_read(),
    })?;
    Ok(Reading::new(Held::new(handle.file(), reading)))
}

/// How long a reader waits for a writer that waits for other readers, or is repairing what another has left
/// open: that takes milliseconds, unless the disk is slow.
const REPAIR_TIME_MAX: Duration = OVERLAYS_END_MAX.saturating_add(Duration::from_secs(2));

fn open_reader(file: &IndexFile, cache_bytes: usize) -> Result<Handle> {
    let shared = builder(cache_bytes, ConcurrencyMode::SingleWriter);
    let began = Instant::now();
    loop {
        let handle = file.open(|| match shared.open_read_only(file.path()) {
            Err(DatabaseError::RepairAborted) => Ok(None),
            opened => opened.map(Handle::Reader).map(Some),
        })?;
        if let Some(handle) = handle {
            return Ok(handle);
        }
        let opened = open_file(file.path())?;
        let alone = builder(cache_bytes, ConcurrencyMode::ExclusiveWriter);
        let repaired = file.open(|| {
            let database = alone.create_with_backend(Overlay::new(opened)?)?;
            Ok(Handle::Repaired(database))
        });
        match repaired {
            // A writer has opened it meanwhile, and will let others read.
            Err(error)
                if error.family() == Family::Contention && began.elapsed() < REPAIR_TIME_MAX =>
            {
                sleep(LOOK_EVERY);
            }
            repaired => return repaired,
        }
    }
}

fn builder(cache_bytes: usize, mode: ConcurrencyMode) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    builder.set_concurrency_mode(mode);
    builder
}
