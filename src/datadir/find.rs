//! Which folder the block files of a network lie in, from what the user gives and the index remembers.
//!
//! Invariant: every command finds them by this rule. A folder is taken if it, or what bitcoind makes
//! below it, holds block files; where `bitcoin.conf` leads elsewhere it is followed, as bitcoind does.

use super::conf::{Conf, Setting};
use super::files::{self, has_block_files};
use super::records::RecordReader;
use super::{Location, block_file_path};
use crate::datadir::Fault;
use crate::os::io_error;
use crate::primitives::network::{Network, NetworkName};
use crate::{Error, Result};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Whose block files are looked for.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Those of the only network that is there.
    Any,
    /// Those of the network of this name, as the user gave it; of a signet the default one.
    Named(NetworkName),
    /// Those of this network: an index's, or a signet whose challenge is known.
    Known(&'a Network),
}

/// Where block files were found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The folder that they lie in.
    pub blocks_dir: PathBuf,
    /// The setting of `bitcoin.conf` that led there, if one did.
    pub followed: Option<Setting>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(setting) = &self.followed {
            write!(f, "{setting}: ")?;
        }
        write!(f, "block files are read from {}", self.blocks_dir.display())
    }
}

impl Wanted<'_> {
    fn name(&self) -> Option<NetworkName> {
        match self {
            Wanted::Any => None,
            Wanted::Named(name) => Some(*name),
            Wanted::Known(network) => Some(network.name),
        }
    }

    /// All networks; of signets the one that is wanted.
    fn networks(&self) -> Vec<Network> {
        let network = |name| match self {
            Wanted::Known(known) if known.name == name => (*known).clone(),
            _ => Network::new(name),
        };
        NetworkName::ALL.map(network).to_vec()
    }

    /// Folders that the network has below a datadir. Bitcoin Core's development branch (2026) names a
    /// custom signet's by its magic.
    fn folders(&self, name: NetworkName) -> Vec<String> {
        match self {
            Wanted::Known(network) if name == NetworkName::Signet => {
                vec![signet_folder(network.magic), name.folder().into()]
            }
            _ => vec![name.folder().into()],
        }
    }
}

/// Finds the folder of the block files.
///
/// # Errors
/// [`crate::os::Fault::Io`]; nothing there, or nothing of that network; of several networks none is
/// named; a custom signet whose challenge is not known.
pub fn find(location: &Location, wanted: Wanted<'_>) -> Result<Found> {
    let (Location::Datadir(dir) | Location::BlocksDir(dir)) = location;
    fs::read_dir(dir).map_err(io_error("open", dir))?;
    let is_bare = has_block_files(dir)?;
    let bare = Found {
        blocks_dir: dir.clone(),
        followed: None,
    };
    if is_bare && matches!(location, Location::BlocksDir(_)) {
        return of_network(bare, wanted);
    }
    let conf = match location {
        Location::Datadir(_) => Some(Conf::of(dir)),
        Location::BlocksDir(_) => None,
    };
    let search = Search { dir, conf, wanted };
    let mut found = search.all()?;
    let signets = search.custom_signets()?;
    match (found.len(), is_bare) {
        (0, true) => of_network(bare, wanted),
        (0, false) => search.otherwise(signets),
        (1, _) if signets.is_empty() || !matches!(wanted, Wanted::Any) => {
            of_network(found.swap_remove(0).1, wanted)
        }
        _ => {
            let signet = signets.first().map(|_| NetworkName::Signet);
            let mut names: Vec<_> = found.iter().map(|(name, _)| *name).chain(signet).collect();
            names.sort_unstable_by_key(|name| *name as usize);
            names.dedup();
            Err(Fault::SeveralNetworks {
                dir: dir.clone(),
                found: names,
            }
            .into())
        }
    }
}

/// Refuses files that begin with a block of another network than the one that is known.
fn of_network(found: Found, wanted: Wanted<'_>) -> Result<Found> {
    match (wanted, network_in(&found.blocks_dir, &wanted.networks())) {
        (Wanted::Known(network), Some(name)) if name != network.name => {
            Err(Fault::FilesOfOtherNetwork {
                dir: found.blocks_dir,
                found: name,
                expected: network.name,
            }
            .into())
        }
        _ => Ok(found),
    }
}

/// The network of the first block in the folder, if it can be told; why not is for the reader to say.
fn network_in(blocks_dir: &Path, networks: &[Network]) -> Option<NetworkName> {
    let key = files::read_xor_key(blocks_dir).ok()?;
    let mut reader = RecordReader::new(networks.to_vec(), key).ok()?;
    reader.open(block_file_path(blocks_dir, 0), 0, 0).ok()?;
    let record = reader.next_record().ok()??;
    Some(record.network)
}

/// The search in a datadir or `-blocksdir`, which have the same folders below them.
struct Search<'a> {
    dir: &'a Path,
    conf: Option<Conf>,
    wanted: Wanted<'a>,
}

impl Search<'_> {
    /// All networks whose block files are found, of those wanted.
    fn all(&self) -> Result<Vec<(NetworkName, Found)>> {
        let mut all = Vec::new();
        for name in NetworkName::ALL {
            if self.wanted.name().is_none_or(|wanted| wanted == name)
                && let Some(found) = self.of(name)?
            {
                all.push((name, found));
            }
        }
        Ok(all)
    }

    /// The block files of one network. `blocksdir` goes before the datadir, as it does for bitcoind;
    /// `datadir` behind it, for that one was given by hand. Of a copied datadir either may lead nowhere.
    fn of(&self, name: NetworkName) -> Result<Option<Found>> {
        let here = (self.dir.to_owned(), None);
        let [blocksdir, datadir] = self.settings(name);
        let places = [blocksdir.map(place), Some(here), datadir.map(place)];
        for (base, followed) in places.into_iter().flatten() {
            for folder in self.wanted.folders(name) {
                let blocks_dir = base.join(folder).join("blocks");
                if has_block_files(&blocks_dir)? {
                    return Ok(Some(Found {
                        blocks_dir,
                        followed,
                    }));
                }
            }
        }
        Ok(None)
    }

    /// What `bitcoin.conf` says; a path that is not absolute begins where bitcoind was started, which
    /// is not known.
    fn settings(&self, name: NetworkName) -> [Option<Setting>; 2] {
        ["blocksdir", "datadir"].map(|option| {
            let setting = self.conf.as_ref()?.folder(option, name)?;
            setting.value.is_absolute().then_some(setting)
        })
    }

    /// Folders of signets whose magic is not the one wanted, as far as they hold block files.
    fn custom_signets(&self) -> Result<Vec<PathBuf>> {
        if self
            .wanted
            .name()
            .is_some_and(|name| name != NetworkName::Signet)
        {
            return Ok(Vec::new());
        }
        let mut signets = Vec::new();
        for entry in fs::read_dir(self.dir).map_err(io_error("list", self.dir))? {
            let entry = entry.map_err(io_error("list", self.dir))?;
            let is_signet = entry.file_name().to_str().is_some_and(is_signet_folder);
            let blocks_dir = entry.path().join("blocks");
            if is_signet && has_block_files(&blocks_dir)? {
                signets.push(blocks_dir);
            }
        }
        signets.sort();
        Ok(signets)
    }

    /// Nothing lies where it was looked for: a network's own folder may have been given. If not, says
    /// what is there instead.
    fn otherwise(&self, signets: Vec<PathBuf>) -> Result<Found> {
        let own = self.dir.join("blocks");
        let has_own = has_block_files(&own)?;
        let name = self.wanted.name();
        if has_own && name.is_some() && network_in(&own, &self.wanted.networks()) == name {
            return Ok(Found {
                blocks_dir: own,
                followed: None,
            });
        }
        if let Some(dir) = signets.into_iter().next() {
            let is_known = matches!(self.wanted, Wanted::Known(_));
            return Err(Fault::CustomSignet { dir, is_known }.into());
        }
        if let Some(error) = self.led_nowhere() {
            return Err(error);
        }
        let dir = self.dir.to_owned();
        let Some(wanted) = name else {
            return Err(Fault::NoBlockFiles { dir }.into());
        };
        let others = Search {
            wanted: Wanted::Any,
            conf: None,
            ..*self
        };
        let found: Vec<_> = others.all()?.into_iter().map(|(name, _)| name).collect();
        match found.is_empty() {
            true => Err(Fault::NoBlockFiles {
                dir: self.dir.join(wanted.folder()).join("blocks"),
            }
            .into()),
            false => Err(Fault::NetworkNotThere { dir, wanted, found }.into()),
        }
    }

    /// What `bitcoin.conf` says, if that leads to no block files either, or cannot be read.
    fn led_nowhere(&self) -> Option<Error> {
        let conf = self.conf.as_ref()?;
        let names = NetworkName::ALL.into_iter();
        let names = names.filter(|name| self.wanted.name().is_none_or(|wanted| wanted == *name));
        let mut settings =
            names.flat_map(|name| ["blocksdir", "datadir"].map(|option| conf.folder(option, name)));
        if let Some(setting) = settings.find_map(|setting| setting) {
            let dir = self.dir.to_owned();
            return Some(Fault::ConfLeadsNowhere { dir, setting }.into());
        }
        let unreadable = conf.unreadable.as_ref()?;
        Some(
            Fault::ConfUnreadable {
                dir: self.dir.to_owned(),
                why: unreadable.to_string(),
            }
            .into(),
        )
    }
}

fn place(setting: Setting) -> (PathBuf, Option<Setting>) {
    (setting.value.clone(), Some(setting))
}

fn signet_folder(magic: [u8; 4]) -> String {
    format!("signet_{:08x}", u32::from_be_bytes(magic))
}

fn is_signet_folder(name: &str) -> bool {
    let magic = name.strip_prefix("signet_");
    magic.is_some_and(|hex| hex.len() == 8 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
