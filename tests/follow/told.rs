//! Blocks are taken and told as they come.

use bitcoin::hashes::Hash;
use blkdex::import::Notice;
use blkdex::primitives::Height;

use crate::common::chain::Chain;
use crate::common::parts::{owner, spend};
use crate::common::random::Options;
use crate::common::trial::Trial;
use crate::stepwise::{end, follow_in_steps};

/// A block that spends the coinbase of an old one.
fn busy(chain: &mut Chain, number: u32) {
    let coin = chain.nth_coin(number);
    chain.grow(&[spend(&[coin], &[(owner(1), 7), (owner(2), 8)])]);
}

#[test]
fn each_block_is_told_once_when_it_is_in_the_index() {
    let mut chain = Chain::of_coins(8);
    let first = chain.made().len() as u32;
    let mut trial = Trial::new(&chain);
    let options = trial.options.clone();
    let (followed, heard) = follow_in_steps(&options, |step, heard| {
        match step {
            0 => assert_eq!(heard.tips[0].tip.unwrap().0, Height(first - 1)),
            // One, three at once, none, one.
            1 => busy(&mut chain, 1),
            2 => (2..5).for_each(|number| busy(&mut chain, number)),
            4 => busy(&mut chain, 5),
            _ => {}
        }
        trial.append(&chain);
        step == 6
    });
    let best = chain.best();
    let expected: Vec<_> = (first..)
        .zip(best[first as usize..].iter().copied())
        .collect();
    assert_eq!(heard.blocks(), expected);
    assert_eq!(heard.tips.len(), 1);
    assert_eq!(heard.notices, []);
    assert_eq!(Some(&end(followed)), expected.last());
    for block in &heard.added {
        let whole = chain.block(best[block.height.0 as usize]);
        let outputs = whole.txdata.iter().map(|tx| tx.output.len() as u64);
        assert_eq!(
            (block.txs, block.inputs, block.outputs),
            (2, 1, outputs.sum())
        );
        assert_eq!(block.time, whole.header.time);
        let parent = best[block.height.0 as usize - 1];
        assert_eq!(block.previous_hash, parent.to_byte_array());
    }
    trial.check(&chain);
}

#[test]
fn a_reorganisation_is_followed_and_only_its_own_blocks_are_told() {
    let mut chain = Chain::of_coins(8);
    let mut trial = Trial::new(&chain);
    let options = trial.options.clone();
    let common = chain.tip();
    let height = chain.height(common);
    let (followed, heard) = follow_in_steps(&options, |step, _| {
        match step {
            1 => (1..5).for_each(|number| busy(&mut chain, number)),
            3 => {
                let fork = chain.path(chain.tip())[height as usize + 2];
                chain.mine_empty(fork, 3);
            }
            5 => {
                chain.mine_empty(common, 6);
            }
            _ => {}
        }
        trial.append(&chain);
        step == 7
    });
    let heights: Vec<u32> = heard
        .blocks()
        .iter()
        .map(|(told, _)| told - height)
        .collect();
    assert_eq!(heights, [1, 2, 3, 4, 3, 4, 5, 1, 2, 3, 4, 5, 6]);
    let left = |from, fork, best| Notice::Reorganised {
        from: Height(height + from),
        fork: Height(height + fork),
        best: Height(height + best),
    };
    assert_eq!(heard.notices, [left(4, 2, 5), left(5, 0, 6)]);
    assert_eq!(end(followed).1, chain.tip());
    trial.check(&chain);
}

#[test]
fn random_chains_are_followed_block_by_block() {
    for seed in 1..4 {
        let options = Options {
            blocks: 120,
            txs_max: 3,
            ..Options::default()
        };
        let chain = Chain::random(seed, options);
        let first = chain.made().len() - 100;
        let mut trial = Trial::with(&chain, &chain.made()[..first], Default::default());
        trial.datadir.layout.tail_bytes = 4000;
        let options = trial.options.clone();
        let (followed, heard) = follow_in_steps(&options, |step, _| {
            let hash = &chain.made()[first + step];
            trial.datadir.append(&chain, &[*hash]);
            first + step + 1 == chain.made().len()
        });
        // The last block came when it was over.
        let before = &chain.made()[..chain.made().len() - 1];
        assert_eq!(end(followed).1, chain.tip_of(before), "seed {seed}");
        assert!(
            heard.added.len() >= 80,
            "seed {seed}: {}",
            heard.added.len()
        );
        assert_eq!(
            heard.added.last().unwrap().hash,
            chain.tip_of(before).to_byte_array()
        );
        trial.import_and_check(&chain);
    }
}

#[test]
fn a_block_that_breaks_the_rules_is_left_out_and_said_once() {
    let mut chain = Chain::of_coins(3);
    let mut trial = Trial::new(&chain);
    let options = trial.options.clone();
    let (followed, heard) = follow_in_steps(&options, |step, _| {
        match step {
            1 => busy(&mut chain, 1),
            2 => {
                let twice = spend(&[chain.nth_coin(1)], &[(owner(9), 1)]);
                chain.mine_invalid(chain.tip(), &[twice]);
            }
            5 => busy(&mut chain, 2),
            _ => {}
        }
        trial.append(&chain);
        step == 9
    });
    let invalid = heard.notices.iter();
    let invalid = invalid.filter(|notice| matches!(notice, Notice::Invalid { .. }));
    assert_eq!(invalid.count(), 1, "{:?}", heard.notices);
    assert_eq!(heard.added.len(), 2);
    assert_eq!(end(followed).1, chain.tip());
    trial.check(&chain);
}

#[test]
fn a_node_in_its_first_sync_is_followed_in_bulk() {
    let chain = Chain::of_coinbases(3300);
    let made = chain.made();
    let mut trial = Trial::with(&chain, &made[..50], Default::default());
    trial.datadir.layout.file_bytes_max = 100_000;
    let options = trial.options.clone();
    let (followed, heard) = follow_in_steps(&options, |step, _| {
        let part = match step {
            0 => 50..1500,
            // Some come before their parents.
            1 => 1600..1700,
            2 => 1500..1600,
            4 => 1700..1705,
            5 => 1705..3301,
            _ => 0..0,
        };
        trial.datadir.append(&chain, &made[part]);
        step == 7
    });
    let heights: Vec<u32> = heard.blocks().iter().map(|(height, _)| *height).collect();
    assert_eq!(heights, (50..3301).collect::<Vec<u32>>());
    assert_eq!(heard.notices, []);
    assert_eq!(end(followed).1, chain.tip());
    trial.check(&chain);
}
