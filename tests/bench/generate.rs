//! Makes a chain of a given size that loads an indexer as mainnet does, and remembers it on disk.
//!
//! Invariant: the folder depends on the parameters alone, and exists only when it is complete: it
//! is written beside and renamed.
//!
//! The chain is valid but for signatures and the subsidy, which is never halved: proof of work,
//! merkle roots, witness commitments, weights, amounts, coinbase maturity and BIP 34 are as they
//! should be, and its undo files say what was spent. It goes as far as memory bandwidth lets it: bytes are written by hand.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bitcoin::consensus::encode;
use bitcoin::{Address, Network, ScriptBuf};
use serde_json::{Value, json};

use super::coins::{NewCoin, Origin};
use super::files::BlockFiles;
use super::hash::{hash_parts, merkle_root};
use super::rng::Rng;
use super::script::{SERVICE, WITH_KEYS};
use super::txs::{Received, TxMaker, write_count};
use super::undo::BlockUndo;

/// Changes when the same parameters give another chain.
const FORMAT: u32 = 3;
/// Blocks are filled up to a weight between these; the second leaves room for one large transaction.
const WEIGHT_RANGE: (u64, u64) = (2_800_000, 3_850_000);
/// Bitcoin Core, `consensus/consensus.h`: `COINBASE_MATURITY`.
const MATURITY_BLOCKS: usize = 100;
/// What a block adds. Regtest halves it every 150 blocks; the money would be spread so thin over a
/// large chain that amounts became dust.
const SUBSIDY_SAT: u64 = 5_000_000_000;
/// Regtest's only difficulty: about every other hash will do.
const BITS: u32 = 0x207f_ffff;

/// What decides the chain.
#[derive(Clone, Copy)]
pub struct Params {
    /// Bytes of records, at least.
    pub bytes: u64,
    /// All chance.
    pub seed: u64,
    /// Stored without XOR.
    pub plain: bool,
}

/// A coinbase that cannot be spent yet.
struct Immature {
    txid: [u8; 32],
    outputs: [NewCoin; 2],
    height: u32,
}

/// The folder of this chain under `cache`, made if it is not there, and its facts.
pub fn chain(cache: &Path, params: Params) -> io::Result<(PathBuf, Value)> {
    let storage = if params.plain { "plain" } else { "xor" };
    let name = format!(
        "v{FORMAT}-{}mb-seed{}-{storage}",
        params.bytes / 1_000_000,
        params.seed
    );
    let folder = cache.join(&name);
    let facts_path = folder.join("facts.json");
    if !facts_path.exists() {
        let beside = cache.join(format!("{name}.part{}", std::process::id()));
        let facts = Generator::new(&beside, params)?.run(params)?;
        std::fs::write(beside.join("facts.json"), format!("{facts:#}\n"))?;
        std::fs::rename(&beside, &folder)?;
    }
    let facts = serde_json::from_slice(&std::fs::read(facts_path)?)?;
    Ok((folder, facts))
}

struct Generator {
    files: BlockFiles,
    maker: TxMaker,
    tip: [u8; 32],
    tip_time: u32,
    height: u32,
    immature: VecDeque<Immature>,
    /// The block being made, its coinbase aside.
    txs: Vec<u8>,
    txids: Vec<[u8; 32]>,
    wtxids: Vec<[u8; 32]>,
    undo: BlockUndo,
}

impl Generator {
    /// With the genesis block written.
    fn new(folder: &Path, params: Params) -> io::Result<Generator> {
        let key = (!params.plain).then(|| Rng::new(params.seed ^ 0x786f72).array());
        let mut files = BlockFiles::create(&folder.join("regtest/blocks"), key)?;
        let genesis = bitcoin::constants::genesis_block(Network::Regtest);
        files.write(&encode::serialize(&genesis), &mut [])?;
        let mut maker = TxMaker::new(params.seed, params.bytes);
        maker.totals.txs = 1;
        maker.totals.outputs = 1;
        Ok(Generator {
            files,
            maker,
            tip: *AsRef::<[u8; 32]>::as_ref(&genesis.block_hash()),
            tip_time: genesis.header.time,
            height: 0,
            immature: VecDeque::new(),
            txs: Vec::with_capacity(4_000_000),
            txids: Vec::new(),
            wtxids: Vec::new(),
            undo: BlockUndo::default(),
        })
    }

    fn run(mut self, params: Params) -> io::Result<Value> {
        let started = Instant::now();
        while self.files.total_bytes < params.bytes {
            let fees_sat = self.fill();
            let (head, immature) = self.head(fees_sat);
            self.files.write(&head, &mut self.txs)?;
            let (undo, checksum) = self.undo.finish(head[4..36].try_into().expect("32 bytes"));
            self.files.write_undo(undo, checksum)?;
            self.immature.push_back(immature);
            if self.height.is_multiple_of(500) {
                eprintln!(
                    "  block {}, {} MB",
                    self.height,
                    self.files.total_bytes / 1_000_000
                );
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let facts = self.facts(params, seconds);
        self.files.finish()?;
        Ok(facts)
    }

    /// Fills the next block with transactions and returns their fees.
    fn fill(&mut self) -> u64 {
        self.txs.clear();
        self.txids.clear();
        self.wtxids.clear();
        self.undo.clear();
        // The coinbase's places.
        self.txids.push([0; 32]);
        self.wtxids.push([0; 32]);
        if self.immature.len() == MATURITY_BLOCKS {
            let coinbase = self.immature.pop_front().expect("there are a hundred");
            let origin = Origin {
                txid: coinbase.txid,
                height: coinbase.height,
                is_coinbase: true,
            };
            self.maker.coins.add(origin, &coinbase.outputs);
        }
        let weight_end = self.maker.rng.between(WEIGHT_RANGE.0, WEIGHT_RANGE.1);
        let (mut stripped_bytes, mut fees_sat) = (0, 0);
        while 3 * stripped_bytes as u64 + (self.txs.len() as u64) < weight_end {
            let height = self.height + 1;
            let made = self.maker.append(&mut self.txs, &mut self.undo, height);
            let Some(made) = made else {
                break;
            };
            self.txids.push(made.txid);
            self.wtxids.push(made.wtxid);
            stripped_bytes += made.stripped_bytes;
            fees_sat += made.fee_sat;
        }
        fees_sat
    }

    /// Header, count and coinbase of the filled block, which becomes the tip.
    fn head(&mut self, fees_sat: u64) -> (Vec<u8>, Immature) {
        self.height += 1;
        let tx_count = self.txids.len();
        let (body, outputs) = self.coinbase(SUBSIDY_SAT + fees_sat);
        let txid = hash_parts(&[&[2, 0, 0, 0], &body, &[0; 4]]);
        self.txids[0] = txid;

        let mut header = [0; 80];
        self.tip_time += self.maker.rng.between(60, 1100) as u32;
        header[..4].copy_from_slice(&0x2000_0000u32.to_le_bytes());
        header[4..36].copy_from_slice(&self.tip);
        header[36..68].copy_from_slice(&merkle_root(&mut self.txids));
        header[68..72].copy_from_slice(&self.tip_time.to_le_bytes());
        header[72..76].copy_from_slice(&BITS.to_le_bytes());
        self.tip = mine(&mut header);

        let mut head = header.to_vec();
        write_count(&mut head, tx_count);
        head.extend_from_slice(&[2, 0, 0, 0, 0, 1]);
        head.extend_from_slice(&body);
        head.extend_from_slice(&[1, 32]);
        head.extend_from_slice(&[0; 36]); // witness nonce and lock time
        let immature = Immature {
            txid,
            outputs,
            height: self.height,
        };
        (head, immature)
    }

    /// Inputs and outputs of the coinbase: BIP 34 height and an extra nonce; the payout and the
    /// BIP 141 commitment.
    fn coinbase(&mut self, amount_sat: u64) -> (Vec<u8>, [NewCoin; 2]) {
        let mut script_sig = push_height(self.height);
        script_sig.push(8);
        script_sig.extend_from_slice(&self.maker.rng.bits().to_le_bytes());
        let mut body = vec![1];
        body.extend_from_slice(&[0; 32]);
        body.extend_from_slice(&[0xff; 4]);
        write_count(&mut body, script_sig.len());
        body.extend_from_slice(&script_sig);
        body.extend_from_slice(&[0xff; 4]);
        body.push(2);
        body.extend_from_slice(&amount_sat.to_le_bytes());
        let payout = self.maker.write_some_script(&mut body, amount_sat);
        body.extend_from_slice(&[0; 8]);
        body.extend_from_slice(&[38, 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed]);
        let commitment = hash_parts(&[&merkle_root(&mut self.wtxids), &[0; 32]]);
        body.extend_from_slice(&commitment);
        self.maker.totals.txs += 1;
        self.maker.totals.outputs += 2;
        (body, [payout, NewCoin::op_return()])
    }

    /// What is known of the finished chain. Sums are exact; "share" is of all inputs.
    fn facts(&self, params: Params, seconds: f64) -> Value {
        let totals = &self.maker.totals;
        let megabytes = self.files.total_bytes as f64 / 1e6;
        let share = |part: u64| part as f64 / totals.inputs as f64;
        let mut tip = self.tip;
        tip.reverse();
        json!({
            "seed": params.seed,
            "blocks": self.height + 1,
            "height": self.height,
            "hash": bitcoin::hex::DisplayHex::to_lower_hex_string(&tip[..]),
            "txs": totals.txs,
            "inputs": totals.inputs,
            "outputs": totals.outputs,
            "coins": self.maker.coins.live() + self.immature.len() as u64,
            "bytes": self.files.total_bytes,
            "txs_per_mb": totals.txs as f64 / megabytes,
            "inputs_per_tx": totals.inputs as f64 / totals.txs as f64,
            "outputs_per_tx": totals.outputs as f64 / totals.txs as f64,
            "share_older_than_1000000": share(totals.old_spends),
            "share_within_4000": share(totals.young_spends),
            "made_in_seconds": seconds,
            "made_mb_per_second": megabytes / seconds,
            "script_10": self.script_with(10),
            "script_10000": self.script_with(10_000),
            "service": self.script(SERVICE),
            "wallet": self.wallet(),
        })
    }

    /// The script with an address whose outputs come nearest to `wanted`, or null if all are far.
    fn script_with(&self, wanted: u32) -> Value {
        let received = self.maker.received.iter().zip(0..).skip(WITH_KEYS as usize);
        let nearest = received
            .filter(|&(got, script)| {
                got.outputs > 0 && self.maker.scripts.kind(script).has_address()
            })
            .min_by_key(|(got, _)| got.outputs.abs_diff(wanted));
        match nearest {
            Some((got, script)) if got.outputs.abs_diff(wanted) <= wanted / 3 => {
                self.script(script)
            }
            _ => Value::Null,
        }
    }

    /// One that has an address, and what it got.
    fn script(&self, script: u64) -> Value {
        let mut bytes = Vec::new();
        self.maker.scripts.write(&mut bytes, script);
        let got = self.maker.received[script as usize];
        let script = ScriptBuf::from_bytes(bytes.split_off(1));
        let address = Address::from_script(&script, Network::Regtest);
        json!({
            "address": address.expect("of a kind that has one").to_string(),
            "script": script.to_hex_string(),
            "outputs": got.outputs,
            "received_sat": got.amount_sat,
        })
    }

    /// The wallet's scripts, and what they got together.
    fn wallet(&self) -> Value {
        let scripts = &self.maker.received[1..WITH_KEYS as usize];
        let add = |sum: Received, got: &Received| Received {
            outputs: sum.outputs + got.outputs,
            amount_sat: sum.amount_sat + got.amount_sat,
        };
        let got = scripts.iter().fold(Received::default(), add);
        json!({
            "descriptor": self.maker.scripts.descriptor(),
            "range": format!("1,{}", scripts.len()),
            "outputs": got.outputs,
            "received_sat": got.amount_sat,
        })
    }
}

/// BIP 34: the height as a script number; Bitcoin Core writes up to 16 as one opcode.
fn push_height(height: u32) -> Vec<u8> {
    if height <= 16 {
        return vec![0x50 + height as u8];
    }
    let bytes = height.to_le_bytes();
    let mut length = 4 - height.leading_zeros() as usize / 8;
    length += usize::from(bytes[length - 1] & 0x80 != 0);
    let mut push = vec![length as u8];
    push.extend_from_slice(&bytes[..length]);
    push
}

/// Tries nonces until the hash meets regtest's target, and returns it.
fn mine(header: &mut [u8; 80]) -> [u8; 32] {
    (0u32..)
        .find_map(|nonce| {
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            let hash = hash_parts(&[&header[..]]);
            (hash[31] < 0x7f).then_some(hash)
        })
        .expect("every other nonce will do")
}
