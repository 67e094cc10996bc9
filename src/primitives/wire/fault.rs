//! What can be wrong with the bytes of a block, by the names that Bitcoin Core gives it.
//!
//! Invariant: a fault names the byte of the block at which it was found.

use crate::primitives::consensus::BLOCK_WEIGHT_MAX;

/// What is wrong with the bytes of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FaultKind {
    /// A field runs past the end of the block.
    #[error("it ends in the middle of a field")]
    CutShort,
    /// A count is larger than what the rest of the block can hold.
    #[error("a count of {0} is more than the rest of the block can hold")]
    CountTooLarge(u64),
    /// A compact size is longer than it has to be (`serialize.h`: "non-canonical ReadCompactSize()").
    #[error("a compact size is longer than it has to be")]
    NonCanonicalSize,
    /// The byte behind the segwit marker is not 1 (BIP 144).
    #[error("the witness flag is {0}, not 1")]
    WitnessFlag(u8),
    /// The witness flag is set, yet no input has a witness ("Superfluous witness record").
    #[error("the witness flag is set, but no input has a witness")]
    SuperfluousWitness,
    /// A transaction without inputs ("bad-txns-vin-empty").
    #[error("a transaction has no inputs")]
    NoInputs,
    /// A transaction without outputs ("bad-txns-vout-empty").
    #[error("a transaction has no outputs")]
    NoOutputs,
    /// An amount, or the sum of a transaction's amounts, above 21 million bitcoin ("bad-txns-vout-toolarge").
    #[error("an amount is above 21 million bitcoin")]
    AmountTooLarge,
    /// A block without transactions ("bad-blk-length").
    #[error("it has no transactions")]
    NoTransactions,
    /// The first transaction is not a coinbase, or another one is ("bad-cb-missing", "bad-cb-multiple").
    #[error("a coinbase is missing or out of place")]
    Coinbase,
    /// Bytes follow the last transaction.
    #[error("{0} bytes follow the last transaction")]
    TrailingBytes(usize),
    /// The block weighs more than 4,000,000 ("bad-blk-weight").
    #[error("its weight of {0} is over the limit of {BLOCK_WEIGHT_MAX}")]
    Overweight(u64),
    /// The transactions do not hash to the header's merkle root ("bad-txnmrklroot").
    #[error("its transactions do not match the merkle root in its header")]
    MerkleRoot,
    /// Two equal hashes stand side by side in the merkle tree (CVE-2012-2459, "bad-txns-duplicate").
    #[error("a transaction is repeated")]
    DuplicateTransactions,
    /// The witnesses do not hash to the coinbase's commitment (BIP 141, "bad-witness-merkle-match").
    #[error("its witnesses do not match the commitment in its coinbase")]
    WitnessCommitment,
    /// A transaction has a witness, yet the coinbase commits to none (BIP 141, "unexpected-witness").
    #[error("a transaction has a witness, but the coinbase does not commit to witnesses")]
    UnexpectedWitness,
}

/// What is wrong, and at which byte of the block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} (byte {offset_bytes} of the block)")]
pub struct BlockFault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Offset from the first byte of the header.
    pub offset_bytes: usize,
}
