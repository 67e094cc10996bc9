//! Trees of blocks that Bitcoin Core accepts, and some that it refuses, as a few numbers tell.
//!
//! Invariant: a block that is not `bad` is valid by Core's rules on regtest: work, BIP 34, subsidy,
//! maturity, amounts, scripts, witness commitment. A bad one is well formed, and breaks one rule of
//! spending, or follows one that does. Both depend on the numbers alone.

use std::collections::{HashMap, HashSet};

use bitcoin::hashes::{Hash, sha256};
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Transaction, Txid, Witness};

use crate::common::chain::{Chain, Plan};
use crate::common::parts::{Kind, output_of, script, spend};
use crate::common::rng::Rng;

/// Bitcoin Core, `consensus/consensus.h`.
const COINBASE_MATURITY: u32 = 100;
/// Regtest's (Bitcoin Core, `kernel/chainparams.cpp`: `nSubsidyHalvingInterval`).
const HALVING_BLOCKS: u32 = 150;

/// How a tree grows.
#[derive(Clone, Debug)]
pub enum Grow {
    /// So many blocks on the best chain.
    Extend(u32),
    /// A branch that leaves the best chain so many blocks below its tip.
    Fork { depth: u32, blocks: u32 },
    /// So many blocks on the block made last, be it behind, or bad.
    Last(u32),
    /// A block that breaks a rule, so many blocks below the best tip, with more above it.
    Bad {
        fault: Fault,
        depth: u32,
        above: u32,
    },
}

/// Rules of spending that a block may break.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It spends an output of a transaction that there is not.
    Missing,
    /// It spends a coin twice.
    Twice,
    /// It spends an output of a coinbase with fewer than 100 confirmations.
    Young,
}

#[derive(Clone, Copy)]
struct Coin {
    outpoint: OutPoint,
    sat: u64,
    /// Height of its coinbase; 0: of no coinbase.
    coinbase: u32,
    has_witness: bool,
}

/// See the module documentation.
pub struct Tree {
    pub chain: Chain,
    /// Blocks that are invalid, and all that follow them.
    pub bad: HashSet<BlockHash>,
    /// The highest valid block; of several the one made first.
    pub tip: BlockHash,
    coins: HashMap<BlockHash, Vec<Coin>>,
    rng: Rng,
}

impl Tree {
    /// The tree that grows like this.
    pub fn new(seed: u64, grows: &[Grow]) -> Tree {
        let chain = Chain::new();
        let tip = chain.tip();
        let mut tree = Tree {
            chain,
            bad: HashSet::new(),
            tip,
            coins: HashMap::from([(tip, Vec::new())]),
            rng: Rng::new(seed),
        };
        for grow in grows {
            tree.grow(grow);
        }
        tree.coins.clear();
        tree
    }

    fn grow(&mut self, grow: &Grow) {
        match *grow {
            Grow::Extend(blocks) => self.mine_on(self.tip, blocks),
            Grow::Fork { depth, blocks } => self.mine_on(self.below_tip(depth), blocks),
            Grow::Last(blocks) => {
                let last = *self.chain.made().last().expect("genesis is there");
                self.mine_on(last, blocks);
            }
            Grow::Bad {
                fault,
                depth,
                above,
            } => {
                let bad = self.mine(self.below_tip(depth), Some(fault));
                self.mine_on(bad, above);
            }
        }
    }

    fn below_tip(&self, depth: u32) -> BlockHash {
        let mut hash = self.tip;
        for _ in 0..depth.min(self.chain.height(hash)) {
            hash = self.chain.block(hash).header.prev_blockhash;
        }
        hash
    }

    fn mine_on(&mut self, parent: BlockHash, blocks: u32) {
        (0..blocks).fold(parent, |parent, _| self.mine(parent, None));
    }

    fn mine(&mut self, parent: BlockHash, fault: Option<Fault>) -> BlockHash {
        let height = self.chain.height(parent) + 1;
        let mut coins = self.coins[&parent].clone();
        let mut txs = Vec::new();
        for _ in 0..self.rng.below(3) {
            txs.extend(self.pay(&mut coins, height));
        }
        if let Some(fault) = fault {
            self.offend(fault, &coins, height, &mut txs);
        }
        let pay = (script(Kind::Odd, self.rng.below(20)), subsidy_sat(height));
        let hash = self.chain.mine_with(
            parent,
            Plan {
                txs,
                pay: Some(vec![pay]),
                ..Plan::default()
            },
        );
        coins.push(Coin {
            outpoint: self.chain.coin(hash),
            sat: subsidy_sat(height),
            coinbase: height,
            has_witness: false,
        });
        self.coins.insert(hash, coins);
        if fault.is_some() || self.bad.contains(&parent) {
            self.bad.insert(hash);
        } else if height > self.chain.height(self.tip) {
            self.tip = hash;
        }
        hash
    }

    /// A transaction that spends a coin that may be spent, if there is one.
    fn pay(&mut self, coins: &mut Vec<Coin>, height: u32) -> Option<Transaction> {
        let is_ripe = |coin: &Coin| {
            coin.coinbase == 0 || height.saturating_sub(coin.coinbase) >= COINBASE_MATURITY
        };
        let ripe: Vec<usize> = (0..coins.len()).filter(|&at| is_ripe(&coins[at])).collect();
        if ripe.is_empty() {
            return None;
        }
        let coin = coins.swap_remove(*self.rng.pick(&ripe));
        let half = coin.sat / 2;
        let pay = [
            (script(Kind::Odd, self.rng.below(20)), half),
            (anyone_with_witness(), coin.sat - half),
        ];
        let tx = spend_coin(coin, &pay);
        coins.extend([0, 1].map(|vout| Coin {
            outpoint: output_of(&tx, vout),
            sat: pay[vout as usize].1,
            coinbase: 0,
            has_witness: vout == 1,
        }));
        Some(tx)
    }

    fn offend(&mut self, fault: Fault, coins: &[Coin], height: u32, txs: &mut Vec<Transaction>) {
        let nobodys = Coin {
            outpoint: OutPoint {
                txid: Txid::from_byte_array(self.rng.array()),
                vout: 0,
            },
            sat: 1,
            coinbase: 0,
            has_witness: false,
        };
        let is_young =
            |coin: &&Coin| coin.coinbase > 0 && height - coin.coinbase < COINBASE_MATURITY;
        let (coin, times) = match fault {
            Fault::Missing => (Some(&nobodys), 1),
            Fault::Twice => (coins.iter().find(|coin| !is_young(coin)), 2),
            Fault::Young => (coins.iter().rfind(is_young), 1),
        };
        let coin = *coin.unwrap_or(&nobodys);
        for number in 0..times {
            txs.push(spend_coin(coin, &[(script(Kind::Odd, number), coin.sat)]));
        }
    }

    /// Blocks from genesis to this one.
    pub fn path(&self, hash: BlockHash) -> Vec<BlockHash> {
        self.chain.path(hash)
    }

    /// Height of the last block that lies on the paths to both.
    pub fn last_common(&self, a: BlockHash, b: BlockHash) -> u32 {
        let (a, b) = (self.path(a), self.path(b));
        a.iter().zip(&b).take_while(|(a, b)| a == b).count() as u32 - 1
    }
}

fn subsidy_sat(height: u32) -> u64 {
    50_0000_0000 >> (height / HALVING_BLOCKS)
}

/// What [`anyone_with_witness`] hashes: OP_TRUE.
const TRUE: [u8; 1] = [0x51];

/// P2WSH of OP_TRUE.
fn anyone_with_witness() -> ScriptBuf {
    let hash = sha256::Hash::hash(&TRUE).to_byte_array();
    ScriptBuf::from_bytes([&[0, 32], &hash[..]].concat())
}

fn spend_coin(coin: Coin, pay: &[(ScriptBuf, u64)]) -> Transaction {
    let mut tx = spend(&[coin.outpoint], pay);
    tx.input[0].witness = match coin.has_witness {
        true => Witness::from_slice(&[TRUE]),
        false => Witness::new(),
    };
    tx
}
