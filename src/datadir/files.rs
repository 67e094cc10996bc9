//! The `blk*.dat` files of one folder, and the key they are obfuscated with.
//!
//! Invariant: a listing is ordered by number; numbers may be missing.

use crate::datadir::Fault;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::pruned::unless_vanished;
use super::xor::XorKey;
use crate::Result;
use crate::os::io_error;
use crate::os::opening::open_file;

/// Largest offset in a block file. Headers keep offsets in 32 bits; Bitcoin Core's files end at
/// 128 MiB (`node/blockstorage.h`: `MAX_BLOCKFILE_SIZE`).
pub(super) const BLOCK_FILE_BYTES_MAX: u64 = u32::MAX as u64;

/// One `blk*.dat`, as it was when listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockFile {
    /// Its number: 12 for `blk00012.dat`.
    pub number: u32,
    /// Its length then; a running node lengthens the newest, and cuts them when they are full.
    pub bytes: u64,
    /// When it was last written to.
    pub modified: SystemTime,
    /// When anything of it was last changed, its times included, in nanoseconds since 1970 (`ctime`,
    /// which no program can set).
    pub changed_ns: i64,
}

/// Path of block file `number` in the folder `dir`.
pub fn block_file_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("blk{number:05}.dat"))
}

/// The number in the name of a block file, as Bitcoin Core writes it: at least five digits, no
/// further leading zeros (`flatfile.cpp`: `%05u`). `None` for other names.
pub(super) fn number_of(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("blk")?.strip_suffix(".dat")?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.parse().ok()?;
    (plain && format!("{number:05}") == digits).then_some(number)
}

/// Whether the folder is there and has a block file. A folder that cannot be read is an error.
pub(super) fn has_block_files(dir: &Path) -> Result<bool> {
    match fs::read_dir(dir) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry.map_err(io_error("list", dir))?;
                if entry.file_name().to_str().and_then(number_of).is_some() {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(io_error("list", dir)(error)),
    }
}

/// Lists the block files of `dir` by number. Links are followed, other names ignored, and so is what a node
/// deletes meanwhile.
///
/// # Errors
/// No block file; a file that cannot be opened, is not a file, or is too long.
pub(super) fn list(dir: &Path) -> Result<Vec<BlockFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error("list", dir))? {
        let entry = entry.map_err(io_error("list", dir))?;
        if let Some(number) = entry.file_name().to_str().and_then(number_of) {
            files.extend(unless_vanished(describe(&entry.path(), number))?);
        }
    }
    if files.is_empty() {
        return Err(Fault::NoBlockFiles {
            dir: dir.to_path_buf(),
        }
        .into());
    }
    files.sort_unstable_by_key(|file| file.number);
    Ok(files)
}

/// Opens the file once, so that one that cannot be read is found before the work begins.
fn describe(path: &Path, number: u32) -> Result<BlockFile> {
    let meta = open_file(path)?
        .metadata()
        .map_err(io_error("open", path))?;
    let bytes = meta.len();
    if bytes > BLOCK_FILE_BYTES_MAX {
        return Err(Fault::FileTooLong {
            file: number,
            bytes,
            limit_bytes: BLOCK_FILE_BYTES_MAX,
        }
        .into());
    }
    let modified = meta.modified().map_err(io_error("open", path))?;
    Ok(BlockFile {
        number,
        bytes,
        modified,
        changed_ns: meta.ctime() * 1_000_000_000 + meta.ctime_nsec(),
    })
}

/// Reads `xor.dat` of the folder. Missing means that nothing is obfuscated (nodes before Bitcoin
/// Core 28, or `-blocksxor=0` then); anything else that is not a key is an error.
pub(super) fn read_xor_key(dir: &Path) -> Result<XorKey> {
    let path = dir.join("xor.dat");
    // A link that leads nowhere is there, and cannot be read.
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(XorKey::default()),
        _ => {}
    }
    let file = open_file(&path)?;
    let found_bytes = file.metadata().map_err(io_error("open", &path))?.len();
    let mut key = [0; 8];
    let read = read_at(&file, &mut key, 0).map_err(io_error("read", &path))?;
    if found_bytes != 8 || read != 8 {
        return Err(Fault::XorLength { path, found_bytes }.into());
    }
    Ok(XorKey(key))
}

/// Reads at `offset_bytes` until `buffer` is full or the file ends; returns how many bytes it got.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset_bytes: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset_bytes + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::fault_of;
    use crate::os;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("temporary folder");
        for name in names {
            fs::write(dir.path().join(name), b"x").expect("write");
        }
        dir
    }

    #[test]
    fn only_names_that_bitcoind_writes_are_block_files() {
        assert_eq!(number_of("blk00012.dat"), Some(12));
        assert_eq!(number_of("blk123456.dat"), Some(123_456));
        for name in [
            "blk0012.dat",
            "blk000012.dat",
            "blk+0012.dat",
            "rev00012.dat",
            "blk00012.dat~",
        ] {
            assert_eq!(number_of(name), None, "{name}");
        }
        assert_eq!(number_of("blk99999999999.dat"), None);
    }

    #[test]
    fn files_are_listed_by_number_and_other_names_ignored() {
        let dir = folder(&[
            "blk00001.dat",
            "blk00000.dat",
            "rev00000.dat",
            "blk0002.dat",
        ]);
        std::os::unix::fs::symlink(
            dir.path().join("rev00000.dat"),
            dir.path().join("blk00002.dat"),
        )
        .expect("link");
        let numbers: Vec<u32> = list(dir.path())
            .expect("lists")
            .iter()
            .map(|f| f.number)
            .collect();
        assert_eq!(numbers, [0, 1, 2]);
        assert!(matches!(
            fault_of(&list(folder(&["xor.dat"]).path())),
            Some(Fault::NoBlockFiles { .. })
        ));
    }

    #[test]
    fn a_folder_in_a_files_place_and_a_dead_link_are_refused() {
        let dir = folder(&[]);
        fs::create_dir(dir.path().join("blk00000.dat")).expect("folder");
        assert!(matches!(
            fault_of(&list(dir.path())),
            Some(os::Fault::NotAFile {
                what: "a folder",
                ..
            })
        ));
        let dir = folder(&[]);
        std::os::unix::fs::symlink("nowhere", dir.path().join("blk00000.dat")).expect("link");
        assert!(matches!(
            fault_of(&list(dir.path())),
            Some(os::Fault::Io { action: "open", .. })
        ));
    }

    #[test]
    fn a_missing_key_is_zero_and_a_bad_one_never() {
        let dir = folder(&[]);
        let path = dir.path().join("xor.dat");
        assert!(read_xor_key(dir.path()).expect("missing").is_zero());
        fs::write(&path, [1, 2, 3, 4, 5, 6, 7, 8]).expect("write");
        assert_eq!(
            read_xor_key(dir.path()).expect("key"),
            XorKey([1, 2, 3, 4, 5, 6, 7, 8])
        );
        for bytes in [0, 7, 9] {
            fs::write(&path, vec![1; bytes]).expect("write");
            let found = read_xor_key(dir.path());
            assert!(
                matches!(fault_of(&found), Some(Fault::XorLength { found_bytes, .. }) if *found_bytes == bytes as u64)
            );
        }
        fs::remove_file(&path).expect("remove");
        fs::create_dir(&path).expect("folder");
        assert!(matches!(
            fault_of(&read_xor_key(dir.path())),
            Some(os::Fault::NotAFile { .. })
        ));
        fs::remove_dir(&path).expect("remove");
        std::os::unix::fs::symlink("nowhere", &path).expect("link");
        assert!(matches!(
            fault_of(&read_xor_key(dir.path())),
            Some(os::Fault::Io { .. })
        ));
    }
}
