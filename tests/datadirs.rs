//! Datadirs as they are found: moved, written anew, damaged, half written, full of other things.
#![allow(clippy::unwrap_used)]

mod common;

use bitcoin::BlockHash;
use blkdex::Error;
use blkdex::datadir;
use blkdex::datadir::{EndState, LeftoverKind};
use blkdex::import;
use blkdex::import::{Event, Notice, Watch};
use blkdex::primitives::{Height, Place};
use common::chain::Chain;
use common::check::check;
use common::datadir::{Layout, write_datadir};
use common::index_file::{self, Run};
use common::random::Options;
use common::trial::{Trial, source};
use common::truth::Truth;
use std::sync::atomic::{AtomicBool, Ordering};

fn chain(blocks: u32) -> Chain {
    let options = Options {
        blocks,
        txs_max: 4,
        ..Options::default()
    };
    Chain::random(11, options)
}

fn small_files() -> Layout {
    Layout {
        file_bytes_max: 20_000,
        ..Layout::default()
    }
}

/// The runs of an index, and the places it knows, each of which must hold its block.
fn runs_and_places(trial: &Trial) -> (Vec<Run>, Vec<index_file::Place>) {
    let file = trial.index_file();
    let blocks_dir = trial.options.source.find().unwrap().blocks_dir;
    assert_eq!(file.blocks_dir(), blocks_dir);
    let heights = 0..=file.tip().unwrap();
    for (block, height) in file.blocks().zip(heights.clone()) {
        let hash = file.block(height).hash;
        assert_eq!(block.block_hash(), hash, "block {height}");
    }
    (
        file.runs(),
        heights.map(|height| file.place(height)).collect(),
    )
}

fn write_again(trial: &mut Trial, chain: &Chain, order: &[BlockHash], layout: Layout) {
    let path = trial.folder.path().join("another");
    trial.datadir = write_datadir(chain, &path, order, layout);
    trial.options.source = source(path);
}

#[test]
fn a_moved_datadir_is_read_where_it_is() {
    let chain = chain(150);
    let mut trial = Trial::with(&chain, chain.made(), small_files());
    trial.import_and_check(&chain);
    let before = runs_and_places(&trial);
    let path = trial.folder.path().join("elsewhere");
    std::fs::rename(&trial.datadir.path, &path).unwrap();
    trial.options.source = source(path);
    let outcome = trial.import();
    assert!(!outcome.chains[0].is_catch_up);
    outcome.quietly();
    assert_eq!(runs_and_places(&trial), before);
    trial.check(&chain);
    assert!(trial.import().chains[0].is_catch_up);
}

#[test]
fn a_datadir_under_another_key_is_the_same() {
    let chain = chain(150);
    for key in [None, Some([9; 8]), Some([0; 8])] {
        let mut trial = Trial::with(&chain, chain.made(), small_files());
        trial.import_and_check(&chain);
        let before = runs_and_places(&trial);
        let layout = Layout {
            key,
            ..small_files()
        };
        std::fs::remove_dir_all(&trial.datadir.path).unwrap();
        let path = trial.datadir.path.clone();
        trial.datadir = write_datadir(&chain, &path, chain.made(), layout);
        trial.import().quietly();
        assert_eq!(runs_and_places(&trial), before);
        trial.check(&chain);
    }
}

#[test]
fn a_resynced_datadir_changes_positions_and_nothing_else() {
    let chain = chain(150);
    for in_place in [true, false] {
        let mut trial = Trial::with(&chain, &chain.best(), Layout::default());
        trial.import_and_check(&chain);
        let before = runs_and_places(&trial);
        let mut order = chain.best();
        order[1..].reverse();
        order[1..].rotate_left(40);
        let layout = Layout {
            key: Some([7; 8]),
            ..small_files()
        };
        if in_place {
            let path = trial.datadir.path.clone();
            std::fs::remove_dir_all(&path).unwrap();
            trial.datadir = write_datadir(&chain, &path, &order, layout);
        } else {
            write_again(&mut trial, &chain, &order, layout);
        }
        let outcome = trial.import();
        assert_eq!(outcome.notices, [Notice::Moved]);
        assert_eq!(outcome.result.unwrap().imported.blocks, 0);
        let after = runs_and_places(&trial);
        assert_eq!(after.0, before.0);
        assert_ne!(after.1, before.1);
        trial.check(&chain);
        trial.import_and_check(&chain);
    }
}

#[test]
fn a_resynced_datadir_with_more_blocks_is_gone_on_with() {
    let mut chain = Chain::of_coinbases(150);
    let mut trial = Trial::new(&chain);
    trial.import_and_check(&chain);
    let fork = chain.best()[140];
    chain.mine_empty(fork, 30);
    let order = chain.shuffled(5);
    write_again(&mut trial, &chain, &order, small_files());
    let outcome = trial.import();
    assert_eq!(outcome.notices[0], Notice::Moved);
    assert!(matches!(outcome.notices[1], Notice::Reorganised { .. }));
    trial.check(&chain);
    runs_and_places(&trial);
}

#[test]
fn blocks_out_of_order_zeros_junk_and_tails_are_read_past() {
    let chain = chain(120);
    let oddities = [
        (0, 0, 0),
        (5, 0, 0),
        (0, 7, 0),
        (300, 40, 1 << 20),
        (3, 9, 1),
    ];
    for (gap_bytes, junk_bytes, tail_bytes) in oddities {
        for key in [None, Some([1, 2, 3, 4, 5, 6, 7, 8])] {
            let layout = Layout {
                gap_bytes,
                junk_bytes,
                tail_bytes,
                key,
                ..small_files()
            };
            let mut order = chain.made().to_vec();
            order[2..].rotate_left(17);
            let trial = Trial::with(&chain, &order, layout);
            trial.import().quietly();
            let tip = chain.tip_of(&order);
            check(&trial.options.index, &Truth::of(&chain, tip).unwrap());
            runs_and_places(&trial);
        }
    }
}

#[test]
fn appended_blocks_are_read_by_a_catch_up_past_zeros_junk_and_tails() {
    let mut chain = Chain::of_coinbases(130);
    let layout = Layout {
        gap_bytes: 30,
        junk_bytes: 20,
        tail_bytes: 1 << 16,
        ..small_files()
    };
    let mut trial = Trial::with(&chain, chain.made(), layout);
    trial.import_and_check(&chain);
    for blocks in [1, 2, 30, 110] {
        chain.mine_empty(chain.tip(), blocks);
        trial.append(&chain);
        let outcome = trial.import();
        assert!(outcome.chains[0].is_catch_up);
        assert_eq!(outcome.chains[0].scanned.records, u64::from(blocks));
        outcome.quietly();
        trial.check(&chain);
    }
}

/// Children may come before their parents, and wait over several imports.
#[test]
fn blocks_that_wait_for_their_parent_are_found_when_it_comes() {
    let mut chain = Chain::of_coinbases(110);
    let mut trial = Trial::new(&chain);
    trial.import_and_check(&chain);
    let old = Truth::of_best(&chain);
    let parent = chain.mine(chain.tip(), &[]);
    chain.mine_empty(parent, 3);
    let made = chain.made().to_vec();
    for hash in made[112..].iter().rev() {
        trial.datadir.append(&chain, &[*hash]);
        let outcome = trial.import();
        let [Notice::Unfinished(end)] = &outcome.notices[..] else {
            panic!("{:?}", outcome.notices)
        };
        assert_eq!(end.state, EndState::BeingWritten);
        assert_eq!(
            end.reach.first_missing_parent,
            Some(chain.block(*hash).header.prev_blockhash)
        );
        assert_eq!(outcome.result.unwrap().chain_end, *end);
        check(&trial.options.index, &old);
    }
    trial.datadir.append(&chain, &[parent]);
    let summary = trial.import().quietly();
    assert!(summary.chain_end.reach.complete);
    trial.check(&chain);
    let again = trial.import();
    assert!(again.chains[0].is_catch_up);
    again.quietly();
}

#[test]
fn a_gap_in_the_chain_is_refused_and_what_is_below_it_can_be_had() {
    let chain = Chain::of_coinbases(1_100);
    let mut order = chain.made().to_vec();
    order.remove(49);
    let mut trial = Trial::with(&chain, &order, Layout::default());
    let refused = trial.import().result.unwrap_err();
    assert!(
        matches!(refused.fault(), Some(datadir::Fault::Gap { .. })),
        "{refused}"
    );
    let words = refused.to_string();
    assert!(words.contains("blk00000.dat at byte"), "{words}");
    assert!(words.contains(&chain.made()[49].to_string()), "{words}");
    assert!(words.contains("`--until 48`"), "{words}");
    assert_eq!(trial.index_file().tip(), None);
    trial.options.until = Some(Height(48));
    let summary = trial.import().result.unwrap();
    assert_eq!(summary.totals.blocks, 49);
}

#[test]
fn another_copy_replaces_a_damaged_one() {
    let chain = Chain::of_coinbases(130);
    let best = chain.best();
    for damaged in [vec![5], vec![60], vec![130], vec![3, 4, 90, 129, 130]] {
        let layout = Layout {
            damaged_first: damaged.iter().map(|&height| best[height]).collect(),
            ..small_files()
        };
        let mut trial = Trial::with(&chain, &best, layout);
        let outcome = trial.import();
        let heights = outcome.notices.iter().map(|notice| match notice {
            Notice::OtherCopy { height, .. } => height.0 as usize,
            other => panic!("{other:?}"),
        });
        assert_eq!(heights.collect::<Vec<_>>(), damaged);
        outcome.result.unwrap();
        trial.check(&chain);
        let before = runs_and_places(&trial);
        trial.import_and_check(&chain);
        // A full scan does not go back to the damaged copy.
        let path = trial.folder.path().join("elsewhere");
        std::fs::rename(&trial.datadir.path, &path).unwrap();
        trial.options.source = source(path);
        let outcome = trial.import();
        assert!(!outcome.chains[0].is_catch_up);
        outcome.quietly();
        assert_eq!(runs_and_places(&trial), before);
    }
}

/// Overwrites part of the block at `height` in the only file, and returns what was there.
fn overwrite(trial: &Trial, chain: &Chain, hash: BlockHash, from: usize, with: &[u8]) -> Vec<u8> {
    let path = trial.datadir.file(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let block = chain.bytes(hash);
    let at = bytes
        .windows(80)
        .position(|window| window == &block[..80])
        .unwrap();
    let part = &mut bytes[at + from..at + from + with.len()];
    let before = part.to_vec();
    part.copy_from_slice(with);
    std::fs::write(path, &bytes).unwrap();
    before
}

fn plain() -> Layout {
    Layout {
        key: None,
        ..Layout::default()
    }
}

/// A node writes into space allocated ahead: header first, the rest is still zeros.
#[test]
fn a_block_that_is_not_whole_yet_waits_for_the_next_import() {
    let chain = Chain::of_coinbases(130);
    let best = chain.best();
    let tip = chain.tip();
    for from in [80, 81, 100, 140] {
        for imported_before in [0, 60, 130] {
            let mut trial = Trial::with(&chain, &best[..imported_before], plain());
            if imported_before > 0 {
                trial.import().quietly();
            }
            trial.datadir.append(&chain, &best[imported_before..]);
            let zeros = vec![0; chain.bytes(tip).len() - from];
            let rest = overwrite(&trial, &chain, tip, from, &zeros);
            for _ in 0..2 {
                let outcome = trial.import();
                let [Notice::NotWhole { height, .. }] = outcome.notices[..] else {
                    panic!("{:?}", outcome.notices);
                };
                assert_eq!(height, Height(130));
                outcome.result.unwrap();
                check(&trial.options.index, &Truth::of(&chain, best[129]).unwrap());
            }
            overwrite(&trial, &chain, tip, from, &rest);
            trial.import_and_check(&chain);
        }
    }
}

#[test]
fn a_record_cut_short_waits_for_the_next_import() {
    let chain = Chain::of_coinbases(130);
    let best = chain.best();
    for cut_bytes in [1, 40, 100, 150] {
        let layout = Layout {
            cut_bytes,
            ..Layout::default()
        };
        let mut trial = Trial::with(&chain, &best, layout);
        let outcome = trial.import();
        let [Notice::Unfinished(end)] = &outcome.notices[..] else {
            panic!("{:?}", outcome.notices)
        };
        assert_eq!(end.reach.damage[0].what, LeftoverKind::Cut);
        outcome.result.unwrap();
        check(&trial.options.index, &Truth::of(&chain, best[129]).unwrap());
        trial.datadir.layout.cut_bytes = 0;
        trial.datadir.append(&chain, &[]);
        trial.import_and_check(&chain);
    }
}

/// Place and height of the block that an import cannot get past.
fn bad_block(error: &Error) -> (Place, Height) {
    if let Some(import::Fault::StopsAbove { source, until }) = error.fault()
        && let Some(&datadir::Fault::BadBlock { place, height, .. }) = source.fault()
    {
        assert_eq!(until.next(), height);
        return (place, height);
    }
    panic!("{error}");
}

#[test]
fn a_damaged_settled_block_is_named_and_what_is_below_it_stays() {
    let chain = Chain::of_coinbases(130);
    let best = chain.best();
    for (height, commit_every) in [(1, 10_000), (17, 5), (20, 5), (29, 10_000), (30, 10_000)] {
        let mut trial = Trial::with(&chain, &best, plain());
        trial.options.commit_every = commit_every;
        let before = overwrite(&trial, &chain, best[height], 120, &[0xEE]);
        for _ in 0..2 {
            let error = trial.import().result.unwrap_err();
            let (place, found) = bad_block(&error);
            assert_eq!(found.0 as usize, height);
            let text = error.to_string();
            for words in [
                format!("blk00000.dat at byte {}", place.offset_bytes),
                format!("`--until {}` imports what is below", height - 1),
            ] {
                assert!(text.contains(&words), "{text}");
            }
            let tip = best[height - 1];
            check(&trial.options.index, &Truth::of(&chain, tip).unwrap());
        }
        overwrite(&trial, &chain, best[height], 120, &before);
        trial.import_and_check(&chain);
    }
}

/// The damaged block is not the newest, so no node is going to complete it.
#[test]
fn a_damaged_young_block_with_others_on_it_is_an_error() {
    let chain = Chain::of_coinbases(130);
    let best = chain.best();
    let trial = Trial::with(&chain, &best, plain());
    let before = overwrite(&trial, &chain, best[100], 120, &[0xEE]);
    let error = trial.import().result.unwrap_err();
    assert_eq!(bad_block(&error).1, Height(100));
    check(&trial.options.index, &Truth::of(&chain, best[99]).unwrap());
    overwrite(&trial, &chain, best[100], 120, &before);
    trial.import_and_check(&chain);
}

#[test]
fn blocks_that_are_wrong_in_themselves_are_not_taken() {
    use common::chain::{Plan, Spoil};
    for spoil in [
        Spoil::Work,
        Spoil::MerkleRoot,
        Spoil::Commitment,
        Spoil::Uncommitted,
    ] {
        let mut chain = Chain::of_coinbases(20);
        let good = chain.tip();
        chain.grow_with(Plan {
            spoil: Some(spoil),
            ..Plan::default()
        });
        assert_eq!(chain.tip(), good);
        let trial = Trial::new(&chain);
        let outcome = trial.import();
        // A header without work is no block; the others are whole ones that are not what they should be.
        let is_right = match (&outcome.notices[..], spoil) {
            ([Notice::Unfinished(end)], Spoil::Work) => {
                end.reach.damage[0].what == LeftoverKind::Junk
            }
            ([Notice::NotWhole { height, .. }], _) => height.0 == 21,
            _ => false,
        };
        assert!(is_right, "{:?}", outcome.notices);
        assert!(!outcome.result.unwrap().chain_end.reach.complete);
        trial.check(&chain);
    }
}

/// Without its last files a datadir is behind; with a stale block at its end it is on another chain.
#[test]
fn a_last_file_that_is_gone_for_a_while_changes_nothing() {
    let chain = Chain::of_coinbases(300);
    let trial = Trial::with(&chain, chain.made(), small_files());
    trial.import_and_check(&chain);
    let before = runs_and_places(&trial);
    let last = trial.datadir.file(trial.datadir.file_count() - 1);
    let aside = trial.folder.path().join("aside");
    std::fs::rename(&last, &aside).unwrap();
    let outcome = trial.import();
    assert!(matches!(outcome.notices[..], [Notice::Behind { .. }]));
    outcome.result.unwrap();
    trial.check(&chain);
    std::fs::rename(&aside, &last).unwrap();
    trial.import().quietly();
    assert_eq!(runs_and_places(&trial), before);
    assert_eq!(trial.status().hash, chain.tip());
}

#[test]
fn a_wish_to_stop_during_the_scan_leaves_the_index_as_it_was() {
    let chain = chain(60);
    let trial = Trial::with(&chain, chain.made(), small_files());
    let stopped_while_scanning = || {
        let stop = AtomicBool::new(false);
        let mut watch = Watch {
            stop: &stop,
            tell: &mut |event| {
                if let Event::Scan(_) = event {
                    stop.store(true, Ordering::Relaxed);
                }
            },
        };
        import::import(&trial.options, &mut watch).unwrap()
    };
    let summary = stopped_while_scanning();
    assert!(summary.interrupted && summary.tip.is_none());
    let imported = trial.import().result.unwrap();
    assert!(!imported.interrupted);
    let again = stopped_while_scanning();
    assert!(again.interrupted);
    assert_eq!(again.tip, imported.tip);
    trial.check(&chain);
}
