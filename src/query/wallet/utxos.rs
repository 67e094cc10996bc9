//! `utxos` of a wallet.
//!
//! Invariant: its outputs are those of its scripts, each once.

use super::Extent;
use crate::Result;
use crate::primitives::position::Height;
use crate::query::script::Wallet;
use crate::query::{Utxo, View};
use bitcoin::{Address, ScriptBuf};
use serde::Serialize;

/// The unspent outputs of a wallet's scripts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WalletUtxos {
    /// The descriptor, with its checksum.
    pub descriptor: String,
    /// The height asked about.
    pub height: Height,
    /// Their sum.
    pub total_sat: u128,
    /// Whether the outputs' scripts were compared in the block files, and not only by fingerprint.
    pub checked: bool,
    /// By height; of one block branch by branch, by index.
    pub utxos: Vec<WalletUtxo>,
}

/// An unspent output, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WalletUtxo {
    /// The output.
    #[serde(flatten)]
    pub utxo: Utxo,
    /// Its script.
    pub script: ScriptBuf,
    /// Its address, if it has one.
    pub address: Option<Address>,
    /// The number of the script's branch, from 0 on.
    pub branch: usize,
    /// The script's index there; `None`: the branch has one only.
    pub index: Option<u32>,
}

impl View<'_> {
    /// The unspent outputs of `wallet`'s scripts; for `check` see [`View::utxos`].
    ///
    /// # Errors
    /// Those of [`View::utxos`].
    pub fn wallet_utxos(
        &mut self,
        wallet: &Wallet,
        extent: Extent,
        check: bool,
    ) -> Result<WalletUtxos> {
        let mut all = WalletUtxos {
            descriptor: wallet.descriptor().to_owned(),
            height: self.at,
            total_sat: 0,
            checked: true,
            utxos: Vec::new(),
        };
        let mut scripts = wallet.scripts(extent);
        while let Some(derived) = scripts.next(self)? {
            if !derived.used {
                continue;
            }
            let one = self.utxos(&derived.script, check)?;
            all.total_sat += one.total_sat;
            all.checked &= one.checked;
            all.utxos
                .extend(one.utxos.into_iter().map(|utxo| WalletUtxo {
                    utxo,
                    script: one.script.clone(),
                    address: one.address.clone(),
                    branch: derived.branch,
                    index: derived.index,
                }));
        }
        all.utxos.sort_by_key(|utxo| utxo.utxo.height);
        Ok(all)
    }
}
