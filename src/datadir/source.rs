//! What is to be read, as the user says it.
//!
//! Invariant: a challenge asks for a signet, and for no other network.

use super::{Datadir, Fault, Found, Wanted, find};
use crate::Result;
use crate::primitives::network::{Network, NetworkName};
use std::path::PathBuf;

/// Where the block files are, as the user says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Location {
    /// bitcoind's `-datadir`.
    Datadir(PathBuf),
    /// bitcoind's `-blocksdir`, or the folder of the block files itself.
    BlocksDir(PathBuf),
}

/// What is to be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Where it is.
    pub location: Location,
    /// The network; found by itself if it is not given and only one is there.
    pub network: Option<NetworkName>,
    /// The script that a custom signet's blocks are signed for.
    pub signet_challenge: Option<Vec<u8>>,
}

impl Source {
    /// What is there, whatever its network is.
    pub fn new(location: Location) -> Source {
        Source {
            location,
            network: None,
            signet_challenge: None,
        }
    }

    /// The folder of the block files, and how it was found.
    ///
    /// # Errors
    /// [`crate::os::Fault::Io`]; nothing there, or nothing of that network; of several networks none is
    /// named; a custom signet whose challenge is not known; [`crate::datadir::Fault::ChallengeWithoutSignet`].
    pub fn find(&self) -> Result<Found> {
        let signet = &self.networks()[NetworkName::Signet as usize];
        let wanted = match (self.wanted()?, &self.signet_challenge) {
            (_, Some(_)) => Wanted::Known(signet),
            (Some(name), None) => Wanted::Named(name),
            (None, None) => Wanted::Any,
        };
        find(&self.location, wanted)
    }

    /// The folder of the block files, if some of its network are in it; some may be missing.
    ///
    /// # Errors
    /// Nothing there, or not readable; several networks and none named; a bad `xor.dat`; no block of the
    /// network, or one of another network first.
    pub fn blocks_dir(&self) -> Result<PathBuf> {
        Ok(Datadir::open(self)?.blocks_dir().to_owned())
    }

    /// The network asked for; a challenge asks for signet.
    pub(super) fn wanted(&self) -> Result<Option<NetworkName>> {
        match (self.network, &self.signet_challenge) {
            (None, Some(_)) => Ok(Some(NetworkName::Signet)),
            (Some(network), Some(_)) if network != NetworkName::Signet => {
                Err(Fault::ChallengeWithoutSignet { network }.into())
            }
            (network, _) => Ok(network),
        }
    }

    /// All networks, with the signet of the challenge.
    pub(super) fn networks(&self) -> [Network; 5] {
        NetworkName::ALL.map(|name| match &self.signet_challenge {
            Some(challenge) if name == NetworkName::Signet => Network::custom_signet(challenge),
            _ => Network::new(name),
        })
    }
}
