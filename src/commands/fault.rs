//! What is wrong with a command line, and is seen only when its questions are read.
//!
//! Invariant: nothing was answered before.

use blkdex::error::Family;

/// See the module documentation.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An option of wallets, and no wallet.
    #[error(
        "{option} is for descriptors that stand for many scripts, as wpkh(xpub.../<0;1>/*); none was given"
    )]
    NoWallet {
        /// The option.
        option: &'static str,
    },
    /// A list and more.
    #[error("- stands for a list on stdin, which is asked about alone")]
    ListNotAlone,
    /// A line of a list that is to be one set.
    #[error("line {line} of {list}: {error}; with --together nothing is answered without it")]
    BadLine {
        /// Its number.
        line: u64,
        /// The list.
        list: String,
        /// Why it is no script.
        error: String,
    },
}

impl blkdex::error::Fault for Fault {
    fn family(&self) -> Family {
        Family::User
    }
}
