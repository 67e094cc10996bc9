//! Makes transactions: which coins they spend, whom they pay, and their bytes.
//!
//! Invariant: inputs are worth at least as much as outputs, and every input spends a coin that is
//! unspent and was made before. Only signatures and keys are random bytes instead of true ones.

use super::coins::{Coin, Coins, NewCoin, Origin};
use super::hash::hash_parts;
use super::rng::Rng;
use super::script::{self, SERVICE, Scripts, WALLET_SCRIPTS, WITH_KEYS};
use super::undo::BlockUndo;

/// Below so many coins transactions fan out, so that a young chain soon has something to spend.
const COINS_ENOUGH: u64 = 20_000;
/// Below this an output is not worth making (Bitcoin Core, `policy/policy.h`: dust).
const DUST_SAT: u64 = 546;
/// Who has more than this pays the outputs that others were too poor for.
const RICH_SAT: u64 = 2_000_000;
/// Scripts whose outputs are counted: the heavy tail is among the first.
const COUNTED_SCRIPTS: usize = 1 << 20;

/// What the chain consists of so far, coinbases not among the inputs.
#[derive(Default)]
pub struct Totals {
    /// Transactions, coinbases too.
    pub txs: u64,
    /// Inputs.
    pub inputs: u64,
    /// Outputs, unspendable ones too.
    pub outputs: u64,
    /// Inputs whose coin was older than a million outputs.
    pub old_spends: u64,
    /// Inputs whose coin was among the last 4,000 outputs.
    pub young_spends: u64,
}

/// Outputs and satoshis that one script got.
#[derive(Clone, Copy, Default)]
pub struct Received {
    /// Outputs that pay it.
    pub outputs: u32,
    /// Their sum.
    pub amount_sat: u64,
}

/// The maker of transactions.
pub struct TxMaker {
    /// Every coin so far.
    pub coins: Coins,
    /// Counts so far.
    pub totals: Totals,
    /// What the first scripts got.
    pub received: Vec<Received>,
    /// Where all chance comes from.
    pub rng: Rng,
    /// What scripts look like.
    pub scripts: Scripts,
    /// How many without a key were paid.
    used: u64,
    /// Outputs that transactions were too poor to make.
    owed: u64,
    spent: Vec<Coin>,
    made: Vec<NewCoin>,
    script: Vec<u8>,
}

/// A transaction as it was appended to a block.
pub struct Made {
    /// Its id.
    pub txid: [u8; 32],
    /// Its id with witness.
    pub wtxid: [u8; 32],
    /// Bytes without witness.
    pub stripped_bytes: usize,
    /// What the miner gets.
    pub fee_sat: u64,
}

impl TxMaker {
    /// For a chain of about so many bytes.
    pub fn new(seed: u64, chain_bytes: u64) -> TxMaker {
        let outputs = chain_bytes as usize / 130;
        TxMaker {
            coins: Coins::with_capacity(outputs, outputs / 3),
            totals: Totals::default(),
            received: vec![Received::default(); COUNTED_SCRIPTS],
            rng: Rng::new(seed),
            scripts: Scripts::new(seed),
            used: 0,
            owed: 0,
            spent: Vec::new(),
            made: Vec::new(),
            script: Vec::new(),
        }
    }

    /// Appends one transaction to the block at `height`, and what it spends to `undo`, unless there is no coin
    /// to spend.
    pub fn append(
        &mut self,
        block: &mut Vec<u8>,
        undo: &mut BlockUndo,
        height: u32,
    ) -> Option<Made> {
        let inputs_sat = self.choose_coins();
        if self.spent.is_empty() {
            return None;
        }
        let start = block.len();
        let segwit = self.spent.iter().any(|coin| coin.kind.has_witness());
        let body = start + if segwit { 6 } else { 4 };
        block.extend_from_slice(&[2, 0, 0, 0]);
        if segwit {
            block.extend_from_slice(&[0, 1]);
        }
        self.write_inputs(block);
        self.write_undo(undo);
        let fee_sat = (1000 * self.spent.len() as u64).min(inputs_sat / 100);
        self.write_outputs(block, inputs_sat - fee_sat);
        let witness = block.len();
        if segwit {
            for coin in &self.spent {
                script::write_witness(block, coin.kind, &mut self.rng);
            }
        }
        block.extend_from_slice(&[0; 4]);
        let whole = &block[start..];
        let txid = hash_parts(&[&whole[..4], &block[body..witness], &[0; 4]]);
        let wtxid = if segwit { hash_parts(&[whole]) } else { txid };
        let origin = Origin {
            txid,
            height,
            is_coinbase: false,
        };
        self.coins.add(origin, &self.made);
        self.totals.txs += 1;
        self.totals.inputs += self.spent.len() as u64;
        self.totals.outputs += self.made.len() as u64;
        Some(Made {
            txid,
            wtxid,
            stripped_bytes: 8 + witness - body,
            fee_sat,
        })
    }

    /// Takes the coins to spend, their ages log-uniform; returns what they are worth.
    fn choose_coins(&mut self) -> u64 {
        self.spent.clear();
        let live = self.coins.live();
        let count = if live < COINS_ENOUGH {
            live.min(1)
        } else {
            input_count(&mut self.rng)
        };
        let made = self.coins.made();
        for _ in 0..count {
            let wanted = made - self.rng.log_uniform(made);
            let Some(index) = self.coins.nearest_live(wanted) else {
                break;
            };
            let age = made - index;
            self.totals.old_spends += u64::from(age > 1_000_000);
            self.totals.young_spends += u64::from(age <= 4_000);
            self.spent.push(self.coins.take(index));
        }
        self.spent.iter().map(|coin| coin.amount_sat).sum()
    }

    fn write_inputs(&mut self, block: &mut Vec<u8>) {
        write_count(block, self.spent.len());
        for coin in &self.spent {
            block.extend_from_slice(&coin.txid);
            block.extend_from_slice(&coin.vout.to_le_bytes());
            script::write_script_sig(block, coin.kind, &mut self.rng);
            block.extend_from_slice(&[0xfd, 0xff, 0xff, 0xff]);
        }
    }

    fn write_undo(&mut self, undo: &mut BlockUndo) {
        undo.begin_tx(self.spent.len());
        for coin in &self.spent {
            self.script.clear();
            self.scripts.write(&mut self.script, coin.script.into());
            // All of these scripts have their length in one byte.
            let script = &self.script[1..];
            undo.coin(coin.height, coin.is_coinbase, coin.amount_sat, script);
        }
    }

    /// Pays `total_sat` to some scripts; now and then an OP_RETURN comes last.
    fn write_outputs(&mut self, block: &mut Vec<u8>, total_sat: u64) {
        self.made.clear();
        let paying = self.payees(total_sat);
        let carries_data = self.rng.below(100) < 6;
        write_count(block, paying as usize + usize::from(carries_data));
        let mut left_sat = total_sat;
        for others in (0..paying).rev() {
            let amount_sat = match others {
                0 => left_sat,
                _ => self
                    .amount(left_sat / (others + 1))
                    .max(DUST_SAT)
                    .min(left_sat - others * DUST_SAT),
            };
            left_sat -= amount_sat;
            block.extend_from_slice(&amount_sat.to_le_bytes());
            let made = self.write_some_script(block, amount_sat);
            self.made.push(made);
        }
        if carries_data {
            block.extend_from_slice(&[0; 8]);
            script::write_op_return(block, &mut self.rng);
            self.made.push(NewCoin::op_return());
        }
    }

    /// How many outputs share `total_sat`. Who has little pays fewer than drawn, and the next who has
    /// much pays so many more: the average stays, and money spreads.
    fn payees(&mut self, total_sat: u64) -> u64 {
        let young = self.coins.live() < COINS_ENOUGH;
        let drawn = if young {
            20
        } else {
            output_count(&mut self.rng)
        };
        let paying = drawn.min(total_sat / DUST_SAT).max(1);
        let extra = if total_sat > RICH_SAT {
            self.owed.min(20)
        } else {
            0
        };
        self.owed = self.owed + drawn - paying - extra;
        paying + extra
    }

    /// Log-normal about a fair share, and often rounded down. Shares keep money from gathering in a
    /// few hands until the rest is dust that can only be joined.
    fn amount(&mut self, share_sat: u64) -> u64 {
        let drawn = (share_sat as f64 * (self.rng.normal() - 0.5).exp()) as u64;
        let unit = *self.rng.pick(&[1, 1, 1, 1_000, 10_000, 100_000]);
        if drawn > unit {
            drawn - drawn % unit
        } else {
            drawn
        }
    }

    /// The service's 35 times out of a thousand, one of the wallet's once. Of the others a new script three times
    /// out of five; else one used before, half of these by a power law over the oldest, half among the newest.
    fn some_script(&mut self) -> u64 {
        match self.rng.below(1000) {
            0..35 => return SERVICE,
            35 => return 1 + self.rng.below(WALLET_SCRIPTS),
            _ => {}
        }
        WITH_KEYS
            + match self.rng.below(10) {
                0..2 if self.used > 0 => self.rng.log_uniform(self.used) - 1,
                2..4 if self.used > 0 => self.used - self.rng.log_uniform(self.used),
                _ => {
                    self.used += 1;
                    self.used - 1
                }
            }
    }

    /// Appends the script that is paid next.
    pub fn write_some_script(&mut self, out: &mut Vec<u8>, amount_sat: u64) -> NewCoin {
        let script = self.some_script();
        if let Some(received) = self.received.get_mut(script as usize) {
            received.outputs += 1;
            received.amount_sat += amount_sat;
        }
        NewCoin {
            kind: self.scripts.write(out, script),
            script: u32::try_from(script).expect("scripts are fewer than coins"),
            amount_sat,
        }
    }
}

/// Appends a compact size below 65,536.
pub fn write_count(out: &mut Vec<u8>, count: usize) {
    if count < 0xfd {
        out.push(count as u8);
    } else {
        out.push(0xfd);
        out.extend_from_slice(&(count as u16).to_le_bytes());
    }
}

/// 2.66 on average.
fn input_count(rng: &mut Rng) -> u64 {
    match rng.below(1000) {
        0..610 => 1,
        610..810 => 2,
        810..890 => 3,
        890..990 => rng.between(4, 12),
        _ => rng.between(20, 100),
    }
}

/// 3.4 on average, OP_RETURN not counted.
fn output_count(rng: &mut Rng) -> u64 {
    match rng.below(1000) {
        0..120 => 1,
        120..810 => 2,
        810..880 => 3,
        880..990 => rng.between(4, 14),
        _ => rng.between(20, 100),
    }
}
