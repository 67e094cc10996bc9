//! What is mended is seen: whatever happens to the block files between imports, an index that is kept
//! comes to what a new one over the same files comes to, and both to what Bitcoin Core says.
//!
//! Invariant: the judges are a new index, the list of what the files hold, and Bitcoin Core's own
//! engine; never the kept index.
//!
//! `BLKDEX_CHAINS=500 cargo test --test property` runs so many random chains a test,
//! `BLKDEX_SEED=17 BLKDEX_CHAINS=1` the one of that seed. A failure is shrunk before it is printed.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod core;
mod disk;
mod found;
mod judge;
mod rot;
mod run;
mod scenario;
mod tree;

use std::collections::BTreeMap;

use common::trial::folder;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use run::{Run, Seen};
use scenario::Scenario;

/// Chains of each test in the ordinary suite.
const CHAINS: u64 = 60;

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().unwrap())
}

/// Plays a scenario; a panic is a failure as any other.
fn play(
    scenario: &Scenario,
    play: &dyn Fn(&mut Run) -> Result<(), String>,
) -> (Seen, Result<(), String>) {
    let folder = folder();
    let mut run = Run::new(scenario, folder.path());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(&mut run)));
    let result = caught.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        Err(format!("panic: {}", words.unwrap_or_default()))
    });
    let log = run.log.join("\n  ");
    (
        run.seen,
        result.map_err(|words| format!("{words}\n  {log}")),
    )
}

/// Plays the scenario of every seed, and shrinks those that fail.
fn play_all<S: Strategy<Value = Scenario>>(
    scenarios: &S,
    how: &dyn Fn(&mut Run) -> Result<(), String>,
) -> Seen {
    let first = number("BLKDEX_SEED", 1);
    let mut failures = BTreeMap::new();
    let mut all = Seen::default();
    for seed in first..first + number("BLKDEX_CHAINS", CHAINS) {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = Config {
            cases: 1,
            failure_persistence: None,
            max_shrink_iters: 2000,
            max_shrink_time: number("BLKDEX_SHRINK_MS", 4000) as u32,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let seen = std::cell::Cell::new(None);
        let result = runner.run(scenarios, |scenario| {
            let (found, result) = play(&scenario, how);
            seen.set(seen.get().or(Some(found)));
            result.map_err(TestCaseError::fail)
        });
        all += seen.get().unwrap_or_default();
        if let Err(TestError::Fail(words, scenario)) = result {
            println!("seed {seed}: {words}\n{scenario:?}\n");
            failures.insert(
                seed,
                words
                    .to_string()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
    }
    println!("{all:?}");
    assert!(
        failures.is_empty(),
        "{} seeds failed: {failures:#?}",
        failures.len()
    );
    all
}

#[test]
fn a_kept_index_comes_to_what_a_new_one_comes_to() {
    let seen = play_all(&scenario::scenarios(), &|run| run.run());
    let counts = [
        seen.refused,
        seen.too_deep,
        seen.being_written,
        seen.reorganised,
        seen.behind,
        seen.pruned,
    ];
    if seen.steps >= 200 {
        assert!(counts.iter().all(|&count| count > 0), "{seen:?}");
    }
}

#[test]
#[cfg_attr(without_bitcoinkernel, ignore = "needs py-bitcoinkernel")]
fn a_tip_is_the_one_that_bitcoin_core_names() {
    let core = core::Core::start();
    let seen = play_all(&scenario::sound_scenarios(), &|run| core.judge(run));
    if seen.steps >= 200 {
        assert!(seen.too_deep > 0 && seen.reorganised > 0, "{seen:?}");
    }
}
