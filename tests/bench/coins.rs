//! Every coin of the chain being made, by order of creation, and which of them are unspent.
//!
//! Invariant: a coin is taken at most once; numbers are never used again.
//! Memory: 16 bytes and a bit an output, 40 bytes a transaction: about 1.6 GB for a chain of 8 GB.

use super::script::Kind;

/// What a spender must know of a coin.
pub struct Coin {
    /// Its transaction, as in the outpoint.
    pub txid: [u8; 32],
    /// Which output of it.
    pub vout: u32,
    /// How it is locked, so how it is unlocked.
    pub kind: Kind,
    /// What it is worth.
    pub amount_sat: u64,
    /// Number of its script.
    pub script: u32,
    /// Height of its block.
    pub height: u32,
    /// Whether a coinbase made it.
    pub is_coinbase: bool,
}

/// An output of a transaction.
#[derive(Clone, Copy)]
pub struct NewCoin {
    /// How it is locked.
    pub kind: Kind,
    /// Number of its script; nothing of an OP_RETURN.
    pub script: u32,
    /// What it is worth.
    pub amount_sat: u64,
}

impl NewCoin {
    /// An OP_RETURN, which is never a coin.
    pub fn op_return() -> NewCoin {
        NewCoin {
            kind: Kind::OpReturn,
            script: 0,
            amount_sat: 0,
        }
    }
}

/// Where coins come from.
#[derive(Clone, Copy)]
pub struct Origin {
    /// The transaction.
    pub txid: [u8; 32],
    /// Height of its block.
    pub height: u32,
    /// Whether it is a coinbase.
    pub is_coinbase: bool,
}

struct Tx {
    txid: [u8; 32],
    first_coin: u32,
    /// As in an undo record.
    code: u32,
}

/// Transaction number below, kind above.
const TX_BITS: u32 = 28;

/// All coins ever made.
pub struct Coins {
    /// One word a coin: kind and transaction.
    words: Vec<u32>,
    amounts: Vec<u64>,
    scripts: Vec<u32>,
    /// One bit a coin: unspent.
    alive: Vec<u64>,
    txs: Vec<Tx>,
    live: u64,
}

impl Coins {
    /// Room for about so many outputs and transactions; it grows if that was too few.
    pub fn with_capacity(outputs: usize, txs: usize) -> Coins {
        Coins {
            words: Vec::with_capacity(outputs),
            amounts: Vec::with_capacity(outputs),
            scripts: Vec::with_capacity(outputs),
            alive: Vec::with_capacity(outputs / 64 + 1),
            txs: Vec::with_capacity(txs),
            live: 0,
        }
    }

    /// Coins ever made, unspendable ones among them.
    pub fn made(&self) -> u64 {
        self.words.len() as u64
    }

    /// Coins unspent.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// Adds a transaction's outputs in order; OP_RETURN outputs are counted but never alive.
    pub fn add(&mut self, origin: Origin, outputs: &[NewCoin]) {
        let tx = self.txs.len() as u32;
        assert!(tx < 1 << TX_BITS, "transaction numbers have 28 bits");
        let first_coin = self.words.len() as u32;
        self.txs.push(Tx {
            txid: origin.txid,
            first_coin,
            code: origin.height << 1 | u32::from(origin.is_coinbase),
        });
        for output in outputs {
            let index = self.words.len();
            self.words.push((output.kind as u32) << TX_BITS | tx);
            self.amounts.push(output.amount_sat);
            self.scripts.push(output.script);
            if index.is_multiple_of(64) {
                self.alive.push(0);
            }
            if output.kind != Kind::OpReturn {
                self.alive[index / 64] |= 1 << (index % 64);
                self.live += 1;
            }
        }
    }

    /// The unspent coin nearest to `index` among the younger, else among the older.
    pub fn nearest_live(&self, index: u64) -> Option<u64> {
        let start = index as usize / 64;
        let younger = self.alive[start] & (u64::MAX << (index % 64));
        if younger != 0 {
            return Some(start as u64 * 64 + u64::from(younger.trailing_zeros()));
        }
        let after = self.alive[start + 1..].iter().position(|&word| word != 0);
        if let Some(step) = after {
            let word = start + 1 + step;
            return Some(word as u64 * 64 + u64::from(self.alive[word].trailing_zeros()));
        }
        let before = self.alive[..=start].iter().rposition(|&word| word != 0)?;
        Some(before as u64 * 64 + 63 - u64::from(self.alive[before].leading_zeros()))
    }

    /// Spends a coin.
    pub fn take(&mut self, index: u64) -> Coin {
        let at = index as usize;
        let bit = 1u64 << (index % 64);
        assert!(self.alive[at / 64] & bit != 0, "coins are taken once");
        self.alive[at / 64] &= !bit;
        self.live -= 1;
        let word = self.words[at];
        let tx = &self.txs[(word & ((1 << TX_BITS) - 1)) as usize];
        Coin {
            txid: tx.txid,
            vout: index as u32 - tx.first_coin,
            kind: Kind::from_number(word >> TX_BITS),
            amount_sat: self.amounts[at],
            script: self.scripts[at],
            height: tx.code >> 1,
            is_coinbase: tx.code & 1 == 1,
        }
    }
}
