//! A block's bytes, un-XORed, by its place.
//!
//! Invariant: a file is mapped only if no node will shorten it; all others are read with pread, so a
//! file that ends early is an error and not a signal.
//!
//! Obfuscated files are always read with pread: their bytes have to go through the window anyway, and
//! un-XORing them there took 0.4 s for 3 GB, out of a map 0.7 to 1.6 s (a virtual machine, where small
//! pages of a map are looked up twice).
//!
//! Memory: one window of the largest block, made once. Of mapped files at most
//! about [`MAPPED_BYTES_MAX`] are resident; they are the kernel's to take back at any time.

use crate::datadir::Fault;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::files::{block_file_path, read_at};
use super::undo::UndoFiles;
use super::xor::XorKey;
use crate::Result;
use crate::datadir::Datadir;
use crate::memory::part::Part;
use crate::memory::region::Region;
use crate::os::disk::will_need;
use crate::os::file_map::FileMap;
use crate::os::opening::open_file;
use crate::os::{io_error, sigbus};
use crate::primitives::consensus::BLOCK_BYTES_MAX;
use crate::primitives::position::Place;

/// Block files kept open at a time. Blocks arrive out of order, so neighbouring heights hop between
/// two or three files.
const OPEN_FILES_MAX: usize = 4;

/// Bytes of mapped block files that may become resident before they are dropped.
const MAPPED_BYTES_MAX: usize = 8 << 20;

/// Bytes asked of the kernel ahead of the reader.
const READ_AHEAD_BYTES: usize = 4 << 20;

/// A block file modified more recently than this may still change, so it is not mapped.
const QUIET_AFTER: std::time::Duration = std::time::Duration::from_secs(600);

// A block, and the pages mapped around it, must fit what may be resident.
const _: () = assert!(BLOCK_BYTES_MAX as usize + READ_AHEAD_BYTES <= MAPPED_BYTES_MAX);

/// What one jump within a map may make resident around the block (the kernel's fault-around).
const AROUND_BYTES: usize = 128 << 10;

/// Reads blocks; meant to be asked in roughly the order in which they lie.
pub struct BlockReader {
    blocks_dir: PathBuf,
    key: XorKey,
    last_number: Option<u32>,
    /// Whether what lies behind a place is likely to be read next.
    reads_ahead: bool,
    window: Region<u8>,
    open: Vec<OpenFile>,
    /// Counts reads, to know which file was used longest ago.
    turn: u64,
    /// Bytes of maps read since they were last dropped.
    resident_bytes: usize,
    /// The file last named to the SIGBUS handler.
    announced: Option<u32>,
}

struct OpenFile {
    number: u32,
    path: PathBuf,
    file: File,
    map: Option<FileMap>,
    last_end: usize,
    advised_to: usize,
    used: u64,
}

impl BlockReader {
    /// Bytes of private memory a reader takes.
    pub const WINDOW_BYTES: usize = BLOCK_BYTES_MAX as usize;

    /// A reader of these files, and of those a node adds later.
    pub fn new(datadir: &Datadir) -> Result<BlockReader> {
        let last_number = datadir.files().last().map(|file| file.number);
        let blocks_dir = datadir.blocks_dir().to_path_buf();
        BlockReader::of_folder(blocks_dir, datadir.xor_key(), last_number)
    }

    /// `last_number`: the newest file; `None`: any may be, so none is mapped.
    pub(super) fn of_folder(
        blocks_dir: PathBuf,
        key: XorKey,
        last_number: Option<u32>,
    ) -> Result<BlockReader> {
        // Most blocks fill but a part of it.
        let window = Region::in_small_pages(Part::Block, Self::WINDOW_BYTES)?;
        Ok(BlockReader {
            blocks_dir,
            key,
            last_number,
            reads_ahead: true,
            window,
            open: Vec::with_capacity(OPEN_FILES_MAX),
            turn: 0,
            resident_bytes: 0,
            announced: None,
        })
    }

    /// The same, of places in any order: nothing is read ahead but what is announced.
    pub(super) fn of_pieces(mut self) -> BlockReader {
        self.reads_ahead = false;
        self
    }

    /// Tells the kernel that `place` will be read soon. What cannot be read is for the reading to say.
    pub fn announce(&mut self, place: Place) {
        if let Ok(index) = self.open_file(place.file) {
            will_need(
                &self.open[index].file,
                place.offset_bytes,
                place.bytes.into(),
            );
        }
    }

    /// The folder of the block files.
    pub fn blocks_dir(&self) -> &Path {
        &self.blocks_dir
    }

    /// The undo files beside the block files.
    pub fn undo_files(&self) -> UndoFiles {
        UndoFiles::new(self.blocks_dir.clone(), self.key)
    }

    /// The bytes at `place`, un-XORed. They are those on disk: nothing is checked but that they are
    /// there.
    ///
    /// # Errors
    /// The file cannot be read; the place ends behind its end, or is longer than a block.
    pub fn read(&mut self, place: Place) -> Result<&[u8]> {
        let Place {
            file,
            offset_bytes,
            bytes,
        } = place;
        if bytes > BLOCK_BYTES_MAX {
            let limit_bytes = BLOCK_BYTES_MAX;
            return Err(Fault::PlaceTooLong {
                file,
                offset_bytes,
                bytes,
                limit_bytes,
            }
            .into());
        }
        let index = self.open_file(file)?;
        let mapped = self.open[index].map.as_ref().map(|map| map.len() as u64);
        match mapped {
            Some(file_bytes) if offset_bytes + u64::from(bytes) > file_bytes => {
                Err(Fault::PastEnd {
                    file,
                    offset_bytes,
                    bytes,
                    file_bytes,
                }
                .into())
            }
            Some(_) => {
                self.keep_in_bounds(index, place);
                Ok(self.read_map(index, place))
            }
            None => self.read_file(index, place),
        }
    }

    /// The map itself: what is mapped is not obfuscated.
    fn read_map(&mut self, index: usize, place: Place) -> &[u8] {
        let open = &self.open[index];
        let map: &[u8] = open.map.as_ref().expect("the caller has seen the map");
        if self.announced != Some(open.number) {
            sigbus::announce(&open.path, map);
            self.announced = Some(open.number);
        }
        let from = place.offset_bytes as usize;
        &map[from..from + place.bytes as usize]
    }

    fn read_file(&mut self, index: usize, place: Place) -> Result<&[u8]> {
        let Place {
            file,
            offset_bytes,
            bytes,
        } = place;
        let open = &mut self.open[index];
        if self.reads_ahead {
            open.read_ahead(offset_bytes as usize, bytes as usize);
        }
        self.window.note_used(bytes as usize);
        let window = &mut self.window[..bytes as usize];
        let read =
            read_at(&open.file, window, offset_bytes).map_err(io_error("read", &open.path))?;
        if read < window.len() {
            let meta = open.file.metadata().map_err(io_error("read", &open.path))?;
            let file_bytes = meta.len();
            return Err(Fault::PastEnd {
                file,
                offset_bytes,
                bytes,
                file_bytes,
            }
            .into());
        }
        self.key.apply(window, offset_bytes);
        Ok(window)
    }

    /// Drops mapped pages before too many are resident, and asks for those that come next.
    fn keep_in_bounds(&mut self, index: usize, place: Place) {
        let (from, bytes) = (place.offset_bytes as usize, place.bytes as usize);
        let jump = self.open[index].is_jump(from);
        let charge = bytes + if jump { AROUND_BYTES } else { 0 };
        if self.resident_bytes + charge > MAPPED_BYTES_MAX {
            self.open.iter_mut().for_each(OpenFile::drop_pages);
            self.resident_bytes = 0;
        }
        self.resident_bytes += charge;
        self.open[index].read_ahead(from, bytes);
    }

    /// Index of the file in `open`; opens it if need be, in place of the one used longest ago.
    fn open_file(&mut self, number: u32) -> Result<usize> {
        self.turn += 1;
        let known = self.open.iter().position(|open| open.number == number);
        let index = match known {
            Some(index) => index,
            None => {
                if self.open.len() == OPEN_FILES_MAX {
                    let oldest = (0..self.open.len()).min_by_key(|&i| self.open[i].used);
                    self.open.swap_remove(oldest.expect("files are open"));
                }
                let path = block_file_path(&self.blocks_dir, number);
                let last_number = self.last_number.filter(|_| self.key.is_zero());
                self.open.push(OpenFile::new(path, number, last_number)?);
                self.open.len() - 1
            }
        };
        self.open[index].used = self.turn;
        Ok(index)
    }
}

impl OpenFile {
    /// Mapped if nobody writes to it; `last_number` is the newest file, `None` if none is to be mapped.
    fn new(path: PathBuf, number: u32, last_number: Option<u32>) -> Result<OpenFile> {
        let file = open_file(&path)?;
        let meta = file.metadata().map_err(io_error("open", &path))?;
        let modified = meta.modified().map_err(io_error("open", &path))?;
        // A node writes to the last file, and may still cut the one before to its length. (With
        // assumeutxo it has two files at work: the second is known by its age.)
        let is_old = SystemTime::now()
            .duration_since(modified)
            .is_ok_and(|age| age > QUIET_AFTER);
        let follows = last_number.is_some_and(|last| u64::from(number) + 1 < u64::from(last));
        let is_quiet = is_old && follows && meta.len() > 0;
        let map = if is_quiet {
            Some(FileMap::new(&file, &path)?)
        } else {
            None
        };
        Ok(OpenFile {
            number,
            path,
            file,
            map,
            last_end: 0,
            advised_to: 0,
            used: 0,
        })
    }

    /// Whether `from` does not follow what was read last.
    fn is_jump(&self, from: usize) -> bool {
        self.last_end.abs_diff(from) > AROUND_BYTES / 2
    }

    /// Notes what is about to be read, and asks for what comes next. Advice is only advice: a kernel
    /// that refuses it still reads the right bytes.
    fn read_ahead(&mut self, from: usize, bytes: usize) {
        let is_jump = self.is_jump(from);
        self.last_end = from + bytes;
        if is_jump {
            self.advised_to = self.last_end;
        }
        if self.last_end + READ_AHEAD_BYTES / 2 <= self.advised_to {
            return;
        }
        let (from, to) = (
            self.advised_to.max(self.last_end),
            self.last_end + READ_AHEAD_BYTES,
        );
        match &self.map {
            Some(map) => map.will_need(from..to),
            None => will_need(&self.file, from as u64, (to - from) as u64),
        }
        self.advised_to = to;
    }

    fn drop_pages(&mut self) {
        if let Some(map) = &mut self.map {
            map.drop_pages();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::fault_of;
    use crate::os;
    use std::fs;
    use std::time::Duration;

    use super::super::testing::{folder_with, make_old, regtest_source};
    use super::super::{Location, Source};
    use super::*;

    /// All records of a datadir: place and hash.
    fn records(datadir: &Datadir) -> Vec<(Place, [u8; 32])> {
        let mut reader = datadir.record_reader().expect("memory");
        let mut found = Vec::new();
        for file in datadir.files() {
            let path = block_file_path(datadir.blocks_dir(), file.number);
            reader.open(path, file.number, 0).expect("opens");
            while let Some(record) = reader.next_record().expect("reads") {
                found.push((record.place, record.hash));
            }
        }
        found
    }

    fn check_blocks(datadir: &Datadir, reader: &mut BlockReader) {
        for (place, hash) in records(datadir) {
            let bytes = reader.read(place).expect("reads");
            let block: bitcoin::Block = bitcoin::consensus::deserialize(bytes).expect("a block");
            assert_eq!(&block.block_hash()[..], hash);
        }
    }

    /// A copy of `data/` whose files look old, obfuscated with `key`.
    fn old_copy(key: XorKey) -> (tempfile::TempDir, Datadir) {
        let original = Datadir::open(&regtest_source()).expect("opens");
        let files: Vec<Vec<u8>> = (0..12)
            .map(|number| {
                let path = block_file_path(original.blocks_dir(), number);
                let mut bytes = fs::read(path).expect("file");
                original.xor_key().apply(&mut bytes, 0);
                key.apply(&mut bytes, 0);
                bytes
            })
            .collect();
        let dir = folder_with(&files);
        fs::write(dir.path().join("xor.dat"), key.0).expect("write");
        make_old(dir.path());
        let source = Source::new(Location::BlocksDir(dir.path().to_path_buf()));
        let datadir = Datadir::open(&source).expect("opens");
        (dir, datadir)
    }

    #[test]
    fn blocks_are_the_same_under_any_key_and_only_plain_files_are_mapped() {
        for key in [XorKey::default(), XorKey([9, 8, 7, 6, 5, 4, 3, 2])] {
            let (_dir, datadir) = old_copy(key);
            let mut reader = BlockReader::new(&datadir).expect("reader");
            check_blocks(&datadir, &mut reader);
            assert_eq!(reader.open.len(), OPEN_FILES_MAX);
            assert!(
                reader
                    .open
                    .iter()
                    .all(|open| open.map.is_some() == (key.is_zero() && open.number < 10))
            );
        }
    }

    #[test]
    fn a_file_just_written_is_not_mapped() {
        let (dir, datadir) = old_copy(XorKey::default());
        let now = SystemTime::now();
        for age in [0, 599] {
            let path = dir.path().join("blk00003.dat");
            let file = File::options().write(true).open(&path).expect("opens");
            file.set_modified(now - Duration::from_secs(age))
                .expect("sets");
            let mut reader = BlockReader::new(&datadir).expect("reader");
            reader
                .read(Place {
                    file: 3,
                    offset_bytes: 0,
                    bytes: 1,
                })
                .expect("reads");
            assert!(reader.open[0].map.is_none());
        }
    }

    #[test]
    fn a_place_behind_the_end_names_file_and_offset() {
        let (_dir, datadir) = old_copy(XorKey::default());
        let mut reader = BlockReader::new(&datadir).expect("reader");
        for (file, file_bytes) in [(0, 63_852), (11, 49_152)] {
            let last = Place {
                file,
                offset_bytes: file_bytes - 5,
                bytes: 5,
            };
            assert_eq!(reader.read(last).expect("reads").len(), 5);
            let behind = reader.read(Place { bytes: 6, ..last });
            let Some(&Fault::PastEnd {
                file: named,
                file_bytes: found,
                ..
            }) = fault_of(&behind)
            else {
                panic!("{behind:?}");
            };
            assert_eq!((named, found), (file, file_bytes));
        }
        let long = reader.read(Place {
            file: 0,
            offset_bytes: 0,
            bytes: BLOCK_BYTES_MAX + 1,
        });
        assert!(matches!(fault_of(&long), Some(Fault::PlaceTooLong { .. })));
        let none = reader.read(Place {
            file: 99,
            offset_bytes: 0,
            bytes: 1,
        });
        assert!(matches!(
            fault_of(&none),
            Some(os::Fault::Io { action: "open", .. })
        ));
    }

    #[test]
    fn resident_pages_of_maps_stay_bounded() {
        let dir = folder_with(&[vec![0x55; 96 << 20], vec![], vec![]]);
        make_old(dir.path());
        let mut datadir = Datadir::open(&regtest_source()).expect("opens");
        datadir.blocks_dir = dir.path().to_path_buf();
        datadir.files = super::super::files::list(dir.path()).expect("lists");
        datadir.xor_key = XorKey::default();
        let mut reader = BlockReader::new(&datadir).expect("reader");
        let bytes = 1_000_000;
        for i in 0..96 {
            let offset_bytes = i * u64::from(bytes);
            reader
                .read(Place {
                    file: 0,
                    offset_bytes,
                    bytes,
                })
                .expect("reads");
            assert!(resident_of(dir.path()) <= (MAPPED_BYTES_MAX + (4 << 20)) as u64);
        }
    }

    /// Resident bytes of maps of files below `dir`, by /proc/self/smaps.
    fn resident_of(dir: &std::path::Path) -> u64 {
        let maps = fs::read_to_string("/proc/self/smaps").expect("procfs");
        let mut ours = false;
        let mut kilobytes = 0;
        for line in maps.lines() {
            if let Some(rest) = line.strip_prefix("Rss:") {
                let number: u64 = rest
                    .trim_end_matches("kB")
                    .trim()
                    .parse()
                    .expect("a number");
                kilobytes += if ours { number } else { 0 };
            } else if line.contains('/') {
                ours = line.contains(dir.to_str().expect("plain path"));
            } else if line.contains('-') {
                ours = false;
            }
        }
        kilobytes << 10
    }

    /// Run by the next test in a process of its own.
    #[test]
    fn sigbus_child() {
        if std::env::var_os("BLKDEX_SIGBUS_CHILD").is_none() {
            return;
        }
        let (dir, datadir) = old_copy(XorKey::default());
        sigbus::catch_sigbus();
        let mut reader = BlockReader::new(&datadir).expect("reader");
        let place = Place {
            file: 2,
            offset_bytes: 40_000,
            bytes: 1000,
        };
        reader
            .read(Place {
                offset_bytes: 0,
                ..place
            })
            .expect("reads");
        let file = File::options()
            .write(true)
            .open(dir.path().join("blk00002.dat"));
        file.expect("opens").set_len(100).expect("shortens");
        let sum: u64 = reader
            .read(place)
            .expect("map")
            .iter()
            .map(|&b| u64::from(b))
            .sum();
        panic!("survived with {sum}");
    }

    #[test]
    fn a_map_that_fails_names_its_file_and_exits_1() {
        let output = std::process::Command::new(std::env::current_exe().expect("own path"))
            .args([
                "--exact",
                "--nocapture",
                "datadir::reader::tests::sigbus_child",
            ])
            .env("BLKDEX_SIGBUS_CHILD", "1")
            .output()
            .expect("runs");
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(
            words.contains("blk00002.dat: disk read failed (SIGBUS)"),
            "{words}"
        );
    }
}
