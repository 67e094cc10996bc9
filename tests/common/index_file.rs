//! An index file, read as its format is described: in the manual's chapter on it and the module docs that
//! it names. Nothing here is the library's own.
//!
//! Invariant: a page or row that is not what was written panics. The file itself is not opened: what is
//! read are its bytes in memory, repaired there if a writer left it open.

use std::path::{Path, PathBuf};

use bitcoin::hashes::Hash;
use bitcoin::{Block, BlockHash, OutPoint, Script, Txid};
use byteorder::{ByteOrder, LittleEndian};
use redb::backends::InMemoryBackend;
use redb::{
    Database, Key, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    TableHandle, Value,
};
use siphasher::sip128::SipHasher24;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use twox_hash::XxHash3_64;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const RUNS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("runs");
const BLOCKS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("blocks");
const PLACES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("positions");
const HASHES: TableDefinition<'_, &[u8; 32], u32> = TableDefinition::new("hashes");

const KEPT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("kept_txids");

/// The format of an index that keeps txids.
const FORMAT_WITH_TXIDS: u32 = 6;

/// Key of the catalogue's last entry, which seals the others.
const SEAL_KEY: u64 = u64::MAX;

/// Bits of a key that are a position.
pub const POSITION_BITS: u32 = 40;

/// The relations, in the order of their numbers.
pub const RELATIONS: [&str; 4] = ["coins", "funding", "spending", "txids"];

/// Runs of each that an import leaves, as the manual says.
pub const RUNS_LEFT: [usize; 4] = [16, 48, 4, 48];

/// Key and value.
pub type Row = (u128, u64);

/// An entry of the catalogue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    pub relation: &'static str,
    pub id: u32,
    pub from: u32,
    pub to: u32,
    pub low_key: u128,
    pub end_key: u128,
    pub rows: u64,
    pub pages: u64,
    pub is_apart: bool,
}

/// What is kept of a block, and of the chain through it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockRow {
    pub header: [u8; 80],
    pub hash: BlockHash,
    pub first_txo: u64,
    pub txs: u64,
    pub inputs: u64,
    pub outputs: u64,
    pub coins: u64,
}

/// What is kept of an output, in an index that keeps txids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    pub outpoint: OutPoint,
    /// Without the bit that says that it is the first of its transaction.
    pub mark: u8,
    /// What stands behind the mark.
    pub amount_sat: Option<u64>,
}

/// Where a block's bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub file: u32,
    pub offset: u64,
    pub bytes: u32,
}

/// See the module documentation.
pub struct IndexFile {
    database: Database,
}

impl IndexFile {
    /// The file as of its last durable commit.
    pub fn read(path: &Path) -> IndexFile {
        let bytes = std::fs::read(path).unwrap();
        let memory = InMemoryBackend::new();
        memory.set_len(bytes.len() as u64).unwrap();
        memory.write(0, &bytes).unwrap();
        let database = redb::Builder::new().create_with_backend(memory);
        IndexFile {
            database: database.unwrap(),
        }
    }

    fn table<K: Key, V: Value>(&self, table: TableDefinition<'_, K, V>) -> ReadOnlyTable<K, V> {
        let transaction = self.database.begin_read().unwrap();
        transaction.open_table(table).unwrap()
    }

    fn meta(&self, name: &str) -> Option<Vec<u8>> {
        let value = self.table(META).get(name).unwrap();
        value.map(|value| value.value().to_vec())
    }

    /// Height of the last block.
    pub fn tip(&self) -> Option<u32> {
        self.meta("tip").map(|bytes| LittleEndian::read_u32(&bytes))
    }

    /// What is kept of every output up to the tip; `None` if txids are not kept.
    pub fn kept(&self) -> Option<Vec<Kept>> {
        let format = LittleEndian::read_u32(&self.meta("format").unwrap());
        let transaction = self.database.begin_read().unwrap();
        let mut tables = transaction.list_tables().unwrap();
        let has_table = tables.any(|table| table.name() == KEPT.name());
        if format != FORMAT_WITH_TXIDS {
            assert!(!has_table);
            return None;
        }
        let end = self.tip().map_or(0, |tip| self.block(tip).outputs);
        let mut all = Vec::new();
        if end > 0 {
            for page in self.table(KEPT).range(..end).unwrap() {
                let (key, page) = page.unwrap();
                assert_eq!(key.value(), all.len() as u64, "pages follow each other");
                read_kept(page.value(), key.value(), &mut all);
            }
        }
        assert!(all.len() as u64 >= end);
        // What is in a page beyond the tip belongs to no block.
        all.truncate(end as usize);
        Some(all)
    }

    /// Height up to which no block is rolled back.
    pub fn settled(&self) -> Option<u32> {
        let bytes = self.meta("settled");
        bytes.map(|bytes| LittleEndian::read_u32(&bytes))
    }

    /// Folder of the block files.
    pub fn blocks_dir(&self) -> PathBuf {
        OsStr::from_bytes(&self.meta("blocks_dir").unwrap()).into()
    }

    /// What stands before each block.
    pub fn magic(&self) -> [u8; 4] {
        self.meta("magic").unwrap().try_into().unwrap()
    }

    fn fingerprint(&self, bytes: &[u8], bits: u32) -> u128 {
        let key = self.meta("fingerprint_key").unwrap().try_into().unwrap();
        let hash = SipHasher24::new_with_key(&key).hash(bytes).as_u128();
        hash >> (128 - bits)
    }

    /// What stands for an outpoint.
    pub fn fingerprint_of_outpoint(&self, outpoint: &OutPoint) -> u128 {
        self.fingerprint(&bitcoin::consensus::serialize(outpoint), 88)
    }

    /// What stands for a script.
    pub fn fingerprint_of_script(&self, script: &Script) -> u128 {
        self.fingerprint(script.as_bytes(), 80)
    }

    /// The row of the block at this height.
    pub fn block(&self, height: u32) -> BlockRow {
        let stored = self.table(BLOCKS).get(height).unwrap().unwrap();
        let (row, seal) = stored.value().split_at(152);
        let sum = XxHash3_64::oneshot_with_seed(height.into(), row);
        assert_eq!(seal, sum.to_le_bytes());
        let number = |at: usize| LittleEndian::read_u64(&row[at..]);
        BlockRow {
            header: row[..80].try_into().unwrap(),
            hash: BlockHash::from_slice(&row[80..112]).unwrap(),
            first_txo: number(112),
            txs: number(120),
            inputs: number(128),
            outputs: number(136),
            coins: number(144),
        }
    }

    /// The height of the block of this hash.
    pub fn height_of(&self, hash: BlockHash) -> Option<u32> {
        let height = self.table(HASHES).get(&hash.to_byte_array()).unwrap();
        height.map(|height| height.value())
    }

    /// Where the block at this height is.
    pub fn place(&self, height: u32) -> Place {
        let stored = self.table(PLACES).get(height).unwrap().unwrap();
        let bytes = stored.value();
        assert_eq!(bytes.len(), 16);
        Place {
            file: LittleEndian::read_u32(bytes),
            offset: LittleEndian::read_u64(&bytes[4..]),
            bytes: LittleEndian::read_u32(&bytes[12..]),
        }
    }

    /// The bytes that are there in the files of `blocks_dir`.
    pub fn bytes_at(&self, place: Place, blocks_dir: &Path) -> Vec<u8> {
        let path = blocks_dir.join(format!("blk{:05}.dat", place.file));
        let file = std::fs::read(path).unwrap();
        let key = std::fs::read(blocks_dir.join("xor.dat")).unwrap_or(vec![0; 8]);
        let from = place.offset as usize;
        let bytes = (from..from + place.bytes as usize).map(|at| file[at] ^ key[at % 8]);
        bytes.collect()
    }

    /// Every block of the chain, out of the block files.
    pub fn blocks(&self) -> impl Iterator<Item = Block> {
        (0..=self.tip().unwrap()).map(|height| {
            let bytes = self.bytes_at(self.place(height), &self.blocks_dir());
            bitcoin::consensus::deserialize(&bytes).unwrap()
        })
    }

    /// The runs that are real.
    pub fn runs(&self) -> Vec<Run> {
        if self.tip().is_none() {
            return Vec::new();
        }
        let entries = self.table(RUNS);
        let entries = entries.range(..SEAL_KEY).unwrap().map(|entry| {
            let (key, bytes) = entry.unwrap();
            Run::read(key.value(), bytes.value())
        });
        entries.collect()
    }

    /// How many tables of runs there are, also of those that are not real.
    pub fn tables_of_runs(&self) -> usize {
        let transaction = self.database.begin_read().unwrap();
        let tables = transaction.list_tables().unwrap();
        tables.filter(|table| table.name().contains('.')).count()
    }

    /// All rows of a relation, by key.
    pub fn rows(&self, relation: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        for run in self.runs().iter().filter(|run| run.relation == relation) {
            self.read_run(run, &mut rows);
        }
        rows.sort_unstable();
        rows
    }

    fn read_run(&self, run: &Run, rows: &mut Vec<Row>) {
        let name = format!("{}.{}", run.relation, run.id);
        let table = self.table(TableDefinition::<u128, &[u8]>::new(&name));
        for page in table.iter().unwrap() {
            let (key, page) = page.unwrap();
            let has_values = ["funding", "spending"].contains(&run.relation);
            let found = read_page(page.value(), run.id, key.value(), has_values);
            let is_own = |(key, _): &Row| run.low_key <= *key && *key < run.end_key;
            rows.extend(found.into_iter().filter(is_own));
        }
    }
}

impl Run {
    fn read(key: u64, bytes: &[u8]) -> Run {
        assert_eq!(bytes.len(), 57);
        Run {
            relation: RELATIONS[(key >> 32) as usize],
            id: key as u32,
            from: LittleEndian::read_u32(bytes),
            to: LittleEndian::read_u32(&bytes[4..]),
            low_key: LittleEndian::read_u128(&bytes[8..]),
            end_key: LittleEndian::read_u128(&bytes[24..]),
            rows: LittleEndian::read_u64(&bytes[40..]),
            pages: LittleEndian::read_u64(&bytes[48..]),
            is_apart: bytes[56] & 1 == 1,
        }
    }
}

/// The rows of a page that has to be the one under `key` in the run `id`.
fn read_page(page: &[u8], id: u32, key: u128, has_values: bool) -> Vec<Row> {
    assert_eq!(
        LittleEndian::read_u64(page),
        XxHash3_64::oneshot(&page[8..])
    );
    assert_eq!(LittleEndian::read_u32(&page[8..]), id);
    let first_key = LittleEndian::read_u128(&page[16..]);
    let next_key = LittleEndian::read_u128(&page[32..]);
    assert_eq!(key, next_key - 1);
    let position_bits = page[50];
    assert_eq!(page[51], 1, "as the format is now");
    let start = u128::from(LittleEndian::read_u64(&page[52..]));
    let (key_code, at) = read_code(page, 60);
    let (value_code, at) = read_code(page, at);
    let mut bits = Bits { page, at: at * 8 };
    let mut rows = Vec::new();
    let mut squeezed = squeeze(first_key - start, position_bits) - 1;
    for _ in 0..LittleEndian::read_u16(&page[48..]) {
        let key_bits = bits.length(&key_code);
        let value_bits = if has_values {
            bits.length(&value_code)
        } else {
            0
        };
        let value = bits.number(value_bits) as u64;
        squeezed += 1 + bits.number(key_bits);
        let position = (squeezed & ((1 << position_bits) - 1)) + start;
        rows.push((squeezed >> position_bits << POSITION_BITS | position, value));
    }
    while bits.at < page.len() * 8 {
        assert_eq!(bits.take(1), 0, "nothing is behind the rows");
    }
    assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
    assert!(rows.first().unwrap().0 == first_key && rows.last().unwrap().0 < next_key);
    rows
}

/// The words of a code, each as its bits and the length it stands for, and where the code ends.
fn read_code(page: &[u8], at: usize) -> (Vec<(usize, u128, u8)>, usize) {
    let counts = &page[at..at + 8];
    let bits = (1..=8).flat_map(|bits| std::iter::repeat_n(bits, counts[bits - 1].into()));
    let (mut words, mut word, mut last_bits) = (Vec::new(), 0, 0);
    for (bits, length) in bits.zip(&page[at + 8..]) {
        word <<= bits - last_bits;
        words.push((bits, word, *length));
        word += 1;
        last_bits = bits;
    }
    let end = at + 8 + words.len();
    (words, end)
}

/// Reads a page bit by bit.
struct Bits<'a> {
    page: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> u128 {
        (0..count).fold(0, |number, _| {
            let bit = self.page[self.at / 8] >> (7 - self.at % 8) & 1;
            self.at += 1;
            number << 1 | u128::from(bit)
        })
    }

    /// How many bits the next number has.
    fn length(&mut self, code: &[(usize, u128, u8)]) -> usize {
        let (mut bits, mut word) = (0, 0);
        let length = loop {
            let is_word = |(its_bits, its_word, _): &&_| (*its_bits, *its_word) == (bits, word);
            match code.iter().find(is_word) {
                Some((.., length)) => break *length,
                None if code.is_empty() => break 255,
                None => {
                    word = word << 1 | self.take(1);
                    bits += 1;
                }
            }
        };
        match length {
            255 => self.take(8) as usize,
            length => length.into(),
        }
    }

    /// A number of so many bits, the first of which, a one, is not there.
    fn number(&mut self, bits: usize) -> u128 {
        match bits {
            0 => 0,
            _ => 1 << (bits - 1) | self.take(bits - 1),
        }
    }
}

/// Appends the outputs of a page that has to be the one under `key`.
fn read_kept(page: &[u8], key: u64, all: &mut Vec<Kept>) {
    assert_eq!(page.len(), 4 * 4096 - 16);
    let (body, seal) = page.split_at(page.len() - 8);
    let sum = XxHash3_64::oneshot_with_seed(key, body);
    assert_eq!(seal, sum.to_le_bytes());
    let end = LittleEndian::read_u64(body);
    let mut vout = LittleEndian::read_u32(&body[8..]);
    let txs = usize::from(LittleEndian::read_u16(&body[12..]));
    let marks_at = body.len() - usize::from(LittleEndian::read_u16(&body[14..]));
    let (mut txids, rest) = body[16..marks_at].split_at(32 * txs);
    assert!(rest.iter().all(|byte| *byte == 0));
    let mut marks = body[marks_at..].iter().rev().copied();
    let mut txid = None;
    for _ in key..end {
        let mark = marks.next().unwrap();
        if mark >= 128 || txid.is_none() {
            vout = if mark >= 128 { 0 } else { vout };
            txid = Some(Txid::from_slice(&txids[..32]).unwrap());
            txids = &txids[32..];
        }
        let mark = mark & 127;
        let mut amount = || -> Vec<u8> { marks.by_ref().take(8).collect() };
        all.push(Kept {
            outpoint: OutPoint::new(txid.unwrap(), vout),
            mark,
            amount_sat: (mark == 127).then(|| LittleEndian::read_u64(&amount())),
        });
        vout += 1;
    }
    assert!(marks.next().is_none() && txids.is_empty());
}

fn squeeze(key: u128, position_bits: u8) -> u128 {
    let position = key & ((1 << POSITION_BITS) - 1);
    key >> POSITION_BITS << position_bits | position
}

/// A little-endian number without leading zeros.
fn number(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u128::from(*byte))
}
