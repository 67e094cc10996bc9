//! The block files of one network, found and looked into.
//!
//! Invariant: of an open [`Datadir`] each block file was readable, and the first records are of its network.

use super::files::{list, read_at, read_xor_key};
use super::pruned::{LOOKS_MAX, prune_bytes, unless_vanished};
use super::records::{Record, RecordReader};
use super::{
    BlockFile, BlockReader, Fault, Location, Source, UndoFiles, Wanted, XorKey, block_file_path,
    find, foreign,
};
use crate::Result;
use crate::os::io_error;
use crate::os::opening::open_file;
use crate::primitives::header::{self, HEADER_BYTES};
use crate::primitives::network::Network;
use crate::primitives::position::Place;
use std::path::{Path, PathBuf};

/// Files searched for a first record before the folder is said to hold none: reading all of a full
/// datadir as junk would take hours.
pub(super) const NETWORK_FILES_MAX: usize = 2;

/// The block files of one network.
#[derive(Clone, Debug)]
pub struct Datadir {
    network: Network,
    networks: Vec<Network>,
    pub(super) blocks_dir: PathBuf,
    pub(super) files: Vec<BlockFile>,
    pub(super) xor_key: XorKey,
    /// The first block of the first file that has one.
    pub(super) first_block: Place,
    /// See [`Datadir::prune_bytes`].
    prune_bytes: Option<u64>,
}

impl Datadir {
    /// Finds the block files and their network. The files are listed as they are now; open again to
    /// see those that a node has begun or deleted since. Some may be missing: see [`Datadir::gap`].
    ///
    /// # Errors
    /// Nothing there, or not readable; several networks and none named; a bad `xor.dat`; no block of the
    /// network, or one of another network first.
    pub fn open(source: &Source) -> Result<Datadir> {
        let (wanted, networks) = (source.wanted()?, source.networks());
        let blocks_dir = source.find()?.blocks_dir;
        // The index remembers it, and is asked from other folders.
        let blocks_dir = std::path::absolute(&blocks_dir).map_err(io_error("find", &blocks_dir))?;
        let xor_key = read_xor_key(&blocks_dir)?;
        let mut reader = RecordReader::new(networks.to_vec(), xor_key)?;
        let (files, first) = list_with_first(&mut reader, &blocks_dir)?;
        let Some(first) = first else {
            let other = foreign::other_coin(&blocks_dir, &files, xor_key)?;
            return Err(other.unwrap_or(
                Fault::NoRecords {
                    dir: blocks_dir,
                    network: wanted,
                }
                .into(),
            ));
        };
        let expected = wanted.unwrap_or(first.network);
        first.expect_network(expected)?;
        let network = networks[expected as usize].clone();
        foreign::expect_genesis(&first, &network)?;
        Ok(Datadir {
            prune_bytes: prune_bytes(source, network.name),
            network,
            networks: networks.to_vec(),
            blocks_dir,
            files,
            xor_key,
            first_block: first.place,
        })
    }

    /// The network whose blocks these are.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Folder of the block files.
    pub fn blocks_dir(&self) -> &Path {
        &self.blocks_dir
    }

    /// The block files by number, as they were when opened.
    pub fn files(&self) -> &[BlockFile] {
        &self.files
    }

    /// The key that the files are obfuscated with.
    pub fn xor_key(&self) -> XorKey {
        self.xor_key
    }

    /// Bytes of files that the node keeps at most, if `bitcoin.conf` says so.
    pub fn prune_bytes(&self) -> Option<u64> {
        self.prune_bytes
    }

    /// The header of the block at `place`. Opens the file for it: meant for a few headers only.
    pub fn header_at(&self, place: Place) -> Result<[u8; HEADER_BYTES]> {
        let path = block_file_path(&self.blocks_dir, place.file);
        let file = open_file(&path)?;
        let mut header = [0; HEADER_BYTES];
        let read =
            read_at(&file, &mut header, place.offset_bytes).map_err(io_error("read", &path))?;
        if read < HEADER_BYTES {
            return Err(Fault::PastEnd {
                file: place.file,
                offset_bytes: place.offset_bytes,
                bytes: HEADER_BYTES as u32,
                file_bytes: place.offset_bytes + read as u64,
            }
            .into());
        }
        self.xor_key.apply(&mut header, place.offset_bytes);
        Ok(header)
    }

    /// Hash of the block at `place`, in internal byte order, from its header.
    pub fn hash_at(&self, place: Place) -> Result<[u8; 32]> {
        Ok(header::hash_of(&self.header_at(place)?))
    }

    /// The undo files beside the block files.
    pub fn undo_files(&self) -> UndoFiles {
        UndoFiles::new(self.blocks_dir.clone(), self.xor_key)
    }

    /// A reader of records that knows all networks, so that a foreign block is recognized.
    pub(super) fn record_reader(&self) -> Result<RecordReader> {
        RecordReader::new(self.networks.clone(), self.xor_key)
    }
}

impl BlockReader {
    /// A reader of pieces in any order: it maps nothing, and reads nothing ahead but what is announced. Files that are
    /// missing are noticed when they are read, so a pruned datadir answers for what it has.
    ///
    /// # Errors
    /// No block files of `network` there; a bad `xor.dat`.
    pub fn for_pieces(location: &Location, network: &Network) -> Result<BlockReader> {
        let blocks_dir = find(location, Wanted::Known(network))?.blocks_dir;
        let xor_key = read_xor_key(&blocks_dir)?;
        Ok(BlockReader::of_folder(blocks_dir, xor_key, None)?.of_pieces())
    }

    /// A reader of all blocks, in roughly the order in which they lie.
    ///
    /// # Errors
    /// No block files of `network` there; a bad `xor.dat`.
    pub fn for_all(location: &Location, network: &Network) -> Result<BlockReader> {
        let blocks_dir = find(location, Wanted::Known(network))?.blocks_dir;
        let xor_key = read_xor_key(&blocks_dir)?;
        let last = list(&blocks_dir)?.last().map(|file| file.number);
        BlockReader::of_folder(blocks_dir, xor_key, last)
    }
}

/// The files, and the first record of any known network in the first of them. They are listed again if one of
/// these vanishes meanwhile.
fn list_with_first(
    reader: &mut RecordReader,
    dir: &Path,
) -> Result<(Vec<BlockFile>, Option<Record>)> {
    for _ in 0..LOOKS_MAX {
        let files = list(dir)?;
        let mut has_vanished = false;
        for file in files.iter().take(NETWORK_FILES_MAX) {
            let path = block_file_path(dir, file.number);
            if unless_vanished(reader.open(path, file.number, 0))?.is_none() {
                has_vanished = true;
            } else if let Some(record) = reader.next_record()? {
                return Ok((files, Some(record)));
            }
        }
        if !has_vanished {
            return Ok((files, None));
        }
    }
    let dir = dir.to_path_buf();
    Err(Fault::Vanishing { dir }.into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, folder_with, regtest_source};
    use super::*;
    use crate::error::fault_of;
    use crate::os;
    use crate::primitives::network::NetworkName;
    use std::fs;

    fn open(location: Location, network: Option<NetworkName>) -> Result<Datadir> {
        Datadir::open(&Source {
            network,
            ..Source::new(location)
        })
    }

    #[test]
    fn the_only_network_is_found_by_itself() {
        let datadir = Datadir::open(&regtest_source()).expect("opens");
        assert_eq!(datadir.network().name, NetworkName::Regtest);
        assert_eq!(datadir.files().len(), 12);
        assert!(!datadir.xor_key().is_zero());
    }

    #[test]
    fn a_blocks_dir_may_be_bare_or_hold_bitcoinds_folders() {
        let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data");
        for dir in [
            data.clone(),
            data.join("regtest"),
            data.join("regtest/blocks"),
        ] {
            let datadir = open(Location::BlocksDir(dir), None).expect("opens");
            assert_eq!(datadir.network().name, NetworkName::Regtest);
            assert_eq!(datadir.blocks_dir(), data.join("regtest/blocks"));
        }
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn other_peoples_chains_open_by_their_magic() {
        for (name, network) in [
            ("mainnet-4312", NetworkName::Main),
            ("signet-120", NetworkName::Signet),
        ] {
            let path = testing::fixture_path(name);
            let datadir = open(Location::Datadir(path), None).expect("opens");
            assert_eq!(datadir.network(), &Network::new(network));
            assert!(datadir.xor_key().is_zero());
        }
    }

    #[test]
    fn another_network_than_asked_for_is_refused() {
        let Location::Datadir(data) = regtest_source().location else {
            unreachable!()
        };
        let missing = open(Location::Datadir(data.clone()), Some(NetworkName::Main));
        assert!(matches!(
            fault_of(&missing),
            Some(Fault::NetworkNotThere { .. })
        ));
        let other = open(
            Location::BlocksDir(data.join("regtest/blocks")),
            Some(NetworkName::Main),
        );
        let Some(&Fault::OtherNetwork {
            file: 0,
            offset_bytes: 0,
            found,
            expected,
        }) = fault_of(&other)
        else {
            panic!("{other:?}");
        };
        assert_eq!((found, expected), (NetworkName::Regtest, NetworkName::Main));
    }

    #[test]
    fn of_several_networks_one_must_be_named() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for folder in ["blocks", "regtest/blocks"] {
            let blocks = dir.path().join(folder);
            fs::create_dir_all(&blocks).expect("folder");
            for name in ["blk00000.dat", "xor.dat"] {
                let from = Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("data/regtest/blocks")
                    .join(name);
                fs::copy(from, blocks.join(name)).expect("copy");
            }
        }
        let location = Location::Datadir(dir.path().to_path_buf());
        let several = open(location.clone(), None).expect_err("two networks");
        assert!(
            several
                .to_string()
                .ends_with("holds main, regtest; choose one with --network")
        );
        assert!(open(location.clone(), Some(NetworkName::Regtest)).is_ok());
        assert!(matches!(
            fault_of(&open(location, Some(NetworkName::Main))),
            Some(Fault::OtherNetwork { .. })
        ));
    }

    #[test]
    fn a_missing_or_empty_folder_is_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for location in [Location::Datadir, Location::BlocksDir] {
            let empty = open(location(dir.path().to_path_buf()), None);
            assert!(matches!(fault_of(&empty), Some(Fault::NoBlockFiles { .. })));
            let missing = open(location(dir.path().join("x")), None);
            assert!(matches!(
                fault_of(&missing),
                Some(os::Fault::Io { action: "open", .. })
            ));
        }
    }

    #[test]
    fn a_wrong_key_or_unknown_magic_is_refused() {
        for bytes in [vec![], vec![0; 1000], vec![0x5a; 100_000]] {
            let dir = folder_with(&[bytes]);
            let unknown = open(Location::BlocksDir(dir.path().to_path_buf()), None);
            assert!(matches!(fault_of(&unknown), Some(Fault::NoRecords { .. })));
        }
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/regtest/blocks/blk00000.dat");
        let dir = folder_with(&[fs::read(from).expect("file")]);
        let unkeyed = open(Location::BlocksDir(dir.path().to_path_buf()), None);
        assert!(matches!(fault_of(&unkeyed), Some(Fault::NoRecords { .. })));
    }

    #[test]
    #[cfg_attr(without_shared, ignore = "needs ../shared")]
    fn a_custom_signet_needs_its_challenge() {
        let mut bytes = testing::fixture("signet-120/blocks/blk00000.dat");
        let challenge = vec![0x51];
        let network = Network::custom_signet(&challenge);
        bytes.truncate(293);
        bytes[..4].copy_from_slice(&network.magic);
        let dir = folder_with(&[bytes]);
        let location = Location::BlocksDir(dir.path().to_path_buf());
        let without = open(location.clone(), Some(NetworkName::Signet));
        assert!(matches!(fault_of(&without), Some(Fault::NoRecords { .. })));
        let mut source = Source {
            location,
            network: None,
            signet_challenge: Some(challenge),
        };
        assert_eq!(Datadir::open(&source).expect("opens").network(), &network);
        source.network = Some(NetworkName::Main);
        assert!(matches!(
            fault_of(&Datadir::open(&source)),
            Some(Fault::ChallengeWithoutSignet { .. })
        ));
    }
}
