//! A set, and how it is written and read here.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bitcoin::hashes::Hash;
use bitcoin::{Block, BlockHash, OutPoint, ScriptBuf};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::Row;
use serde_json::Value;

use crate::common::chain::Chain;
use crate::common::datadir::{Layout, MAGIC};
use crate::common::trial::Trial;
use crate::undo::BlockUndo;

pub const TABLES: [&str; 4] = ["blocks", "transactions", "inputs", "outputs"];

/// An index, and a folder for sets beside it.
pub struct Scene {
    pub trial: Trial,
}

impl Scene {
    /// Of a model chain, in files of at most so many bytes, with undo files as Core writes them.
    pub fn of(chain: &Chain, file_bytes_max: usize) -> Scene {
        let layout = Layout {
            file_bytes_max,
            ..Layout::default()
        };
        let trial = Trial::with(chain, chain.made(), layout);
        write_undo(&trial, chain);
        Scene {
            trial: trial.imported(),
        }
    }

    /// Of a datadir that a node wrote, copied.
    pub fn of_copy(datadir: &Path) -> Scene {
        let trial = Trial::of_copy(datadir).imported();
        Scene { trial }
    }

    /// The blocks that the chain has and the datadir has not are there too, and imported.
    pub fn append(&mut self, chain: &Chain) {
        self.trial.append(chain);
        write_undo(&self.trial, chain);
        self.trial.import().result.unwrap();
    }

    pub fn dir(&self) -> PathBuf {
        self.trial.folder.path().join("set")
    }

    /// `export parquet` into the folder of the set, and these further arguments.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blkdex"));
        command
            .args(["export", "parquet", "--index"])
            .arg(self.trial.index())
            .arg("--to")
            .arg(self.dir())
            .args(args)
            .stdin(Stdio::null());
        command
    }

    pub fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// The answer of a run that succeeds.
    pub fn export(&self, args: &[&str]) -> Value {
        let args = [&["--json", "--quiet"], args].concat();
        let output = self.output(&args);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The one line of a run that fails.
    pub fn refused(&self, args: &[&str]) -> (i32, String) {
        let args = [&["--quiet"], args].concat();
        let output = self.output(&args);
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{args:?} was to fail");
        assert_eq!(words.lines().count(), 1, "{words}");
        (output.status.code().unwrap(), words.trim_end().to_owned())
    }

    pub fn manifest(&self) -> Value {
        let text = std::fs::read(self.dir().join("manifest.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// Names of all files in a table's folder.
    pub fn names(&self, table: &str) -> Vec<String> {
        names_in(&self.dir().join(table))
    }

    /// First and last block of each file of a table.
    pub fn ranges(&self, table: &str) -> Vec<(u32, u32)> {
        let names = self.names(table);
        let range = |name: &String| {
            let rest = name.strip_prefix(&format!("{table}_")).unwrap();
            let (first, last) = rest
                .strip_suffix(".parquet")
                .unwrap()
                .split_once("_to_")
                .unwrap();
            (first.parse().unwrap(), last.parse().unwrap())
        };
        names.iter().map(range).collect()
    }

    /// All rows of a table, in the order of its files.
    pub fn rows(&self, table: &str) -> Vec<Row> {
        let folder = self.dir().join(table);
        let names = self.names(table);
        let files = names.iter().map(|name| rows_of(&folder.join(name)));
        files.flatten().collect()
    }

    /// The set has every block up to `last` in one file of each table; every file is whole, is listed, and has
    /// as many rows as is listed; nothing else is there.
    pub fn check_whole(&self, last: u32) {
        let manifest = self.manifest();
        let mut listed: BTreeMap<String, u64> = BTreeMap::new();
        for range in manifest["ranges"].as_array().unwrap() {
            for (table, file) in range["tables"].as_object().unwrap() {
                let path = self.dir().join(file["file"].as_str().unwrap());
                assert_eq!(
                    path.metadata().unwrap().len(),
                    file["bytes"].as_u64().unwrap()
                );
                assert_eq!(rows_of(&path).len() as u64, file["rows"].as_u64().unwrap());
                *listed.entry(table.clone()).or_default() += 1;
            }
        }
        for table in TABLES {
            let ranges = self.ranges(table);
            assert_eq!(listed[table], ranges.len() as u64, "{table}");
            let mut next = 0;
            for (first, last) in ranges {
                assert_eq!(first, next, "{table}");
                next = last + 1;
            }
            assert_eq!(next, last + 1, "{table}");
        }
        assert_eq!(
            names_in(&self.dir()),
            [
                "blocks",
                "inputs",
                "manifest.json",
                "outputs",
                "transactions"
            ]
        );
    }

    /// The blocks of the index's chain.
    pub fn blocks(&self) -> Vec<Block> {
        self.trial.index_file().blocks().collect()
    }
}

/// Names in a folder, in order; none if it is not there.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// All rows of a file.
pub fn rows_of(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| row.unwrap()).collect()
}

/// A coin, as an undo record tells it.
#[derive(Clone)]
struct Made {
    height: u32,
    is_coinbase: bool,
    amount_sat: u64,
    script: ScriptBuf,
}

/// The coins that each block of the chain spends, transaction by transaction.
fn undo_of(chain: &Chain, hash: BlockHash) -> BlockUndo {
    let mut made: BTreeMap<OutPoint, Made> = BTreeMap::new();
    let mut undo = BlockUndo::default();
    let path = chain.path(hash);
    for (height, hash) in (0..).zip(&path) {
        let is_last = height as usize + 1 == path.len();
        for (index, tx) in chain.block(*hash).txdata.iter().enumerate() {
            if index > 0 {
                if is_last {
                    undo.begin_tx(tx.input.len());
                }
                for input in &tx.input {
                    let coin = made.remove(&input.previous_output);
                    if let Some(coin) = coin.filter(|_| is_last) {
                        undo.coin(
                            coin.height,
                            coin.is_coinbase,
                            coin.amount_sat,
                            coin.script.as_bytes(),
                        );
                    }
                }
            }
            let txid = tx.compute_txid();
            for (vout, output) in (0..).zip(&tx.output) {
                let coin = Made {
                    height,
                    is_coinbase: index == 0,
                    amount_sat: output.value.to_sat(),
                    script: output.script_pubkey.clone(),
                };
                made.insert(OutPoint { txid, vout }, coin);
            }
        }
    }
    undo
}

/// XORs the bytes of a file.
pub fn xor(bytes: &mut [u8], key: &[u8]) {
    let key = key.iter().cycle();
    bytes
        .iter_mut()
        .zip(key)
        .for_each(|(byte, key)| *byte ^= key);
}

/// The key of the datadir.
pub fn key(trial: &Trial) -> Vec<u8> {
    std::fs::read(trial.datadir.blocks.join("xor.dat")).unwrap()
}

/// Writes an undo file beside each block file, its records in the order of the blocks.
fn write_undo(trial: &Trial, chain: &Chain) {
    let key = key(trial);
    for number in 0..trial.datadir.file_count() {
        let mut blocks = std::fs::read(trial.datadir.file(number)).unwrap();
        xor(&mut blocks, &key);
        let (mut rest, mut file) = (&blocks[..], Vec::new());
        while let Some(record) = rest.strip_prefix(&MAGIC) {
            let length = u32::from_le_bytes(record[..4].try_into().unwrap()) as usize;
            let block = &record[4..4 + length];
            let header = bitcoin::consensus::deserialize::<bitcoin::block::Header>(&block[..80]);
            let header = header.unwrap();
            if chain.height(header.block_hash()) > 0 {
                let undo = undo_of(chain, header.block_hash());
                let (undo, checksum) = undo.finish(&header.prev_blockhash.to_byte_array());
                file.extend(MAGIC);
                file.extend((undo.len() as u32).to_le_bytes());
                file.extend(undo);
                file.extend(checksum);
            }
            rest = &record[4 + length..];
        }
        file.resize(file.len() + 5000, 0);
        xor(&mut file, &key);
        std::fs::write(trial.file(&format!("rev{number:05}.dat")), file).unwrap();
    }
}
