//! Scripts and transactions to build blocks from.
//!
//! Invariant: equal arguments give equal bytes, so a txid can be made to occur twice (BIP 30).

use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::script::Builder;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, opcodes::all as op,
};

/// The kinds of script that [`script`] makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    P2pkh,
    P2sh,
    P2wpkh,
    P2wsh,
    P2tr,
    P2pk,
    Multisig,
    /// Anyone can spend it.
    Odd,
    /// No bytes at all.
    Empty,
    /// Never a coin.
    OpReturn,
    /// 10,001 bytes, never a coin; one byte less ([`Kind::Longest`]) is one.
    TooLong,
    /// 10,000 bytes.
    Longest,
}

impl Kind {
    /// Every kind that becomes a coin and is of common size.
    pub const COINS: [Kind; 8] = [
        Kind::P2pkh,
        Kind::P2sh,
        Kind::P2wpkh,
        Kind::P2wsh,
        Kind::P2tr,
        Kind::P2pk,
        Kind::Multisig,
        Kind::Odd,
    ];
}

/// The script of this kind and number; numbers stand for owners.
pub fn script(kind: Kind, number: u64) -> ScriptBuf {
    let hash = sha256::Hash::hash(&number.to_le_bytes()).to_byte_array();
    let short = &hash[..20];
    let key = [&[2], &hash[..]].concat();
    let parts: Vec<&[u8]> = match kind {
        Kind::P2pkh => vec![&[0x76, 0xa9, 20], short, &[0x88, 0xac]],
        Kind::P2sh => vec![&[0xa9, 20], short, &[0x87]],
        Kind::P2wpkh => vec![&[0, 20], short],
        Kind::P2wsh => vec![&[0, 32], &hash],
        Kind::P2tr => vec![&[0x51, 32], &hash],
        Kind::P2pk => vec![&[33], &key, &[0xac]],
        Kind::Multisig => vec![&[0x51, 33], &key, &[0x51, 0xae]],
        Kind::Odd => vec![&[4], &hash[..4], &[0x75, 0x51]],
        Kind::Empty => vec![],
        Kind::OpReturn => vec![&[0x6a, 8], &hash[..8]],
        Kind::TooLong => return ScriptBuf::from_bytes(vec![0x51; 10_001]),
        Kind::Longest => return ScriptBuf::from_bytes(vec![0x51; 10_000]),
    };
    ScriptBuf::from_bytes(parts.concat())
}

/// The P2WPKH script of owner `number`: what most tests need.
pub fn owner(number: u64) -> ScriptBuf {
    script(Kind::P2wpkh, number)
}

fn outputs(pay: &[(ScriptBuf, u64)]) -> Vec<TxOut> {
    let output = |(script, sat): &(ScriptBuf, u64)| TxOut {
        value: Amount::from_sat(*sat),
        script_pubkey: script.clone(),
    };
    pay.iter().map(output).collect()
}

fn transaction(input: Vec<TxIn>, pay: &[(ScriptBuf, u64)]) -> Transaction {
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input,
        output: outputs(pay),
    }
}

/// Spends coins with a made-up witness.
pub fn spend(coins: &[OutPoint], pay: &[(ScriptBuf, u64)]) -> Transaction {
    let input = |&previous_output: &OutPoint| TxIn {
        previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::from_slice(&[&[0x30; 71][..], &[0x02; 33][..]]),
    };
    transaction(coins.iter().map(input).collect(), pay)
}

/// Spends coins with a made-up scriptSig and no witness.
pub fn spend_legacy(coins: &[OutPoint], pay: &[(ScriptBuf, u64)]) -> Transaction {
    let mut tx = spend(coins, pay);
    for input in &mut tx.input {
        input.witness = Witness::new();
        input.script_sig = Builder::new()
            .push_slice([0x30; 71])
            .push_slice([0x02; 33])
            .into_script();
    }
    tx
}

/// Spends a coin into one long script, so that the transaction alone weighs about `weight`.
pub fn heavy(coin: OutPoint, weight: usize) -> Transaction {
    spend_legacy(
        &[coin],
        &[(ScriptBuf::from_bytes(vec![0x51; weight / 4]), 0)],
    )
}

/// A coinbase whose txid follows from its arguments alone: made twice, it is a BIP 30 duplicate.
pub fn coinbase(extra_nonce: u64, pay: &[(ScriptBuf, u64)]) -> Transaction {
    let script_sig = Builder::new()
        .push_slice(extra_nonce.to_le_bytes())
        .into_script();
    transaction(vec![coinbase_input(script_sig)], pay)
}

/// A coinbase that starts with its height (BIP 34).
pub fn coinbase_at(height: u32, extra_nonce: u64, pay: &[(ScriptBuf, u64)]) -> Transaction {
    let script_sig = Builder::new()
        .push_int(i64::from(height))
        .push_slice(extra_nonce.to_le_bytes())
        .into_script();
    transaction(vec![coinbase_input(script_sig)], pay)
}

fn coinbase_input(script_sig: ScriptBuf) -> TxIn {
    TxIn {
        previous_output: OutPoint::null(),
        script_sig,
        sequence: Sequence::MAX,
        witness: Witness::new(),
    }
}

/// The BIP 141 output that commits to `commitment`.
pub fn commitment_output(commitment: [u8; 32]) -> TxOut {
    let bytes = [
        &[op::OP_RETURN.to_u8(), 36, 0xaa, 0x21, 0xa9, 0xed],
        &commitment[..],
    ]
    .concat();
    TxOut {
        value: Amount::ZERO,
        script_pubkey: ScriptBuf::from_bytes(bytes),
    }
}

/// Output `vout` of `tx`.
pub fn output_of(tx: &Transaction, vout: u32) -> OutPoint {
    OutPoint {
        txid: tx.compute_txid(),
        vout,
    }
}
