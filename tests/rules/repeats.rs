//! Rule 4: a coinbase that repeats an unspent one overwrites it (BIP 30), wherever the older coin is.

use bitcoin::{ScriptBuf, Transaction};

use crate::common::chain::{Chain, Plan, SUBSIDY_SAT};
use crate::common::coins::MATURITY_BLOCKS;
use crate::common::datadir::Layout;
use crate::common::parts::{Kind, coinbase, output_of, owner, script, spend_legacy};
use crate::common::random::Options;
use crate::common::trial::Trial;
use crate::common::truth::Truth;
use crate::spends::{YOUNG, assert_invalid};

/// The same whenever it is made: two coins, one output that is none.
fn same() -> Transaction {
    let outputs = [
        (owner(1), SUBSIDY_SAT - 5),
        (script(Kind::OpReturn, 1), 0),
        (owner(2), 5),
    ];
    coinbase(77, &outputs)
}

fn repeat(chain: &mut Chain, txs: &[Transaction]) {
    chain.grow_with(Plan {
        coinbase: Some(same()),
        txs: txs.to_vec(),
        ..Plan::default()
    });
}

/// Blocks with coins enough to drive every older one out of a tiny table.
fn crowd(chain: &mut Chain, blocks: u32) {
    for _ in 0..blocks {
        let many = (0..30).map(|number| (owner(number), 1)).collect();
        chain.grow_with(Plan {
            pay: Some(many),
            ..Plan::default()
        });
    }
}

/// With the older coin in the table, on disk only, and on either side of a commit.
fn assert_equal_everywhere(chain: &Chain) {
    let truth = Truth::of_best(chain);
    let overwritten = truth
        .outputs
        .iter()
        .filter(|output| output.gone.is_some_and(|gone| gone.input_index.is_none()));
    assert!(overwritten.count() > 0, "the chain tests what it is for");
    for slots in [None, Some(16), Some(100)] {
        for commit_every in [1, 2, 10_000] {
            let mut trial = Trial::new(chain);
            if let Some(slots) = slots {
                trial = trial.with_tiny_table(slots);
            }
            trial.options.commit_every = commit_every;
            trial.import_and_check(chain);
        }
    }
}

#[test]
fn the_older_coin_may_be_cached_or_evicted() {
    for between in [0, 1, 8] {
        let mut chain = Chain::of_coinbases(3);
        repeat(&mut chain, &[]);
        crowd(&mut chain, between);
        repeat(&mut chain, &[]);
        crowd(&mut chain, 2);
        assert_equal_everywhere(&chain);
    }
}

#[test]
fn the_older_coin_may_lie_below_the_settled_line() {
    let mut chain = Chain::of_coinbases(3);
    repeat(&mut chain, &[]);
    crowd(&mut chain, 110);
    repeat(&mut chain, &[]);
    crowd(&mut chain, 2);
    assert_equal_everywhere(&chain);
}

#[test]
fn the_older_coin_may_come_from_an_earlier_import() {
    for slots in [16, 100_000] {
        let mut chain = Chain::of_coinbases(3);
        repeat(&mut chain, &[]);
        crowd(&mut chain, 4);
        let mut trial = Trial::new(&chain).with_tiny_table(slots);
        trial.import_and_check(&chain);
        repeat(&mut chain, &[]);
        trial.append(&chain);
        trial.import_and_check(&chain);
    }
}

#[test]
fn overwriting_may_repeat() {
    let mut chain = Chain::of_coinbases(3);
    for between in [0, 2, 5, 0, 1] {
        repeat(&mut chain, &[]);
        crowd(&mut chain, between);
    }
    assert_equal_everywhere(&chain);
}

/// More coins are overwritten at once than the least memory has room for spends of older outputs: 86,272.
#[test]
fn a_coinbase_may_overwrite_as_many_coins_as_a_block_can_make() {
    let mut chain = Chain::of_coinbases(3);
    let mut outputs = vec![(ScriptBuf::new(), 0); 100_000];
    outputs[0].1 = SUBSIDY_SAT;
    let large = coinbase(78, &outputs);
    for _ in 0..2 {
        chain.grow_with(Plan {
            coinbase: Some(large.clone()),
            ..Plan::default()
        });
    }
    let trial = Trial::new(&chain);
    assert_eq!(trial.import().result.unwrap().coins, 3 + 100_000);
}

#[test]
fn after_an_overwrite_the_newer_coin_is_spent() {
    for between in [0, 3] {
        let mut chain = Chain::of_coinbases(3);
        repeat(&mut chain, &[]);
        crowd(&mut chain, between);
        repeat(&mut chain, &[]);
        crowd(&mut chain, between);
        chain.ripen();
        let take = |vout| spend_legacy(&[output_of(&same(), vout)], &[(owner(9), 1)]);
        chain.grow(&[take(0)]);
        assert_equal_everywhere(&chain);
        crowd(&mut chain, between);
        chain.grow(&[take(2)]);
        // All of it is settled, so that one batch makes the coins and ends them.
        chain.grow_without_coins(MATURITY_BLOCKS);
        assert_equal_everywhere(&chain);
    }
}

/// Nothing is overwritten of what was spent before, and the new coin can be spent again.
#[test]
fn a_spent_coinbase_may_come_again() {
    let mut chain = Chain::of_coinbases(3);
    let take = |vout, to| spend_legacy(&[output_of(&same(), vout)], &[(owner(to), 1)]);
    for round in 0..3 {
        repeat(&mut chain, &[]);
        crowd(&mut chain, round);
        chain.ripen();
        chain.grow(&[take(0, u64::from(round))]);
    }
    assert_equal_everywhere(&chain);
}

/// In the block that repeats a coinbase the older coin, which could be spent, is gone already: the
/// coinbase comes first (Bitcoin Core, `validation.cpp`: `ConnectBlock`), and what it made is young.
#[test]
fn a_repeated_coinbase_comes_before_the_spends_of_its_block() {
    for between in [0, 3] {
        let mut chain = Chain::of_coinbases(3);
        repeat(&mut chain, &[]);
        crowd(&mut chain, between);
        chain.ripen();
        let take = spend_legacy(&[output_of(&same(), 0)], &[(owner(9), 1)]);
        let fork = chain.tip();
        let bad = chain.grow_with(Plan {
            coinbase: Some(same()),
            txs: vec![take.clone()],
            ..Plan::default()
        });
        chain.mark_invalid(bad);
        assert_invalid(&chain, bad, &[YOUNG]);
        // Without the repetition the coin is spent.
        chain.mine(fork, &[take]);
        Trial::with(&chain, &chain.best(), Layout::default()).import_and_check(&chain);
    }
}

#[test]
fn an_overwritten_coin_is_not_spent() {
    for between in [0, 3] {
        let mut chain = Chain::of_coinbases(3);
        repeat(&mut chain, &[]);
        crowd(&mut chain, between);
        repeat(&mut chain, &[]);
        chain.ripen();
        let take = |to| spend_legacy(&[output_of(&same(), 0)], &[(owner(to), 1)]);
        chain.grow(&[take(1)]);
        crowd(&mut chain, between);
        let bad = chain.mine_invalid(chain.tip(), &[take(2)]);
        for slots in [16, 100_000] {
            let trial = Trial::new(&chain).with_tiny_table(slots);
            let outcome = trial.import();
            assert_eq!(outcome.invalid().len(), 1);
            assert_eq!(outcome.invalid()[0].1, bad);
            outcome.result.unwrap();
            trial.check(&chain);
        }
    }
}

/// A transaction that is no coinbase and occurs twice breaks BIP 30 (Bitcoin Core, `validation.cpp`:
/// "bad-txns-BIP30"). It takes coinbases that repeat to make one.
#[test]
fn a_repeated_transaction_is_invalid_while_the_first_is_unspent() {
    let same = coinbase(5, &[(owner(1), SUBSIDY_SAT)]);
    let again = |txs: &[Transaction]| Plan {
        coinbase: Some(same.clone()),
        txs: txs.to_vec(),
        ..Plan::default()
    };
    let repeated = spend_legacy(&[output_of(&same, 0)], &[(owner(2), 7), (owner(3), 8)]);
    let mut chain = Chain::of_coins(3);
    chain.grow_with(again(&[]));
    chain.ripen();
    chain.grow(std::slice::from_ref(&repeated));
    chain.grow_with(again(&[]));
    chain.ripen();
    let good = chain.tip();
    let bad = chain.mine_invalid(good, &[repeated]);
    assert_eq!(chain.tip(), good);
    let trial = Trial::new(&chain);
    let outcome = trial.import();
    let invalid = outcome.invalid();
    assert_eq!((invalid.len(), invalid[0].1), (1, bad));
    assert!(invalid[0].2.contains("BIP 30"), "{}", invalid[0].2);
    trial.check(&chain);
}

#[test]
fn an_overwrite_is_rolled_back() {
    let mut chain = Chain::of_coinbases(3);
    repeat(&mut chain, &[]);
    crowd(&mut chain, 3);
    let fork = chain.tip();
    repeat(&mut chain, &[]);
    for slots in [16, 100_000] {
        let mut chain_of_trial = chain_copy(&chain);
        let mut trial = Trial::new(&chain_of_trial).with_tiny_table(slots);
        trial.import_and_check(&chain_of_trial);
        chain_of_trial.mine_empty(fork, 3);
        trial.append(&chain_of_trial);
        trial.import().result.unwrap();
        trial.check(&chain_of_trial);
    }
}

fn chain_copy(chain: &Chain) -> Chain {
    let mut copy = Chain::new();
    for hash in &chain.made()[1..] {
        copy.push(chain.block(*hash).clone());
    }
    copy
}

#[test]
fn random_repeats_give_the_same_answers_whatever_the_table() {
    for seed in 1..3 {
        let options = Options {
            repeat_every: 4,
            fork_every: 0,
            blocks: 40,
            ..Options::default()
        };
        assert_equal_everywhere(&Chain::random(seed, options));
    }
}
