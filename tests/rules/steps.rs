//! One block at a time for a long while: nothing grows without bound.

use crate::common::chain::Chain;
use crate::common::random::Options;
use crate::common::trial::Trial;

/// Young runs stay as they are until they settle: at most two of a relation a block, for the 100
/// blocks that may still be replaced. The settled ones merge.
const RUNS_MAX: usize = 2 * 102 + 20;

#[test]
fn three_hundred_imports_of_a_block_each_stay_bounded() {
    let options = Options {
        blocks: 200,
        txs_max: 3,
        fork_every: 0,
        ..Options::default()
    };
    let chain = Chain::random(5, options);
    let best = chain.best();
    let mut trial = Trial::with(
        &chain,
        &best[..1],
        crate::common::datadir::Layout::default(),
    );
    let mut sizes = Vec::new();
    for hash in &best[1..] {
        trial.datadir.append(&chain, &[*hash]);
        let outcome = trial.import();
        if chain.height(*hash) > 1 {
            assert!(outcome.chains[0].is_catch_up);
            assert_eq!(outcome.chains[0].scanned.records, 1, "only the new is read");
        }
        sizes.push(outcome.quietly().index_bytes);
        if chain.height(*hash).is_multiple_of(50) {
            let runs = trial.runs();
            assert!(runs.iter().all(|&runs| runs <= RUNS_MAX), "{runs:?}");
        }
    }
    trial.check(&chain);
    let (middle, end) = (sizes[180], sizes[299]);
    assert!(end < middle * 3 / 2, "{middle} bytes, later {end}");
}
