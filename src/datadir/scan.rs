//! The scan: every record of every file into the tree of headers.
//!
//! Invariant: what an earlier scan found is believed only of a file that has not changed since, or of
//! one in which every record that it found is still where it was.

use super::file_state::{FileState, RecordsRead};
use super::headers::{HeaderTree, Inserted};
use super::leftovers::Leftovers;
use super::pruned::unless_vanished;
use super::records::{FRAME_BYTES, Record, RecordReader};
use super::{BlockFile, Datadir, block_file_path};
use crate::Result;
use crate::datadir::Fault;
use crate::error::Topic;
use crate::primitives::header;
use crate::primitives::network::NetworkName;
use crate::primitives::position::Place;

/// Records between two pieces of news within a file.
const PROGRESS_RECORDS: u64 = 4096;

/// How far a scan is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScanProgress {
    /// Files done.
    pub files_done: u64,
    /// Files in all.
    pub files: u64,
    /// Bytes passed, most of them unread.
    pub bytes_done: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// Different headers found.
    pub headers: u64,
}

/// A scan.
pub enum Scanning {}

impl Topic for Scanning {
    type News<'n> = &'n ScanProgress;
}

/// Who waits for it.
pub type Watch<'a> = crate::error::Watch<'a, Scanning>;

/// What a scan found. Numbers are of what it read, not of earlier scans.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scanned {
    /// The state of every file, by its number, for the next scan.
    pub file_states: Vec<FileState>,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whole records read.
    pub records: u64,
    /// Records of a block that was there already.
    pub duplicates: u64,
    /// Blocks that came before their parent, which came later.
    pub out_of_order: u64,
    /// What else than records there is; the places by file and offset.
    pub leftovers: Leftovers,
    /// Files of known state in which a record is not where it was; no state may be believed then.
    pub rewritten_files: u64,
    /// Numbers of files that were listed, and gone when they were to be read.
    pub vanished: Vec<u32>,
}

impl Scanned {
    /// Whether the block at `place` is the last that was written: a node may not be done with it.
    pub(crate) fn is_last_written(&self, place: Place) -> bool {
        let newest = self.file_states.last();
        newest.is_some_and(|newest| {
            (newest.file, newest.scanned_to_bytes) == (place.file, place.end_bytes())
        })
    }
}

/// Walks all files in the order of their numbers and inserts every header into `tree`, but for those of
/// records that were there when the `known` states were taken. Files that are gone have nothing to say: what
/// was known of them is for the caller to miss. Who watches hears after every file and every few thousand
/// records.
///
/// # Errors
/// A file cannot be read; a block of another network; more headers than the tree holds (then all
/// are counted, so that the error can say what would do).
pub fn scan(
    datadir: &Datadir,
    known: &[FileState],
    tree: &mut HeaderTree,
    watch: &mut Watch<'_>,
) -> Result<Scanned> {
    let mut scan = Scan {
        reader: datadir.record_reader()?,
        network: datadir.network().name,
        tree,
        full: None,
        done: ScanProgress {
            files_done: 0,
            files: datadir.files().len() as u64,
            bytes_done: 0,
            bytes: datadir.files().iter().map(|file| file.bytes).sum(),
            headers: 0,
        },
        found: Scanned::default(),
    };
    let out_of_order_before = scan.tree.out_of_order();
    for file in datadir.files() {
        let state = known.iter().find(|state| state.file == file.number);
        match state.filter(|state| state.is_of(file)) {
            Some(unchanged) => scan.pass(file, *unchanged, watch)?,
            None => scan.file(datadir, file, state, watch)?,
        }
    }
    scan.finish(out_of_order_before)
}

/// Every place at which the block of that hash is recorded: the first copy may be a damaged one.
///
/// # Errors
/// A file cannot be read.
pub fn copies_of(datadir: &Datadir, hash: &[u8; 32]) -> Result<Vec<Place>> {
    let mut reader = datadir.record_reader()?;
    let mut places = Vec::new();
    for file in datadir.files() {
        let path = block_file_path(datadir.blocks_dir(), file.number);
        if unless_vanished(reader.open(path, file.number, 0))?.is_none() {
            continue;
        }
        while let Some(record) = reader.next_record()? {
            places.extend((record.hash == *hash).then_some(record.place));
        }
        reader.close();
    }
    Ok(places)
}

struct Scan<'s, 'a> {
    reader: RecordReader,
    network: NetworkName,
    tree: &'s mut HeaderTree<'a>,
    /// The tree had no room for a header; the rest are only counted.
    full: Option<Fault>,
    done: ScanProgress,
    found: Scanned,
}

impl Scan<'_, '_> {
    /// A file that nobody has written to since it was scanned.
    fn pass(&mut self, file: &BlockFile, state: FileState, watch: &mut Watch<'_>) -> Result<()> {
        self.found.file_states.push(state);
        self.done.files_done += 1;
        self.done.bytes_done += file.bytes;
        watch.went_on(&self.done)
    }

    fn file(
        &mut self,
        datadir: &Datadir,
        file: &BlockFile,
        state: Option<&FileState>,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let path = block_file_path(datadir.blocks_dir(), file.number);
        if unless_vanished(self.reader.open(path, file.number, 0))?.is_none() {
            self.found.vanished.push(file.number);
            self.done.files_done += 1;
            self.done.bytes_done += file.bytes;
            return watch.went_on(&self.done);
        }
        let mut known = state.copied();
        let mut records = RecordsRead::default();
        let before = self.done.bytes_done;
        while let Some(record) = self.reader.next_record()? {
            record.expect_network(self.network)?;
            let is_behind = |known: &FileState| record.place.end_bytes() > known.scanned_to_bytes;
            if let Some(known) = known.take_if(|known| is_behind(known)) {
                self.compare(&known, &records);
            }
            records.add(&record);
            match known {
                Some(_) => {}
                None => self.insert(&record)?,
            }
            if records.count.is_multiple_of(PROGRESS_RECORDS) {
                self.done.bytes_done = before + records.end_bytes.min(file.bytes);
                watch.went_on(&self.done)?;
            }
        }
        if let Some(known) = known {
            self.compare(&known, &records);
        }
        self.found.file_states.push(records.state_of(file));
        self.found.files += 1;
        self.found.bytes += self.reader.file_bytes();
        self.found.leftovers.add(self.reader.close());
        self.done.files_done += 1;
        self.done.bytes_done = before + file.bytes;
        watch.went_on(&self.done)
    }

    /// Whether the records up to where the last scan ended are those that it found.
    fn compare(&mut self, known: &FileState, records: &RecordsRead) {
        let is_same = known.scanned_to_bytes == records.end_bytes
            && known.records_checksum == records.checksum();
        self.found.rewritten_files += u64::from(!is_same);
    }

    fn insert(&mut self, record: &Record) -> Result<()> {
        self.found.records += 1;
        if self.full.is_some() {
            return Ok(());
        }
        match self.tree.insert(
            &record.hash,
            &header::prev_hash_of(&record.header),
            header::bits_of(&record.header),
            record.place,
        ) {
            Ok(Inserted::New) => {}
            Ok(Inserted::Duplicate) => self.found.duplicates += 1,
            Err(full) => self.full = Some(full),
        }
        self.done.headers = u64::from(self.tree.headers());
        Ok(())
    }

    fn finish(mut self, out_of_order_before: u32) -> Result<Scanned> {
        if let Some(Fault::HeaderArenaFull { arena_bytes, .. }) = self.full {
            // A tree that is used again held others before; and parents may be missing.
            let headers = self.found.records + u64::from(self.tree.headers());
            let needed_bytes = HeaderTree::bytes_for(headers);
            return Err(Fault::HeaderArenaFull {
                headers,
                arena_bytes,
                needed_bytes,
            }
            .into());
        }
        self.found.leftovers.places.sort_unstable();
        self.found.out_of_order = u64::from(self.tree.out_of_order() - out_of_order_before);
        Ok(self.found)
    }
}
impl Record {
    /// Refuses a record of another network.
    pub(super) fn expect_network(&self, expected: NetworkName) -> Result<()> {
        if self.network == expected {
            return Ok(());
        }
        Err(Fault::OtherNetwork {
            file: self.place.file,
            offset_bytes: self.place.offset_bytes - FRAME_BYTES as u64,
            found: self.network,
            expected,
        }
        .into())
    }
}

#[cfg(test)]
mod tests {
    use crate::error::{Interrupted, fault_of, unwatched};
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::AtomicBool;

    use bitcoin::BlockHash;
    use bitcoin::hashes::Hash;

    use super::super::ChainEnd;
    use super::super::headers::{Best, Root};
    use super::super::testing::{fixture, fixture_path, folder_with, regtest_source};
    use super::*;
    use crate::datadir::{Location, Source, XorKey};
    use crate::primitives::network::Network;
    use crate::primitives::position::Height;

    fn open(dir: &Path) -> Datadir {
        Datadir::open(&Source::new(Location::BlocksDir(dir.to_path_buf()))).expect("opens")
    }

    fn arena() -> Vec<u8> {
        vec![0; HeaderTree::bytes_for(10_000) as usize]
    }

    fn scan_all<'a>(datadir: &Datadir, arena: &'a mut [u8]) -> (HeaderTree<'a>, Scanned) {
        let mut tree = HeaderTree::new(arena, Root::Genesis(datadir.network().genesis_hash));
        let scanned = unwatched(|watch| scan(datadir, &[], &mut tree, watch)).expect("scans");
        (tree, scanned)
    }

    fn hash_hex(datadir: &Datadir, tree: &HeaderTree, best: Best) -> String {
        let place = tree.place(best.node).expect("found");
        BlockHash::from_byte_array(datadir.hash_at(place).expect("reads")).to_string()
    }

    fn expected(path: PathBuf) -> serde_json::Value {
        let text = fs::read_to_string(path).expect("expected.json");
        serde_json::from_str(&text).expect("json")
    }

    /// Block files of `data/`, without obfuscation.
    fn regtest_files() -> Vec<Vec<u8>> {
        let datadir = Datadir::open(&regtest_source()).expect("opens");
        let read = |file: &BlockFile| {
            let path = block_file_path(datadir.blocks_dir(), file.number);
            let mut bytes = fs::read(path).expect("file");
            datadir.xor_key().apply(&mut bytes, 0);
            bytes
        };
        datadir.files().iter().map(read).collect()
    }

    #[test]
    fn a_wish_to_stop_is_heard_while_files_are_scanned() {
        let datadir = Datadir::open(&regtest_source()).expect("opens");
        let mut arena = vec![0; HeaderTree::bytes_for(1000) as usize];
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis(datadir.network().genesis_hash));
        let mut watch = Watch {
            stop: &AtomicBool::new(true),
            tell: &mut |_| {},
        };
        let stopped = scan(&datadir, &[], &mut tree, &mut watch);
        assert!(matches!(fault_of(&stopped), Some(Interrupted)));
    }

    #[test]
    fn tip_and_chain_tips_are_those_of_bitcoin_core() {
        let datadir = Datadir::open(&regtest_source()).expect("opens");
        let mut arena = arena();
        let mut seen = Vec::new();
        let root = Root::Genesis(datadir.network().genesis_hash);
        let mut tree = HeaderTree::new(&mut arena, root);
        let mut watch = Watch {
            stop: &AtomicBool::new(false),
            tell: &mut |progress| seen.push(*progress),
        };
        let scanned = scan(&datadir, &[], &mut tree, &mut watch).expect("scans");
        let best = tree.best().expect("genesis");
        let truth = expected(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/expected.json"));
        assert_eq!(best.height, Height(267));
        assert_eq!(
            hash_hex(&datadir, &tree, best),
            truth["tip_hash"].as_str().expect("hash")
        );
        let mut tips: Vec<(u64, String)> = tree
            .tips()
            .map(|node| {
                let height = tree.height(node).expect("connected");
                (
                    u64::from(height.0),
                    hash_hex(&datadir, &tree, Best { node, ..best }),
                )
            })
            .collect();
        let tip = |tip: &serde_json::Value| {
            let status = tip["status"].as_str().expect("status");
            let with_block = ["active", "valid-fork", "valid-headers"].contains(&status);
            let hash = tip["hash"].as_str().expect("hash").to_string();
            with_block.then(|| (tip["height"].as_u64().expect("height"), hash))
        };
        let mut truth: Vec<_> = truth["chaintips"]
            .as_array()
            .expect("tips")
            .iter()
            .filter_map(tip)
            .collect();
        tips.sort();
        truth.sort();
        assert_eq!(tips, truth);
        assert_eq!(tips.len(), 12);
        assert!(scanned.out_of_order > 0);
        assert_eq!(
            (
                scanned.leftovers.junk_bytes,
                scanned.leftovers.cut_records,
                scanned.files
            ),
            (0, 0, 12)
        );
        let end = ChainEnd::judge(&datadir, &tree, Some(best), &scanned, Height(0)).expect("reads");
        assert!(end.reach.complete, "{end:?}");
        let last = seen.last().expect("progress");
        assert_eq!((last.files_done, last.bytes_done), (last.files, last.bytes));
        assert_eq!(last.headers, u64::from(tree.counts().headers));
    }

    #[test]
    fn each_block_of_the_best_chain_follows_the_one_before() {
        let datadir = Datadir::open(&regtest_source()).expect("opens");
        let mut arena = arena();
        let (mut tree, _) = scan_all(&datadir, &mut arena);
        tree.best();
        let mut prev = [0; 32];
        for (height, block) in (0..).zip(tree.best_chain()) {
            assert_eq!(block.height, Height(height));
            let header = datadir.header_at(block.place).expect("reads");
            assert_eq!(header::prev_hash_of(&header), prev);
            prev = datadir.hash_at(block.place).expect("reads");
        }
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn mainnet_and_signet_end_where_bitcoin_core_says() {
        for (name, height) in [("mainnet-4312", 4312), ("signet-120", 120)] {
            let path = fixture_path(name);
            let datadir = open(&path);
            let mut arena = arena();
            let (mut tree, scanned) = scan_all(&datadir, &mut arena);
            let best = tree.best().expect("genesis");
            assert_eq!(best.height, Height(height));
            let truth = expected(path.join("expected.json"));
            let text = truth.to_string();
            assert!(text.contains(&hash_hex(&datadir, &tree, best)), "{name}");
            assert_eq!(
                (scanned.records, scanned.leftovers.junk_bytes),
                (u64::from(height) + 1, 0)
            );
        }
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn two_networks_in_one_file_are_refused() {
        let bytes = fixture("odd/two-networks-mixed.dat");
        let dir = folder_with(&[bytes]);
        let datadir = open(dir.path());
        let mut arena = arena();
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis([0; 32]));
        let mixed = unwatched(|watch| scan(&datadir, &[], &mut tree, watch)).expect_err("mixed");
        assert!(
            mixed
                .to_string()
                .starts_with("blk00000.dat at byte 293: a block of main, but test was expected")
        );
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn odd_files_give_what_is_whole_in_them() {
        for (name, height, duplicates, cut) in [
            ("duplicate-block-zero-gap-zero-tail.dat", None, 1, 0),
            ("testnet3-cut-mid-record.dat", Some(400), 0, 1),
            ("junk-before-magic.dat", None, 0, 0),
        ] {
            let bytes = fixture(&format!("odd/{name}"));
            let dir = folder_with(&[bytes]);
            let datadir = open(dir.path());
            let mut arena = arena();
            let (mut tree, scanned) = scan_all(&datadir, &mut arena);
            let best = tree.best();
            assert_eq!(best.map(|best| best.height.0), height, "{name}");
            assert_eq!(
                (scanned.duplicates, scanned.leftovers.cut_records),
                (duplicates, cut),
                "{name}"
            );
            let end = ChainEnd::judge(&datadir, &tree, best, &scanned, Height(0)).expect("reads");
            assert_eq!(end.refusal(&datadir).is_some(), height.is_none(), "{name}");
        }
    }

    #[test]
    fn catching_up_reads_only_what_was_appended() {
        let files = regtest_files();
        let dir = folder_with(&files);
        let path = block_file_path(dir.path(), 11);
        fs::write(&path, &files[11][..files[11].len() / 2]).expect("write");
        let datadir = open(dir.path());
        let mut first_arena = arena();
        let (mut tree, first) = scan_all(&datadir, &mut first_arena);
        assert_eq!(first.leftovers.cut_records, 1);
        let best = tree.best().expect("genesis");
        let anchor = tree.best_chain().nth(200).expect("height 200");
        let hash = datadir.hash_at(anchor.place).expect("reads");

        fs::write(&path, &files[11]).expect("write");
        let datadir = open(dir.path());
        let mut second_arena = arena();
        let root = Root::Anchor {
            height: anchor.height,
            hash,
        };
        let mut again = HeaderTree::new(&mut second_arena, root);
        // The caller remembers what is above the anchor, and puts it in again.
        for block in tree.best_chain().skip(201) {
            let header = datadir.header_at(block.place).expect("reads");
            let hash = datadir.hash_at(block.place).expect("reads");
            let prev = header::prev_hash_of(&header);
            again
                .insert(&hash, &prev, header::bits_of(&header), block.place)
                .expect("room");
        }
        let second = unwatched(|watch| scan(&datadir, &first.file_states, &mut again, watch))
            .expect("scans");
        assert!(second.records > 0);
        assert_eq!(second.rewritten_files, 0);
        let mut third_arena = arena();
        let (mut whole, all) = scan_all(&datadir, &mut third_arena);
        assert_eq!(first.records + second.records, all.records);
        assert_eq!(second.file_states, all.file_states);
        let (caught_up, fresh) = (
            again.best().expect("anchor"),
            whole.best().expect("genesis"),
        );
        assert_eq!(caught_up.height, fresh.height);
        assert!(fresh.height > best.height);
        let place = |tree: &HeaderTree, best: Best| tree.place(best.node);
        assert_eq!(place(&again, caught_up), place(&whole, fresh));
    }

    #[test]
    fn a_file_written_over_is_read_again() {
        let files = regtest_files();
        let dir = folder_with(&files);
        let mut first_arena = arena();
        let datadir = open(dir.path());
        let (_, first) = scan_all(&datadir, &mut first_arena);
        let end = first.file_states[11].scanned_to_bytes as usize;
        let last = places_in(&datadir, 11)
            .last()
            .expect("a record")
            .offset_bytes as usize;
        let last = last - FRAME_BYTES;
        let mut shorter = files[11].clone();
        shorter.truncate(last);
        let mut other = shorter.clone();
        other.extend(&files[0][..end - last]);
        for changed in [shorter, other] {
            fs::write(block_file_path(dir.path(), 11), &changed).expect("write");
            let mut arena = arena();
            let root = Root::Genesis(datadir.network().genesis_hash);
            let mut tree = HeaderTree::new(&mut arena, root);
            let scanned = unwatched(|watch| scan(&datadir, &first.file_states, &mut tree, watch))
                .expect("scans");
            assert_eq!(scanned.rewritten_files, 1);
        }
    }

    fn places_in(datadir: &Datadir, file: u32) -> Vec<Place> {
        let mut reader = datadir.record_reader().expect("memory");
        let path = block_file_path(datadir.blocks_dir(), file);
        reader.open(path, file, 0).expect("opens");
        let records = std::iter::from_fn(|| reader.next_record().expect("reads"));
        records.map(|record| record.place).collect()
    }

    #[test]
    fn a_record_that_changes_where_it_was_is_seen() {
        let files = regtest_files();
        let dir = folder_with(&files);
        let mut first_arena = arena();
        let (_, first) = scan_all(&open(dir.path()), &mut first_arena);
        let again = || {
            let mut arena = arena();
            let datadir = open(dir.path());
            let root = Root::Genesis(datadir.network().genesis_hash);
            let mut tree = HeaderTree::new(&mut arena, root);
            let scanned = unwatched(|watch| scan(&datadir, &first.file_states, &mut tree, watch))
                .expect("scans");
            (scanned.rewritten_files, scanned.records)
        };
        assert_eq!(again(), (0, 0));
        let path = block_file_path(dir.path(), 3);
        let mut rotten = files[3].clone();
        rotten[FRAME_BYTES + 40] ^= 1;
        fs::write(&path, &rotten).expect("write");
        assert_eq!(again().0, 1);
        fs::write(&path, &files[3]).expect("write");
        assert_eq!(again(), (0, 0));
    }

    #[test]
    fn a_file_that_vanishes_behind_its_listing_is_noted_and_the_rest_is_read() {
        let files = regtest_files();
        let dir = folder_with(&files);
        let datadir = open(dir.path());
        let mut whole_arena = arena();
        let (_, whole) = scan_all(&datadir, &mut whole_arena);
        let of_file = places_in(&datadir, 3).len() as u64;
        fs::remove_file(block_file_path(dir.path(), 3)).expect("remove");
        let mut rest_arena = arena();
        let (_, rest) = scan_all(&datadir, &mut rest_arena);
        assert_eq!(
            (&whole.vanished[..], &rest.vanished[..]),
            (&[][..], &[3][..])
        );
        assert_eq!(rest.records, whole.records - of_file);
        assert!(!datadir.is_partial());
        assert!(datadir.without(&rest.vanished).is_partial());
    }

    #[test]
    fn a_scan_that_does_not_fit_says_what_would_do() {
        let datadir = Datadir::open(&regtest_source()).expect("opens");
        let root = Root::Genesis(datadir.network().genesis_hash);
        let mut small = vec![0; HeaderTree::bytes_for(50) as usize];
        let mut tree = HeaderTree::new(&mut small, root);
        let full = unwatched(|watch| scan(&datadir, &[], &mut tree, watch)).expect_err("too small");
        let Some(&Fault::HeaderArenaFull { needed_bytes, .. }) = full.fault() else {
            panic!("{full:?}")
        };
        let mut enough = vec![0; needed_bytes as usize];
        let mut tree = HeaderTree::new(&mut enough, root);
        unwatched(|watch| scan(&datadir, &[], &mut tree, watch)).expect("fits");
    }

    #[test]
    fn obfuscation_changes_nothing_that_is_found() {
        let files = regtest_files();
        let keys = [XorKey::default(), XorKey([1, 0, 0, 0, 0, 0, 0, 255])];
        let scans = keys.map(|key| {
            let mut files = files.clone();
            for bytes in &mut files {
                key.apply(bytes, 0);
                bytes.resize(bytes.len() + 5000, 0);
            }
            let dir = folder_with(&files);
            fs::write(dir.path().join("xor.dat"), key.0).expect("write");
            let mut arena = arena();
            let datadir = open(dir.path());
            assert_eq!(datadir.network(), &Network::new(NetworkName::Regtest));
            scan_all(&datadir, &mut arena).1
        });
        assert_eq!(scans[0], scans[1]);
        assert!(scans[0].leftovers.zero_tail_bytes >= 60_000);
    }
}
