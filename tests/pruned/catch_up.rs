//! An index goes on from a datadir whose oldest files are gone, as long as its next block is there.

use blkdex::import::Notice;
use blkdex::primitives::Height;

use super::{small_files, straight_chain};
use crate::common::chain::Chain;
use crate::common::datadir::write_datadir;
use crate::common::trial::{Trial, source};

/// What the next scan knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// What the last one left.
    There,
    /// Nothing: the files have moved.
    Moved,
    /// What a first import left that was stopped.
    OfFirstPass,
}

/// The files have the blocks to `written` when the index is made, to its end when they are pruned at `pruned`.
fn assert_catches_up(state: State, written: u32, pruned: u32) {
    let chain = straight_chain(3, 240);
    let best = chain.best();
    let mut trial = Trial::with(&chain, &best[..=written as usize], small_files());
    trial.options.commit_every = 30;
    match state {
        State::OfFirstPass => {
            trial.datadir.append(&chain, &best[written as usize + 1..]);
            let outcome = trial.import_blocks(written.into());
            assert!(outcome.result.unwrap().interrupted);
        }
        _ => {
            trial.import().quietly();
            trial.datadir.append(&chain, &best[written as usize + 1..]);
        }
    }
    trial.datadir.prune(&chain, &best, pruned);
    if state == State::Moved {
        let path = trial.folder.path().join("elsewhere");
        std::fs::rename(&trial.datadir.path, &path).unwrap();
        trial.options.source = source(path);
    }
    let outcome = trial.import();
    assert!(outcome.notices.is_empty(), "{:?}", outcome.notices);
    outcome.result.unwrap();
    trial.check(&chain);
    trial.import().quietly();
}

#[test]
fn an_index_goes_on_above_files_that_are_gone() {
    for state in [State::There, State::Moved, State::OfFirstPass] {
        for (written, pruned) in [(150, 20), (150, 100), (150, 149), (300, 250), (339, 300)] {
            assert_catches_up(state, written, pruned);
        }
    }
}

/// Of a batch that is dropped, more than the fork's blocks are read again.
#[test]
fn a_reorganisation_is_followed_from_a_block_whose_file_is_gone() {
    for (depth, is_stepwise, is_moved) in [(1, false, false), (60, true, false), (60, true, true)] {
        let mut chain = Chain::of_coinbases(400);
        let old = chain.best();
        let mut trial = Trial::with(&chain, &old, small_files());
        trial.options.commit_every = if is_stepwise { 1 } else { 10_000 };
        trial.import().quietly();
        let fork = 400 - depth;
        chain.mine_empty(old[fork], depth as u32 + 1);
        let new: Vec<_> = chain.best()[fork + 1..].to_vec();
        // The new branch begins a file, so that only the old one's are deleted.
        trial.datadir.layout.file_bytes_max = 1;
        trial.datadir.append(&chain, &new[..1]);
        trial.datadir.layout.file_bytes_max = 1 << 20;
        trial.datadir.append(&chain, &new[1..]);
        let gone = match is_stepwise {
            true => trial.datadir.tops(&chain, &old).len(),
            false => 3,
        };
        (0..gone).for_each(|number| std::fs::remove_file(trial.datadir.file(number)).unwrap());
        if is_moved {
            let path = trial.folder.path().join("elsewhere");
            std::fs::rename(&trial.datadir.path, &path).unwrap();
            trial.options.source = source(path);
        }
        let outcome = trial.import();
        let reorganised = Notice::Reorganised {
            from: Height(400),
            fork: Height(fork as u32),
            best: Height(401),
        };
        assert_eq!(outcome.notices, [reorganised]);
        outcome.result.unwrap();
        trial.check(&chain);
    }
}

/// What an import from pruned files adds is rolled back block by block: no batch takes blocks with it that the
/// files do not have any more.
#[test]
fn blocks_added_from_pruned_files_need_none_below_the_fork_again() {
    let mut chain = Chain::of_coinbases(400);
    let old = chain.best();
    let mut trial = Trial::with(&chain, &old[..=300], small_files()).imported();
    trial.datadir.prune(&chain, &old[..=300], 250);
    trial.datadir.append(&chain, &old[301..]);
    trial.import().quietly();
    chain.mine_empty(old[399], 2);
    let new = chain.best()[400..].to_vec();
    let old_files = trial.datadir.file_count();
    trial.datadir.layout.file_bytes_max = 1;
    trial.datadir.append(&chain, &new[..1]);
    trial.datadir.layout.file_bytes_max = 1 << 20;
    trial.datadir.append(&chain, &new[1..]);
    for number in 0..old_files {
        let _ = std::fs::remove_file(trial.datadir.file(number));
    }
    trial.import().result.unwrap();
    trial.check(&chain);
}

/// Out of order: what stands at the file's edge lacks its parent, and is the index's own, or stale.
#[test]
fn blocks_at_the_edge_without_their_parents_are_nobodys_business() {
    let mut chain = Chain::of_coinbases(300);
    for height in (20..280).step_by(10) {
        let parent = chain.best()[height];
        chain.mine_empty(parent, 3);
    }
    // Each block up to so many places too early or late, as a node gets them.
    let mut order: Vec<_> = chain.made().to_vec();
    order.sort_by_key(|hash| (chain.height(*hash), *hash));
    for (at, shift) in (1..order.len()).zip([3, 9, 1, 6, 2, 14].into_iter().cycle()) {
        order.swap(at, (at + shift).min(chain.made().len() - 1));
    }
    let genesis = order
        .iter()
        .position(|hash| chain.height(*hash) == 0)
        .unwrap();
    order.swap(0, genesis);
    let early = order
        .iter()
        .rposition(|hash| chain.height(*hash) <= 200)
        .unwrap();
    let mut trial = Trial::with(&chain, &order[..=early], small_files());
    trial.import().result.unwrap();
    trial.datadir.append(&chain, &order[early + 1..]);
    let lowest = trial.datadir.prune(&chain, &order, 150);
    assert!(lowest > 2);
    let path = trial.folder.path().join("elsewhere");
    std::fs::rename(&trial.datadir.path, &path).unwrap();
    trial.options.source = source(path);
    trial.import_and_check(&chain);
    trial.import_and_check(&chain);
}

/// As a node leaves it that began at a snapshot: the blocks from the genesis block on, and those from the
/// snapshot on, with nothing missing among the numbers of files.
#[test]
fn an_index_goes_on_in_the_upper_part_of_a_datadir_that_began_at_a_snapshot() {
    let chain = straight_chain(8, 240);
    let best = chain.best();
    let mut trial = Trial::with(&chain, &best[..=250], small_files());
    trial.import_and_check(&chain_to(&chain, 250));
    let path = trial.folder.path().join("another");
    let parts = [&best[..60], &best[230..]].concat();
    trial.datadir = write_datadir(&chain, &path, &parts, small_files());
    std::fs::create_dir(path.join("regtest/chainstate_snapshot")).unwrap();
    trial.options.source = source(path);
    trial.import().result.unwrap();
    trial.check(&chain);
    trial.import().quietly();
}

/// The same chain, but not beyond that height.
fn chain_to(chain: &Chain, height: usize) -> Chain {
    let mut shorter = Chain::new();
    for hash in &chain.best()[1..=height] {
        shorter.push(chain.block(*hash).clone());
    }
    shorter
}

#[test]
fn files_that_end_below_the_index_change_nothing() {
    let chain = Chain::of_coinbases(300);
    let best = chain.best();
    let mut trial = Trial::with(&chain, &best, small_files());
    trial.import_and_check(&chain);
    let path = trial.folder.path().join("another");
    trial.datadir = write_datadir(&chain, &path, &best[..=280], small_files());
    trial.options.source = source(path);
    trial.datadir.prune(&chain, &best[..=280], 200);
    let outcome = trial.import();
    let (best, tip) = (Height(280), Height(300));
    assert_eq!(outcome.notices, [Notice::Behind { best, tip }]);
    trial.check(&chain);
}

/// A node deletes undo files with their block files; alone they are deleted by hand, or never copied.
#[test]
fn undo_files_that_are_gone_are_missed_by_nobody_but_those_who_compare_them() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let trial = Trial::of_copy(&data);
    for entry in std::fs::read_dir(&trial.datadir.blocks).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("rev")
        {
            std::fs::remove_file(path).unwrap();
        }
    }
    let summary = trial.import().quietly();
    assert_eq!(
        (summary.tip.unwrap().0, summary.tip_connected),
        (Height(267), None)
    );
    let mut verify = super::blkdex("verify", trial.index());
    let output = verify
        .args(["--undo", "--quiet", "--json"])
        .output()
        .unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", super::words(&output));
    assert_eq!(answer["undo"]["blocks"], 0, "{answer}");
}
