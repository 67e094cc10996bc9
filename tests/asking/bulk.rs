//! Many questions at once are answered as each of them alone; many scripts as one are the sum of them.

use crate::common::chain::Chain;
use crate::common::parts::owner;
use crate::common::random::Options;
use crate::common::rng::Rng;
use crate::common::trial::Trial;
use crate::common::truth::Truth;
use crate::lists::{MANY, many};
use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, ScriptBuf, Txid};
use blkdex::Result;
use blkdex::memory::QUESTION_BYTES_MIN;
use blkdex::primitives::Height;
use blkdex::query::lists::{Listed, ScriptSet};
use blkdex::query::{Balance, Listing, Start, View};
use std::collections::BTreeMap;

/// The scripts of a chain, some of them repeated, and some that were never used, in any order.
fn asked(rng: &mut Rng, truth: &Truth) -> Vec<ScriptBuf> {
    let mut scripts: Vec<ScriptBuf> = truth.scripts().into_iter().cloned().collect();
    for number in 0..scripts.len() / 3 {
        scripts.push(scripts[rng.below(number as u64 + 1) as usize].clone());
        scripts.push(owner(1_000_000 + number as u64));
    }
    for last in (1..scripts.len()).rev() {
        scripts.swap(last, rng.below(last as u64 + 1) as usize);
    }
    scripts
}

fn random_listing(rng: &mut Rng, height: u32) -> Listing {
    let mut at = || Height(rng.below(u64::from(height) + 3) as u32);
    let (from, until) = (at(), at());
    Listing {
        check: false,
        from: match rng.below(2) {
            0 => Start::default(),
            _ => Start {
                height: from,
                skip: rng.below(3),
            },
        },
        until: (rng.below(3) == 0).then_some(until),
        limit: (rng.below(3) == 0).then(|| rng.below(4)),
    }
}

/// All scripts, looked up in as many parts as it takes. Tells how many these were.
fn check_listed(view: &mut View<'_>, scripts: &[ScriptBuf], listing: &Listing) -> usize {
    let mut parts = 0;
    for listed in [Listed::Unspent, Listed::Events] {
        let mut rest = scripts;
        while !rest.is_empty() {
            let looked_up = view.look_up(rest, listing, listed).unwrap();
            assert!(!looked_up.is_empty());
            let (own, behind) = rest.split_at(looked_up.len());
            for (at, script) in own.iter().enumerate() {
                match listed {
                    Listed::Unspent => {
                        let mut together = view.unspent_of(&looked_up, at).unwrap();
                        let rows: Vec<_> = together.by_ref().collect::<Result<_>>().unwrap();
                        let answer = together.answer().clone();
                        let mut alone = view.unspent(script, listing).unwrap();
                        assert_eq!(rows, alone.by_ref().collect::<Result<Vec<_>>>().unwrap());
                        assert_eq!(&answer, alone.answer(), "{listing:?}");
                    }
                    Listed::Events => {
                        let mut together = view.events_of(&looked_up, at).unwrap();
                        let rows: Vec<_> = together.by_ref().collect::<Result<_>>().unwrap();
                        let answer = together.answer().clone();
                        let mut alone = view.events(script, listing).unwrap();
                        assert_eq!(rows, alone.by_ref().collect::<Result<Vec<_>>>().unwrap());
                        assert_eq!(&answer, alone.answer(), "{listing:?}");
                    }
                }
            }
            rest = behind;
            parts += 1;
        }
    }
    parts
}

/// `checked` may be said of fewer in a list: it is compared apart.
fn check_balances(view: &mut View<'_>, scripts: &[ScriptBuf], check: bool) -> u64 {
    let together: Vec<Balance> = view.balances(scripts, check).unwrap().collect();
    assert_eq!(together.len(), scripts.len());
    let mut outputs = BTreeMap::new();
    for (script, mut together) in scripts.iter().zip(together) {
        let alone = view.balance(script, check).unwrap();
        assert!(alone.checked || !together.checked);
        assert!(together.checked || together.outputs > 0 && !check);
        outputs.insert(script, together.outputs);
        together.checked = alone.checked;
        assert_eq!(together, alone);
    }
    outputs.into_values().sum()
}

fn check_outpoints(view: &mut View<'_>, rng: &mut Rng, truth: &Truth) {
    let mut outpoints = Vec::new();
    for output in &truth.outputs {
        outpoints.push(output.outpoint);
        if rng.below(5) == 0 {
            outpoints.push(output.outpoint);
            outpoints.push(OutPoint {
                vout: 1_000 + rng.below(3) as u32,
                ..output.outpoint
            });
        }
    }
    let unknown = Txid::from_byte_array([7; 32]);
    outpoints.push(OutPoint::new(unknown, 0));
    for last in (1..outpoints.len()).rev() {
        outpoints.swap(last, rng.below(last as u64 + 1) as usize);
    }
    let together = view.outpoints(&outpoints).unwrap();
    assert_eq!(together.len(), outpoints.len());
    for (outpoint, together) in outpoints.iter().zip(together) {
        match (together, view.outpoint(*outpoint)) {
            (Ok(together), Ok(alone)) => assert_eq!(together, alone),
            (Err(together), Err(alone)) => assert_eq!(together.to_string(), alone.to_string()),
            (together, alone) => panic!("{together:?}, but alone {alone:?}"),
        }
    }
}

/// A set of some of the scripts, against a replay.
fn check_set(view: &mut View<'_>, scripts: &[ScriptBuf], truth: &Truth, height: u32) {
    let mut set = ScriptSet::new();
    scripts
        .chunks(7)
        .for_each(|some| view.add_to(&mut set, some).unwrap());
    let mut distinct = scripts.to_vec();
    distinct.sort();
    distinct.dedup();
    let found = view.set_balance(&set, false).unwrap();
    let balances = distinct.iter().map(|script| truth.balance(script, height));
    let (mut sums, mut counts, mut used) = ([0; 3], [0; 3], 0);
    for one in balances {
        let of_one = [one.received_sat, one.sent_sat, one.balance_sat];
        (0..3).for_each(|at| sums[at] += u128::from(of_one[at]));
        let of_one = [one.outputs, one.spends, one.unspent];
        (0..3).for_each(|at| counts[at] += of_one[at]);
        used += u64::from(one.outputs > 0);
    }
    let found_sums = [found.received_sat, found.sent_sat, found.balance_sat];
    assert_eq!(found_sums, sums);
    assert_eq!([found.outputs, found.spends, found.unspent], counts);
    assert_eq!(
        (found.scripts, found.used_scripts),
        (scripts.len() as u64, used)
    );
    let is_own = |script: &ScriptBuf| distinct.binary_search(script).is_ok();
    let coins = truth.coins_at(height).into_iter();
    let coins = coins.map(|number| &truth.outputs[number]);
    let coins: Vec<_> = coins
        .filter(|coin| is_own(&coin.script))
        .map(|coin| (coin.script.clone(), coin.amount_sat, coin.height))
        .collect();
    let listing = Listing::default();
    let unspent = view.set_unspent(&set, &listing).unwrap();
    assert_eq!(unspent.answer().total_sat, sums[2]);
    let rows = unspent.map(|row| row.unwrap());
    let rows: Vec<_> = rows
        .map(|row| (row.script, row.utxo.amount_sat, row.utxo.height.0))
        .collect();
    assert_eq!(rows, coins);
    let mut changes: BTreeMap<(u32, Txid), [u128; 2]> = BTreeMap::new();
    for script in &distinct {
        for event in truth.history(script, height) {
            let change = changes.entry((event.height, event.txid)).or_default();
            change[usize::from(event.input_index.is_some())] += u128::from(event.amount_sat);
        }
    }
    let txs = view.set_history(&set, &listing).unwrap();
    let txs: Vec<_> = txs.collect::<Result<_>>().unwrap();
    assert_eq!(txs.len(), changes.len());
    for tx in &txs {
        if let Some(txid) = tx.txid {
            let change = changes[&(tx.height.0, txid)];
            assert_eq!([tx.received_sat, tx.sent_sat], change);
        }
    }
    assert_eq!(txs.last().map_or(0, |tx| tx.balance_sat), sums[2]);
}

#[test]
fn lists_are_answered_as_single_questions_on_random_chains() {
    for seed in 0..4 {
        let options = Options {
            blocks: 30,
            owners: 12,
            repeat_every: 6 * (seed % 2),
            ..Options::default()
        };
        let chain = Chain::random(seed, options);
        let truth = Truth::of_best(&chain);
        let mut rng = Rng::new(seed);
        for keeps_txids in [false, true] {
            let mut trial = Trial::new(&chain);
            trial.options.keeps_txids = keeps_txids;
            let trial = trial.imported_every(23);
            let index = trial.open();
            let scripts = asked(&mut rng, &truth);
            for height in [truth.height(), rng.below(truth.height().into()) as u32] {
                let mut view = View::new(&index, Some(Height(height).into()), None).unwrap();
                for check in [false, true] {
                    check_balances(&mut view, &scripts, check);
                }
                let listing = Listing {
                    check: rng.below(2) == 0,
                    ..random_listing(&mut rng, height)
                };
                check_listed(&mut view, &scripts, &listing);
                check_listed(&mut view, &scripts, &Listing::default());
                check_outpoints(&mut view, &mut rng, &truth);
                assert_eq!(view.gone(), None);
                check_set(&mut view, &scripts[..scripts.len() / 2], &truth, height);
            }
            std::fs::remove_dir_all(&trial.datadir.path).unwrap();
            let mut view = View::new(&index, None, None).unwrap();
            check_balances(&mut view, &scripts, false);
            let listing = random_listing(&mut rng, truth.height());
            check_listed(&mut view, &scripts, &listing);
            check_outpoints(&mut view, &mut rng, &truth);
        }
    }
}

#[test]
fn a_small_list_is_compared_with_the_block_files_and_a_large_one_only_if_asked() {
    let chain = Chain::random(1, Options::default());
    let truth = Truth::of_best(&chain);
    let trial = Trial::new(&chain).imported();
    let index = trial.open();
    let mut view = View::new(&index, None, None).unwrap();
    let scripts: Vec<ScriptBuf> = truth.scripts().into_iter().cloned().collect();
    let is_checked = |view: &mut View<'_>, scripts: &[ScriptBuf], check| {
        let balances: Vec<Balance> = view.balances(scripts, check).unwrap().collect();
        let mut used = balances.iter().filter(|balance| balance.outputs > 0);
        let first = used.next().unwrap().checked;
        assert!(used.all(|balance| balance.checked == first));
        first
    };
    let outputs = check_balances(&mut view, &scripts, false);
    let some = &scripts[..5];
    assert!(check_balances(&mut view, some, false) < 1_000);
    assert!(is_checked(&mut view, some, false));
    // As many lists as it takes to be over the bound.
    assert!(outputs > 1_000, "{outputs}");
    assert!(!is_checked(&mut view, &scripts, false));
    assert!(is_checked(&mut view, &scripts, true));
}

/// Scripts of 288 outputs, of which little memory holds a few dozen at once, between some of thousands.
#[test]
fn lists_of_more_rows_than_there_is_memory_for_are_looked_up_part_by_part() {
    let script = |number: usize| match number % 10 {
        0 => owner(600),
        _ => owner((number % 500) as u64),
    };
    let chain = many(script);
    let trial = Trial::new(&chain).imported();
    let index = trial.open();
    let view = View::new(&index, Some(Height(113).into()), None).unwrap();
    let mut view = view.within(QUESTION_BYTES_MIN).unwrap();
    let mut scripts: Vec<ScriptBuf> = (0..80).map(owner).collect();
    scripts.insert(40, owner(600));
    scripts.insert(2, owner(600));
    scripts.push(owner(3));
    let parts = check_listed(&mut view, &scripts, &Listing::default());
    assert!((4..40).contains(&parts), "{parts}");
    let outputs = check_balances(&mut view, &scripts, false);
    assert!(outputs > 30_000 && outputs < MANY as u64, "{outputs}");
}
