//! Where block files are: every command finds them in the same way.

use crate::answer;
use crate::blkdex;
use crate::case;
use crate::common::datadir::Datadir;
use crate::common::fixtures::{data, fixture};
use crate::common::trial::Trial;
use crate::refusal;
use std::path::{Path, PathBuf};

const SCRIPT: &str = "addr(bcrt1qyq8dns7p6a20s5w8jd8a52nvrngkx2r5nqdmn5u7zkweuphul4nsvnjjf0)";
const TXID: &str = "8995eb3e7dd5b3f3fa280144de9ff5d93c9ca7b23555365200d7f7dcb1ab0721";

/// All that reads block files and takes a place, in words that fit an index of `data/`.
fn commands(out: &Path) -> Vec<Vec<&str>> {
    let out = out.to_str().unwrap();
    let export = |what| {
        vec![
            "export", what, "--quiet", "--force", "--format", "csv", "-o", out,
        ]
    };
    vec![
        vec!["import", "--quiet", "--memory", "128M"],
        vec!["doctor", "--quiet"],
        vec!["balance", "--check", SCRIPT],
        vec!["utxos", SCRIPT],
        vec!["history", SCRIPT],
        vec![
            "outpoint",
            "8995eb3e7dd5b3f3fa280144de9ff5d93c9ca7b23555365200d7f7dcb1ab0721:1",
        ],
        vec!["tx", TXID],
        vec!["block", "112"],
        vec!["verify", "--quiet"],
        export("utxos"),
        export("balances"),
        vec!["rebuild", "--quiet", "--memory", "128M"],
    ]
}

fn copied_data() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().join("datadir");
    Datadir::copied(&data(), &datadir);
    (folder, datadir)
}

/// Runs every command on an index whose own block files are gone; each must find those of `place`.
fn every_command_finds(place: &[&str], words: &str) {
    let indexed = Trial::of_copy(&data()).imported();
    std::fs::remove_dir_all(&indexed.datadir.path).unwrap();
    for command in commands(&indexed.folder.path().join("out")) {
        let args = [&command[..], place].concat();
        let (code, _, err) = blkdex(indexed.index(), &args);
        assert_eq!(code, Some(0), "{args:?}: {err}");
        assert!(err.contains(words), "{args:?}: {err}");
        assert!(!words.is_empty() || err.is_empty(), "{args:?}: {err}");
    }
}

#[test]
fn every_command_takes_a_datadir_the_folder_of_a_network_and_that_of_the_files() {
    let (_folder, datadir) = copied_data();
    for below in ["", "regtest", "regtest/blocks"] {
        let dir = datadir.join(below);
        for option in ["--datadir", "--blocks-dir"] {
            every_command_finds(&[option, dir.to_str().unwrap()], "");
        }
    }
}

#[test]
fn blocksdir_in_bitcoin_conf_is_followed_and_said_by_every_command() {
    let (folder, datadir) = copied_data();
    let conf_dir = folder.path().join("conf");
    std::fs::create_dir(&conf_dir).unwrap();
    let conf = conf_dir.join("bitcoin.conf");
    let place = ["--datadir", conf_dir.to_str().unwrap()];
    let value = datadir.to_str().unwrap();
    let said = format!(
        "{} says blocksdir={value}: block files are read from",
        conf.display()
    );
    std::fs::write(&conf, format!("server=1\nblocksdir={value}\n")).unwrap();
    every_command_finds(&place, &said);
    let indexed = Trial::of(&datadir).imported();
    for (text, works) in [
        (format!("[regtest]\nblocksdir={value}\n"), true),
        (format!("regtest.blocksdir={value}\n"), true),
        (format!("datadir={value}\n"), true),
        (format!("[test]\nblocksdir={value}\n"), false),
        (format!("#blocksdir={value}\n"), false),
    ] {
        std::fs::write(&conf, &text).unwrap();
        let args = ["block", "112", place[0], place[1]];
        let (code, _, err) = blkdex(indexed.index(), &args);
        assert_eq!(code, Some(if works { 0 } else { 1 }), "{text}: {err}");
        assert_eq!(err.contains("bitcoin.conf says "), works, "{text}: {err}");
    }
    std::fs::write(&conf, "blocksdir=/nowhere/at/all\n").unwrap();
    for command in ["import", "block"] {
        let args = match command {
            "import" => vec!["import", "--quiet", place[0], place[1]],
            _ => vec!["block", "1", place[0], place[1]],
        };
        let err = refusal(indexed.index(), 1, &args);
        assert!(
            err.contains("says blocksdir=/nowhere/at/all, and none there"),
            "{err}"
        );
    }
    // Where the datadir has the files and the setting leads nowhere, they are taken: it was copied.
    std::fs::rename(datadir.join("regtest"), conf_dir.join("regtest")).unwrap();
    answer(indexed.index(), &["block", "112", place[0], place[1]]);
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn a_datadir_that_import_takes_is_taken_by_questions() {
    let mainnet = fixture("mainnet-4312");
    let indexed = Trial::of(&mainnet).imported();
    let address = "12cbQLTFMXRnSzktFkuoG3eHoMeFtpTu3S";
    for dir in [mainnet.clone(), mainnet.join("blocks")] {
        let dir = dir.to_str().unwrap();
        answer(indexed.index(), &["history", address, "--datadir", dir]);
        answer(
            indexed.index(),
            &["verify", "--quiet", "--at", "200", "--datadir", dir],
        );
        for name in ["main", "mainnet", "bitcoin"] {
            answer(
                indexed.index(),
                &["doctor", "--quiet", "--network", name, "--datadir", dir],
            );
        }
    }
    // An index of another network is told so.
    let regtest = Trial::of(&data()).imported();
    let dir = mainnet.join("blocks");
    for option in ["--datadir", "--blocks-dir"] {
        let args = ["block", "1", option, dir.to_str().unwrap()];
        let err = refusal(regtest.index(), 1, &args);
        assert!(
            err.contains("holds blocks of main, not of regtest"),
            "{err}"
        );
    }
    let args = ["block", "1", "--datadir", mainnet.to_str().unwrap()];
    let err = refusal(regtest.index(), 1, &args);
    assert!(err.contains("no blk*.dat of regtest in"), "{err}");
    assert!(err.contains("which holds main"), "{err}");
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn a_custom_signet_in_the_folder_of_its_magic_needs_its_challenge_once() {
    let folder = case("signet-suffix");
    let datadir = folder.join("datadir");
    let datadir = datadir.to_str().unwrap();
    let here = tempfile::tempdir().unwrap();
    let index = here.path().join("index");
    for more in [&[][..], &["--network", "signet"]] {
        let args = ["import", "--quiet", "--datadir", datadir];
        let err = refusal(&index, 1, &[&args, more].concat());
        assert!(
            err.contains("signet_54d26fbd/blocks holds the blocks of a custom signet"),
            "{err}"
        );
        assert!(err.contains("--signet-challenge HEX"), "{err}");
    }
    let import = [
        "import",
        "--quiet",
        "--memory",
        "128M",
        "--datadir",
        datadir,
    ];
    let with = [&import[..], &["--signet-challenge", "51"]].concat();
    answer(&index, &with);
    // The index knows its magic.
    answer(&index, &["block", "0", "--datadir", datadir]);
    answer(&index, &["verify", "--quiet", "--datadir", datadir]);
    let err = refusal(
        &index,
        1,
        &[&import[..], &["--signet-challenge", "52"]].concat(),
    );
    assert!(
        err.contains("another signet than the one that is asked for"),
        "{err}"
    );
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn of_a_main_datadir_with_a_custom_signet_one_must_be_named() {
    let (mainnet, signet) = (fixture("mainnet-4312"), case("signet-suffix"));
    let folder = tempfile::tempdir().unwrap();
    Datadir::copied(&mainnet, folder.path());
    Datadir::copied(&signet.join("datadir"), folder.path());
    let index = folder.path().join("index");
    let dir = folder.path().to_str().unwrap();
    let import = [
        "import",
        "--quiet",
        "--memory",
        "128M",
        "--until",
        "10",
        "--datadir",
        dir,
    ];
    let err = refusal(&index, 1, &import);
    assert!(
        err.contains("holds main, signet; choose one with --network"),
        "{err}"
    );
    answer(&index, &[&import[..], &["--network", "mainnet"]].concat());
}

#[test]
fn a_question_without_an_index_names_the_command_that_makes_one() {
    let (folder, datadir) = copied_data();
    let index = folder.path().join("new.redb");
    for command in commands(&folder.path().join("out")) {
        if command[0] == "import" || command[0] == "doctor" {
            continue;
        }
        let err = refusal(&index, 1, &command);
        assert!(err.contains("there is no index"), "{err}");
    }
    let err = refusal(&index, 1, &["status"]);
    let advice = err
        .split('`')
        .nth(1)
        .unwrap()
        .replace("DIR", datadir.to_str().unwrap());
    let words: Vec<&str> = advice.split(' ').skip(1).collect();
    let (code, _, err) = blkdex(Path::new("/nowhere"), &words);
    assert_eq!(code, Some(0), "{err}");
    answer(&index, &["status"]);
}

#[test]
fn the_genesis_block_of_another_chain_is_called_that() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index");
    let blocks = folder.path().join("regtest/blocks");
    std::fs::create_dir_all(&blocks).unwrap();
    let litecoin = "97ddfbbae6be97fd6cdf3e7ca13232a3afff2353e29badfab7f73011edd4ced9";
    let bitcoin = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b";
    for (magic, root, words) in [
        (
            [0xfb, 0xc0, 0xb6, 0xdb],
            litecoin,
            "is of Litecoin, or a coin made from it",
        ),
        // Litecoin's regtest has our magic.
        (
            [0xfa, 0xbf, 0xb5, 0xda],
            litecoin,
            "another chain's genesis block",
        ),
        (
            [0xfa, 0xbf, 0xb5, 0xda],
            bitcoin,
            "another chain's genesis block",
        ),
    ] {
        let mut root: Vec<u8> = bitcoin::hex::FromHex::from_hex(root).unwrap();
        root.reverse();
        // Another time than that of Bitcoin's genesis block, and a nonce that meets the target.
        let header = (0u32..).map(|nonce| {
            let ends = [1_296_688_603u32, 0x207f_ffff, nonce].map(u32::to_le_bytes);
            [&1u32.to_le_bytes(), &[0; 32][..], &root, &ends.concat()].concat()
        });
        let is_work = |header: &Vec<u8>| {
            let header: bitcoin::block::Header = bitcoin::consensus::deserialize(header).unwrap();
            header.validate_pow(header.target()).is_ok()
        };
        let header = header.into_iter().find(is_work).unwrap();
        let block = [&header[..], &[1], &[7; 100]].concat();
        let record = [&magic, &(block.len() as u32).to_le_bytes(), &block[..]].concat();
        std::fs::write(blocks.join("blk00000.dat"), record).unwrap();
        let dir = folder.path().to_str().unwrap();
        let err = refusal(&index, 1, &["import", "--quiet", "--datadir", dir]);
        assert!(err.contains(words), "{err}");
        let (code, out, _) = blkdex(&index, &["doctor", "--quiet", "--datadir", dir]);
        assert_eq!(code, Some(1));
        assert!(out.contains(words), "{out}");
    }
}
