//! What an index says of itself.
//!
//! Invariant: read and checked before anything else in the file is believed.
//!
//! Table `meta`, name → bytes, numbers little-endian: `format` (u32; 5, or 6 if txids are kept), `network` (name), `magic`
//! (4 bytes), `fingerprint_key` (16 random bytes), `blocks_dir` (path), `checksum`
//! (XXH3-64 of the other fields), and, from the first commit on,
//! `tip` and `settled` (u32).

use crate::Result;
use crate::datadir::Datadir;
use crate::index::Fault;
use crate::primitives::network::Network;
use crate::primitives::position::Height;
use crate::store::writing::Writing;
use crate::store::{Store, TableDefinition};
use byteorder::{ByteOrder, LittleEndian};
use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use twox_hash::XxHash3_64;

pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");

/// The format of an index that keeps no txids, and of one that does: a program that does not know of these
/// would not write them.
const FORMAT: u32 = 5;
const FORMAT_WITH_TXIDS: u32 = 6;

/// The same of an index whose runs all have pages of another form. It is read, and has the present format from
/// the first time on that it is opened for writing.
const OLD_FORMAT: u32 = 3;
const OLD_FORMAT_WITH_TXIDS: u32 = 4;

/// The formats that are read.
pub const FORMATS: [u32; 4] = [OLD_FORMAT, OLD_FORMAT_WITH_TXIDS, FORMAT, FORMAT_WITH_TXIDS];

/// See the module documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meta {
    /// Name of the network: `main`, `test`, `testnet4`, `signet`, `regtest`.
    pub network: String,
    /// The network's magic, which tells custom signets apart.
    pub magic: [u8; 4],
    /// Key of the fingerprints.
    pub fingerprint_key: [u8; 16],
    /// Whether txids are kept ([`super::kept`]); the format says so.
    pub keeps_txids: bool,
    /// Whether it has the format before the present one.
    pub is_old: bool,
    /// Folder of the block files.
    pub blocks_dir: PathBuf,
    /// Height of the last committed block.
    pub tip: Option<Height>,
    /// Blocks at or below this height are never rolled back.
    pub settled: Option<Height>,
}

impl Meta {
    /// Of a new index of these block files, with a key of its own, that keeps txids or not.
    pub fn fresh(datadir: &Datadir, keeps_txids: bool) -> Meta {
        let network = datadir.network();
        Meta {
            network: network.name.to_string(),
            magic: network.magic,
            fingerprint_key: rand_key(),
            keeps_txids,
            is_old: false,
            blocks_dir: datadir.blocks_dir().to_owned(),
            tip: None,
            settled: None,
        }
    }

    /// The network whose blocks these are; of signets the very one.
    ///
    /// # Errors
    /// [`UnknownNetwork`](crate::primitives::network::UnknownNetwork).
    pub fn network(&self) -> Result<Network> {
        Ok(Network {
            magic: self.magic,
            ..Network::new(self.network.parse()?)
        })
    }

    /// Reads it; `None` if the file has none.
    ///
    /// # Errors
    /// [`crate::index::Fault::OtherFormat`], [`crate::store::Fault::DamagedIndex`],
    /// [`crate::store::Fault::Store`].
    pub fn load(store: &Store) -> Result<Option<Meta>> {
        let snapshot = store.read()?;
        let field = |name| -> Result<Option<Vec<u8>>> {
            let value = snapshot.get(META, name)?;
            Ok(value.map(|value| value.value().to_vec()))
        };
        let Some(format) = field("format")? else {
            return Ok(None);
        };
        let unreadable = || store.damaged("its meta table cannot be read");
        let number = |bytes: Vec<u8>| {
            (bytes.len() == 4)
                .then(|| LittleEndian::read_u32(&bytes))
                .ok_or_else(unreadable)
        };
        let format = number(format)?;
        let Some((is_old, keeps_txids)) = kind_of(format) else {
            return Err(Fault::OtherFormat {
                path: store.path().to_owned(),
                found: format,
            }
            .into());
        };
        let needed = |name| field(name)?.ok_or_else(unreadable);
        let height = |name| field(name)?.map(number).transpose();
        let meta = Meta {
            network: String::from_utf8(needed("network")?).map_err(|_| unreadable())?,
            magic: needed("magic")?.try_into().map_err(|_| unreadable())?,
            fingerprint_key: needed("fingerprint_key")?
                .try_into()
                .map_err(|_| unreadable())?,
            keeps_txids,
            is_old,
            blocks_dir: OsStr::from_bytes(&needed("blocks_dir")?).into(),
            tip: height("tip")?.map(Height),
            settled: height("settled")?.map(Height),
        };
        match needed("checksum")? == meta.checksum() {
            true => Ok(Some(meta)),
            false => Err(unreadable()),
        }
    }

    fn format(&self) -> u32 {
        match (self.is_old, self.keeps_txids) {
            (false, false) => FORMAT,
            (false, true) => FORMAT_WITH_TXIDS,
            (true, false) => OLD_FORMAT,
            (true, true) => OLD_FORMAT_WITH_TXIDS,
        }
    }

    /// Of all fields, in the order and form in which they are kept; no height counts as its
    /// absence.
    fn checksum(&self) -> [u8; 8] {
        let mut hasher = XxHash3_64::with_seed(u64::from(self.format()));
        for field in [
            self.network.as_bytes(),
            &self.magic,
            &self.fingerprint_key,
            self.blocks_dir.as_os_str().as_bytes(),
        ] {
            hasher.write(&(field.len() as u64).to_le_bytes());
            hasher.write(field);
        }
        for height in [self.tip, self.settled] {
            let number = height.map_or(u64::MAX, |height| u64::from(height.0));
            hasher.write(&number.to_le_bytes());
        }
        hasher.finish().to_le_bytes()
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`crate::store::Fault::Store`].
    pub fn save(&self, transaction: &Writing) -> Result<()> {
        let mut table = transaction.open_table(META)?;
        let mut put = |name: &str, bytes: &[u8]| table.insert(name, bytes);
        put("format", &self.format().to_le_bytes())?;
        put("network", self.network.as_bytes())?;
        put("magic", &self.magic)?;
        put("fingerprint_key", &self.fingerprint_key)?;
        put("blocks_dir", self.blocks_dir.as_os_str().as_bytes())?;
        put("checksum", &self.checksum())?;
        for (name, height) in [("tip", self.tip), ("settled", self.settled)] {
            match height {
                Some(height) => table.insert(name, &height.0.to_le_bytes()[..])?,
                None => table.remove(name)?,
            }
        }
        Ok(())
    }
}

/// Whether a format is the one before the present one, and whether an index of it keeps txids; `None`: it cannot
/// be read.
fn kind_of(format: u32) -> Option<(bool, bool)> {
    match format {
        FORMAT => Some((false, false)),
        FORMAT_WITH_TXIDS => Some((false, true)),
        OLD_FORMAT => Some((true, false)),
        OLD_FORMAT_WITH_TXIDS => Some((true, true)),
        _ => None,
    }
}

/// Sixteen bytes that nobody else knows: two keys of the standard library's hasher, which it seeds
/// from the operating system.
pub(crate) fn rand_key() -> [u8; 16] {
    let random = || RandomState::new().build_hasher().finish().to_le_bytes();
    let mut key = [0; 16];
    key[..8].copy_from_slice(&random());
    key[8..].copy_from_slice(&random());
    key
}
