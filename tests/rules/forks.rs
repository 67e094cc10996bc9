//! Rule 6: the settled line, and rolling back above it.

use bitcoin::hashes::Hash;
use blkdex::import;
use blkdex::import::Notice;
use blkdex::primitives::Height;

use crate::common::chain::Chain;
use crate::common::datadir::Layout;
use crate::common::random::Options;
use crate::common::trial::Trial;

fn chain(seed: u64, blocks: u32) -> Chain {
    let options = Options {
        blocks,
        txs_max: 4,
        fork_every: 0,
        ..Options::default()
    };
    Chain::random(seed, options)
}

/// Replaces the last `depth` blocks by one block more; the new ones are as busy as the old.
fn reorganise(chain: &mut Chain, depth: u32) {
    let best = chain.best();
    let fork = best.len() - 1 - depth as usize;
    let mut parent = best[fork];
    for number in 0..=depth as usize {
        // What the old branch spent of the coins below the fork, the new one spends in its way.
        let old = best.get(fork + 1 + number);
        let coinbase_only = old.is_none_or(|old| chain.block(*old).txdata.len() < 2);
        let txs = match (old, coinbase_only) {
            (Some(old), false) if number % 2 == 0 => chain.block(*old).txdata[1..].to_vec(),
            _ => Vec::new(),
        };
        parent = match crate::common::truth::Truth::of(chain, parent) {
            Ok(mut truth) => {
                let block = chain.mine(parent, &txs);
                match truth.apply(chain.block(block)) {
                    Ok(()) => block,
                    Err(_) => {
                        chain.mark_invalid(block);
                        chain.mine(parent, &[])
                    }
                }
            }
            Err(fault) => panic!("{fault:?}"),
        };
    }
}

fn assert_rolls_back(slots: Option<usize>, is_stepwise: bool, depth: u32) {
    let mut chain = chain(4, 120);
    let tip = chain.height(chain.tip());
    let mut trial = Trial::with(&chain, &chain.best(), Layout::default());
    if let Some(slots) = slots {
        trial = trial.with_tiny_table(slots);
    }
    trial.options.commit_every = if is_stepwise { 9 } else { 10_000 };
    trial.import_and_check(&chain);
    let before = chain.made().len();
    reorganise(&mut chain, depth);
    // Blocks that turned out to be impossible never reach the datadir.
    let best = chain.best();
    let new: Vec<_> = chain.made()[before..]
        .iter()
        .filter(|hash| best.contains(hash))
        .copied()
        .collect();
    trial.datadir.append(&chain, &new);
    let outcome = trial.import();
    let reorganised = Notice::Reorganised {
        from: Height(tip),
        fork: Height(tip - depth),
        best: Height(tip + 1),
    };
    assert_eq!(outcome.notices, [reorganised], "depth {depth}");
    assert!(outcome.chains[0].is_catch_up);
    assert!(
        outcome.blocks <= 101,
        "only what was not settled is read again"
    );
    outcome.result.unwrap();
    trial.check(&chain);
    trial.import_and_check(&chain);
}

#[test]
fn a_reorganisation_gives_what_a_fresh_import_gives() {
    for depth in [1, 2, 50, 99, 100] {
        assert_rolls_back(None, false, depth);
        assert_rolls_back(None, true, depth);
    }
}

#[test]
fn a_reorganisation_with_a_tiny_table_too() {
    for depth in [1, 50, 99] {
        assert_rolls_back(Some(60), false, depth);
        assert_rolls_back(Some(60), true, depth);
    }
}

#[test]
fn a_chain_that_never_settled_is_replaced_from_genesis_on() {
    let mut chain = Chain::of_coinbases(20);
    let mut trial = Trial::new(&chain);
    trial.import_and_check(&chain);
    chain.mine_empty(chain.best()[0], 21);
    trial.append(&chain);
    let outcome = trial.import();
    assert!(matches!(
        outcome.notices[..],
        [Notice::Reorganised {
            fork: Height(0),
            ..
        }]
    ));
    outcome.result.unwrap();
    trial.check(&chain);
}

#[test]
fn one_reorganisation_after_the_other() {
    let mut chain = Chain::of_coinbases(130);
    let mut trial = Trial::new(&chain);
    trial.import_and_check(&chain);
    for depth in [3, 1, 40, 2, 90, 5, 60] {
        let best = chain.best();
        let fork = best[best.len() - 1 - depth];
        chain.mine_empty(fork, depth as u32 + 2);
        trial.append(&chain);
        let outcome = trial.import();
        assert_eq!(outcome.notices.len(), 1, "{:?}", outcome.notices);
        outcome.result.unwrap();
        trial.check(&chain);
    }
}

/// A branch that was there all the time, and wins only later.
#[test]
fn a_stale_branch_that_grows_wins() {
    let mut chain = Chain::of_coinbases(130);
    let main = chain.tip();
    let branch = chain.mine_empty(chain.best()[125], 3);
    let mut trial = Trial::new(&chain);
    trial.import_and_check(&chain);
    assert_eq!(chain.tip(), main);
    chain.mine_empty(branch, 5);
    trial.append(&chain);
    let outcome = trial.import();
    assert!(outcome.chains[0].is_catch_up);
    assert_eq!(outcome.notices.len(), 1);
    outcome.result.unwrap();
    trial.check(&chain);
}

#[test]
fn of_equal_branches_the_first_seen_stays() {
    let mut chain = Chain::of_coinbases(30);
    let mut trial = Trial::new(&chain);
    trial.import_and_check(&chain);
    chain.mine_empty(chain.best()[29], 1);
    trial.append(&chain);
    trial.import_and_check(&chain);
    chain.mine_empty(chain.tip(), 1);
    trial.append(&chain);
    trial.import_and_check(&chain);
}

#[test]
fn deeper_than_the_settled_line_is_refused() {
    for depth in [101, 110, 150] {
        let mut chain = Chain::of_coinbases(160);
        let best = chain.best();
        let old = Trial::new(&chain);
        old.import_and_check(&chain);
        let mut trial = old;
        let old_chain = Chain::of_coinbases(160);
        chain.mine_empty(best[160 - depth], depth as u32 + 1);
        trial.append(&chain);
        for _ in 0..2 {
            let error = trial.import().result.unwrap_err();
            let Some(import::Fault::ForkTooDeep { tip, settled, .. }) = error.fault() else {
                panic!("{error}, depth {depth}");
            };
            assert_eq!((*tip, *settled), (Height(160), Height(60)));
            assert!(error.to_string().contains("blkdex rebuild"));
            trial.check(&old_chain);
        }
    }
}

#[test]
fn a_datadir_that_is_behind_changes_nothing() {
    for (blocks, behind) in [
        (20, 1),
        (20, 19),
        (160, 30),
        (160, 100),
        (160, 101),
        (160, 140),
    ] {
        let chain = Chain::of_coinbases(blocks);
        let mut trial = Trial::new(&chain);
        trial.import_and_check(&chain);
        let whole = trial.options.source.clone();
        let rest = &chain.best()[..=(blocks - behind) as usize];
        let older = Trial::with(&chain, rest, Layout::default());
        for _ in 0..2 {
            trial.options.source = older.options.source.clone();
            let outcome = trial.import();
            let notice = Notice::Behind {
                best: Height((blocks - behind) as u32),
                tip: Height(blocks as u32),
            };
            assert_eq!(outcome.notices, [notice], "{behind} behind");
            assert_eq!(outcome.result.unwrap().imported.blocks, 0);
            trial.check(&chain);
        }
        trial.options.source = whole;
        trial.import_and_check(&chain);
    }
}

#[test]
fn a_datadir_that_is_behind_and_then_goes_on_is_followed() {
    let chain = Chain::of_coinbases(160);
    let mut trial = Trial::new(&chain);
    trial.import_and_check(&chain);
    let mut longer = Chain::of_coinbases(160);
    longer.mine_empty(longer.tip(), 20);
    let best = longer.best();
    let mut other = Trial::with(&longer, &best[..100], Layout::default());
    trial.options.source = other.options.source.clone();
    trial.import().result.unwrap();
    other.datadir.append(&longer, &best[100..]);
    trial.import().result.unwrap();
    trial.check(&longer);
}

/// A block that a person names is left out though the index has it: within what may be rolled back.
#[test]
fn a_block_of_the_index_that_is_named_invalid_is_rolled_back() {
    let mut chain = Chain::of_coinbases(150);
    let best = chain.best();
    let mut trial = Trial::new(&chain);
    trial.options.commit_every = 10;
    trial.import_and_check(&chain);
    trial.options.invalid = vec![best[146].to_byte_array()];
    let outcome = trial.import();
    let [
        Notice::LeftOut { .. },
        Notice::Reorganised {
            from,
            fork,
            best: end,
        },
    ] = &outcome.notices[..]
    else {
        panic!("{:?}", outcome.notices);
    };
    assert_eq!((from.0, fork.0, end.0), (150, 145, 145));
    outcome.result.unwrap();
    chain.mark_invalid(best[146]);
    trial.check(&chain);
    // It stays so, and what comes later on another branch is followed.
    trial.options.invalid.clear();
    chain.mine_empty(best[145], 3);
    trial.append(&chain);
    trial.import().leaving_out(&[best[146]]);
    trial.check(&chain);
}

/// Below the settled line it is refused, and not remembered: the next import is as it was.
#[test]
fn a_settled_block_that_is_named_invalid_is_refused_and_forgotten() {
    let mut chain = Chain::of_coinbases(150);
    let best = chain.best();
    let mut trial = Trial::new(&chain);
    trial.import_and_check(&chain);
    trial.options.invalid = vec![best[20].to_byte_array()];
    let error = trial.import().result.unwrap_err();
    assert!(
        matches!(error.fault(), Some(import::Fault::ForkTooDeep { .. })),
        "{error}"
    );
    trial.options.invalid = vec![best[0].to_byte_array()];
    let error = trial.import().result.unwrap_err();
    assert!(
        matches!(error.fault(), Some(import::Fault::GenesisLeftOut { .. })),
        "{error}"
    );
    trial.options.invalid.clear();
    chain.mine_empty(chain.tip(), 30);
    trial.append(&chain);
    trial.import_and_check(&chain);
}
