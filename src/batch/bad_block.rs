//! What ends the work on a batch: a block that breaks a rule, or a fault.
//!
//! Invariant: the two are never taken for each other. A bad block is left out of the chain, or read from
//! another copy; a fault of the machine, or of the index, says nothing about blocks.

use super::change::Change;
use super::pending::PendingRow;
use crate::Error;
use crate::primitives::consensus::COINBASE_MATURITY;
use crate::primitives::fingerprint::Fingerprints;
use crate::primitives::position::{TxNum, Txo};
use crate::primitives::wire::{Block, BlockFault, Input};
use bitcoin::Txid;
use bitcoin::hashes::Hash;

/// Why a batch cannot go on.
#[derive(Debug)]
pub enum Failure {
    /// A block breaks a rule.
    Rule(BadBlock),
    /// Something else failed.
    Fault(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Fault(error)
    }
}

impl From<BadBlock> for Failure {
    fn from(bad: BadBlock) -> Failure {
        Failure::Rule(bad)
    }
}

impl From<BadSpend> for BadBlock {
    fn from(bad: BadSpend) -> BadBlock {
        BadBlock::Spend(bad)
    }
}

impl From<BadSpend> for Failure {
    fn from(bad: BadSpend) -> Failure {
        Failure::Rule(bad.into())
    }
}

/// A block that breaks a rule, and which.
#[derive(Clone, Copy, Debug)]
pub enum BadBlock {
    /// Its bytes are wrong.
    Bytes {
        /// Position of its first output.
        first_txo: Txo,
        /// What is wrong with them.
        fault: BlockFault,
    },
    /// It makes an unspent output again, without being a coinbase (BIP 30, "bad-txns-BIP30").
    Repeats(Txo),
    /// An input of it may not spend what it spends.
    Spend(BadSpend),
}

impl BadBlock {
    /// Position of an output of the block, which tells what block it is.
    pub fn txo(&self) -> Txo {
        match self {
            BadBlock::Bytes { first_txo, .. } => *first_txo,
            BadBlock::Repeats(txo) => *txo,
            BadBlock::Spend(bad) => bad.pending.spender().first_output(),
        }
    }

    /// Says what is wrong, given the block's bytes, its coinbase, and the fingerprints of the index.
    pub fn describe(&self, bytes: &[u8], coinbase: TxNum, fingerprints: &Fingerprints) -> String {
        match self {
            BadBlock::Bytes { fault, .. } => fault.to_string(),
            BadBlock::Repeats(txo) => {
                format!("it makes output {txo}, which is there and unspent (BIP 30)")
            }
            BadBlock::Spend(bad) => bad.describe(bytes, coinbase, fingerprints),
        }
    }
}

/// A spend that cannot be.
#[derive(Clone, Copy, Debug)]
pub struct BadSpend {
    /// The pending row.
    pub pending: PendingRow,
    /// Why.
    pub fault: SpendFault,
}

/// Why a spend cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpendFault {
    /// There is no coin of that outpoint: none was made, or it was spent, and nothing is left of it.
    #[error("spends a coin that does not exist, or is spent already")]
    Missing,
    /// The coin was spent before, and its end is still on disk.
    #[error("spends a coin that is spent already")]
    Spent,
    /// The coin was made by a later transaction, or by the spender itself.
    #[error("spends a coin before it is made")]
    Early,
    /// The coin is a coinbase's, of which too few blocks ago ("bad-txns-premature-spend-of-coinbase").
    #[error("spends an output of a coinbase that has fewer than {COINBASE_MATURITY} confirmations")]
    Young,
}

impl BadSpend {
    /// Of a change that takes an output of a coinbase that may not be spent yet.
    pub fn young(change: Change) -> BadSpend {
        BadSpend {
            pending: PendingRow::spend(change.fingerprint(), change.spender()),
            fault: SpendFault::Young,
        }
    }

    /// Names the transaction, the input and the outpoint.
    fn describe(&self, bytes: &[u8], coinbase: TxNum, fingerprints: &Fingerprints) -> String {
        let mut number = coinbase;
        let Ok(mut block) = Block::read(bytes) else {
            return self.fault.to_string();
        };
        while let Ok(Some(tx)) = block.next_tx() {
            if number == self.pending.spender() {
                let txid = Txid::from_byte_array(tx.txid());
                let is_it = |input: &Input<'_>| {
                    fingerprints.outpoint(input.outpoint) == self.pending.fingerprint()
                };
                if let Some((index, input)) =
                    tx.inputs().enumerate().find(|(_, input)| is_it(input))
                {
                    let prev_txid = Txid::from_byte_array(*input.prev_txid());
                    let vout = input.prev_vout();
                    return format!(
                        "transaction {txid}, input {index}, {} ({prev_txid}:{vout})",
                        self.fault
                    );
                }
            }
            number = number.next(tx.output_count);
        }
        self.fault.to_string()
    }
}
