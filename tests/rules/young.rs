//! Rule 3 of coinbases: no output of theirs is spent before it has a hundred confirmations (Bitcoin Core,
//! `consensus/tx_verify.cpp`: "bad-txns-premature-spend-of-coinbase"), however the coin is found.

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, OutPoint, Transaction};
use blkdex::import;
use blkdex::import::{BULK_BLOCKS_MIN, Notice};

use crate::common::chain::{Chain, Plan};
use crate::common::coins::MATURITY_BLOCKS;
use crate::common::datadir::Layout;
use crate::common::parts::{coinbase, output_of, owner, spend, spend_legacy};
use crate::common::trial::Trial;
use crate::spends::{TABLES, YOUNG, assert_invalid, pay, trial_of};

/// A coinbase of three coins at the tip, and the last of them: older ones are in no small table.
fn chain_with_coin() -> (Chain, OutPoint) {
    let mut chain = Chain::of_coins(20);
    let outputs = [7, 8, 9].map(|number| (owner(number), 1000));
    let made = chain.grow_with(Plan {
        pay: Some(outputs.to_vec()),
        ..Plan::default()
    });
    let coin = OutPoint {
        vout: 2,
        ..chain.coin(made)
    };
    (chain, coin)
}

/// Coins enough to drive every older one out of a small table, in a block that takes one of those that
/// the chain began with.
fn crowd(chain: &mut Chain) {
    let many: Vec<_> = (0..40).map(|number| (owner(number), 1)).collect();
    let txs = vec![spend(&[chain.nth_coin(1)], &many)];
    chain.grow_with(Plan {
        txs,
        ..Plan::without_coins()
    });
}

/// The chain whose next block would give the coinbase so many confirmations; with a crowd, its coins are
/// in no small table any more.
fn chain_at(confirmations: u32, is_crowded: bool) -> (Chain, OutPoint) {
    let (mut chain, coin) = chain_with_coin();
    let mut between = confirmations - 1;
    if is_crowded && between > 0 {
        crowd(&mut chain);
        between -= 1;
    }
    chain.grow_without_coins(between);
    (chain, coin)
}

/// So all three of a table hit, a miss whose coin the batch made, and a miss whose coin is committed.
#[test]
fn a_coinbase_with_fewer_than_a_hundred_confirmations_is_not_spent() {
    for confirmations in [1, 2, MATURITY_BLOCKS - 1] {
        for is_crowded in [false, true] {
            let (mut chain, coin) = chain_at(confirmations, is_crowded);
            let bad = chain.mine_invalid(chain.tip(), &[pay(coin, 1)]);
            assert_invalid(&chain, bad, &[YOUNG]);
        }
    }
}

#[test]
fn a_coinbase_with_a_hundred_confirmations_is_spent() {
    for confirmations in [MATURITY_BLOCKS, MATURITY_BLOCKS + 50] {
        for is_crowded in [false, true] {
            let (mut chain, coin) = chain_at(confirmations, is_crowded);
            chain.grow(&[pay(coin, 1)]);
            // Blocks on it let one batch make the coin and end it: both are settled.
            for above in [0, MATURITY_BLOCKS] {
                chain.grow_without_coins(above);
                for slots in TABLES {
                    for commit_every in [7, 10_000] {
                        let mut trial = trial_of(&chain, slots);
                        trial.options.commit_every = commit_every;
                        trial.import_and_check(&chain);
                    }
                }
            }
        }
    }
}

#[test]
fn a_coinbase_is_not_spent_in_its_own_block() {
    for slots_filled in [false, true] {
        let mut chain = Chain::of_coins(20);
        let own = coinbase(77, &[(owner(1), 1000), (owner(2), 1000)]);
        let many: Vec<_> = (0..40).map(|number| (owner(number), 1)).collect();
        let crowd = spend_legacy(&[chain.nth_coin(1)], &many);
        let take = spend_legacy(&[output_of(&own, 1)], &[(owner(3), 1)]);
        let txs = match slots_filled {
            true => vec![crowd, take],
            false => vec![take],
        };
        let bad = chain.grow_with(Plan {
            coinbase: Some(own),
            txs,
            ..Plan::default()
        });
        chain.mark_invalid(bad);
        assert_invalid(&chain, bad, &[YOUNG]);
    }
}

/// The other outputs of its block are nobody's business, and the rule names the input that breaks it.
#[test]
fn only_the_outputs_of_the_coinbase_wait() {
    let mut chain = Chain::of_coins(20);
    let made = pay(chain.nth_coin(1), 1);
    let parent = chain.grow(std::slice::from_ref(&made));
    let good = chain.grow(&[pay(output_of(&made, 0), 2)]);
    for slots in TABLES {
        trial_of(&chain, slots).import_and_check(&chain);
    }
    let coins = [chain.nth_coin(2), chain.coin(parent), chain.nth_coin(3)];
    let bad = chain.mine_invalid(good, &[spend(&coins, &[(owner(1), 1)])]);
    let named = format!("input 1, spends an output of {YOUNG} ({})", coins[1]);
    assert_invalid(&chain, bad, &[&named]);
}

/// Imports the chain up to `first` blocks, and then all of it.
fn import_in_two(chain: &Chain, order: &[BlockHash], first: usize) -> Trial {
    let mut trial = Trial::with(chain, &order[..first], Layout::default());
    trial.import().quietly();
    trial.datadir.append(chain, &order[first..]);
    trial
}

/// The index is at the coinbase, or at the block below the one that spends it.
#[test]
fn a_coinbase_of_an_earlier_import_keeps_its_age() {
    for is_bad in [true, false] {
        let confirmations = MATURITY_BLOCKS - u32::from(is_bad);
        let (mut chain, coin) = chain_at(confirmations, false);
        let before = chain.best().len();
        let made_at = before - confirmations as usize;
        let spender = chain.grow(&[pay(coin, 1)]);
        if is_bad {
            chain.mark_invalid(spender);
        }
        let order = chain.made().to_vec();
        for first in [made_at, made_at + 1, made_at + 50, before] {
            let trial = import_in_two(&chain, &order, first);
            if is_bad {
                let outcome = trial.import();
                let [(height, hash, fault)] = &outcome.invalid()[..] else {
                    panic!("{:?}", outcome.notices);
                };
                assert_eq!((height.0, *hash), (chain.height(spender), spender));
                assert!(fault.contains(YOUNG), "{fault}");
                outcome.result.unwrap();
                trial.import().leaving_out(&[spender]);
            } else {
                trial.import().quietly();
            }
            trial.check(&chain);
        }
    }
}

/// A long import fills its table from the index, so the spend of an older coin is a hit at once.
#[test]
fn a_young_coinbase_of_an_earlier_import_is_found_in_a_warmed_table() {
    let (mut chain, coin) = chain_at(MATURITY_BLOCKS - 1, false);
    let before = chain.best().len();
    let bad = chain.mine_invalid(chain.tip(), &[pay(coin, 1)]);
    let mut above = bad;
    for _ in 0..BULK_BLOCKS_MIN {
        above = chain.mine_with(above, Plan::without_coins());
    }
    let order = chain.made().to_vec();
    let mut trial = import_in_two(&chain, &order, before);
    let error = trial.import().result.unwrap_err();
    let Some(import::Fault::InvalidSettledBlock { hash, fault, .. }) = error.fault() else {
        panic!("{error}");
    };
    assert_eq!(*hash, bad.to_byte_array());
    assert!(fault.contains(YOUNG), "{fault}");
    trial.options.invalid = vec![*hash];
    trial.import().leaving_out(&[bad]);
    trial.check(&chain);
}

/// Below the block that is left out there may be another to follow.
#[test]
fn the_rival_of_a_block_that_spends_too_soon_is_followed() {
    let (mut chain, coin) = chain_at(MATURITY_BLOCKS - 1, false);
    let fork = chain.tip();
    let bad = chain.mine_invalid(fork, &[pay(coin, 1)]);
    chain.mine_empty(bad, 5);
    let rival = chain.mine(fork, &[]);
    chain.mine(rival, &[pay(coin, 1)]);
    assert_invalid(&chain, bad, &[YOUNG]);
}

fn same() -> Transaction {
    coinbase(77, &[(owner(1), 1000)])
}

fn with_same() -> Plan {
    Plan {
        coinbase: Some(same()),
        ..Plan::default()
    }
}

/// One coinbase on two branches, five blocks higher on the second, which wins while the index is on the
/// first.
#[test]
fn after_a_reorganisation_the_coinbases_of_the_new_branch_count() {
    let take = spend_legacy(&[output_of(&same(), 0)], &[(owner(2), 1)]);
    for is_bad in [true, false] {
        let mut chain = Chain::of_coins(5);
        let fork = chain.tip();
        let first = chain.mine_with(fork, with_same());
        chain.mine_empty(first, 50);
        let mut trial = Trial::new(&chain);
        trial.import_and_check(&chain);
        let second = chain.mine_empty(fork, 5);
        let second = chain.mine_with(second, with_same());
        let between = MATURITY_BLOCKS - 1 - u32::from(is_bad);
        let parent = chain.mine_empty(second, between);
        let spender = chain.mine(parent, std::slice::from_ref(&take));
        if is_bad {
            chain.mark_invalid(spender);
        }
        trial.append(&chain);
        let outcome = trial.import();
        let invalid: Vec<_> = outcome.invalid().iter().map(|bad| bad.1).collect();
        assert_eq!(invalid, Vec::from_iter(is_bad.then_some(spender)));
        let reorganised = |notice: &Notice| matches!(notice, Notice::Reorganised { .. });
        assert!(outcome.notices.iter().any(reorganised));
        outcome.result.unwrap();
        trial.check(&chain);
    }
}

/// The coin of a coinbase that is made again is as old as the newer one (BIP 30).
#[test]
fn a_repeated_coinbase_is_young_again() {
    let take = spend_legacy(&[output_of(&same(), 0)], &[(owner(2), 1)]);
    for is_crowded in [false, true] {
        let mut chain = Chain::of_coins(20);
        chain.grow_with(with_same());
        chain.ripen();
        if is_crowded {
            crowd(&mut chain);
        }
        chain.grow_with(with_same());
        chain.grow_without_coins(MATURITY_BLOCKS - 2);
        let bad = chain.mine_invalid(chain.tip(), std::slice::from_ref(&take));
        assert_invalid(&chain, bad, &[YOUNG]);
        chain.grow(&[]);
        chain.grow(std::slice::from_ref(&take));
        for slots in TABLES {
            trial_of(&chain, slots).import_and_check(&chain);
        }
    }
}
