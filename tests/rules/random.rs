//! All rules at once: random chains with branches, imported in random steps with random tables.
//! `BLKDEX_SEEDS=1000..2000` tries others than the usual few.

use crate::common::chain::Chain;
use crate::common::datadir::Layout;
use crate::common::random::Options;
use crate::common::rng::Rng;
use crate::common::trial::{Trial, table_of};

fn seeds() -> std::ops::Range<u64> {
    let given = std::env::var("BLKDEX_SEEDS").unwrap_or("0..12".into());
    let (from, to) = given.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

fn random_chain(rng: &mut Rng) -> Chain {
    let options = Options {
        blocks: rng.between(10, 150) as u32,
        txs_max: rng.between(1, 8),
        fork_every: rng.between(0, 10),
        repeat_every: rng.below(3) * 5,
        ..Options::default()
    };
    Chain::random(rng.bits(), options)
}

/// The datadir grows by a few blocks, an import is stopped somewhere, another goes on.
fn grow_and_import(chain: &Chain, seed: u64) {
    let mut rng = Rng::new(seed);
    let layout = Layout {
        file_bytes_max: rng.between(4_000, 200_000) as usize,
        ..Layout::default()
    };
    let mut written = rng.between(1, chain.made().len() as u64) as usize;
    let mut trial = Trial::with(chain, &chain.made()[..written], layout);
    loop {
        trial.options.commit_every = rng.log_uniform(200) as u32;
        trial.options.table_bytes = table_of(rng.log_uniform(3000).max(16) as usize);
        let outcome = trial.import_blocks(rng.log_uniform(300));
        let summary = outcome.result.unwrap();
        if !summary.interrupted {
            let tip = chain.tip_of(&chain.made()[..written]);
            let truth = crate::common::truth::Truth::of(chain, tip).unwrap();
            crate::common::check::check(&trial.options.index, &truth);
            if written == chain.made().len() {
                break;
            }
            let more = rng.log_uniform((chain.made().len() - written) as u64) as usize;
            trial
                .datadir
                .append(chain, &chain.made()[written..written + more]);
            written += more;
        }
    }
}

#[test]
fn interrupted_imports_of_growing_chains_end_as_fresh_ones_do() {
    for seed in seeds() {
        let mut rng = Rng::new(seed);
        let chain = random_chain(&mut rng);
        println!("seed {seed}: {} blocks", chain.made().len());
        grow_and_import(&chain, rng.bits());
    }
}

#[test]
fn an_interrupt_after_every_block_ends_as_a_fresh_import_does() {
    let options = Options {
        blocks: 40,
        txs_max: 5,
        fork_every: 0,
        ..Options::default()
    };
    let chain = Chain::random(6, options);
    let trial = Trial::new(&chain).with_tiny_table(100);
    let mut imports = 0;
    while trial.import_blocks(1).result.unwrap().interrupted {
        imports += 1;
    }
    assert!(imports > 100);
    trial.import_and_check(&chain);
}
