//! Any bytes as the files of a datadir, obfuscated as those in `data/` are; the last byte says where
//! the second file begins.
#![no_main]

use blkdex::error::unwatched;
use blkdex::datadir::{Location, Source};
use blkdex::inside::{Datadir, HeaderTree, Root, XorKey, scan};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;

thread_local! {
    static FOLDER: tempfile::TempDir = tempfile::tempdir_in("/dev/shm").unwrap();
    static ARENA: RefCell<Vec<u8>> = RefCell::new(vec![0; 1 << 16]);
}

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_last() else { return };
    let mut bytes = bytes.to_vec();
    XorKey(*include_bytes!("../../../data/regtest/blocks/xor.dat")).apply(&mut bytes, 0);
    let (first, second) = bytes.split_at(bytes.len() * usize::from(*cut) / 255);
    FOLDER.with(|folder| {
        std::fs::write(folder.path().join("blk00000.dat"), first).unwrap();
        std::fs::write(folder.path().join("blk00001.dat"), second).unwrap();
        let location = Location::BlocksDir(folder.path().to_owned());
        let Ok(datadir) = Datadir::open(&Source::new(location)) else { return };
        ARENA.with_borrow_mut(|arena| {
            let mut tree = HeaderTree::new(arena, Root::Genesis(datadir.network().genesis_hash));
            let Ok(scanned) = unwatched(|watch| scan(&datadir, &[], &mut tree, watch)) else { return };
            tree.best();
            let left = &scanned.leftovers;
            assert!(left.junk_bytes + left.zero_gap_bytes + left.zero_tail_bytes <= scanned.bytes);
            assert_eq!(scanned.records, u64::from(tree.headers()) + scanned.duplicates);
        });
    });
});
