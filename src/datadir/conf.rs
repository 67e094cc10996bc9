//! What a datadir's `bitcoin.conf` says of where the block files are, and how long they are kept.
//!
//! Invariant: settings are found as Bitcoin Core finds them (`common/config.cpp`, `common/settings.cpp`):
//! those of the network's section before those of all networks, and of several the first.

use crate::os::opening::open_file;
use crate::os::{io_error, io_kind};
use crate::primitives::network::NetworkName;
use crate::{Error, Result};
use std::ffi::OsStr;
use std::fmt;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// So much of a `bitcoin.conf` is read. They have a few hundred lines at most.
const CONF_BYTES_MAX: u64 = 1 << 20;

/// A setting that leads elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// The file that has it.
    pub conf: PathBuf,
    /// `blocksdir` or `datadir`.
    pub name: &'static str,
    /// The folder.
    pub value: PathBuf,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (conf, value) = (self.conf.display(), self.value.display());
        write!(f, "{conf} says {}={value}", self.name)
    }
}

/// A `bitcoin.conf`.
pub(super) struct Conf {
    path: PathBuf,
    /// Names with their section, `signet.blocksdir`, and values.
    settings: Vec<(Vec<u8>, Vec<u8>)>,
    /// It is there, and why it could not be read.
    pub unreadable: Option<Error>,
}

impl Conf {
    /// That of the datadir; an empty one if it has none.
    pub fn of(datadir: &Path) -> Conf {
        let path = datadir.join("bitcoin.conf");
        let (bytes, unreadable) = match read(&path) {
            Ok(bytes) => (bytes, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        Conf {
            settings: parse(&bytes),
            path,
            unreadable,
        }
    }

    /// The folder that `name` says for the network.
    pub fn folder(&self, name: &'static str, network: NetworkName) -> Option<Setting> {
        let value = self.bytes(name, network)?;
        Some(Setting {
            conf: self.path.clone(),
            name,
            value: OsStr::from_bytes(value).into(),
        })
    }

    /// What `name` says for the network, if that is text.
    pub fn value(&self, name: &str, network: NetworkName) -> Option<&str> {
        str::from_utf8(self.bytes(name, network)?).ok()
    }

    fn bytes(&self, name: &str, network: NetworkName) -> Option<&[u8]> {
        let of = |wanted: &str| {
            let is_it = |(name, _): &&(Vec<u8>, Vec<u8>)| name == wanted.as_bytes();
            let found = self.settings.iter().find(is_it);
            found.map(|(_, value)| &value[..])
        };
        of(&format!("{network}.{name}")).or_else(|| of(name))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let file = match open_file(path) {
        Err(error) if io_kind(&error) == Some(ErrorKind::NotFound) => {
            return Ok(Vec::new());
        }
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(CONF_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(io_error("read", path))?;
    Ok(bytes)
}

/// Names and values, in the order of the file. What Core would refuse is passed over: it says nothing.
fn parse(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut prefix = Vec::new();
    let mut settings = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let line = line.trim_ascii();
        if let Some(section) = line.strip_prefix(b"[").and_then(|l| l.strip_suffix(b"]")) {
            prefix = [section, b"."].concat();
        } else if let Some(at) = line.iter().position(|byte| *byte == b'=') {
            let (name, value) = (line[..at].trim_ascii(), line[at + 1..].trim_ascii());
            settings.push(([&prefix, name].concat(), value.to_vec()));
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_as_core_finds_them() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let text = "# blocksdir=/no\nserver=1\r\n  blocksdir = /all # of them\nblocksdir=/second\n\
            -datadir=/dash\ntestnet4.blocksdir=/four\n[regtest]\nblocksdir=/reg test\r\n[signet]\n\
            datadir=/sig\n[main]\n";
        std::fs::write(dir.path().join("bitcoin.conf"), text).expect("writes");
        let conf = Conf::of(dir.path());
        assert!(conf.unreadable.is_none());
        let value = |name, network| conf.folder(name, network).map(|setting| setting.value);
        for (network, blocks) in [
            (NetworkName::Main, "/all"),
            (NetworkName::Test, "/all"),
            (NetworkName::Testnet4, "/four"),
            (NetworkName::Signet, "/all"),
            (NetworkName::Regtest, "/reg test"),
        ] {
            assert_eq!(value("blocksdir", network), Some(blocks.into()));
        }
        assert_eq!(value("datadir", NetworkName::Signet), Some("/sig".into()));
        assert_eq!(value("datadir", NetworkName::Main), None);
        let setting = conf.folder("blocksdir", NetworkName::Main);
        let said = setting.expect("found above").to_string();
        assert!(said.ends_with("bitcoin.conf says blocksdir=/all"), "{said}");
    }

    #[test]
    fn no_file_says_nothing_and_one_that_cannot_be_read_is_noted() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let conf = Conf::of(dir.path());
        assert!(conf.unreadable.is_none() && conf.settings.is_empty());
        std::fs::create_dir(dir.path().join("bitcoin.conf")).expect("folder");
        assert!(Conf::of(dir.path()).unreadable.is_some());
    }
}
