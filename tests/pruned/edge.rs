//! An import that falls behind says how far it is from the edge, while there is time.

use blkdex::import::Notice;

use super::{import, small_files, words};
use crate::common::chain::Chain;
use crate::common::trial::Trial;

fn near(notices: &[Notice]) -> Vec<(u32, u32, u32)> {
    let near = notices.iter().filter_map(|notice| match notice {
        Notice::NearEdge { next, lowest, best } => Some((next.0, lowest.0, best.0)),
        _ => None,
    });
    near.collect()
}

/// The index is at `tip`, the chain at 700, and no file is left that has nothing above `pruned`.
fn trial(chain: &Chain, tip: usize, pruned: u32) -> Trial {
    let best = chain.best();
    let mut trial = Trial::with(chain, &best[..=tip], small_files());
    trial.import().quietly();
    trial.datadir.append(chain, &best[tip + 1..]);
    trial.datadir.prune(chain, &best, pruned);
    trial
}

#[test]
fn both_heights_are_said_once_where_the_next_block_may_be_deleted_soon() {
    let chain = Chain::of_coinbases(700);
    let behind = trial(&chain, 200, 190);
    let tops = behind.datadir.tops(&chain, &chain.best());
    let outcome = behind.import();
    let lowest = *tops.iter().rfind(|top| **top <= 190).unwrap() + 1;
    assert_eq!(near(&outcome.notices), [(201, lowest, 700)]);
    assert_eq!(outcome.notices.len(), 1);
    outcome.result.unwrap();
    let output = import(&trial(&chain, 200, 190));
    let (words, code) = (words(&output), output.status.code());
    let said =
        format!("block 201 is next, of 700, and the node, which prunes, has none below {lowest}");
    assert_eq!((words.lines().count(), code), (1, Some(0)), "{words}");
    assert!(words.contains(&said), "{words}");
}

#[test]
fn nothing_is_said_where_the_node_keeps_the_block_or_deletes_others_first() {
    let chain = Chain::of_coinbases(700);
    // Far above the lowest file; and within the blocks that a node keeps.
    for (tip, pruned) in [(200, 40), (420, 410)] {
        trial(&chain, tip, pruned).import().quietly();
    }
    // No sign of pruning.
    Trial::with(&chain, &chain.best(), small_files())
        .import()
        .quietly();
}

/// Nothing is deleted yet, but it will be soon.
#[test]
fn what_bitcoin_conf_says_of_pruning_is_a_sign_of_it() {
    let chain = Chain::of_coinbases(400);
    for (conf, is_near) in [
        ("prune=550", false),
        ("prune=512", true),
        ("prune=1", false),
    ] {
        let trial = Trial::with(&chain, &chain.best(), small_files());
        std::fs::write(trial.datadir.path.join("bitcoin.conf"), conf).unwrap();
        let outcome = trial.import();
        let expected: &[_] = if is_near { &[(0, 0, 400)] } else { &[] };
        assert_eq!(near(&outcome.notices), expected, "{conf}");
        outcome.result.unwrap();
    }
}
