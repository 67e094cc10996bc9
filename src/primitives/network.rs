//! The five networks: names, magic, genesis blocks, limits of work.
//!
//! Invariant: a `Network` is complete; nothing else in the crate knows a network's constants.

use crate::error::Family;
use std::fmt;
use std::str::FromStr;

use bitcoin::Target;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::params::Params;

use crate::primitives::position::Height;

/// A network, as `bitcoin-cli getblockchaininfo` calls its `chain`, except that testnet3 is `test`
/// there and here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NetworkName {
    /// The one with the money.
    Main,
    /// testnet3.
    Test,
    /// testnet4 (BIP 94).
    Testnet4,
    /// The default signet, or a custom one (BIP 325).
    Signet,
    /// A private chain for tests.
    Regtest,
}

impl NetworkName {
    /// All of them, main first.
    pub const ALL: [NetworkName; 5] = [
        NetworkName::Main,
        NetworkName::Test,
        NetworkName::Testnet4,
        NetworkName::Signet,
        NetworkName::Regtest,
    ];

    /// The network in the `bitcoin` crate's terms, as its addresses need it.
    pub fn bitcoin(self) -> bitcoin::Network {
        match self {
            NetworkName::Main => bitcoin::Network::Bitcoin,
            NetworkName::Test => bitcoin::Network::Testnet,
            NetworkName::Testnet4 => bitcoin::Network::Testnet4,
            NetworkName::Signet => bitcoin::Network::Signet,
            NetworkName::Regtest => bitcoin::Network::Regtest,
        }
    }

    /// Folder of the network below a datadir; empty for main (Bitcoin Core, `chainparamsbase.cpp`).
    pub fn folder(self) -> &'static str {
        match self {
            NetworkName::Main => "",
            NetworkName::Test => "testnet3",
            NetworkName::Testnet4 => "testnet4",
            NetworkName::Signet => "signet",
            NetworkName::Regtest => "regtest",
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            NetworkName::Main => "main",
            NetworkName::Test => "test",
            NetworkName::Testnet4 => "testnet4",
            NetworkName::Signet => "signet",
            NetworkName::Regtest => "regtest",
        }
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NetworkName {
    type Err = UnknownNetwork;

    /// By its name, or by one of those that other programs have for it.
    fn from_str(name: &str) -> Result<Self, UnknownNetwork> {
        let name = match name {
            "mainnet" | "bitcoin" => "main",
            "testnet" | "testnet3" => "test",
            name => name,
        };
        NetworkName::ALL
            .into_iter()
            .find(|network| network.as_str() == name)
            .ok_or_else(|| UnknownNetwork {
                found: name.to_string(),
            })
    }
}

/// What must be known of a network to read its block files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Network {
    /// Its name.
    pub name: NetworkName,
    /// The four bytes before every record (Bitcoin Core, `kernel/chainparams.cpp`: `pchMessageStart`).
    pub magic: [u8; 4],
    /// Hash of the genesis block, in internal byte order.
    pub genesis_hash: [u8; 32],
    /// The easiest target that a header may claim.
    pub pow_limit: Target,
    /// From this height on coinbases name their height, so that no txid comes twice (BIP 34).
    /// `u32::MAX` for regtest: its chains need not follow BIP 34 (`-testactivationheight`).
    pub bip34_height: u32,
    /// From this height on coinbases commit to the witnesses of their block (BIP 141; Bitcoin Core,
    /// `kernel/chainparams.cpp`: `SegwitHeight`). Miners wrote commitments months before they counted.
    pub segwit_height: Height,
}

impl Network {
    /// The network of that name; for signet the default one.
    pub fn new(name: NetworkName) -> Network {
        let network = name.bitcoin();
        Network {
            name,
            magic: network.magic().to_bytes(),
            genesis_hash: bitcoin::blockdata::constants::genesis_block(network)
                .block_hash()
                .to_byte_array(),
            pow_limit: Params::new(network).max_attainable_target,
            bip34_height: match name {
                NetworkName::Main => 227_931,
                NetworkName::Test => 21_111,
                NetworkName::Testnet4 | NetworkName::Signet => 1,
                NetworkName::Regtest => u32::MAX,
            },
            segwit_height: Height(match name {
                NetworkName::Main => 481_824,
                NetworkName::Test => 834_624,
                NetworkName::Testnet4 | NetworkName::Signet => 1,
                NetworkName::Regtest => 0,
            }),
        }
    }

    /// A signet of its own: it shares the default signet's genesis block, and its magic is the start
    /// of the hash of its challenge, a script (Bitcoin Core, `kernel/chainparams.cpp`: `SigNetParams`).
    pub fn custom_signet(challenge: &[u8]) -> Network {
        let prefixed = bitcoin::consensus::serialize(bitcoin::Script::from_bytes(challenge));
        let hash = sha256d::Hash::hash(&prefixed).to_byte_array();
        let [a, b, c, d, ..] = hash;
        Network {
            magic: [a, b, c, d],
            ..Network::new(NetworkName::Signet)
        }
    }
}

/// Networks as a list for people.
pub fn list_names(names: &[NetworkName]) -> String {
    names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A name that is no network's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no network is called '{found}'; it is one of main, test, testnet4, signet, regtest")]
pub struct UnknownNetwork {
    /// What was given.
    pub found: String,
}

impl crate::error::Fault for UnknownNetwork {
    fn family(&self) -> Family {
        Family::User
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BIP 325, and Bitcoin Core, `kernel/chainparams.cpp`.
    const DEFAULT_CHALLENGE: &str = "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be4\
        30210359ef5021964fe22d6f8e05b2463c9540ce96883fe3b278760f048f5189f2e6c452ae";

    #[test]
    fn names_are_read_as_they_are_printed() {
        for name in NetworkName::ALL {
            assert_eq!(
                name.to_string().parse::<NetworkName>().expect("own name"),
                name
            );
        }
        for (other, name) in [
            ("mainnet", NetworkName::Main),
            ("bitcoin", NetworkName::Main),
            ("testnet", NetworkName::Test),
            ("testnet3", NetworkName::Test),
        ] {
            assert_eq!(other.parse::<NetworkName>().expect("known"), name);
        }
        for bad in ["", "Main", "testnet5", "litecoin"] {
            assert!(bad.parse::<NetworkName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn magics_are_those_of_bitcoin_core() {
        let magics = NetworkName::ALL.map(|name| u32::from_be_bytes(Network::new(name).magic));
        assert_eq!(
            magics,
            [0xf9beb4d9, 0x0b110907, 0x1c163f28, 0x0a03cf40, 0xfabfb5da]
        );
    }

    #[test]
    fn the_default_challenge_gives_the_default_signet() {
        use bitcoin::hex::FromHex;
        let challenge = Vec::from_hex(DEFAULT_CHALLENGE).expect("literal");
        assert_eq!(
            Network::custom_signet(&challenge),
            Network::new(NetworkName::Signet)
        );
        assert_ne!(
            Network::custom_signet(&[0x51]).magic,
            Network::new(NetworkName::Signet).magic
        );
    }

    #[test]
    fn genesis_hashes_meet_their_network() {
        let mut hash = Network::new(NetworkName::Main).genesis_hash;
        hash.reverse();
        assert_eq!(hash[..8], [0, 0, 0, 0, 0, 0x19, 0xd6, 0x68]);
    }
}
