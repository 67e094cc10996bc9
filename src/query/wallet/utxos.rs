//! `utxos` of a wallet.
//!
//! Invariant: its outputs are those of its scripts, each once, in chain order.
//!
//! Memory: that of `utxos`, and the scripts that were ever used.

use super::{Extent, Origin, Used};
use crate::Result;
use crate::primitives::position::Height;
use crate::query::script::{Wallet, address_of};
use crate::query::utxos::Coins;
use crate::query::{Listing, Start, Utxo, View};
use bitcoin::{Address, ScriptBuf};
use serde::Serialize;

/// The unspent outputs of a wallet's scripts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WalletUtxos {
    /// The descriptor, with its checksum.
    pub descriptor: String,
    /// The height asked about.
    pub height: Height,
    /// The sum of all of them, also if only a part is listed.
    pub total_sat: u128,
    /// Whether the outputs' scripts were compared in the block files, and not only by fingerprint.
    pub checked: bool,
    /// In chain order.
    pub utxos: Vec<WalletUtxo>,
    /// Where the list goes on, if a limit has ended it.
    pub next: Option<Start>,
}

/// An unspent output, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WalletUtxo {
    /// The output.
    #[serde(flatten)]
    pub utxo: Utxo,
    /// Its script.
    #[serde(flatten, serialize_with = "crate::query::parts::of_script")]
    pub script: ScriptBuf,
    /// Its address, if it has one.
    pub address: Option<Address>,
    /// The number of the script's branch, from 0 on.
    pub branch: usize,
    /// The script's index there; `None`: the branch has one only.
    pub index: Option<u32>,
}

/// Unspent outputs of a wallet, as they are read. What else is answered is in [`WalletUnspent::answer`].
pub struct WalletUnspent<'v, 'i> {
    coins: Coins<'v, 'i>,
    origins: Vec<Origin>,
    answer: WalletUtxos,
}

impl<'i> View<'i> {
    /// The unspent outputs of `wallet`'s scripts; see [`View::unspent`].
    ///
    /// # Errors
    /// Those of [`View::unspent`]; [`crate::memory::Fault`], [`crate::os::Fault::Io`] where many are sorted.
    pub fn wallet_unspent<'v>(
        &'v mut self,
        wallet: &Wallet,
        extent: Extent,
        listing: &Listing,
    ) -> Result<WalletUnspent<'v, 'i>> {
        let height = self.at;
        let Used { payees, origins } = wallet.used(extent, self)?;
        let coins = self.coins(payees, listing)?;
        Ok(WalletUnspent {
            answer: WalletUtxos {
                descriptor: wallet.descriptor().to_owned(),
                height,
                total_sat: coins.total_sat,
                checked: coins.checked,
                utxos: Vec::new(),
                next: None,
            },
            coins,
            origins,
        })
    }
}

impl WalletUnspent<'_, '_> {
    /// The answer without its list; [`WalletUtxos::next`] is told once the last one was given.
    pub fn answer(&self) -> &WalletUtxos {
        &self.answer
    }

    fn owned(&self, payee: u32, utxo: Utxo) -> WalletUtxo {
        let script = self.coins.payee(payee);
        let origin = self.origins[payee as usize];
        WalletUtxo {
            utxo,
            address: address_of(script, self.coins.network()),
            script: script.to_owned(),
            branch: origin.branch,
            index: origin.index,
        }
    }
}

impl Iterator for WalletUnspent<'_, '_> {
    type Item = Result<WalletUtxo>;

    fn next(&mut self) -> Option<Result<WalletUtxo>> {
        let next = self.coins.next();
        self.answer.next = self.coins.next;
        next.map(|row| row.map(|(payee, utxo)| self.owned(payee, utxo)))
    }
}
