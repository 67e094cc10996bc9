//! The merkle tree over a block's transactions (Bitcoin Core, `consensus/merkle.cpp`).
//!
//! Invariant: a block whose tree could be that of another block is refused, though its root is right.

use super::Hash32;
use super::block::Block;
use super::fault::{BlockFault, FaultKind};
use super::txs::Txs;
use crate::primitives::header;
use crate::primitives::header::HEADER_BYTES;
use crate::primitives::sha256::hash_pairs;

/// Folds `hashes`, in place, into their merkle root; also says whether two equal hashes stood side
/// by side, which makes one block look like another (Bitcoin Core, `consensus/merkle.cpp`).
pub(super) fn merkle_root(hashes: &mut [Hash32]) -> (Hash32, bool) {
    let mut count = hashes.len();
    let mut mutated = false;
    while count > 1 {
        let level = &mut hashes[..count];
        let (pairs, alone) = level.as_chunks::<2>();
        mutated |= pairs.iter().any(|[left, right]| left == right);
        let pairs = pairs.len();
        // What has no neighbour is hashed with itself.
        let alone = alone.first().map(|alone| {
            let mut both = [*alone; 2];
            hash_pairs(&mut both);
            both[0]
        });
        hash_pairs(level);
        count = pairs + alone.iter().len();
        alone.into_iter().for_each(|alone| hashes[pairs] = alone);
    }
    (hashes[0], mutated)
}

/// Checks the transactions' ids, in block order, against the merkle root in the header; `txids`
/// serves as scratch space.
///
/// # Errors
/// [`FaultKind::MerkleRoot`] or [`FaultKind::DuplicateTransactions`].
pub fn check_merkle_root(
    txids: &mut [Hash32],
    header: &[u8; HEADER_BYTES],
) -> Result<(), BlockFault> {
    let (root, mutated) = merkle_root(txids);
    if root != header::merkle_root_of(header) {
        return Err(BlockFault {
            kind: FaultKind::MerkleRoot,
            offset_bytes: header::MERKLE_ROOT_AT,
        });
    }
    if mutated {
        return Err(BlockFault {
            kind: FaultKind::DuplicateTransactions,
            offset_bytes: HEADER_BYTES,
        });
    }
    Ok(())
}

/// Walks a block to its end and checks its merkle root.
///
/// # Errors
/// A [`BlockFault`] that names the first byte that cannot be right.
pub fn check_block(bytes: &[u8]) -> Result<(), BlockFault> {
    let mut block = Block::read(bytes)?;
    let (mut txs, mut txids) = (Txs::new(), Vec::new());
    while txs.read(&mut block)? {
        txids.extend_from_slice(txs.ids());
    }
    check_merkle_root(&mut txids, block.header)
}

#[cfg(test)]
mod tests {
    use super::super::testing::regtest_genesis;
    use super::*;
    use bitcoin::consensus::{deserialize, serialize};

    /// CVE-2012-2459: the last transactions once more give the same merkle root.
    #[test]
    fn repeated_transactions_are_refused_though_the_root_is_right() {
        let genesis = &regtest_genesis();
        let mut model: bitcoin::Block = deserialize(genesis).expect("genesis");
        let coinbase = model.txdata[0].clone();
        for vout in 0..2 {
            let mut spends = coinbase.clone();
            let txid = coinbase.compute_txid();
            spends.input[0].previous_output = bitcoin::OutPoint { txid, vout };
            model.txdata.push(spends);
        }
        model.header.merkle_root = model.compute_merkle_root().expect("three");
        check_block(&serialize(&model)).expect("a block of three");
        model.txdata.push(model.txdata[2].clone());
        assert!(model.check_merkle_root());
        let fault = check_block(&serialize(&model)).expect_err("repeated");
        assert_eq!(fault.kind, FaultKind::DuplicateTransactions);
    }
}
