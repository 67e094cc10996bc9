//! Blocks that are needed and were deleted: one line names them, and nothing is lost.

use blkdex::datadir::{self, Gone};
use blkdex::import::{self, Files};
use blkdex::primitives::Height;

use super::{blkdex, import, small_files, straight_chain, words};
use crate::common::chain::Chain;
use crate::common::check::check;
use crate::common::trial::Trial;
use crate::common::truth::Truth;

/// Asserts exit code 1, and one line with these words.
fn assert_refused(output: &std::process::Output, said: &[&str]) {
    let words = words(output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert_eq!(words.lines().count(), 1, "{words}");
    for said in said {
        assert!(words.contains(said), "{said}: {words}");
    }
}

#[test]
fn heights_between_the_tip_and_the_first_file_are_named_and_had_from_another_node() {
    let chain = straight_chain(5, 240);
    let best = chain.best();
    let mut trial = Trial::with(&chain, &best[..=180], small_files());
    trial.import().quietly();
    let whole = Trial::with(&chain, &best, small_files());
    trial.datadir.append(&chain, &best[181..]);
    let lowest = trial.datadir.prune(&chain, &best, 250);
    let first_left = trial.datadir.tops(&chain, &best)[lowest - 1] + 1;
    for _ in 0..2 {
        let error = trial.import().result.unwrap_err();
        let Some(datadir::Fault::BlocksGone { gone, until, .. }) = error.fault() else {
            panic!("{error}");
        };
        let last = Some(Height(first_left - 1));
        assert_eq!((gone.first, gone.last, *until), (Height(181), last, None));
        check(trial.index(), &Truth::of(&chain, best[180]).unwrap());
    }
    let gone = format!("blocks 181 to {} are in no blk*.dat", first_left - 1);
    assert_refused(&import(&trial), &[&gone, "has deleted", "`blkdex import"]);
    // What the line says works.
    let pruned = std::mem::replace(&mut trial.options.source, whole.options.source.clone());
    trial.options.until = Some(Height(300));
    trial.import().result.unwrap();
    (trial.options.source, trial.options.until) = (pruned, None);
    trial.import().result.unwrap();
    trial.check(&chain);
}

#[test]
fn a_hole_above_the_tip_is_named_and_what_is_below_it_can_be_had() {
    let chain = straight_chain(6, 240);
    let best = chain.best();
    let mut trial = Trial::with(&chain, &best[..=180], small_files());
    trial.import().quietly();
    trial.datadir.append(&chain, &best[181..]);
    trial.datadir.prune(&chain, &best, 120);
    let tops = trial.datadir.tops(&chain, &best);
    let hole = tops.iter().position(|top| *top > 230).unwrap();
    std::fs::remove_file(trial.datadir.file(hole)).unwrap();
    let (first, last) = (tops[hole - 1] + 1, tops[hole]);
    let error = trial.import().result.unwrap_err();
    let Some(datadir::Fault::BlocksGone { gone, until, .. }) = error.fault() else {
        panic!("{error}");
    };
    let expected = Gone {
        first: Height(first),
        last: Some(Height(last)),
    };
    assert_eq!((*gone, *until), (expected, Some(Height(first - 1))));
    trial.options.until = *until;
    trial.import().result.unwrap();
    let below = Truth::of(&chain, best[first as usize - 1]).unwrap();
    check(trial.index(), &below);
    trial.options.until = None;
    let error = trial.import().result.unwrap_err();
    assert!(!error.to_string().contains("--until"), "{error}");
    check(trial.index(), &below);
}

/// A rollback drops a whole batch, so the blocks below the fork have to be there too.
#[test]
fn a_reorganisation_that_would_lose_blocks_is_refused_before_any_is_lost() {
    let mut chain = Chain::of_coinbases(300);
    let old = chain.best();
    let mut trial = Trial::with(&chain, &old, small_files());
    trial.import_and_check(&chain);
    let before = Truth::of_best(&chain);
    chain.mine_empty(old[280], 21);
    let new = chain.best()[281..].to_vec();
    trial.datadir.append(&chain, &new);
    let order = [&old[..], &new].concat();
    // Of the batch of blocks 201 to 300 some below the fork are gone.
    let lowest = trial.datadir.prune(&chain, &order, 240);
    let error = trial.import().result.unwrap_err();
    let Some(datadir::Fault::BlocksGone { gone, .. }) = error.fault() else {
        panic!("{error}");
    };
    let last = trial.datadir.tops(&chain, &order)[lowest - 1];
    assert_eq!((gone.first, gone.last), (Height(201), Some(Height(last))));
    check(trial.index(), &before);
}

#[test]
fn a_deeper_fork_is_refused_and_no_command_is_named_that_cannot_work() {
    let mut chain = Chain::of_coinbases(300);
    let old = chain.best();
    let mut trial = Trial::with(&chain, &old, small_files());
    trial.import_and_check(&chain);
    let before = Truth::of_best(&chain);
    chain.mine_empty(old[150], 151);
    let new = chain.best()[151..].to_vec();
    trial.datadir.append(&chain, &new);
    trial.datadir.prune(&chain, &[&old[..], &new].concat(), 120);
    let error = trial.import().result.unwrap_err();
    let Some(import::Fault::ForkTooDeep { files, .. }) = error.fault() else {
        panic!("{error}");
    };
    assert_eq!(*files, Files::Pruned);
    assert!(error.to_string().contains("--datadir DIR"), "{error}");
    check(trial.index(), &before);
}

#[test]
fn a_first_import_names_where_the_files_begin_and_leaves_no_index() {
    let chain = straight_chain(7, 100);
    let best = chain.best();
    let trial = Trial::with(&chain, &best, small_files());
    let lowest = trial.datadir.prune(&chain, &best, 90);
    let height = trial.datadir.tops(&chain, &best)[lowest - 1] + 1;
    let said = format!("begins with blk{lowest:05}.dat, whose first block is at height {height}");
    for _ in 0..2 {
        assert_refused(&import(&trial), &[&said, "`blkdex manual import`"]);
        assert!(!trial.index().exists());
    }
    let mut rebuild = blkdex("rebuild", trial.index());
    rebuild.args(["--quiet", "--memory", "128M", "--force", "--datadir"]);
    let output = rebuild.arg(&trial.datadir.path).output().unwrap();
    assert_refused(&output, &[&said]);
}

/// A node that has only just begun: what it fetches out of order is still to come.
#[test]
fn a_block_that_is_still_to_come_is_not_gone() {
    let chain = straight_chain(9, 240);
    let best = chain.best();
    let mut trial = Trial::with(&chain, &best[..=200], small_files());
    trial.import().quietly();
    let mut late = best[201..].to_vec();
    let waited_for = late.remove(40);
    trial.datadir.append(&chain, &late);
    trial.datadir.prune(&chain, &best, 150);
    let outcome = trial.import();
    assert_eq!(outcome.result.unwrap().tip.unwrap().0, Height(240));
    trial.datadir.append(&chain, &[waited_for]);
    trial.import().result.unwrap();
    trial.check(&chain);
}

/// The index stopped far below what an earlier scan noted, and the file with its next block went since: what was
/// noted is not believed for ever.
#[test]
fn what_an_earlier_scan_noted_of_a_file_that_is_gone_is_looked_at_again() {
    let chain = straight_chain(10, 240);
    let best = chain.best();
    let trial = Trial::with(&chain, &best, small_files());
    let outcome = trial.import_blocks(60);
    assert!(outcome.result.unwrap().interrupted);
    let lowest = trial.datadir.tops(&chain, &best);
    let next = lowest.iter().position(|top| *top > 60).unwrap();
    std::fs::remove_file(trial.datadir.file(next)).unwrap();
    let mut command = std::process::Command::new("timeout");
    command.args([
        "--signal=KILL",
        "100",
        env!("CARGO_BIN_EXE_blkdex"),
        "import",
    ]);
    command
        .args(["--quiet", "--memory", "128M", "--index"])
        .arg(trial.index());
    let output = command
        .arg("--datadir")
        .arg(&trial.datadir.path)
        .output()
        .unwrap();
    assert_refused(&output, &["blocks ", "are in no blk*.dat"]);
    check(
        trial.index(),
        &Truth::of(&chain, trial.status().hash).unwrap(),
    );
}
