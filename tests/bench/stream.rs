//! One SHA-256 stream over the block files, by the crate that the program hashes single messages with: what
//! the machine can do, so that runs on different machines can be compared.
//!
//! Invariant: it is a process of its own, as every job is, and reads the files as a reader of blocks does:
//! through one window.

use bitcoin::hashes::{Hash, HashEngine, sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The bench's argument for it, before the folder.
pub const WORD: &str = "--hash-files";

/// The command that hashes the block files of `folder`.
pub fn command(folder: &Path) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(WORD).arg(folder);
    Ok(command)
}

/// Hashes the block files of `folder`, one after the other, and prints the hash.
pub fn hash_files(folder: &Path) -> io::Result<()> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    let is_block_file = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.starts_with("blk"))
    };
    files.retain(is_block_file);
    files.sort();
    let mut window = vec![0; 1 << 20];
    let mut engine = sha256::Hash::engine();
    for path in files {
        let mut file = File::open(path)?;
        loop {
            match file.read(&mut window)? {
                0 => break,
                count => engine.input(&window[..count]),
            }
        }
    }
    let hash = sha256::Hash::from_engine(engine);
    println!("{}", serde_json::json!({ "sha256": hash.to_string() }));
    Ok(())
}
