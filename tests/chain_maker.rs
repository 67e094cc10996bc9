//! The makers of test chains, checked with the `bitcoin` crate's own rules.
#![allow(clippy::unwrap_used)]

mod common;

use bitcoin::consensus::encode::deserialize;
use bitcoin::{Block, BlockHash};
use common::chain::{Chain, Plan, SUBSIDY_SAT, Spoil};
use common::coins::MATURITY_BLOCKS;
use common::datadir::{Layout, MAGIC, write_datadir};
use common::parts::{Kind, coinbase, heavy, output_of, owner, script, spend};
use common::random::Options;
use common::truth::{Gone, Output, Truth};

fn is_sound(block: &Block) -> bool {
    let target = block.header.target();
    block.header.validate_pow(target).is_ok()
        && block.check_merkle_root()
        && block.check_witness_commitment()
}

/// The blocks in a file, read as plainly as possible.
fn records(mut bytes: &[u8]) -> Vec<BlockHash> {
    let mut hashes = Vec::new();
    while let Some(rest) = bytes.strip_prefix(&MAGIC) {
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        let block: Block = deserialize(&rest[4..4 + length]).unwrap();
        hashes.push(block.block_hash());
        bytes = &rest[4 + length..];
    }
    hashes
}

#[test]
fn random_chains_are_sound_and_repeatable() {
    let chain = Chain::random(1, Options::default());
    assert_eq!(chain.made(), Chain::random(1, Options::default()).made());
    assert!(chain.made().iter().all(|&hash| is_sound(chain.block(hash))));
    assert!(
        chain.best().len() < chain.made().len(),
        "some blocks are stale"
    );
    let truth = Truth::of_best(&chain);
    let counts = truth.counts[truth.height() as usize];
    assert!(counts.inputs > 100, "{counts:?}");
    assert_eq!(truth.coins_at(truth.height()).len(), truth.coins.len());
    let within_block = |o: &&Output| o.gone.is_some_and(|g| g.height == o.height);
    assert!(truth.outputs.iter().filter(within_block).count() > 5);
}

#[test]
fn spoiled_blocks_are_wrong_in_one_way_and_off_the_best_chain() {
    let mut chain = Chain::of_coins(3);
    let tip = chain.tip();
    let pay = spend(&[chain.nth_coin(3)], &[(owner(9), SUBSIDY_SAT / 3)]);
    for spoil in [Spoil::MerkleRoot, Spoil::Work, Spoil::Commitment] {
        let plan = Plan {
            txs: vec![pay.clone()],
            spoil: Some(spoil),
            ..Plan::default()
        };
        let wrong = chain.mine_with(tip, plan);
        let block = chain.block(wrong);
        let has_work = block.header.validate_pow(block.header.target()).is_ok();
        assert_eq!(has_work, spoil != Spoil::Work);
        assert_eq!(block.check_merkle_root(), spoil != Spoil::MerkleRoot);
        assert_eq!(block.check_witness_commitment(), spoil != Spoil::Commitment);
        chain.mine(wrong, &[]);
        assert_eq!(chain.tip(), tip);
    }
}

#[test]
fn impossible_spends_are_faults() {
    let mut chain = Chain::of_coins(2);
    let tip = chain.tip();
    let once = spend(&[chain.nth_coin(2)], &[(owner(1), 7)]);
    let again = spend(&[chain.nth_coin(2)], &[(owner(2), 8)]);
    let next = spend(&[output_of(&once, 0)], &[(owner(3), 7)]);
    let twice = chain.mine_invalid(tip, &[once.clone(), again.clone()]);
    assert_eq!(
        Truth::of(&chain, twice).err().unwrap().txid,
        again.compute_txid()
    );
    let too_soon = chain.mine_invalid(tip, &[next.clone(), once.clone()]);
    assert_eq!(
        Truth::of(&chain, too_soon).err().unwrap().outpoint,
        output_of(&once, 0)
    );
    chain.grow(&[once, next]);
    assert!(Truth::of(&chain, chain.tip()).is_ok());
    let later = chain.mine_invalid(chain.tip(), &[again]);
    let fault = Truth::of(&chain, later).err().unwrap();
    assert_eq!(fault.height, chain.height(later));
}

#[test]
fn spends_of_young_coinbases_are_faults() {
    let mut chain = Chain::of_coinbases(1);
    let coin = chain.coin(chain.tip());
    let pay = spend(&[coin], &[(owner(1), 7)]);
    chain.mine_empty(chain.tip(), MATURITY_BLOCKS - 2);
    let too_soon = chain.mine_invalid(chain.tip(), std::slice::from_ref(&pay));
    let fault = Truth::of(&chain, too_soon).err().unwrap();
    assert_eq!((fault.height, fault.outpoint), (MATURITY_BLOCKS, coin));
    chain.grow(&[]);
    chain.grow(&[pay]);
    assert_eq!(Truth::of_best(&chain).height(), MATURITY_BLOCKS + 1);
}

#[test]
fn random_chains_spend_coinbases_as_soon_as_may_be() {
    let truth = Truth::of_best(&Chain::random(1, Options::default()));
    let spent = truth.outputs.iter().filter(|output| output.coinbase);
    let ages = spent.filter_map(|o| Some(o.gone?.height - o.height));
    let soonest = ages.filter(|age| *age == MATURITY_BLOCKS).count();
    assert!(soonest > 3, "{soonest}");
}

#[test]
fn coins_made_to_be_spent_are_the_only_ones() {
    let chain = Chain::of_coins(7);
    let truth = Truth::of_best(&chain);
    let coins: Vec<_> = truth.coins_at(truth.height());
    let coins = coins.iter().map(|&number| &truth.outputs[number]);
    let found: Vec<_> = coins.map(|coin| (coin.outpoint, &coin.script)).collect();
    let owners: Vec<_> = (1..=7).map(owner).collect();
    let wanted = (1..)
        .zip(&owners)
        .map(|(n, owner)| (chain.nth_coin(n), owner));
    assert_eq!(found, wanted.collect::<Vec<_>>());
}

#[test]
fn a_repeated_coinbase_overwrites_the_first() {
    let mut chain = Chain::new();
    let same = coinbase(5, &[(owner(1), SUBSIDY_SAT), (script(Kind::TooLong, 0), 0)]);
    for _ in 0..2 {
        chain.grow_with(Plan {
            coinbase: Some(same.clone()),
            ..Plan::default()
        });
    }
    let truth = Truth::of_best(&chain);
    let txid = same.compute_txid();
    assert_eq!(
        truth.outputs[1].gone,
        Some(Gone {
            height: 2,
            txid,
            input_index: None
        })
    );
    assert_eq!(truth.coins[&output_of(&same, 0)], 3);
    let balance = truth.balance(&owner(1), 2);
    assert_eq!(
        (balance.outputs, balance.spends, balance.unspent),
        (2, 0, 1)
    );
    assert_eq!(truth.balance(&owner(1), 1).balance_sat, SUBSIDY_SAT);
}

#[test]
fn random_coinbases_repeat_when_asked() {
    let options = Options {
        repeat_every: 5,
        ..Options::default()
    };
    let truth = Truth::of_best(&Chain::random(4, options));
    let overwritten = |o: &&Output| o.gone.is_some_and(|gone| gone.input_index.is_none());
    assert!(truth.outputs.iter().filter(overwritten).count() > 3);
}

#[test]
fn a_heavy_transaction_makes_a_block_of_any_weight() {
    let mut chain = Chain::of_coins(1);
    let coin = chain.nth_coin(1);
    let fits = chain.mine(chain.tip(), &[heavy(coin, 3_990_000)]);
    assert!(chain.block(fits).weight().to_wu() < 4_000_000);
    let heavier = chain.mine_invalid(chain.tip(), &[heavy(coin, 4_000_000)]);
    assert!(chain.block(heavier).weight().to_wu() > 4_000_000);
}

#[test]
fn files_hold_the_blocks_in_the_order_asked_for() {
    let chain = Chain::random(2, Options::default());
    let order = chain.shuffled(3);
    let folder = tempfile::tempdir().unwrap();
    let key = [1, 2, 3, 4, 5, 6, 7, 8];
    let layout = Layout {
        file_bytes_max: 20_000,
        key: Some(key),
        tail_bytes: 4096,
        ..Layout::default()
    };
    let (early, late) = order.split_at(30);
    let mut datadir = write_datadir(&chain, folder.path(), early, layout);
    datadir.append(&chain, late);
    let mut found = Vec::new();
    for number in 0..datadir.file_count() {
        let mut bytes = std::fs::read(datadir.file(number)).unwrap();
        assert!(bytes.len() <= 20_000 + 4096);
        bytes
            .iter_mut()
            .zip(key.iter().cycle())
            .for_each(|(byte, key)| *byte ^= key);
        found.extend(records(&bytes));
    }
    let last = std::fs::read(datadir.file(datadir.file_count() - 1)).unwrap();
    assert!(
        last.ends_with(&[0; 4096]),
        "the tail is plain zeros on disk"
    );
    assert!(datadir.file_count() > 2);
    assert_eq!(found, order);
}

#[test]
fn damaged_copies_come_first() {
    let mut chain = Chain::of_coinbases(3);
    let tip = chain.tip();
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout {
        key: None,
        damaged_first: vec![tip],
        ..Layout::default()
    };
    let order = chain.best();
    let datadir = write_datadir(&chain, folder.path(), &order, layout);
    let bytes = std::fs::read(datadir.file(0)).unwrap();
    let found = records(&bytes);
    assert_eq!(found[..4], order[..4]);
    assert_eq!(found[4], tip, "the header is not what is damaged");
    assert!(!datadir.blocks.join("xor.dat").exists());
    chain.damage(tip, |bytes| bytes.truncate(100));
    assert_eq!(chain.bytes(tip).len(), 100);
}
