//! Why a question has no answer.
//!
//! Invariant: what is wrong with the question is told apart from what is wrong with the files.

use crate::error::Family;
use crate::primitives::network::NetworkName;
use crate::primitives::position::Height;
use bitcoin::{OutPoint, ScriptBuf, Txid};

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The text stands for no script.
    #[error("'{text}' is no script: {why}")]
    NotAScript {
        /// What was given.
        text: String,
        /// Why not, and what to write instead.
        why: String,
    },
    /// The text stands for more scripts than one.
    #[error("{descriptor} stands for many scripts, and one is wanted here")]
    ManyScripts {
        /// The descriptor.
        descriptor: String,
    },
    /// Outputs with such a script can never be spent; they are in no UTXO set, and not in the index.
    #[error(
        "{} are not indexed, since nothing can spend them: of their amounts nothing is known by script; \
         `blkdex tx TXID` and `blkdex outpoint TXID:VOUT` show them",
        if *is_op_return { "OP_RETURN outputs".into() } else { format!("scripts of {bytes} bytes") }
    )]
    NeverIndexed {
        /// Whether that is because it begins with OP_RETURN; else it is too long.
        is_op_return: bool,
        /// Its length.
        bytes: usize,
    },
    /// The address belongs to other networks than the index.
    #[error(
        "{address} is an address of {}, but the index holds {expected}",
        crate::primitives::network::list_names(found)
    )]
    AddressOfOtherNetwork {
        /// The address.
        address: String,
        /// Networks it belongs to.
        found: Vec<NetworkName>,
        /// The index's.
        expected: NetworkName,
    },
    /// No such transaction at that height.
    #[error("no transaction {txid} in the blocks up to height {at}")]
    UnknownTx {
        /// The txid asked for.
        txid: Txid,
        /// The height asked for.
        at: Height,
    },
    /// The transaction has fewer outputs.
    #[error("transaction {} has {outputs} outputs, from 0 on; there is no output {}", outpoint.txid, outpoint.vout)]
    NoSuchOutput {
        /// The output asked for.
        outpoint: OutPoint,
        /// Outputs it has.
        outputs: usize,
    },
    /// Another script has the same fingerprint, which is seen only where both are compared.
    #[error(
        "another script has the fingerprint of {script:x}; --check answers this question, and an index that \
         `blkdex rebuild` makes has other fingerprints"
    )]
    SameFingerprint {
        /// The script asked for.
        script: ScriptBuf,
    },
    /// Index and block files contradict each other.
    #[error("output {outpoint} is not where the index says; the block files were changed")]
    OutputMissing {
        /// The output.
        outpoint: OutPoint,
    },
}

impl crate::error::Fault for Fault {
    fn family(&self) -> Family {
        match self {
            Fault::NotAScript { .. }
            | Fault::ManyScripts { .. }
            | Fault::NeverIndexed { .. }
            | Fault::AddressOfOtherNetwork { .. } => Family::User,
            _ => Family::Data,
        }
    }
}
