//! What random chains have found, as short as it can be said.
//!
//! Invariant: each is a scenario that once failed; the judges are those of all others.

use super::disk::Layout;
use super::rot::Rot;
use super::run::Run;
use super::scenario::{Scenario, Step};
use super::tree::{Fault, Grow};
use super::{folder, play};

/// On one file that nobody has written to for long, with nothing unusual.
fn assert_well(grows: &[Grow], steps: &[Step]) {
    let scenario = Scenario {
        seed: 1,
        grows: grows.to_vec(),
        layout: Layout {
            file_bytes_max: 128 << 20,
            has_key: false,
            tail_bytes: 0,
            is_old: true,
        },
        disorder: 0,
        twice_every: 0,
        steps: steps.to_vec(),
    };
    let (_, result) = play(&scenario, &|run| run.run());
    result.unwrap();
}

/// All blocks of the scenario, written and imported.
const ALL: Step = Step::Append(100);

/// More blocks than any chain here has: it leaves at the genesis block.
const DEEP: u32 = 1000;

fn rotten(rot: Rot, at: u16) -> Step {
    let is_late = false;
    Step::Rot { rot, at, is_late }
}

/// The damage hides the index's own chain, so that another one seems the best. `rebuild`, which a deep
/// fork calls for, would not help.
#[test]
fn damage_is_named_before_a_deep_fork_that_it_makes() {
    let fork = Grow::Fork {
        depth: DEEP,
        blocks: 50,
    };
    assert_well(
        &[Grow::Extend(110), fork],
        &[ALL, rotten(Rot::Zeros, 5), Step::MendAll],
    );
}

#[test]
fn the_doctor_foresees_a_deep_fork_to_a_lower_tip() {
    let fork = Grow::Fork {
        depth: DEEP,
        blocks: 120,
    };
    let cut = Step::Cut {
        file: 0,
        record: 20,
        bytes: 0,
    };
    assert_well(&[Grow::Extend(30), fork], &[ALL, cut, Step::MendAll]);
}

#[test]
fn the_doctor_takes_a_damaged_last_block_for_what_an_import_takes_it_for() {
    for (rot, at) in [(Rot::Body, 5), (Rot::Root, 5)] {
        let percent = 100;
        let append = Step::AppendRotten { percent, rot, at };
        assert_well(&[Grow::Extend(5)], &[append, Step::MendAll]);
    }
}

/// The highest block that is there breaks a rule of spending, which is seen only when it is imported.
#[test]
fn the_advice_of_a_refusal_works_above_an_invalid_block() {
    let bad = Grow::Bad {
        fault: Fault::Missing,
        depth: 0,
        above: 2,
    };
    assert_well(&[Grow::Extend(10), bad], &[ALL, rotten(Rot::Junk, 12)]);
}

/// The highest block that is there has a header that is right, and another's transactions.
#[test]
fn the_advice_of_a_refusal_works_where_the_last_block_is_damaged() {
    let append = Step::AppendRotten {
        percent: 100,
        rot: Rot::Root,
        at: 12,
    };
    assert_well(&[Grow::Extend(20)], &[append, Step::MendAll]);
}

/// A block that is known to be invalid lacks an ancestor as any other does.
#[test]
fn a_lost_genesis_block_is_said_alike_above_an_invalid_block() {
    let bad = Grow::Bad {
        fault: Fault::Missing,
        depth: 0,
        above: 0,
    };
    assert_well(&[bad], &[ALL, rotten(Rot::Junk, 0), Step::MendAll]);
}

/// A coinbase's output that is spent too early: Bitcoin Core does not connect the block.
#[test]
fn a_young_coinbase_is_not_spent() {
    let bad = Grow::Bad {
        fault: Fault::Young,
        depth: 0,
        above: 3,
    };
    assert_well(&[Grow::Extend(30), bad], &[ALL, ALL]);
}

/// What a scenario says in its test must happen, or the test tests nothing.
#[test]
fn spoilt_records_are_spoilt_and_mended_ones_are_whole() {
    let scenario = Scenario {
        seed: 1,
        grows: vec![Grow::Extend(9)],
        layout: Layout {
            file_bytes_max: 1000,
            has_key: true,
            tail_bytes: 7,
            is_old: false,
        },
        disorder: 0,
        twice_every: 0,
        steps: Vec::new(),
    };
    let folder = folder();
    let mut run = Run::new(&scenario, folder.path());
    run.change(&ALL);
    run.disk.flush();
    let read = || -> Vec<_> {
        let blocks = folder.path().join("datadir/regtest/blocks");
        let files = (0..run_files(&blocks)).map(|n| blocks.join(format!("blk{n:05}.dat")));
        files.map(|file| std::fs::read(file).ok()).collect()
    };
    let whole = read();
    assert!(whole.len() > 1 && run.disk.intact().len() == 10);
    for rot in [Rot::Zeros, Rot::Junk, Rot::Header, Rot::Root, Rot::Body] {
        run.disk.rot(3, rot);
        run.disk.flush();
        assert_ne!(read(), whole, "{rot:?}");
        assert_eq!(run.disk.intact().len(), 9);
        run.change(&Step::MendAll);
        run.disk.flush();
        assert_eq!(read(), whole);
    }
    run.disk.cut(0, 1, 0);
    assert!(run.disk.intact().len() < 10 && !run.disk.is_whole());
}

/// How many block files there are.
fn run_files(blocks: &std::path::Path) -> usize {
    let names = std::fs::read_dir(blocks).unwrap();
    let is_file = |name: &std::fs::DirEntry| name.file_name().to_string_lossy().starts_with("blk");
    names.filter(|name| is_file(name.as_ref().unwrap())).count()
}
