//! Every answer, at several heights, is that of a plain replay of the same blocks.
#![allow(clippy::unwrap_used)]

mod common;

use common::answers::check;
use common::chain::Chain;
use common::datadir::Layout;
use common::fixtures::{data, fixture};
use common::random::{OPENING_BLOCKS, Options};
use common::trial::Trial;
use common::truth::{Output, Truth};

#[test]
fn a_nodes_regtest_is_answered_like_a_replay() {
    let trial = Trial::of(&data()).imported();
    check(trial.index(), &trial.truth(), &[0, 1, 112, 200, 267]).unwrap();
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn mainnet_and_signet_are_answered_like_a_replay() {
    for (name, heights) in [("mainnet-4312", [170, 4312]), ("signet-120", [100, 120])] {
        let trial = Trial::of(&fixture(name)).imported_every(1000);
        check(trial.index(), &trial.truth(), &heights).unwrap();
    }
}

#[test]
fn chains_with_repeated_coinbases_are_answered_like_a_replay() {
    for seed in 0..3 {
        let options = Options {
            repeat_every: 4,
            ..Options::default()
        };
        let chain = Chain::random(seed, options);
        let order = chain.shuffled(seed);
        let trial = Trial::with(&chain, &order, Layout::default()).imported_every(7);
        let truth = Truth::of_best(&chain);
        let overwritten = |o: &&Output| o.gone.is_some_and(|gone| gone.input_index.is_none());
        assert!(truth.outputs.iter().any(|output| overwritten(&output)));
        let early = (0..OPENING_BLOCKS).step_by(60);
        let heights: Vec<u32> = early
            .chain((OPENING_BLOCKS..truth.height()).step_by(12))
            .chain([truth.height()])
            .collect();
        check(trial.index(), &truth, &heights).unwrap();
    }
}
