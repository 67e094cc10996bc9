//! Small regtest chains: any block on any parent, valid or wrong in one chosen way.
//!
//! Invariant: a block that nobody spoiled has valid work, the right merkle root and, where a
//! transaction has a witness, the right commitment. Whether its spends are possible is the
//! caller's business: mark it with [`Chain::mark_invalid`] where they are not.
//!
//! The subsidy is 50 BTC at every height. A coinbase is spent a hundred blocks later at the soonest.
//!
//! ```ignore
//! let mut chain = Chain::of_coins(3);
//! let pay = spend(&[chain.nth_coin(1)], &[(owner(1), 20), (owner(2), 30)]);
//! let second = chain.grow(&[pay.clone()]);
//! let twice = chain.mine_invalid(second, &[spend(&[chain.nth_coin(1)], &[(owner(3), 1)])]);
//! ```

use std::collections::{HashMap, HashSet};

use bitcoin::block::{Header, Version};
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::Hash;
use bitcoin::{
    Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Transaction, TxMerkleNode,
    Witness,
};

use super::parts::{coinbase_at, commitment_output, owner};
use super::rng::Rng;

/// What a block's coinbase pays.
pub const SUBSIDY_SAT: u64 = 50_0000_0000;
/// Regtest's only difficulty: about every other hash will do.
const BITS: u32 = 0x207f_ffff;
const WITNESS_NONCE: [u8; 32] = [0; 32];

/// One way in which a block is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spoil {
    /// Its header names another merkle root.
    MerkleRoot,
    /// Its hash misses the target.
    Work,
    /// Its coinbase commits to another witness root.
    Commitment,
    /// Its coinbase has a witness, and no commitment.
    Uncommitted,
}

/// How a block is made; the default is an ordinary one without transactions.
#[derive(Clone, Default)]
pub struct Plan {
    /// Everything but the coinbase.
    pub txs: Vec<Transaction>,
    /// Taken as it is, without a commitment being added. Otherwise 50 BTC go to `owner(0)`.
    pub coinbase: Option<Transaction>,
    /// What the coinbase pays instead, if it is not given whole.
    pub pay: Option<Vec<(ScriptBuf, u64)>>,
    /// What is wrong; the block is then marked invalid.
    pub spoil: Option<Spoil>,
}

struct Entry {
    block: Block,
    height: u32,
    /// What stands on disk: the block, unless it was damaged.
    bytes: Vec<u8>,
}

/// All blocks made so far, on every branch.
pub struct Chain {
    entries: HashMap<BlockHash, Entry>,
    made: Vec<BlockHash>,
    invalid: HashSet<BlockHash>,
}

impl Default for Chain {
    fn default() -> Chain {
        Chain::new()
    }
}

impl Chain {
    /// Regtest's genesis block.
    pub fn new() -> Chain {
        let mut chain = Chain {
            entries: HashMap::new(),
            made: Vec::new(),
            invalid: HashSet::new(),
        };
        chain.push(bitcoin::constants::genesis_block(Network::Regtest));
        chain
    }

    /// So many blocks of a coinbase each, all paying different owners: 1, 2, 3...
    pub fn of_coinbases(blocks: u64) -> Chain {
        let mut chain = Chain::new();
        for number in 1..=blocks {
            chain.grow_with(Plan {
                pay: Some(vec![(owner(number), SUBSIDY_SAT)]),
                ..Plan::default()
            });
        }
        chain
    }

    /// A block with these transactions on the best chain.
    pub fn grow(&mut self, txs: &[Transaction]) -> BlockHash {
        self.mine(self.tip(), txs)
    }

    /// A block on the best chain.
    pub fn grow_with(&mut self, plan: Plan) -> BlockHash {
        self.mine_with(self.tip(), plan)
    }

    /// A block with these transactions on `parent`.
    pub fn mine(&mut self, parent: BlockHash, txs: &[Transaction]) -> BlockHash {
        self.mine_with(
            parent,
            Plan {
                txs: txs.to_vec(),
                ..Plan::default()
            },
        )
    }

    /// So many blocks without transactions on `parent`; returns the last.
    pub fn mine_empty(&mut self, parent: BlockHash, blocks: u32) -> BlockHash {
        (0..blocks).fold(parent, |parent, _| self.mine(parent, &[]))
    }

    /// As [`Chain::mine`], for transactions that a node would refuse.
    pub fn mine_invalid(&mut self, parent: BlockHash, txs: &[Transaction]) -> BlockHash {
        let hash = self.mine(parent, txs);
        self.mark_invalid(hash);
        hash
    }

    /// A block on `parent`.
    pub fn mine_with(&mut self, parent: BlockHash, plan: Plan) -> BlockHash {
        let block = self.build(parent, &plan);
        let hash = self.push(block);
        if plan.spoil.is_some() {
            self.mark_invalid(hash);
        }
        hash
    }

    /// Puts a finished block, whatever it is, behind its parent.
    pub fn push(&mut self, block: Block) -> BlockHash {
        let hash = block.block_hash();
        let parent = self.entries.get(&block.header.prev_blockhash);
        let height = parent.map_or(0, |parent| parent.height + 1);
        let bytes = serialize(&block);
        self.entries.insert(
            hash,
            Entry {
                block,
                height,
                bytes,
            },
        );
        self.made.push(hash);
        hash
    }

    fn build(&self, parent: BlockHash, plan: &Plan) -> Block {
        let above = &self.entries[&parent];
        let number = self.made.len() as u64;
        let has_witness = plan
            .txs
            .iter()
            .flat_map(|tx| &tx.input)
            .any(|i| !i.witness.is_empty());
        let pay = plan
            .pay
            .clone()
            .unwrap_or_else(|| vec![(owner(0), SUBSIDY_SAT)]);
        let coinbase = plan.coinbase.clone();
        let commits = coinbase.is_none() && (has_witness || plan.spoil == Some(Spoil::Commitment));
        let coinbase = coinbase.unwrap_or_else(|| coinbase_at(above.height + 1, number, &pay));
        let header = Header {
            version: Version::from_consensus(0x2000_0000),
            prev_blockhash: parent,
            merkle_root: TxMerkleNode::all_zeros(),
            // Siblings differ in their extra nonce; all on one height share their time.
            time: above.block.header.time + 600,
            bits: CompactTarget::from_consensus(BITS),
            nonce: 0,
        };
        let txdata = [vec![coinbase], plan.txs.clone()].concat();
        let mut block = Block { header, txdata };
        if commits {
            commit(&mut block, plan.spoil == Some(Spoil::Commitment));
        }
        if plan.spoil == Some(Spoil::Uncommitted) {
            block.txdata[0].input[0].witness = Witness::from_slice(&[WITNESS_NONCE]);
        }
        block.header.merkle_root = block.compute_merkle_root().expect("there is a coinbase");
        if plan.spoil == Some(Spoil::MerkleRoot) {
            block.header.merkle_root = TxMerkleNode::from_byte_array([0x77; 32]);
        }
        grind(&mut block.header, plan.spoil != Some(Spoil::Work));
        block
    }

    /// From now on neither this block nor what stands on it is in the best chain.
    pub fn mark_invalid(&mut self, hash: BlockHash) {
        self.invalid.insert(hash);
    }

    /// Changes what is written to disk for a block, not the block.
    pub fn damage(&mut self, hash: BlockHash, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.entries.get_mut(&hash).expect("made before").bytes);
    }

    /// The block of this hash.
    pub fn block(&self, hash: BlockHash) -> &Block {
        &self.entries[&hash].block
    }

    /// Its bytes on disk.
    pub fn bytes(&self, hash: BlockHash) -> &[u8] {
        &self.entries[&hash].bytes
    }

    /// Its height.
    pub fn height(&self, hash: BlockHash) -> u32 {
        self.entries[&hash].height
    }

    /// The first output of its coinbase.
    pub fn coin(&self, hash: BlockHash) -> OutPoint {
        OutPoint {
            txid: self.block(hash).txdata[0].compute_txid(),
            vout: 0,
        }
    }

    /// From the genesis block to this one.
    pub fn path(&self, hash: BlockHash) -> Vec<BlockHash> {
        let mut path = vec![hash];
        while self.height(path[path.len() - 1]) > 0 {
            path.push(self.block(path[path.len() - 1]).header.prev_blockhash);
        }
        path.reverse();
        path
    }

    /// End of the best chain: the highest block without an invalid ancestor; of several the first
    /// made (all blocks have equal work).
    pub fn tip(&self) -> BlockHash {
        self.tip_of(&self.made)
    }

    /// The same, if blocks had come in this order.
    pub fn tip_of(&self, order: &[BlockHash]) -> BlockHash {
        let valid = |hash: &&BlockHash| {
            self.invalid.is_empty() || !self.path(**hash).iter().any(|h| self.invalid.contains(h))
        };
        let candidates = order.iter().filter(valid);
        *candidates
            .rev()
            .max_by_key(|hash| self.height(**hash))
            .expect("genesis is valid")
    }

    /// The best chain, genesis first.
    pub fn best(&self) -> Vec<BlockHash> {
        self.path(self.tip())
    }

    /// Every block in the order of making.
    pub fn made(&self) -> &[BlockHash] {
        &self.made
    }

    /// Every block in a random order, the genesis block too.
    pub fn shuffled(&self, seed: u64) -> Vec<BlockHash> {
        let mut rng = Rng::new(seed);
        let mut order = self.made.clone();
        for end in (1..order.len()).rev() {
            order.swap(end, rng.below(end as u64 + 1) as usize);
        }
        order
    }
}

/// Adds the witness commitment (BIP 141) to the coinbase.
fn commit(block: &mut Block, wrongly: bool) {
    block.txdata[0].input[0].witness = Witness::from_slice(&[WITNESS_NONCE]);
    let root = block.witness_root().expect("there is a coinbase");
    let mut commitment = Block::compute_witness_commitment(&root, &WITNESS_NONCE).to_byte_array();
    commitment[0] ^= u8::from(wrongly);
    block.txdata[0].output.push(commitment_output(commitment));
}

/// Tries nonces until the hash meets the target, or until it misses it.
fn grind(header: &mut Header, meets: bool) {
    let target = header.target();
    while header.validate_pow(target).is_ok() != meets {
        header.nonce += 1;
    }
}
