//! The witnesses of a block against what its coinbase commits to (BIP 141).
//!
//! Invariant: a witness that no commitment covers is refused.

use super::Hash32;
use super::block::Block;
use super::fault::{BlockFault, FaultKind};
use super::merkle::merkle_root;
use super::tx::{Output, Tx};
use super::txs::Txs;
use crate::primitives::script::OP_RETURN;
use bitcoin::hashes::{Hash, sha256d};

/// Checks a block's witnesses (BIP 141; Bitcoin Core, `validation.cpp`: `CheckWitnessMalleation`): from
/// segwit on they match the commitment in the coinbase. Where there is none, and before segwit, when
/// blocks carried commitments that did not count yet, no transaction has a witness. `txs` and `wtxids` are
/// scratch space.
///
/// # Errors
/// [`FaultKind::WitnessCommitment`], [`FaultKind::UnexpectedWitness`], or what [`Block::next_tx`] finds.
pub fn check_witnesses(
    bytes: &[u8],
    is_segwit: bool,
    txs: &mut Txs,
    wtxids: &mut [Hash32],
) -> Result<(), BlockFault> {
    let mut block = Block::read(bytes)?;
    let Some(coinbase) = block.next_tx()? else {
        return Ok(());
    };
    match commitment_of(&coinbase).filter(|_| is_segwit) {
        Some(commitment) => check_commitment(block, &coinbase, commitment, (txs, wtxids)),
        None => check_no_witness(block, coinbase),
    }
}

/// The commitment to the block's witnesses: in the last output that looks like one.
fn commitment_of<'a>(coinbase: &Tx<'a>) -> Option<&'a Hash32> {
    const HEADER: [u8; 6] = [OP_RETURN, 0x24, 0xaa, 0x21, 0xa9, 0xed];
    let behind_header = |output: Output<'a>| output.script.strip_prefix(&HEADER)?.first_chunk();
    coinbase.outputs().filter_map(behind_header).last()
}

/// Checks the witnesses behind the coinbase, and its own, against what it commits to.
fn check_commitment(
    mut block: Block<'_>,
    coinbase: &Tx<'_>,
    commitment: &Hash32,
    (txs, wtxids): (&mut Txs, &mut [Hash32]),
) -> Result<(), BlockFault> {
    let fault = BlockFault {
        kind: FaultKind::WitnessCommitment,
        offset_bytes: coinbase.offset_bytes,
    };
    let Some(reserved) = coinbase.witness_reserved_value() else {
        return Err(fault);
    };
    wtxids[0] = [0; 32];
    let mut count = 1;
    while txs.read_with_wtxids(&mut block)? {
        wtxids[count..count + txs.ids().len()].copy_from_slice(txs.ids());
        count += txs.ids().len();
    }
    let mut salted = [0; 64];
    salted[..32].copy_from_slice(&merkle_root(&mut wtxids[..count]).0);
    salted[32..].copy_from_slice(reserved);
    match sha256d::Hash::hash(&salted).as_byte_array() == commitment {
        true => Ok(()),
        false => Err(fault),
    }
}

/// Checks that neither the coinbase nor what follows it has a witness.
fn check_no_witness<'a>(mut block: Block<'a>, coinbase: Tx<'a>) -> Result<(), BlockFault> {
    let mut next = Some(coinbase);
    while let Some(tx) = next {
        // The flag without a witness was refused when the transaction was read.
        if tx.is_segwit {
            return Err(BlockFault {
                kind: FaultKind::UnexpectedWitness,
                offset_bytes: tx.offset_bytes,
            });
        }
        next = block.next_tx()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::regtest_genesis;
    use super::*;
    use bitcoin::consensus::{deserialize, serialize};

    #[test]
    fn a_witness_without_a_commitment_is_refused() {
        let mut block: bitcoin::Block = deserialize(&regtest_genesis()).expect("genesis");
        let verdict = |block: &bitcoin::Block, is_segwit| {
            let kind = check_witnesses(
                &serialize(block),
                is_segwit,
                &mut Txs::new(),
                &mut [[0; 32]; 2],
            );
            kind.map_err(|fault| fault.kind)
        };
        assert_eq!(verdict(&block, true), Ok(()));
        let mut spends = block.txdata[0].clone();
        spends.input[0].previous_output = bitcoin::OutPoint {
            txid: block.txdata[0].compute_txid(),
            vout: 0,
        };
        block.txdata.push(spends);
        assert_eq!(verdict(&block, true), Ok(()));
        for index in [0, 1] {
            let mut block = block.clone();
            block.txdata[index].input[0].witness = bitcoin::Witness::from_slice(&[[0u8; 32]]);
            for is_segwit in [true, false] {
                let found = verdict(&block, is_segwit);
                assert_eq!(found, Err(FaultKind::UnexpectedWitness), "{index}");
            }
        }
        // As miners wrote it before segwit: a commitment, and no salt in the coinbase's witness.
        let commitment = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed][..], &[7; 32]].concat();
        let output = bitcoin::TxOut {
            value: bitcoin::Amount::ZERO,
            script_pubkey: commitment.into(),
        };
        block.txdata[0].output.push(output);
        assert_eq!(verdict(&block, false), Ok(()));
        assert_eq!(verdict(&block, true), Err(FaultKind::WitnessCommitment));
    }
}
