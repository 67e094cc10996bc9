//! What is answered; serialized, these are the JSON that the program prints.
//!
//! Invariant: amounts are satoshis, times are Unix seconds, hashes are written as Bitcoin Core does. An
//! amount of one transaction's outputs fits 64 bits; what is added up beyond that has 128.

use crate::datadir::ChainEnd;
use crate::index::left_out::LeftOut;
use crate::primitives::position::Height;
use crate::query::listing::Start;
use crate::query::parts;
use bitcoin::{Address, BlockHash, OutPoint, ScriptBuf, TxMerkleNode, Txid, Wtxid};
use serde::Serialize;

/// How far an index reaches and what it holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Status {
    /// `main`, `test`, `testnet4`, `signet` or `regtest`.
    pub network: String,
    /// Height of the last block.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// Its time.
    pub time: u32,
    /// Blocks, the genesis block included.
    pub blocks: u64,
    /// Transactions.
    pub txs: u64,
    /// Inputs; those of coinbases are not counted.
    pub inputs: u64,
    /// Outputs, those that can never be spent included.
    pub outputs: u64,
    /// Outputs that are unspent and can be spent, as `gettxoutsetinfo` counts `txouts`.
    pub coins: u64,
    /// Blocks up to this one are never rolled back.
    pub settled_height: Option<Height>,
    /// Whether the index keeps txids, and answers without block files.
    pub keeps_txids: bool,
    /// Bytes that the index takes on disk.
    pub index_bytes: u64,
    /// Sorted runs of each relation.
    pub runs: RunCounts,
    /// Where the block files were when they were imported.
    #[serde(serialize_with = "crate::os::path_text::serialize")]
    pub blocks_dir: std::path::PathBuf,
    /// Why the chain ended where it did when it was last looked at; `None` if that was not noted.
    pub chain: Option<ChainEnd>,
    /// Blocks that are left out because they break the rules.
    pub left_out: Vec<LeftOut>,
}

/// Numbers of sorted runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct RunCounts {
    /// Of coins.
    pub coins: usize,
    /// Of outputs by script.
    pub funding: usize,
    /// Of spenders by output.
    pub spending: usize,
    /// Of transactions by txid.
    pub txids: usize,
}

/// What a script received, sent and owns.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Balance {
    /// The script.
    #[serde(flatten, serialize_with = "parts::of_script")]
    pub script: ScriptBuf,
    /// Its address, if it has one.
    pub address: Option<Address>,
    /// The height asked about.
    pub height: Height,
    /// Sum of all outputs that ever paid it.
    pub received_sat: u128,
    /// Sum of those that were spent.
    pub sent_sat: u128,
    /// Sum of those that are unspent.
    pub balance_sat: u128,
    /// Outputs that ever paid it.
    pub outputs: u64,
    /// How many were spent.
    pub spends: u64,
    /// How many are unspent. An output that a later coinbase overwrote (BIP 30) is neither.
    pub unspent: u64,
    /// Whether the outputs' scripts were compared in the block files, and not only by fingerprint.
    pub checked: bool,
}

/// The unspent outputs of a script.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Utxos {
    /// The script.
    #[serde(flatten, serialize_with = "parts::of_script")]
    pub script: ScriptBuf,
    /// Its address, if it has one.
    pub address: Option<Address>,
    /// The height asked about.
    pub height: Height,
    /// The sum of all of them, also if only a part is listed.
    pub total_sat: u128,
    /// Whether the outputs' scripts were compared in the block files, and not only by fingerprint.
    pub checked: bool,
    /// In chain order.
    pub utxos: Vec<Utxo>,
    /// Where the list goes on, if a limit has ended it.
    pub next: Option<Start>,
}

/// An unspent output.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Utxo {
    /// Its name; `None` if its block is gone and txids are not kept.
    #[serde(flatten, serialize_with = "parts::of_outpoint_if_known")]
    pub outpoint: Option<OutPoint>,
    /// Its amount.
    pub amount_sat: u64,
    /// Height of its block.
    pub height: Height,
    /// Blocks from there up to the one that the answer is as of, as Bitcoin Core counts them.
    pub confirmations: u32,
    /// Time of its block.
    pub time: u32,
    /// Whether a coinbase made it; `None` as for the outpoint, if an earlier version imported the block.
    pub coinbase: Option<bool>,
}

/// Everything that ever happened to a script.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct History {
    /// The script.
    #[serde(flatten, serialize_with = "parts::of_script")]
    pub script: ScriptBuf,
    /// Its address, if it has one.
    pub address: Option<Address>,
    /// The height asked about.
    pub height: Height,
    /// Whether the outputs' scripts were compared in the block files, and not only by fingerprint.
    pub checked: bool,
    /// In chain order; of one transaction spends come first.
    pub events: Vec<Event>,
    /// Where the list goes on, if a limit has ended it.
    pub next: Option<Start>,
}

/// Whether an amount came or went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// It went.
    Spend,
    /// It came.
    Receive,
}

/// An output was made or spent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Event {
    /// Height of the block.
    pub height: Height,
    /// Blocks from there up to the one that the answer is as of, as Bitcoin Core counts them.
    pub confirmations: u32,
    /// Time of the block.
    pub time: u32,
    /// The transaction that made or spent it; `None` if the block is gone and txids are not kept.
    pub txid: Option<Txid>,
    /// Which of both.
    pub kind: EventKind,
    /// The output; `None` if its own block is gone and txids are not kept.
    #[serde(flatten, serialize_with = "parts::of_outpoint_beside_txid")]
    pub outpoint: Option<OutPoint>,
    /// Its amount.
    pub amount_sat: u64,
    /// Which input spent it; `None` of a receive, and of a spend that was not read in the block files.
    pub input_index: Option<u32>,
    /// The script's balance afterwards.
    pub balance_sat: u128,
}

/// The input that spent an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct SpentBy {
    /// Its transaction.
    pub txid: Txid,
    /// Its index there; `None` if its block is gone.
    pub input_index: Option<u32>,
    /// Height of the block.
    pub height: Height,
    /// Time of the block.
    pub time: u32,
}

/// One output.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OutputInfo {
    /// Its name.
    #[serde(flatten, serialize_with = "parts::of_outpoint")]
    pub outpoint: OutPoint,
    /// Its amount.
    pub amount_sat: u64,
    /// Its scriptPubKey; `None` if its block is gone.
    #[serde(flatten, serialize_with = "parts::of_script_if_known")]
    pub script: Option<ScriptBuf>,
    /// Its address, if it has one.
    pub address: Option<Address>,
    /// Height of its block.
    pub height: Height,
    /// Blocks from there up to the one that the answer is as of, as Bitcoin Core counts them.
    pub confirmations: u32,
    /// Time of its block.
    pub time: u32,
    /// Whether a coinbase made it.
    pub coinbase: bool,
    /// Whether it could ever be spent: not if it is an OP_RETURN, too long, or of the genesis block.
    pub spendable: bool,
    /// Who spent it.
    pub spent_by: Option<SpentBy>,
    /// The block whose coinbase overwrote it unspent, having the same txid (BIP 30).
    pub overwritten_at: Option<Height>,
}

/// One transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TxInfo {
    /// Its txid.
    pub txid: Txid,
    /// Hash over all of its bytes, witnesses included (BIP 141); what Core calls its `hash`.
    pub wtxid: Wtxid,
    /// Hash of its block.
    pub block_hash: BlockHash,
    /// Height of its block.
    pub height: Height,
    /// Blocks from there up to the one that the answer is as of, as Bitcoin Core counts them.
    pub confirmations: u32,
    /// Time of its block.
    pub time: u32,
    /// Its place in the block; 0 is the coinbase.
    pub index: usize,
    /// Bytes, witnesses included.
    pub size: usize,
    /// Weight (BIP 141).
    pub weight: u64,
    /// A quarter of it, rounded up (BIP 141).
    pub vsize: u64,
    /// Version.
    pub version: i32,
    /// Lock time: a height, or from 500,000,000 on a Unix time.
    pub locktime: u32,
    /// Whether it is a coinbase; then it has no inputs here, and no fee.
    pub coinbase: bool,
    /// What its inputs have more than its outputs: below zero where a chain that nobody validated pays
    /// more than it spends. A coinbase has none.
    pub fee_sat: Option<i128>,
    /// What it spends.
    pub inputs: Vec<InputInfo>,
    /// What it makes.
    pub outputs: Vec<OutputOfTx>,
    /// All of its bytes in hexadecimal, where they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

/// What an input spends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct InputInfo {
    /// The output.
    #[serde(flatten, serialize_with = "parts::of_outpoint")]
    pub outpoint: OutPoint,
    /// Its amount.
    pub amount_sat: u64,
    /// Its scriptPubKey.
    #[serde(flatten, serialize_with = "parts::of_script")]
    pub script: ScriptBuf,
    /// Its address, if it has one.
    pub address: Option<Address>,
    /// Of the input: its sequence number.
    pub sequence: u32,
    /// Of the input: how many items its witness has.
    pub witness_items: u64,
    /// Of the input: bytes of its witness, with the count and the lengths.
    pub witness_size: u64,
}

/// An output of a transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OutputOfTx {
    /// Its index.
    pub vout: u32,
    /// Its amount.
    pub amount_sat: u64,
    /// Its scriptPubKey.
    #[serde(flatten, serialize_with = "parts::of_script")]
    pub script: ScriptBuf,
    /// Its address, if it has one.
    pub address: Option<Address>,
    /// Who spent it.
    pub spent_by: Option<SpentBy>,
}

/// One block.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BlockInfo {
    /// Its height.
    pub height: Height,
    /// Blocks from there up to the one that the answer is as of, as Bitcoin Core counts them.
    pub confirmations: u32,
    /// Its hash.
    pub hash: BlockHash,
    /// The file it is in.
    pub file: String,
    /// Where in the file its header begins.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u32,
    /// Its weight (BIP 141).
    pub weight: u64,
    /// Version in the header.
    pub version: i32,
    /// The block before.
    pub previous_hash: BlockHash,
    /// Merkle root of its transactions.
    pub merkle_root: TxMerkleNode,
    /// Time in the header.
    pub time: u32,
    /// The target in compact form, in hexadecimal.
    pub bits: String,
    /// Nonce in the header.
    pub nonce: u32,
    /// Transactions.
    pub txs: u64,
    /// Inputs, without the coinbase's.
    pub inputs: u64,
    /// Outputs.
    pub outputs: u64,
    /// Sum of the outputs, without the coinbase's.
    pub sent_sat: u128,
    /// Sum of the coinbase's outputs.
    pub coinbase_sat: u64,
    /// Sum of the transactions' fees, which may be below zero like each of them.
    pub fees_sat: i128,
    /// Txids in the order of the block, where they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txids: Option<Vec<Txid>>,
}
