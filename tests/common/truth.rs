//! What a chain means, worked out as plainly as can be: the model that answers are compared to.
//!
//! Invariant: the rules are the index's own. An output's number counts every output in chain order.
//! OP_RETURN-leading scripts, scripts over 10,000 bytes and the genesis coinbase are never coins.
//! A coinbase that repeats an unspent one overwrites it (BIP 30), and none is spent before it has a
//! hundred confirmations. Nothing is known of signatures or amounts.

use std::collections::HashMap;

use bitcoin::{Block, BlockHash, OutPoint, Script, ScriptBuf, Transaction, Txid};

use super::chain::Chain;
use super::coins::MATURITY_BLOCKS;

/// An output that was ever made.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub outpoint: OutPoint,
    pub script: ScriptBuf,
    pub amount_sat: u64,
    pub height: u32,
    pub coinbase: bool,
    /// Whether it ever was a coin.
    pub spendable: bool,
    pub gone: Option<Gone>,
}

impl Output {
    /// Whether a block of this height may not spend it yet (Bitcoin Core, `consensus/tx_verify.cpp`:
    /// `CheckTxInputs`).
    pub fn is_young_at(&self, height: u32) -> bool {
        self.coinbase && height - self.height < MATURITY_BLOCKS
    }
}

/// How a coin ceased to be one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gone {
    pub height: u32,
    pub txid: Txid,
    /// None: a coinbase overwrote it.
    pub input_index: Option<u32>,
}

/// One line of a script's history.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub height: u32,
    pub txid: Txid,
    pub outpoint: OutPoint,
    pub amount_sat: u64,
    /// None: received.
    pub input_index: Option<u32>,
}

/// The sums over a script.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Balance {
    pub received_sat: u64,
    pub sent_sat: u64,
    pub balance_sat: u64,
    pub outputs: u64,
    pub spends: u64,
    pub unspent: u64,
}

/// What was counted up to a height, this height included. Coinbases have no inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    pub txs: u64,
    pub inputs: u64,
    pub outputs: u64,
    pub coins: u64,
}

/// A spend of something that is no coin at that point, being missing, spent before, or made later; or that
/// is a coinbase's, and young.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    pub height: u32,
    pub txid: Txid,
    pub outpoint: OutPoint,
}

/// Everything about one chain.
#[derive(Clone, Default)]
pub struct Truth {
    /// By number.
    pub outputs: Vec<Output>,
    /// The UTXO set: which numbers are coins.
    pub coins: HashMap<OutPoint, usize>,
    /// By height.
    pub counts: Vec<Counts>,
    /// By height.
    pub hashes: Vec<BlockHash>,
    /// Every transaction in chain order.
    pub txids: Vec<Txid>,
    /// What each script got and gave, in chain order.
    pub events: HashMap<ScriptBuf, Vec<Event>>,
}

impl Truth {
    /// About the chain that ends in `tip`.
    pub fn of(chain: &Chain, tip: BlockHash) -> Result<Truth, Fault> {
        let mut truth = Truth::default();
        for hash in chain.path(tip) {
            truth.apply(chain.block(hash))?;
        }
        Ok(truth)
    }

    /// About the best chain, which must be possible.
    pub fn of_best(chain: &Chain) -> Truth {
        Truth::of(chain, chain.tip()).expect("impossible blocks are marked invalid")
    }

    /// Height of the tip.
    pub fn height(&self) -> u32 {
        self.hashes.len() as u32 - 1
    }

    /// Adds the next block. After a fault the truth is no longer of use.
    pub fn apply(&mut self, block: &Block) -> Result<(), Fault> {
        let height = self.hashes.len() as u32;
        let mut counts = self.counts.last().copied().unwrap_or_default();
        for (index, tx) in block.txdata.iter().enumerate() {
            let txid = tx.compute_txid();
            if index > 0 {
                self.spend(tx, txid, height)?;
                counts.inputs += tx.input.len() as u64;
            }
            self.create(tx, txid, height, index == 0);
            counts.outputs += tx.output.len() as u64;
            self.txids.push(txid);
        }
        counts.txs += block.txdata.len() as u64;
        counts.coins = self.coins.len() as u64;
        self.counts.push(counts);
        self.hashes.push(block.block_hash());
        Ok(())
    }

    fn spend(&mut self, tx: &Transaction, txid: Txid, height: u32) -> Result<(), Fault> {
        for (input, input_index) in tx.input.iter().zip(0..) {
            let outpoint = input.previous_output;
            let fault = Fault {
                height,
                txid,
                outpoint,
            };
            let number = self.coins.remove(&outpoint).ok_or(fault)?;
            let coin = &mut self.outputs[number];
            if coin.is_young_at(height) {
                return Err(fault);
            }
            let input_index = Some(input_index);
            coin.gone = Some(Gone {
                height,
                txid,
                input_index,
            });
            let event = Event {
                height,
                txid,
                outpoint,
                amount_sat: coin.amount_sat,
                input_index,
            };
            self.events
                .entry(coin.script.clone())
                .or_default()
                .push(event);
        }
        Ok(())
    }

    fn create(&mut self, tx: &Transaction, txid: Txid, height: u32, coinbase: bool) {
        for (output, vout) in tx.output.iter().zip(0..) {
            let outpoint = OutPoint { txid, vout };
            let amount_sat = output.value.to_sat();
            let spendable = height > 0 && can_be_spent(&output.script_pubkey);
            if spendable {
                if let Some(old) = self.coins.insert(outpoint, self.outputs.len()) {
                    self.outputs[old].gone = Some(Gone {
                        height,
                        txid,
                        input_index: None,
                    });
                }
                let event = Event {
                    height,
                    txid,
                    outpoint,
                    amount_sat,
                    input_index: None,
                };
                self.events
                    .entry(output.script_pubkey.clone())
                    .or_default()
                    .push(event);
            }
            self.outputs.push(Output {
                outpoint,
                script: output.script_pubkey.clone(),
                amount_sat,
                height,
                coinbase,
                spendable,
                gone: None,
            });
        }
    }

    /// The numbers of the coins at the end of block `height`.
    pub fn coins_at(&self, height: u32) -> Vec<usize> {
        let is_coin = |output: &Output| {
            output.spendable
                && output.height <= height
                && output.gone.is_none_or(|gone| gone.height > height)
        };
        (0..self.outputs.len())
            .filter(|&number| is_coin(&self.outputs[number]))
            .collect()
    }

    /// The coins of a script at the end of block `height`, in chain order.
    pub fn utxos(&self, script: &Script, height: u32) -> Vec<&Output> {
        let numbers = self.coins_at(height).into_iter();
        numbers
            .map(|number| &self.outputs[number])
            .filter(|o| *o.script == *script)
            .collect()
    }

    /// A script's history up to block `height`, in chain order.
    pub fn history(&self, script: &Script, height: u32) -> Vec<Event> {
        let events = self.events.get(script).map_or(&[][..], Vec::as_slice);
        events
            .iter()
            .filter(|event| event.height <= height)
            .cloned()
            .collect()
    }

    /// A script's sums at the end of block `height`.
    pub fn balance(&self, script: &Script, height: u32) -> Balance {
        let mut sums = Balance::default();
        for event in self.history(script, height) {
            if event.input_index.is_some() {
                sums.spends += 1;
                sums.sent_sat += event.amount_sat;
            } else {
                sums.outputs += 1;
                sums.received_sat += event.amount_sat;
            }
        }
        let coins = self.utxos(script, height);
        sums.unspent = coins.len() as u64;
        sums.balance_sat = coins.iter().map(|coin| coin.amount_sat).sum();
        sums
    }

    /// The newest output of this name made at or below `height`.
    pub fn output(&self, outpoint: OutPoint, height: u32) -> Option<&Output> {
        let below = |output: &&Output| output.height <= height && output.outpoint == outpoint;
        self.outputs.iter().rev().find(below)
    }

    /// Every script that ever received, in a fixed order.
    pub fn scripts(&self) -> Vec<&ScriptBuf> {
        let mut scripts: Vec<_> = self.events.keys().collect();
        scripts.sort();
        scripts
    }
}

/// Bitcoin Core, `script/script.h`: not `IsUnspendable`.
fn can_be_spent(script: &Script) -> bool {
    script.as_bytes().first() != Some(&0x6a) && script.len() <= 10_000
}
