//! Rules 3 and 7: a spend that cannot be makes its block invalid, whichever way it is found out.

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, OutPoint, Transaction};
use blkdex::import;

use crate::common::chain::{Chain, Plan};
use crate::common::parts::{Kind, output_of, owner, script, spend};
use crate::common::trial::Trial;

/// With plenty of table every spend of a coin that is there is a hit; a table of 16 slots holds
/// the last few coins only, so that a spend of an older one is a miss.
pub const TABLES: [Option<usize>; 2] = [None, Some(16)];

pub fn pay(coin: OutPoint, owner_number: u64) -> Transaction {
    spend(&[coin], &[(owner(owner_number), 1)])
}

pub fn trial_of(chain: &Chain, slots: Option<usize>) -> Trial {
    let trial = Trial::new(chain);
    match slots {
        Some(slots) => trial.with_tiny_table(slots),
        None => trial,
    }
}

/// Imports a chain with one impossible block: it is said, and left out, now and by the next import.
pub fn assert_invalid(chain: &Chain, bad: BlockHash, faults: &[&str]) {
    for slots in TABLES {
        for commit_every in [1, 3, 10_000] {
            let mut trial = trial_of(chain, slots);
            trial.options.commit_every = commit_every;
            let outcome = trial.import();
            let context = format!("{slots:?} slots, commit every {commit_every}");
            let [(height, hash, fault)] = &outcome.invalid()[..] else {
                panic!("{:?}, {context}", outcome.notices);
            };
            assert_eq!((height.0, *hash), (chain.height(bad), bad), "{context}");
            assert!(
                faults.iter().any(|known| fault.contains(known)),
                "{fault}, {context}"
            );
            outcome.result.unwrap();
            trial.check(chain);
            trial.import().leaving_out(&[bad]);
            trial.check(chain);
        }
    }
}

const MISSING: &str = "does not exist";
const SPENT: &str = "spent already";
const EARLY: &str = "before it is made";
pub const YOUNG: &str = "a coinbase that has fewer than 100 confirmations";

#[test]
fn a_coin_is_not_spent_twice_in_one_block() {
    let mut chain = Chain::of_coins(40);
    for number in [3, 40] {
        let coin = chain.nth_coin(number);
        let bad = chain.mine_invalid(chain.tip(), &[pay(coin, 1), pay(coin, 2)]);
        assert_invalid(&chain, bad, &[SPENT]);
        chain = Chain::of_coins(40);
    }
}

#[test]
fn a_coin_is_not_spent_twice_by_one_transaction() {
    let mut chain = Chain::of_coins(40);
    let coin = chain.nth_coin(3);
    let twice = spend(&[coin, coin], &[(owner(1), 1)]);
    let bad = chain.mine_invalid(chain.tip(), &[twice]);
    assert_invalid(&chain, bad, &[SPENT]);
}

#[test]
fn a_coin_is_not_spent_again_by_a_later_block() {
    for number in [3, 40] {
        let mut chain = Chain::of_coins(40);
        let coin = chain.nth_coin(number);
        chain.grow(&[pay(coin, 1)]);
        chain.mine_empty(chain.tip(), 3);
        let bad = chain.mine_invalid(chain.tip(), &[pay(coin, 2)]);
        // Once its end is on disk and merged away, nothing tells a spent coin from none at all.
        assert_invalid(&chain, bad, &[SPENT]);
    }
}

#[test]
fn a_coin_that_never_was_is_not_spent() {
    let mut chain = Chain::of_coins(10);
    let mut coin = chain.nth_coin(10);
    coin.vout = 1;
    let bad = chain.mine_invalid(chain.tip(), &[pay(coin, 1)]);
    assert_invalid(&chain, bad, &[MISSING]);
}

#[test]
fn outputs_that_are_no_coins_are_not_spent() {
    for kind in [Kind::OpReturn, Kind::TooLong] {
        let mut chain = Chain::of_coins(4);
        let coin = chain.nth_coin(4);
        let burn = spend(&[coin], &[(script(kind, 1), 1)]);
        chain.grow(std::slice::from_ref(&burn));
        let bad = chain.mine_invalid(chain.tip(), &[pay(output_of(&burn, 0), 2)]);
        assert_invalid(&chain, bad, &[MISSING]);
    }
    let mut chain = Chain::of_coins(4);
    let genesis = chain.coin(chain.best()[0]);
    let bad = chain.mine_invalid(chain.tip(), &[pay(genesis, 2)]);
    assert_invalid(&chain, bad, &[MISSING]);
}

#[test]
fn the_longest_script_and_the_empty_one_are_spent() {
    let mut chain = Chain::of_coins(4);
    let coin = chain.nth_coin(4);
    let outputs = [Kind::Longest, Kind::Empty].map(|kind| (script(kind, 1), 1));
    let both = spend(&[coin], &outputs);
    chain.grow(std::slice::from_ref(&both));
    chain.grow(&[pay(output_of(&both, 0), 2), pay(output_of(&both, 1), 2)]);
    Trial::new(&chain).import_and_check(&chain);
}

#[test]
fn a_coin_is_not_spent_before_it_is_made() {
    let mut chain = Chain::of_coins(40);
    let parent = pay(chain.nth_coin(3), 1);
    let child = pay(output_of(&parent, 0), 2);
    let bad = chain.mine_invalid(chain.tip(), &[child, parent]);
    assert_invalid(&chain, bad, &[EARLY]);
}

/// The made coin is out of the table again when the batch is resolved: it is found on disk only.
#[test]
fn a_coin_is_not_spent_before_it_is_made_and_evicted() {
    let mut chain = Chain::of_coins(40);
    let parent = pay(chain.nth_coin(3), 1);
    let child = pay(output_of(&parent, 0), 2);
    let many: Vec<_> = (0..60).map(|number| (owner(number), 1)).collect();
    let crowd = spend(&[chain.nth_coin(4)], &many);
    let bad = chain.mine_invalid(chain.tip(), &[child, parent, crowd]);
    assert_invalid(&chain, bad, &[EARLY]);
}

/// Each order: first the early spend and then the rightful one, found in the table or on disk.
#[test]
fn an_early_spend_is_not_made_good_by_a_rightful_one() {
    let mut chain = Chain::of_coins(40);
    let parent = pay(chain.nth_coin(3), 1);
    let early = pay(output_of(&parent, 0), 2);
    let rightful = pay(output_of(&parent, 0), 3);
    let bad = chain.mine_invalid(chain.tip(), &[early, parent, rightful]);
    assert_invalid(&chain, bad, &[EARLY, SPENT]);
}

#[test]
fn a_transaction_does_not_spend_itself() {
    // Nobody can make one; its nearest kin spends an output that a later block makes.
    let mut chain = Chain::of_coins(10);
    let parent = pay(chain.nth_coin(10), 1);
    let early = pay(output_of(&parent, 0), 2);
    let bad = chain.mine_invalid(chain.tip(), &[early]);
    chain.mine_with(
        bad,
        Plan {
            txs: vec![parent],
            ..Plan::default()
        },
    );
    assert_invalid(&chain, bad, &[EARLY, MISSING]);
}

#[test]
fn a_chain_of_spends_within_a_block_is_fine() {
    let mut chain = Chain::of_coins(40);
    let mut txs = vec![pay(chain.nth_coin(3), 1)];
    for number in 0..50 {
        txs.push(pay(output_of(&txs[number], 0), 2));
    }
    chain.grow(&txs);
    for slots in TABLES {
        trial_of(&chain, slots).import_and_check(&chain);
    }
}

#[test]
fn an_invalid_block_takes_its_descendants_along() {
    let mut chain = Chain::of_coins(30);
    let fork = chain.tip();
    let coin = chain.nth_coin(5);
    let good = chain.mine_empty(fork, 2);
    let bad = chain.mine_invalid(fork, &[pay(coin, 1), pay(coin, 2)]);
    let made = output_of(&chain.block(bad).txdata[1], 0);
    let above = chain.mine(bad, &[pay(made, 3)]);
    chain.mine_empty(above, 10);
    assert_eq!(chain.tip(), good);
    assert_invalid(&chain, bad, &[SPENT]);
    // A node goes on writing to the chain that it believes in.
    let mut trial = Trial::new(&chain);
    assert_eq!(trial.import().invalid().len(), 1);
    chain.mine_empty(good, 20);
    trial.append(&chain);
    trial.import().leaving_out(&[bad]);
    trial.check(&chain);
}

#[test]
fn several_invalid_blocks_are_left_out_one_after_the_other() {
    let mut chain = Chain::of_coins(30);
    let fork = chain.tip();
    let invalid = [(1, 6), (2, 5), (3, 4)].map(|(number, length)| {
        let coin = chain.nth_coin(number);
        let bad = chain.mine_invalid(fork, &[pay(coin, 1), pay(coin, 2)]);
        chain.mine_empty(bad, length);
        bad
    });
    chain.mine_empty(fork, 1);
    let trial = Trial::new(&chain);
    let outcome = trial.import();
    assert_eq!(outcome.invalid().len(), 3);
    outcome.result.unwrap();
    trial.check(&chain);
    trial.import().leaving_out(&invalid);
    trial.check(&chain);
}

/// Two blocks of one chain are impossible: which is found first does not matter.
#[test]
fn two_invalid_blocks_in_one_chain_end_at_the_lower() {
    for seed in 0..6 {
        let mut chain = Chain::of_coins(30);
        let bad_tx = |chain: &Chain, number: u32| {
            let coin = chain.nth_coin(number + 1);
            [pay(coin, 100 * seed + u64::from(number)), pay(coin, 99)]
        };
        let low = chain.mine_invalid(chain.tip(), &bad_tx(&chain, 1));
        let high = chain.mine_invalid(low, &bad_tx(&chain, 2));
        chain.mine_empty(high, 3);
        let trial = Trial::new(&chain);
        let outcome = trial.import();
        assert!(outcome.invalid().iter().any(|(_, hash, _)| *hash == low));
        outcome.result.unwrap();
        trial.check(&chain);
        trial.import().leaving_out(&[low, high]);
        trial.check(&chain);
    }
}

#[test]
fn an_invalid_block_below_the_settled_line_ends_the_import() {
    let mut chain = Chain::of_coins(20);
    let before = chain.tip();
    let coin = chain.nth_coin(5);
    let bad = chain.mine_invalid(before, &[pay(coin, 1), pay(coin, 2)]);
    chain.mine_empty(bad, 100);
    for commit_every in [1, 10_000] {
        let mut trial = Trial::new(&chain);
        trial.options.commit_every = commit_every;
        let error = trial.import().result.unwrap_err();
        let Some(import::Fault::InvalidSettledBlock { height, hash, .. }) = error.fault() else {
            panic!("{error}");
        };
        assert_eq!(height.0, chain.height(bad));
        assert_eq!(*hash, bad.to_byte_array());
        let text = error.to_string();
        assert!(text.contains("--invalid") && text.contains(SPENT), "{text}");
        // Said by hand, it is left out.
        trial.options.invalid = vec![*hash];
        trial.import().leaving_out(&[bad]);
        trial.check(&chain);
        assert_eq!(chain.tip(), before);
    }
}
