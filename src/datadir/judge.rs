//! Judging where the best chain ends, and why there: one rule for all who ask.
//!
//! Invariant: orphans are judged from all files as they are, never from what an earlier scan remembered.
//!
//! Blocks whose parent is in no file (*orphans*) are what a node that is syncing leaves for minutes, and
//! what damage leaves for good. The first line that fits decides:
//!
//! | seen | state |
//! | --- | --- |
//! | no orphans, or none that can reach as high as the chain; nothing behind its last blocks | complete |
//! | the same, but behind its last blocks part of a block, or bytes that may have been one | being written |
//! | a file is missing between the chain's last block and the first orphan, or all blocks are orphans and some file is missing | damaged: the heights that are gone are told |
//! | more orphans than a node downloads ahead | damaged |
//! | bytes that are no block, as many as the smallest has, where a missing one may lie | damaged |
//! | the first orphan's file was written to within the last hour | being written |
//! | none of these | damaged |

use super::claimed::claimed_height_beside;
use super::pruned::unless_vanished;
use super::records::Record;
use super::{
    Best, BlockReader, ChainEnd, Datadir, EndState, Gone, HeaderTree, Leftover, LeftoverKind,
    Scanned, Spot, block_file_path, leftovers_of,
};
use crate::Result;
use crate::primitives::header;
use crate::primitives::position::{Height, Place};
use crate::primitives::wire;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use std::time::{Duration, SystemTime};

/// Orphans above which a node that is syncing is no explanation: it downloads at most 1,024 blocks ahead
/// (Bitcoin Core, `net_processing.cpp`: `BLOCK_DOWNLOAD_WINDOW`).
const ORPHANS_QUIET_MAX: u32 = 1024;

/// A block that a syncing node lacks comes within this time after others came: Core gives a peer ten
/// minutes for a block, and five more for each other peer that it downloads from
/// (`net_processing.cpp`: `BLOCK_DOWNLOAD_TIMEOUT_BASE`, `..._PER_PEER`), eight of them by default.
const BEING_WRITTEN_AGE_MAX: std::time::Duration = std::time::Duration::from_secs(3600);

impl ChainEnd {
    /// Judges the end of the best chain of `tree`, given what [`HeaderTree::best`] and the scan said, and the
    /// height of the next block that an index lacks.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn judge(
        datadir: &Datadir,
        tree: &HeaderTree<'_>,
        best: Option<Best>,
        scanned: &Scanned,
        next: Height,
    ) -> Result<ChainEnd> {
        let mut end = ChainEnd::default();
        end.reach.height = best.map(|best| best.height);
        end.reach.orphans = tree.counts().orphans;
        let mut end = match tree
            .first_orphan()
            .filter(|_| may_reach(datadir, tree, best))
        {
            Some(orphan) => end.judge_orphans((datadir, scanned), tree, best, orphan)?,
            None => end.judge_newest(datadir, tree, best)?,
        };
        end.judge_gone(datadir, tree, best, next);
        end.reach.complete = end.state == EndState::Complete;
        Ok(end)
    }

    /// Nothing is missing below what is there. Behind all blocks but the last, which may compete with a damaged
    /// one for its place, part of a block may be, or one that is damaged.
    fn judge_newest(
        mut self,
        datadir: &Datadir,
        tree: &HeaderTree<'_>,
        best: Option<Best>,
    ) -> Result<ChainEnd> {
        let Some(newest) = datadir.files().last().map(|file| file.number) else {
            return Ok(self);
        };
        let blocks = best.into_iter().flat_map(|_| tree.best_chain());
        let below_tip = blocks.filter(|block| Some(block.height) < self.reach.height);
        let places = below_tip.map(|block| (block.place.file, block.place.end_bytes()));
        let behind = places.max().unwrap_or((newest, 0));
        let mut left = leftovers_of(datadir, behind.0..=newest)?;
        left.retain(|place| {
            let is_block = place.what == LeftoverKind::Cut || place.may_be_a_block();
            is_block && (place.file, place.offset_bytes) >= behind
        });
        self.reach.damage.append(&mut left);
        if !self.reach.damage.is_empty() {
            self.state = EndState::BeingWritten;
        }
        Ok(self)
    }

    /// Whether what the orphans lack was in files that a node has deleted: it deletes files, never blocks.
    fn judge_gone(
        &mut self,
        datadir: &Datadir,
        tree: &HeaderTree<'_>,
        best: Option<Best>,
        next: Height,
    ) {
        let Some(orphan) = self.first_orphan else {
            return;
        };
        let is_gone = match best.map(|best| tree.place(best.node)) {
            Some(Some(tip)) => datadir.is_any_missing(tip.file..=orphan.file),
            Some(None) => false,
            None => datadir.is_partial(),
        };
        if is_gone {
            let above = self.reach.height.map_or(Height(0), Height::next);
            self.reach.gone = Some(Gone::above(datadir, tree, above.max(next)));
            self.state = EndState::Damaged;
        }
    }

    fn judge_orphans(
        mut self,
        (datadir, scanned): (&Datadir, &Scanned),
        tree: &HeaderTree<'_>,
        best: Option<Best>,
        orphan: Place,
    ) -> Result<ChainEnd> {
        let prev_hash = header::prev_hash_of(&datadir.header_at(orphan)?);
        self.reach.first_missing_parent = Some(BlockHash::from_byte_array(prev_hash));
        self.first_orphan = Some(Spot {
            file: orphan.file,
            offset_bytes: orphan.offset_bytes,
        });
        let tip = best
            .and_then(|best| tree.place(best.node))
            .unwrap_or(orphan);
        let files = tip.file.min(orphan.file)..=orphan.file.saturating_add(1);
        self.reach.damage = leftovers_of(datadir, files)?;
        self.reach.damage.retain(Leftover::may_be_a_block);
        let in_front =
            |left: &Leftover| (left.file, left.offset_bytes) < (orphan.file, orphan.offset_bytes);
        let nearest = self.reach.damage.iter().rposition(in_front);
        self.reach.damage[..nearest.map_or(0, |nearest| nearest + 1)].reverse();
        if let Some(best) = best {
            self.take_off_bad_tips((datadir, scanned), tree, best)?;
        }
        self.look_in_front(datadir, tree, orphan)?;
        let is_young = age_of(datadir, orphan.file).is_some_and(|age| age <= BEING_WRITTEN_AGE_MAX);
        let is_normal = self.reach.orphans <= ORPHANS_QUIET_MAX && self.reach.damage.is_empty();
        self.state = match is_normal && is_young {
            true => EndState::BeingWritten,
            false => EndState::Damaged,
        };
        Ok(self)
    }
}

impl ChainEnd {
    /// Where blocks lack an ancestor, the last ones before the gap may be damaged themselves, so that an
    /// import would end below them.
    fn take_off_bad_tips(
        &mut self,
        (datadir, scanned): (&Datadir, &Scanned),
        tree: &HeaderTree<'_>,
        best: Best,
    ) -> Result<()> {
        /// Damage at the end of what is there spoils a page or two.
        const BAD_TIPS_MAX: u32 = 8;
        let from = best.height.0.saturating_sub(BAD_TIPS_MAX - 1);
        let tips = tree.best_chain().filter(|block| block.height.0 >= from);
        let tips: Vec<_> = tips.collect();
        let mut reader = BlockReader::new(datadir)?;
        for tip in tips.iter().rev() {
            // A node may not be done with what it wrote last.
            let mut is_good = scanned.is_last_written(tip.place);
            for copy in std::iter::once(tip.place).chain(tree.copies(tip.node)) {
                is_good = is_good || wire::check_block(reader.read(copy)?).is_ok();
            }
            if is_good {
                return Ok(());
            }
            self.reach.damage.insert(0, Leftover::block(tip.place));
            self.reach.height = tip.height.0.checked_sub(1).map(Height);
        }
        Ok(())
    }

    /// The blocks in front of the first orphan, where its parent lies as a rule, and of what is damaged may be
    /// damaged themselves: in a header that still has work, or where what is damaged reaches into them.
    fn look_in_front(
        &mut self,
        datadir: &Datadir,
        tree: &HeaderTree<'_>,
        orphan: Place,
    ) -> Result<()> {
        let places = self
            .reach
            .damage
            .iter()
            .map(|left| (left.file, left.offset_bytes));
        let mut behind: Vec<_> = places.chain([(orphan.file, orphan.offset_bytes)]).collect();
        behind.sort_unstable();
        let mut reader = BlockReader::new(datadir)?;
        for record in records_before(datadir, &behind)? {
            let is_known = self.reach.damage.contains(&Leftover::block(record.place));
            if is_known || wire::check_block(reader.read(record.place)?).is_ok() {
                continue;
            }
            let height = tree
                .find(&record.hash)
                .and_then(|node| tree.height_on_best(node));
            if let Some(below) = height.and_then(|height| height.0.checked_sub(1)) {
                self.reach.height = self.reach.height.min(Some(Height(below)));
            }
            self.reach.damage.insert(0, Leftover::block(record.place));
        }
        Ok(())
    }
}

/// The record in front of each of these places, which are in order.
fn records_before(datadir: &Datadir, places: &[(u32, u64)]) -> Result<Vec<Record>> {
    let mut reader = datadir.record_reader()?;
    let mut found = Vec::new();
    for file in places.chunk_by(|one, other| one.0 == other.0) {
        let number = file[0].0;
        let path = block_file_path(datadir.blocks_dir(), number);
        if unless_vanished(reader.open(path, number, 0))?.is_none() {
            continue;
        }
        let (mut before, mut places) = (None, file.iter().peekable());
        while let Some(record) = reader.next_record()? {
            while places
                .next_if(|(_, at)| *at <= record.place.offset_bytes)
                .is_some()
            {
                found.extend(before.take());
            }
            before = Some(record);
        }
        if places.peek().is_some() {
            found.extend(before);
        }
    }
    Ok(found)
}

/// Whether a chain of orphans may reach as high as the best chain: a stale block whose parent the node never
/// fetched lacks nothing that matters. Told by the heights in coinbases (BIP 34), where there are any.
fn may_reach(datadir: &Datadir, tree: &HeaderTree<'_>, best: Option<Best>) -> bool {
    /// Stale blocks of that kind are rare, unless their parents were in files that a node has deleted.
    const STRAYS_MAX: u32 = 16;
    let orphans = tree.counts().orphans;
    let strays_max = match datadir.is_partial() {
        true => ORPHANS_QUIET_MAX,
        false => STRAYS_MAX,
    };
    let best = best.filter(|_| orphans <= strays_max);
    let Some((best, tip)) = best.and_then(|best| Some((best.height, tree.place(best.node)?)))
    else {
        return true;
    };
    let reaches = |place: Place| match claimed_height_beside(datadir, place, (best, tip)) {
        Some(height) => u64::from(height.0) + u64::from(orphans) > u64::from(best.0),
        None => true,
    };
    tree.orphan_roots().any(reaches)
}

/// How long ago the file was written to.
fn age_of(datadir: &Datadir, file: u32) -> Option<Duration> {
    let file = datadir.files().iter().find(|known| known.number == file)?;
    match SystemTime::now().duration_since(file.modified) {
        Ok(age) => Some(age),
        // Clocks differ by a little; by more, the time says nothing.
        Err(ahead) => (ahead.duration() <= BEING_WRITTEN_AGE_MAX).then_some(Duration::ZERO),
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::{FRAME_BYTES, Record};
    use super::super::testing::{folder_with, make_old, regtest_source};
    use super::super::{Aside, Location, Root, Source, block_file_path, scan};
    use super::*;
    use crate::error::unwatched;
    use std::collections::HashMap;
    use std::fs;
    use std::path::Path;

    /// The records of `data/` as they stand in plain files, by the hash of their block.
    fn records() -> HashMap<[u8; 32], Vec<u8>> {
        let datadir = Datadir::open(&regtest_source()).expect("opens");
        let mut records = HashMap::new();
        for file in datadir.files() {
            let path = block_file_path(datadir.blocks_dir(), file.number);
            let mut bytes = fs::read(&path).expect("file");
            datadir.xor_key().apply(&mut bytes, 0);
            let mut reader = datadir.record_reader().expect("memory");
            reader.open(path, file.number, 0).expect("opens");
            while let Some(Record { place, hash, .. }) = reader.next_record().expect("reads") {
                let from = place.offset_bytes as usize - FRAME_BYTES;
                records.insert(hash, bytes[from..place.end_bytes() as usize].to_vec());
            }
        }
        records
    }

    fn prev_of(record: &[u8]) -> [u8; 32] {
        record[12..44].try_into().expect("32 bytes")
    }

    /// Records of the first `count` blocks of the best chain, and those of blocks beside it.
    fn chain(count: usize) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let datadir = Datadir::open(&regtest_source()).expect("opens");
        let records = records();
        let mut arena = vec![0; HeaderTree::bytes_for(1000) as usize];
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis(datadir.network().genesis_hash));
        unwatched(|watch| scan(&datadir, &[], &mut tree, watch)).expect("scans");
        tree.best();
        let record = |place| records[&datadir.hash_at(place).expect("reads")].clone();
        let best = tree
            .best_chain()
            .take(count)
            .map(|block| record(block.place));
        let stale = tree.asides().filter(|(_, aside, _)| *aside == Aside::Stale);
        (
            best.collect(),
            stale.map(|(_, _, place)| record(place)).collect(),
        )
    }

    fn judge(dir: &Path) -> ChainEnd {
        let source = Source::new(Location::BlocksDir(dir.to_owned()));
        let datadir = Datadir::open(&source).expect("opens");
        let mut arena = vec![0; HeaderTree::bytes_for(1000) as usize];
        let mut tree = HeaderTree::new(&mut arena, Root::Genesis(datadir.network().genesis_hash));
        let scanned = unwatched(|watch| scan(&datadir, &[], &mut tree, watch)).expect("scans");
        let best = tree.best();
        ChainEnd::judge(&datadir, &tree, best, &scanned, Height(0)).expect("reads")
    }

    /// Judged right after the files were written, and an hour later.
    fn judge_young_and_old(files: &[Vec<u8>]) -> [ChainEnd; 2] {
        let dir = folder_with(files);
        let young = judge(dir.path());
        make_old(dir.path());
        [young, judge(dir.path())]
    }

    const ROTTEN: usize = 20;

    /// A header that claims a target which its hash misses by far.
    fn rot(record: &mut [u8]) {
        record[FRAME_BYTES + 75] = 0x1d;
    }

    fn start_of(records: &[Vec<u8>], number: usize) -> u64 {
        records[..number].concat().len() as u64
    }

    #[test]
    fn a_whole_chain_is_complete_whatever_its_age_and_the_junk_before_it() {
        let (records, stale) = chain(268);
        let with_junk = [&[7; 500][..], &records.concat()].concat();
        for files in [
            records.concat(),
            [records.concat(), stale.concat()].concat(),
            with_junk,
        ] {
            for end in judge_young_and_old(&[files.clone(), records[40].clone()]) {
                assert!(end.reach.complete, "{end:?}");
                assert_eq!(end.reach.damage, []);
            }
        }
    }

    #[test]
    fn a_rotten_header_below_the_tip_is_damage_at_its_byte() {
        let (mut records, _) = chain(50);
        rot(&mut records[ROTTEN]);
        for end in judge_young_and_old(&[records.concat()]) {
            assert_eq!(end.state, EndState::Damaged, "{end:?}");
            assert_eq!(
                (end.reach.height, end.reach.orphans),
                (Some(Height(19)), 29)
            );
            let damage = &end.reach.damage[0];
            assert_eq!(
                (damage.file, damage.offset_bytes),
                (0, start_of(&records, ROTTEN))
            );
            // Zeros at its end (lock time, witness nonce) count as a gap.
            let left_over = records[ROTTEN].len() as u64 - damage.bytes;
            assert!(left_over <= 36, "{left_over}");
            assert!(
                end.to_string().contains("29 blocks lack an ancestor"),
                "{end}"
            );
        }
    }

    #[test]
    fn zeros_where_a_block_was_are_damage_too() {
        let (mut records, _) = chain(50);
        records[ROTTEN].fill(0);
        for end in judge_young_and_old(&[records.concat()]) {
            assert_eq!(end.state, EndState::Damaged, "{end:?}");
            assert_eq!(end.reach.damage[0].what, LeftoverKind::ZeroGap);
            assert_eq!(end.reach.damage[0].offset_bytes, start_of(&records, ROTTEN));
        }
    }

    #[test]
    fn damage_in_another_file_than_the_orphans_is_found() {
        let (mut records, _) = chain(50);
        rot(&mut records[ROTTEN]);
        let files = [records[..=ROTTEN].concat(), records[ROTTEN + 1..].concat()];
        let [end, _] = judge_young_and_old(&files);
        assert_eq!(end.state, EndState::Damaged, "{end:?}");
        assert_eq!(end.reach.damage[0].offset_bytes, start_of(&records, ROTTEN));
        assert_eq!(end.first_orphan.map(|spot| spot.file), Some(1));
    }

    #[test]
    fn a_block_that_is_not_there_is_to_come_while_the_file_is_young_and_missing_when_it_is_old() {
        let (mut records, _) = chain(50);
        let missing = records.remove(ROTTEN);
        let [young, old] = judge_young_and_old(&[records.concat()]);
        assert_eq!(
            (young.state, old.state),
            (EndState::BeingWritten, EndState::Damaged)
        );
        for end in [young, old] {
            assert!(!end.reach.complete);
            assert_eq!(end.reach.damage, []);
            let hash = header::hash_of(missing[FRAME_BYTES..88].try_into().expect("80 bytes"));
            assert_eq!(
                end.reach.first_missing_parent,
                Some(BlockHash::from_byte_array(hash))
            );
            let spot = end.first_orphan.expect("there are orphans");
            assert_eq!(
                spot.offset_bytes,
                start_of(&records, ROTTEN) + FRAME_BYTES as u64
            );
        }
    }

    #[test]
    fn a_last_block_that_is_cut_or_rotten_is_not_whole_yet() {
        let (records, _) = chain(50);
        let whole = records.concat();
        let mut rotten = records.clone();
        rot(&mut rotten[49]);
        for bytes in [whole[..whole.len() - 1].to_vec(), rotten.concat()] {
            for end in judge_young_and_old(&[bytes]) {
                assert_eq!(end.state, EndState::BeingWritten, "{end:?}");
                assert_eq!((end.reach.height, end.reach.orphans), (Some(Height(48)), 0));
                assert_eq!(end.reach.damage[0].offset_bytes, start_of(&records, 49));
            }
        }
    }

    #[test]
    fn damage_behind_the_last_block_is_marked_whatever_follows_it() {
        let (records, _) = chain(50);
        let mut rotten = records.clone();
        rotten[40..].iter_mut().for_each(|record| rot(record));
        let (rotten, whole) = (rotten.concat(), records.concat());
        let zeroed = [&whole[..start_of(&records, 40) as usize], &[0; 3000]].concat();
        let cut = whole[..whole.len() - 300].to_vec();
        let next = vec![0; 5000];
        let old_block = records[21].clone();
        for files in [
            vec![[rotten.clone(), old_block.clone()].concat()],
            vec![rotten, next.clone()],
            vec![cut, next],
            vec![zeroed, old_block],
        ] {
            for end in judge_young_and_old(&files) {
                assert_eq!(end.state, EndState::BeingWritten, "{end:?}");
                assert!(!end.reach.damage.is_empty());
            }
        }
    }

    #[test]
    fn a_stale_block_without_its_parent_lacks_nothing_that_matters() {
        let (records, stale) = chain(268);
        let parents: Vec<_> = stale.iter().map(|record| prev_of(record)).collect();
        let is_parent = |record: &&Vec<u8>| {
            let header = record[FRAME_BYTES..88].try_into().expect("80 bytes");
            parents.contains(&header::hash_of(header))
        };
        let parent = stale
            .iter()
            .find(is_parent)
            .expect("a stale branch of two blocks");
        let header = parent[FRAME_BYTES..88].try_into().expect("80 bytes");
        let child = stale
            .iter()
            .find(|record| prev_of(record) == header::hash_of(header));
        let child = child.expect("found above").clone();
        for end in judge_young_and_old(&[[records.concat(), child.clone()].concat()]) {
            assert!(end.reach.complete, "{end:?}");
            assert_eq!(end.reach.orphans, 1);
        }
        // As high as the tip it may be the one that was seen first.
        let hash_of =
            |record: &[u8]| header::hash_of(record[FRAME_BYTES..88].try_into().expect("80 bytes"));
        let below = records
            .iter()
            .position(|record| hash_of(record) == prev_of(parent));
        let as_high = below.expect("the branch leaves the best chain") + 2;
        for (tip, complete) in [(as_high, false), (as_high + 1, true)] {
            let chain = [records[..=tip].concat(), child.clone()].concat();
            let end = judge(folder_with(&[chain]).path());
            assert_eq!(end.reach.complete, complete, "{end:?}");
        }
        // Below the end of a shorter chain it might be the next block of a better one.
        let short = [records[..5].concat(), child].concat();
        for end in judge_young_and_old(&[short]) {
            assert!(!end.reach.complete, "{end:?}");
        }
    }
}
