//! Whether the node has connected a block: then it has written an undo record for it.
//!
//! Invariant: "no" is said only after every record of the file was looked at.
//!
//! Of most records only the head is read, and of none more than a piece at a time: the doctor asks this
//! whatever memory there is, so [`super::Records`], which has a whole file in memory, does not do.
//!
//! Memory: one buffer, and where the last records begin.

use super::heads::{Found, Heads};
use crate::Result;
use crate::datadir::{BlockReader, Datadir};
use crate::primitives::compact_size;
use crate::primitives::header;
use crate::primitives::header::HEADER_BYTES;
use crate::primitives::position::Place;
use crate::primitives::wire::Hash32;

/// Records at the end of a file that are looked at first: the newest block's is nearly always the last.
const LAST_RECORDS: usize = 64;

/// Whether the block at `place` has an undo record in the file that belongs to its own. `None` if that
/// file is not there: it was deleted, or never copied.
///
/// # Errors
/// [`crate::os::Fault::Io`].
pub fn is_connected(datadir: &Datadir, place: Place) -> Result<Option<bool>> {
    let prev_hash = header::prev_hash_of(&datadir.header_at(place)?);
    let txs = txs_of(datadir, place)?;
    let Some(file) = datadir.undo_files().open(place.file)? else {
        return Ok(None);
    };
    let mut search = Search {
        heads: Heads::new(file, datadir.network().magic),
        prev_hash,
        txs,
    };
    let mut last = Vec::with_capacity(LAST_RECORDS);
    let mut records = 0;
    let mut at = search.heads.next(0)?;
    while let Some(record) = at {
        if last.len() == LAST_RECORDS {
            last.remove(0);
        }
        last.push(record);
        records += 1;
        at = search.heads.next(record.end_bytes())?;
    }
    for record in last.iter().rev() {
        if search.belongs(record)? {
            return Ok(Some(true));
        }
    }
    let mut at = search.heads.next(0)?.filter(|_| records > last.len());
    while let Some(record) = at {
        if search.belongs(&record)? {
            return Ok(Some(true));
        }
        at = search.heads.next(record.end_bytes())?;
    }
    Ok(Some(false))
}

fn txs_of(datadir: &Datadir, place: Place) -> Result<u64> {
    let beginning = Place {
        bytes: place
            .bytes
            .min((HEADER_BYTES + compact_size::BYTES_MAX) as u32),
        ..place
    };
    let mut reader = BlockReader::new(datadir)?;
    let bytes = reader.read(beginning)?;
    Ok(compact_size::first_of(&bytes[HEADER_BYTES..])
        .unwrap_or(1)
        .max(1))
}

struct Search {
    heads: Heads,
    prev_hash: Hash32,
    /// Transactions of the block.
    txs: u64,
}

impl Search {
    /// Whether it is the record of a child of the block's parent with as many transactions as the block. (The
    /// checksum does not say which child; of two that are as long, one may be taken for the other.)
    fn belongs(&mut self, record: &Found) -> Result<bool> {
        let is_as_long = self.heads.txs_of(record)? == Some(self.txs - 1);
        Ok(is_as_long && self.heads.belongs_after(record, &self.prev_hash)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datadir::{HeaderTree, Location, Root, Source, scan};
    use crate::error::unwatched;
    use std::path::{Path, PathBuf};

    fn open(dir: PathBuf) -> Datadir {
        Datadir::open(&Source::new(Location::BlocksDir(dir))).expect("opens")
    }

    /// Places of all blocks of the best chain but the genesis block.
    fn places(datadir: &Datadir) -> Vec<Place> {
        let mut arena = vec![0; HeaderTree::bytes_for(1000) as usize];
        let root = Root::Genesis(datadir.network().genesis_hash);
        let mut tree = HeaderTree::new(&mut arena, root);
        unwatched(|watch| scan(datadir, &[], &mut tree, watch)).expect("scans");
        tree.best();
        tree.best_chain().skip(1).map(|block| block.place).collect()
    }

    fn data() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("data/regtest/blocks")
    }

    #[test]
    fn every_block_of_the_nodes_chain_is_connected() {
        let datadir = open(data());
        for place in places(&datadir) {
            assert_eq!(is_connected(&datadir, place).expect("reads"), Some(true));
        }
    }

    #[test]
    fn without_its_record_a_block_is_not_and_without_the_file_nobody_knows() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for entry in std::fs::read_dir(data()).expect("lists").flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                std::fs::copy(entry.path(), dir.path().join(entry.file_name())).expect("copies");
            }
        }
        let datadir = open(dir.path().to_owned());
        let tip = *places(&datadir).last().expect("blocks");
        let undo = dir.path().join(format!("rev{:05}.dat", tip.file));
        let bytes = std::fs::read(&undo).expect("file");
        // Every byte of the file matters to some record: cut it until the last one is gone.
        let mut whole = bytes.len();
        while is_connected(&datadir, tip).expect("reads") == Some(true) {
            whole /= 2;
            std::fs::write(&undo, &bytes[..whole]).expect("writes");
        }
        assert_eq!(is_connected(&datadir, tip).expect("reads"), Some(false));
        std::fs::remove_file(&undo).expect("removes");
        assert_eq!(is_connected(&datadir, tip).expect("reads"), None);
    }
}
