//! Random chains: spends of coins of every age, also of the same block, and of coinbases as soon as may
//! be; all kinds of scripts; branches that stay behind and branches that win.
//!
//! They begin with the blocks until the first coinbase can be spent; what is random comes then.
//!
//! Invariant: every block is possible, and the chain depends on seed and options alone.

use std::collections::HashSet;

use bitcoin::{BlockHash, OutPoint, ScriptBuf, Transaction};

use super::chain::{Chain, Plan, SUBSIDY_SAT};
use super::coins::MATURITY_BLOCKS;
use super::parts::{Kind, coinbase, script, spend, spend_legacy};
use super::rng::Rng;
use super::truth::Truth;

/// Blocks that a random chain begins with: nothing can be spent yet.
pub const OPENING_BLOCKS: u32 = MATURITY_BLOCKS;
/// Coins of the first coinbase, for all to begin with.
const FIRST_COINS: u64 = 60;

/// What a random chain is made of.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Blocks after the opening, on all branches together.
    pub blocks: u32,
    /// At most so many transactions a block, coinbase aside.
    pub txs_max: u64,
    /// At most so many inputs a transaction.
    pub inputs_max: u64,
    /// At most so many outputs a transaction.
    pub outputs_max: u64,
    /// Different owners; each has one script of each kind.
    pub owners: u64,
    /// One block in so many starts a branch up to four blocks back; 0: none does.
    pub fork_every: u64,
    /// One coinbase in so many repeats the one before it on its branch (BIP 30); 0: none does.
    pub repeat_every: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            blocks: 60,
            txs_max: 12,
            inputs_max: 4,
            outputs_max: 5,
            owners: 40,
            fork_every: 8,
            repeat_every: 0,
        }
    }
}

impl Chain {
    /// A random chain; the same for the same arguments.
    pub fn random(seed: u64, options: Options) -> Chain {
        let mut maker = Maker {
            rng: Rng::new(seed),
            options,
        };
        let mut chain = Chain::new();
        let mut truth = Truth::of_best(&chain);
        for number in 0..OPENING_BLOCKS + options.blocks {
            let parent = match number < OPENING_BLOCKS {
                true => chain.tip(),
                false => maker.parent(&chain),
            };
            follow(&mut truth, &chain, parent);
            let plan = maker.plan(&chain, parent, &truth);
            chain.mine_with(parent, plan);
        }
        chain
    }
}

/// Makes it the truth about the chain that ends in `tip`: with one block more, if that is all.
fn follow(truth: &mut Truth, chain: &Chain, tip: BlockHash) {
    let known = truth.hashes.last().copied();
    let possible = "only possible blocks were made";
    if known == Some(chain.block(tip).header.prev_blockhash) {
        truth.apply(chain.block(tip)).expect(possible);
    } else if known != Some(tip) {
        *truth = Truth::of(chain, tip).expect(possible);
    }
}

struct Maker {
    rng: Rng,
    options: Options,
}

impl Maker {
    fn one_in(&mut self, count: u64) -> bool {
        count > 0 && self.rng.below(count) == 0
    }

    /// The block to build on: the tip, an old block, or the last one made, be it behind or not.
    fn parent(&mut self, chain: &Chain) -> BlockHash {
        let newest = *chain.made().last().expect("genesis is there");
        if self.one_in(self.options.fork_every) {
            let best = chain.best();
            let back = self.rng.between(1, 4) as usize;
            best[best.len().saturating_sub(back + 1)]
        } else if self.rng.below(2) == 0 {
            newest
        } else {
            chain.tip()
        }
    }

    fn plan(&mut self, chain: &Chain, parent: BlockHash, truth: &Truth) -> Plan {
        let mut fresh = Vec::new();
        let mut used = HashSet::new();
        let txs: Vec<_> = (0..self.rng.between(0, self.options.txs_max))
            .filter_map(|_| self.tx(truth, &mut fresh, &mut used))
            .collect();
        let pay = self.coinbase_outputs(chain.height(parent) == 0);
        let repeats = self.one_in(self.options.repeat_every) && chain.height(parent) > 0;
        // Without witnesses the block needs no commitment, so the coinbase may be given whole.
        let coinbase = if repeats {
            Some(chain.block(parent).txdata[0].clone())
        } else if self.options.repeat_every > 0 {
            Some(coinbase(self.rng.bits(), &pay))
        } else {
            None
        };
        Plan {
            txs,
            coinbase,
            pay: Some(pay),
            spoil: None,
        }
    }

    fn coinbase_outputs(&mut self, is_first: bool) -> Vec<(ScriptBuf, u64)> {
        match is_first {
            true => (0..FIRST_COINS)
                .map(|_| (self.script(), SUBSIDY_SAT / FIRST_COINS))
                .collect(),
            false => vec![(self.script(), SUBSIDY_SAT - 1), (self.script(), 1)],
        }
    }

    /// A transaction over coins of `truth` or of this block, or none if there is no coin left.
    fn tx(
        &mut self,
        truth: &Truth,
        fresh: &mut Vec<(OutPoint, u64)>,
        used: &mut HashSet<OutPoint>,
    ) -> Option<Transaction> {
        let mut coins = Vec::new();
        let mut left_sat = 0;
        for _ in 0..self.rng.between(1, self.options.inputs_max) {
            let from_block = !fresh.is_empty() && self.rng.below(5) == 0;
            let found = if from_block {
                Some(fresh.swap_remove(self.rng.below(fresh.len() as u64) as usize))
            } else {
                self.old_coin(truth, used)
            };
            let Some((coin, amount_sat)) = found else {
                continue;
            };
            used.insert(coin);
            coins.push(coin);
            left_sat += amount_sat;
        }
        if coins.is_empty() {
            return None;
        }
        let mut pay = Vec::new();
        for _ in 0..self.rng.between(1, self.options.outputs_max) {
            let amount_sat = self.rng.between(0, left_sat);
            left_sat -= amount_sat;
            pay.push((self.script(), amount_sat));
        }
        let legacy = self.options.repeat_every > 0 || self.rng.below(3) == 0;
        let tx = if legacy {
            spend_legacy(&coins, &pay)
        } else {
            spend(&coins, &pay)
        };
        let txid = tx.compute_txid();
        let made = pay
            .iter()
            .zip(0..)
            .filter(|((script, _), _)| !script.is_op_return());
        fresh.extend(made.map(|((_, sat), vout)| (OutPoint { txid, vout }, *sat)));
        Some(tx)
    }

    /// A coin that this block may spend and does not use yet; its age is log-uniform, but now and then it
    /// is of the coinbase that may be spent from this block on.
    fn old_coin(&mut self, truth: &Truth, used: &HashSet<OutPoint>) -> Option<(OutPoint, u64)> {
        let count = truth.outputs.len();
        let height = truth.height() + 1;
        let start = match self.rng.below(8) {
            0 => truth
                .outputs
                .partition_point(|output| output.height + MATURITY_BLOCKS < height),
            _ => count - self.rng.log_uniform(count as u64) as usize,
        };
        let free = |number: &usize| {
            let output = &truth.outputs[*number];
            let is_coin = output.spendable && output.gone.is_none();
            is_coin && !output.is_young_at(height) && !used.contains(&output.outpoint)
        };
        let number = (start..count).chain((0..start).rev()).find(free)?;
        let output = &truth.outputs[number];
        Some((output.outpoint, output.amount_sat))
    }

    fn script(&mut self) -> ScriptBuf {
        let number = self.rng.below(self.options.owners);
        match self.rng.below(20) {
            0 => script(Kind::OpReturn, number),
            1 => script(Kind::Empty, number),
            _ => script(*self.rng.pick(&Kind::COINS), number),
        }
    }
}
