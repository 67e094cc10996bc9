//! Rules 1, 2 and 5: the table is a cache of what is on disk, only neighbours merge, and only what the
//! catalogue names is real.

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, ScriptBuf};
use blkdex::primitives::Height;

use crate::common::chain::{Chain, Plan};
use crate::common::index_file::RUNS_LEFT;
use crate::common::parts::{output_of, owner, spend};
use crate::common::random::Options;
use crate::common::trial::Trial;

fn chain(seed: u64, blocks: u32) -> Chain {
    let options = Options {
        blocks,
        fork_every: 0,
        ..Options::default()
    };
    Chain::random(seed, options)
}

#[test]
fn a_table_that_holds_everything_never_misses() {
    let chain = chain(1, 120);
    let summary = Trial::new(&chain).import_and_check(&chain);
    assert_eq!((summary.table.misses, summary.table.evictions), (0, 0));
    assert!(summary.table.hits > 500);
}

#[test]
fn a_tiny_table_gives_the_same_answers_as_plenty() {
    let chain = chain(1, 120);
    for slots in [16, 40, 100, 300] {
        let summary = Trial::new(&chain)
            .with_tiny_table(slots)
            .import_and_check(&chain);
        assert!(summary.table.evictions > 100, "{slots} slots");
        assert!(summary.table.misses > 100, "{slots} slots");
    }
}

#[test]
fn a_tiny_table_and_many_commits_give_the_same_answers() {
    let chain = chain(2, 130);
    for (slots, commit_every) in [(16, 1), (64, 7), (300, 13)] {
        let mut trial = Trial::new(&chain).with_tiny_table(slots);
        trial.options.commit_every = commit_every;
        let summary = trial.import_and_check(&chain);
        assert!(summary.table.evictions > 100, "{slots} slots");
    }
}

/// Whether no relation has more runs than an import leaves, and `more`.
fn are_few(runs: [usize; 4], more: usize) -> bool {
    runs.iter()
        .zip(RUNS_LEFT)
        .all(|(runs, left)| *runs <= left + more)
}

/// More than a thousand blocks make a bulk import, which merges while it goes on and at its end.
#[test]
fn merges_of_a_bulk_import_keep_every_coin() {
    let options = Options {
        blocks: 1050,
        txs_max: 3,
        fork_every: 0,
        ..Options::default()
    };
    let chain = Chain::random(3, options);
    for (slots, commit_every) in [(None, 25), (Some(200), 20), (Some(2000), 10_000)] {
        let mut trial = Trial::new(&chain);
        trial.options.commit_every = commit_every;
        if let Some(slots) = slots {
            trial = trial.with_tiny_table(slots);
        }
        trial.import_and_check(&chain);
        // The settled part, of up to 53 commits, has become few runs.
        let runs = trial.settled_runs();
        assert!(are_few(runs, 0), "{runs:?}");
    }
}

/// A bulk import that goes on fills its table from the runs first.
#[test]
fn a_warmed_table_answers_as_one_that_saw_everything() {
    let options = Options {
        blocks: 1150,
        txs_max: 3,
        fork_every: 0,
        ..Options::default()
    };
    let chain = Chain::random(7, options);
    for slots in [100, 1500, 100_000] {
        let mut trial = Trial::new(&chain).with_tiny_table(slots);
        trial.options.until = Some(Height(240));
        trial.import().quietly();
        trial.options.until = None;
        let summary = trial.import_and_check(&chain);
        assert_eq!(summary.imported.blocks, 1010);
        assert_eq!(summary.table.misses == 0, slots == 100_000, "{slots} slots");
    }
}

/// The newest coins are found by counting in how many of the 4,096 parts of all positions they are.
#[test]
fn a_table_too_small_for_the_coins_is_warmed_with_the_newest() {
    const OUTPUTS: u32 = 9_000;
    let mut chain = Chain::of_coinbases(1);
    chain.grow_with(Plan {
        pay: Some((0..OUTPUTS).map(|_| (ScriptBuf::new(), 0)).collect()),
        ..Plan::default()
    });
    chain.mine_empty(chain.tip(), 20);
    let last = chain.height(chain.tip());
    chain.mine_empty(chain.tip(), 1010);
    let mut trial = Trial::new(&chain).with_tiny_table(100);
    trial.options.until = Some(Height(last));
    let coins = trial.import().quietly().coins;
    assert!(coins > u64::from(OUTPUTS), "{coins}");
    trial.options.until = None;
    assert_eq!(trial.import_and_check(&chain).imported.blocks, 1010);
}

/// Every few outputs fill the table, so one batch spills more runs than a merge can gather at once.
#[test]
fn a_batch_may_spill_more_runs_than_one_merge_takes() {
    let mut chain = Chain::of_coinbases(2);
    for _ in 0..2 {
        chain.grow_with(Plan {
            pay: Some((0..2500).map(|number| (owner(number), 1)).collect()),
            ..Plan::default()
        });
    }
    chain.mine_empty(chain.tip(), 110);
    let mut trial = Trial::new(&chain).with_tiny_table(16);
    trial.import_and_check(&chain);
    chain.mine_empty(chain.tip(), 1);
    trial.append(&chain);
    trial.import_and_check(&chain);
    let runs = trial.settled_runs();
    assert!(are_few(runs, 2), "{runs:?}");
}

/// Blocks with as many outputs as they can have, and then blocks that spend a fourth of them: enough that
/// spends which miss the table fill their buffer.
fn chain_of_many_spends() -> Chain {
    const OUTPUTS: u32 = 88_000;
    const SPENDS: usize = 23_000;
    let mut chain = Chain::of_coinbases(8);
    chain.ripen();
    let mut coins = Vec::new();
    for height in 1..=7 {
        let pay = |number: u32| (ScriptBuf::from_bytes(vec![0x51, number as u8]), 1);
        let pay: Vec<_> = (0..OUTPUTS).map(pay).collect();
        let many = spend(&[chain.coin(chain.best()[height])], &pay);
        let first = output_of(&many, 0);
        coins.extend((0..OUTPUTS).map(|vout| OutPoint { vout, ..first }));
        chain.grow(&[many]);
    }
    for coins in coins.chunks(SPENDS).step_by(4).take(7) {
        let mut gathers = spend(coins, &[(owner(1), 1)]);
        for input in &mut gathers.input {
            input.witness.clear();
        }
        chain.grow(&[gathers]);
    }
    chain
}

/// Spends that the buffer holds: as many as a block can make outputs, of 36 of its 4,000,000 weight units each.
const BUFFERED_SPENDS: u64 = 4_000_000 / 36;

#[test]
fn spends_that_miss_wait_in_runs_when_their_buffer_is_full() {
    let mut chain = chain_of_many_spends();
    let trial = |chain: &Chain| {
        let mut trial = Trial::new(chain);
        trial.options.table_bytes = Some(1 << 20);
        trial
    };
    let complete = trial(&chain);
    let summary = complete.import_and_check(&chain);
    assert!(summary.table.misses > BUFFERED_SPENDS);
    assert_eq!(
        complete.runs()[3],
        2,
        "one commit, and one of genesis, which is settled"
    );
    let (tables, named) = tables_of_runs(&complete);
    assert_eq!(tables, named, "what waited is gone");
    // One more, and a transaction that spends its coin twice: it is found out all the same.
    let coin = chain.coin(chain.best()[8]);
    let bad = chain.mine_invalid(chain.tip(), &[spend(&[coin, coin], &[(owner(1), 1)])]);
    let with_bad = trial(&chain);
    let outcome = with_bad.import();
    let invalid = outcome.invalid();
    assert_eq!((invalid.len(), invalid[0].1), (1, bad));
    assert!(invalid[0].2.contains("spent already"), "{}", invalid[0].2);
    outcome.result.unwrap();
    with_bad.check(&chain);
}

/// Tables of runs in the file, and how many of them the catalogue names.
fn tables_of_runs(trial: &Trial) -> (usize, usize) {
    let file = trial.index_file();
    (file.tables_of_runs(), file.runs().len())
}

/// An import that fails leaves runs that nobody named; the next one gives their ids to others.
#[test]
fn runs_without_a_name_are_gone_at_the_next_import() {
    let mut chain = Chain::of_coins(60);
    let coin = chain.nth_coin(5);
    let twice = [1, 2].map(|number| spend(&[coin], &[(owner(number), 1)]));
    let bad = chain.mine_invalid(chain.tip(), &twice);
    chain.mine_empty(bad, 100);
    let mut trial = Trial::new(&chain).with_tiny_table(16);
    for _ in 0..2 {
        trial.import().result.unwrap_err();
        let (tables, named) = tables_of_runs(&trial);
        assert!(tables > named + 5, "{tables}, {named} of them named");
    }
    trial.options.invalid = vec![bad.to_byte_array()];
    trial.import().leaving_out(&[bad]);
    trial.check(&chain);
    let (tables, named) = tables_of_runs(&trial);
    assert_eq!(tables, named);
}
