//! The reader of blocks against the `bitcoin` crate: real blocks, and the same damaged.
//!
//! Invariant: both accept the same bytes, and see the same in them.

use super::testing::{regtest_blocks, shared_blocks, walk};
use super::{Block, FaultKind, Hash32, Tx, Txs, check_block, check_witnesses};
use crate::primitives::consensus::AMOUNT_SAT_MAX;
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::{Transaction, Weight};

/// The same by the `bitcoin` crate, and the rules that we check beyond it: Bitcoin Core's
/// `CheckBlock` and `CheckTransaction` as far as they need nothing but the block.
fn model(bytes: &[u8]) -> Option<bitcoin::Block> {
    let block: bitcoin::Block = deserialize(bytes).ok()?;
    let adds_up = |tx: &Transaction| {
        let mut total_sat = 0u64;
        let amounts = tx.output.iter().map(|output| output.value.to_sat());
        amounts.into_iter().all(|amount_sat| {
            total_sat = total_sat.saturating_add(amount_sat);
            total_sat <= AMOUNT_SAT_MAX
        })
    };
    let is_sound = |(index, tx): (usize, &Transaction)| {
        let has_both = !tx.input.is_empty() && !tx.output.is_empty();
        has_both && adds_up(tx) && tx.is_coinbase() == (index == 0)
    };
    let is_right = !block.txdata.is_empty()
        && block.txdata.iter().enumerate().all(is_sound)
        && block.weight() <= Weight::MAX_BLOCK;
    is_right.then_some(block)
}

fn assert_same_tx(tx: &Tx<'_>, model: &Transaction) {
    assert_eq!(tx.txid(), model.compute_txid().to_byte_array());
    assert_eq!(tx.weight(), model.weight().to_wu());
    assert_eq!(tx.base_bytes(), model.base_size());
    assert_eq!(tx.bytes.len(), model.total_size());
    assert_eq!(
        (tx.input_count, tx.output_count),
        (model.input.len(), model.output.len())
    );
    for (input, model) in tx.inputs().zip(&model.input) {
        assert_eq!(input.outpoint[..], serialize(&model.previous_output));
        assert_eq!(input.script_sig, model.script_sig.as_bytes());
    }
    for (output, model) in tx.outputs().zip(&model.output) {
        assert_eq!(output.amount_sat, model.value.to_sat());
        assert_eq!(output.script, model.script_pubkey.as_bytes());
    }
}

/// The ids of all transactions, read many at a time.
fn ids(bytes: &[u8], read: impl Fn(&mut Txs, &mut Block<'_>) -> bool) -> Vec<Hash32> {
    let mut block = Block::read(bytes).expect("accepted");
    let (mut txs, mut ids) = (Txs::new(), Vec::new());
    while read(&mut txs, &mut block) {
        ids.extend(txs.iter(bytes).map(|(_, id)| *id));
    }
    ids
}

/// Whether both accept the bytes, merkle root aside; then both see the same.
pub fn assert_same(bytes: &[u8]) -> bool {
    let (found, model) = (walk(bytes), model(bytes));
    assert_eq!(found.is_ok(), model.is_some(), "{:?}", found.err());
    let (Ok(txs), Some(model)) = (found, model) else {
        assert!(check_block(bytes).is_err());
        return false;
    };
    assert_eq!(txs.len(), model.txdata.len());
    for (tx, model) in txs.iter().zip(&model.txdata) {
        assert_same_tx(tx, model);
    }
    let txids = ids(bytes, |txs, block| txs.read(block).expect("accepted"));
    let wtxids = ids(bytes, |txs, block| {
        txs.read_with_wtxids(block).expect("accepted")
    });
    let of = |tx: &Transaction| {
        let (txid, wtxid) = (tx.compute_txid(), tx.compute_wtxid());
        (txid.to_byte_array(), wtxid.to_byte_array())
    };
    assert!(
        txids
            .into_iter()
            .zip(wtxids)
            .eq(model.txdata.iter().map(of))
    );
    match check_block(bytes) {
        Err(fault) if fault.kind == FaultKind::DuplicateTransactions => {}
        verdict => assert_eq!(verdict.is_ok(), model.check_merkle_root()),
    }
    let mut wtxids = vec![[0; 32]; txs.len()];
    let commits = check_witnesses(bytes, true, &mut Txs::new(), &mut wtxids).is_ok();
    let mut inputs = model.txdata.iter().flat_map(|tx| &tx.input);
    let has_witness = inputs.any(|input| !input.witness.is_empty());
    // Theirs asks nothing of a block without witnesses, Core that a commitment be salted.
    assert!(commits == model.check_witness_commitment() || !has_witness);
    let before = check_witnesses(bytes, false, &mut Txs::new(), &mut wtxids);
    assert_eq!(before.is_ok(), !has_witness);
    true
}

fn real_blocks_read_as_the_bitcoin_crate_reads_them(blocks: &[Vec<u8>]) {
    for bytes in blocks {
        assert!(assert_same(bytes));
        check_block(bytes).expect("a real block");
        let mut wtxids = vec![[0; 32]; bytes.len() / 60];
        check_witnesses(bytes, true, &mut Txs::new(), &mut wtxids).expect("a real block");
    }
}

#[test]
fn blocks_of_regtest_read_as_the_bitcoin_crate_reads_them() {
    real_blocks_read_as_the_bitcoin_crate_reads_them(&regtest_blocks());
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn blocks_of_mainnet_and_signet_read_as_the_bitcoin_crate_reads_them() {
    real_blocks_read_as_the_bitcoin_crate_reads_them(&shared_blocks());
}

/// Small numbers from a seed; nothing depends on how good they are.
fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (state >> 33) as usize % below
    }
}

/// A byte is another, bytes are gone, or some are there twice.
fn damage(bytes: &mut Vec<u8>, next: &mut impl FnMut(usize) -> usize) {
    // Counts and lengths are what is worth hitting; most stand near the beginning.
    let reach = if next(2) == 0 {
        bytes.len()
    } else {
        bytes.len().min(400)
    };
    let at = next(reach);
    match next(8) {
        0 => bytes.truncate(at),
        1 => bytes.push(next(256) as u8),
        2 => drop(bytes.remove(at)),
        3 => bytes.insert(at, next(256) as u8),
        4 => bytes[at] = [0, 1, 0xfd, 0xfe, 0xff][next(5)],
        5 => bytes[at] = bytes[at].wrapping_add(1),
        6 => bytes[at] = bytes[at].wrapping_sub(1),
        _ => bytes[at] ^= 1 << next(8),
    }
}

fn damaged_blocks_get_the_verdict_of_the_bitcoin_crate(blocks: &[Vec<u8>]) {
    let (mut accepted, mut refused) = (0, 0);
    for (seed, block) in (1..).zip(blocks) {
        let mut next = numbers(seed);
        for _ in 0..(400_000 / block.len()).clamp(3, 100) {
            let mut bytes = block.clone();
            damage(&mut bytes, &mut next);
            match assert_same(&bytes) {
                true => accepted += 1,
                false => refused += 1,
            }
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted}, {refused}");
}

#[test]
fn damaged_blocks_of_regtest_get_the_verdict_of_the_bitcoin_crate() {
    damaged_blocks_get_the_verdict_of_the_bitcoin_crate(&regtest_blocks());
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn damaged_blocks_of_mainnet_and_signet_get_the_verdict_of_the_bitcoin_crate() {
    damaged_blocks_get_the_verdict_of_the_bitcoin_crate(&shared_blocks());
}
