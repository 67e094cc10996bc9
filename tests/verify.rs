//! `verify` against Bitcoin Core's own numbers.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use bitcoin::hashes::{Hash, sha256d};
use blkdex::error::{Interrupted, fault_of, unwatched};
use blkdex::primitives::Height;
use blkdex::verify;
use blkdex::verify::{Expected, Options, Stats, UndoCounts, Verified, verify};
use common::chain::{Chain, Plan, SUBSIDY_SAT};
use common::coin_hashes::{hash_serialized, muhash};
use common::datadir::MAGIC;
use common::fixtures::{data, imported};
use common::parts::{coinbase, owner, spend_legacy};
use common::trial::{MEMORY_BYTES, Trial};
use common::truth::Truth;
use std::collections::HashSet;
use std::ops::Range;

fn options(at: Option<u32>) -> Options {
    Options {
        at: at.map(|height| Height(height).into()),
        memory_bytes: MEMORY_BYTES,
        ..Options::default()
    }
}

fn run(imported: &Trial, options: &Options) -> blkdex::Result<Verified> {
    unwatched(|watch| verify(imported.index(), options, watch))
}

fn every_height_equals_core(name: &str) {
    let (imported, expected) = imported(name);
    for (height, core) in expected["stats"].as_object().unwrap() {
        let height: u32 = height.parse().unwrap();
        let stats = run(&imported, &options(Some(height))).unwrap().stats;
        assert_eq!(stats.height, height);
        if let Some(bestblock) = core["bestblock"].as_str() {
            assert_eq!(stats.hash.to_string(), bestblock);
        }
        assert_eq!(
            stats.muhash.unwrap().to_string(),
            core["muhash"].as_str().unwrap()
        );
        let number = |field: &str| core[field].as_u64().unwrap();
        assert_eq!(stats.txouts, number("txouts"), "{name} at {height}");
        assert_eq!(stats.bogosize, number("bogosize"));
        assert_eq!(stats.total_amount_sat, number("total_amount_sat").into());
    }
    let at_tip = Options {
        hash_serialized: true,
        ..options(None)
    };
    let stats = run(&imported, &at_tip).unwrap().stats;
    let serialized = expected["hash_serialized_3"].as_str().unwrap();
    assert_eq!(stats.hash_serialized.unwrap().to_string(), serialized);
    if let Some(transactions) = expected["transactions"].as_u64() {
        assert_eq!(stats.transactions, Some(transactions));
    }
    assert_eq!(
        u64::from(stats.height),
        expected["tip_height"].as_u64().unwrap()
    );
}

#[test]
fn regtest_equals_core_at_every_height_given() {
    every_height_equals_core("data");
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn mainnet_equals_core_at_every_height_given() {
    every_height_equals_core("mainnet-4312");
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn signet_equals_core_at_every_height_given() {
    every_height_equals_core("signet-120");
}

/// As `gettxoutsetinfo` prints it.
fn printed(stats: &Stats, hash: &str) -> String {
    let value = match hash {
        "muhash" => stats.muhash.unwrap(),
        _ => stats.hash_serialized.unwrap(),
    };
    format!(
        r#"{{"height": {}, "bestblock": "{}", "txouts": {}, "bogosize": {}, "{hash}": "{value}",
            "total_amount": {}, "transactions": {}, "disk_size": 5}}"#,
        stats.height,
        stats.hash,
        stats.txouts,
        stats.bogosize,
        blkdex::primitives::bitcoins(stats.total_amount_sat),
        stats.transactions.unwrap(),
    )
}

#[test]
fn what_core_printed_is_compared_field_by_field() {
    let (imported, _) = imported("data");
    let at = Options {
        hash_serialized: true,
        ..options(Some(133))
    };
    let stats = run(&imported, &at).unwrap().stats;
    let expecting = |text: &str| {
        let expect = Some(Expected::parse(text).unwrap());
        run(
            &imported,
            &Options {
                expect,
                ..options(None)
            },
        )
    };
    for hash in ["muhash", "hash_serialized_3"] {
        let text = printed(&stats, hash);
        let verified = expecting(&text).unwrap();
        assert!(verified.equals_expected);
        assert_eq!(verified.stats.height, 133);
        for (field, wrong) in [
            (
                "txouts",
                Stats {
                    txouts: 1,
                    ..stats.clone()
                },
            ),
            (
                "bogosize",
                Stats {
                    bogosize: 1,
                    ..stats.clone()
                },
            ),
            (
                "total_amount",
                Stats {
                    total_amount_sat: 1,
                    ..stats.clone()
                },
            ),
            (
                "transactions",
                Stats {
                    transactions: Some(1),
                    ..stats.clone()
                },
            ),
            (
                "bestblock",
                Stats {
                    hash: stats.muhash.unwrap(),
                    ..stats.clone()
                },
            ),
            (
                "bestblock",
                Stats {
                    height: 132,
                    ..stats.clone()
                },
            ),
            (
                hash,
                Stats {
                    muhash: Some(stats.hash),
                    hash_serialized: Some(stats.hash),
                    ..stats.clone()
                },
            ),
        ] {
            let error = expecting(&printed(&wrong, hash)).unwrap_err();
            let Some(verify::Fault::Differs { field: found, .. }) = error.fault() else {
                panic!("{error}");
            };
            assert_eq!(*found, field);
        }
    }
    let above = printed(
        &Stats {
            height: 268,
            ..stats.clone()
        },
        "muhash",
    );
    let error = expecting(&above).unwrap_err().to_string();
    assert_eq!(error, "height 268 is above the tip, 267");
    let other = Options {
        expect: Some(Expected::parse(&printed(&stats, "muhash")).unwrap()),
        ..options(Some(132))
    };
    let error = run(&imported, &other).unwrap_err().to_string();
    assert_eq!(
        error,
        "--at is 132, but the file of --expect is about height 133"
    );
}

#[test]
fn missing_or_other_block_files_are_said() {
    let (imported, _) = imported("data");
    let elsewhere = Options {
        location: Some(blkdex::datadir::Location::BlocksDir("/nowhere".into())),
        ..options(None)
    };
    let error = run(&imported, &elsewhere).unwrap_err().to_string();
    assert!(error.contains("/nowhere"), "{error}");
    assert!(run(&imported, &options(Some(268))).is_err());
}

/// The set of a made chain equals the model's at every height.
fn every_height_equals_the_model(chain: &Chain) {
    let truth = Truth::of_best(chain);
    let imported = Trial::new(chain).imported_every(7);
    for height in 0..=truth.height() {
        let at = Options {
            hash_serialized: true,
            ..options(Some(height))
        };
        let found = run(&imported, &at).unwrap().stats;
        let mut coins: Vec<_> = truth
            .coins_at(height)
            .into_iter()
            .map(|number| &truth.outputs[number])
            .collect();
        coins.sort_by_key(|coin| (coin.outpoint.txid.to_byte_array(), coin.outpoint.vout));
        let hash = |bytes| Some(sha256d::Hash::from_byte_array(bytes));
        let muhash = muhash(&coins).to_byte_array();
        assert_eq!(found.muhash, hash(muhash), "{height}");
        let serialized = hash_serialized(&coins).to_byte_array();
        assert_eq!(found.hash_serialized, hash(serialized));
        let transactions: HashSet<_> = coins.iter().map(|coin| coin.outpoint.txid).collect();
        assert_eq!(found.transactions, Some(transactions.len() as u64));
        assert_eq!(found.txouts, coins.len() as u64);
    }
}

#[test]
fn random_chains_with_repeated_coinbases_equal_the_model() {
    let options = common::random::Options {
        blocks: 30,
        repeat_every: 4,
        ..Default::default()
    };
    every_height_equals_the_model(&Chain::random(11, options));
}

#[test]
fn a_repeated_coinbase_counts_once_as_in_mainnets_91842() {
    let mut chain = Chain::new();
    let same = coinbase(91_812, &[(owner(1), SUBSIDY_SAT)]);
    let repeat = |chain: &mut Chain| {
        chain.grow_with(Plan {
            coinbase: Some(same.clone()),
            ..Plan::default()
        })
    };
    let first = repeat(&mut chain);
    chain.grow(&[]);
    repeat(&mut chain);
    chain.grow(&[]);
    // A third, after the second was spent.
    chain.ripen();
    chain.grow(&[spend_legacy(&[chain.coin(first)], &[(owner(2), 5)])]);
    repeat(&mut chain);
    every_height_equals_the_model(&chain);
    let imported = Trial::new(&chain).imported_every(7);
    let coins = |height| run(&imported, &options(Some(height))).unwrap().stats.txouts;
    let tip = chain.height(chain.tip());
    assert_eq!([1, 2, 3, 4, tip - 1, tip].map(coins), [1, 2, 2, 3, 4, 5]);
}

fn undo(imported: &Trial) -> blkdex::Result<UndoCounts> {
    let options = Options {
        undo: true,
        ..options(None)
    };
    run(imported, &options).map(|verified| verified.undo.unwrap())
}

#[test]
fn the_undo_files_say_what_the_index_says() {
    let imported = Trial::of_copy(&data()).imported_every(50);
    let report = undo(&imported).unwrap();
    assert_eq!((report.blocks, report.without), (267, 0));
    assert_eq!(report.inputs, imported.status().inputs);
    std::fs::remove_file(imported.file("rev00004.dat")).unwrap();
    let less = undo(&imported).unwrap();
    assert!(less.without > 0 && less.blocks + less.without == 267);
}

/// The plain bytes of `data`'s undo files.
fn plain(imported: &Trial, name: &str) -> (Vec<u8>, Vec<u8>) {
    let key = std::fs::read(imported.file("xor.dat")).unwrap();
    let mut bytes = std::fs::read(imported.file(name)).unwrap();
    xor(&mut bytes, &key);
    (bytes, key)
}

fn xor(bytes: &mut [u8], key: &[u8]) {
    let key = key.iter().cycle();
    bytes
        .iter_mut()
        .zip(key)
        .for_each(|(byte, key)| *byte ^= key);
}

/// Where the undo bytes of each block are in an undo file: magic and length stand before them, a checksum
/// behind.
fn records(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut records, mut at) = (Vec::new(), 0);
    while bytes[at..].starts_with(&MAGIC) {
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap());
        records.push(at + 8..at + 8 + length as usize);
        at += 8 + length as usize + 32;
    }
    records
}

#[test]
fn a_coin_that_core_recorded_otherwise_is_named() {
    let imported = Trial::of_copy(&data()).imported_every(50);
    let index = imported.index_file();
    let mut changed = None;
    for height in (1..=200).rev() {
        let name = format!("rev{:05}.dat", index.place(height).file);
        let prev = index.block(height - 1).hash.to_byte_array();
        let (mut bytes, key) = plain(&imported, &name);
        let checksum = |undo: &[u8]| sha256d::Hash::hash(&[&prev, undo].concat()).to_byte_array();
        let undo = records(&bytes).into_iter().find(|undo| {
            let found = &bytes[undo.end..undo.end + 32];
            undo.len() > 100 && found == checksum(&bytes[undo.clone()])
        });
        let Some(undo) = undo else { continue };
        bytes[undo.end - 1] ^= 1;
        let checksum = checksum(&bytes[undo.clone()]);
        bytes[undo.end..undo.end + 32].copy_from_slice(&checksum);
        xor(&mut bytes, &key);
        std::fs::write(imported.file(&name), bytes).unwrap();
        changed = Some(Height(height));
        break;
    }
    let error = undo(&imported).unwrap_err();
    let Some(verify::Fault::UndoDiffers { height, field, .. }) = error.fault() else {
        panic!("{error}");
    };
    assert_eq!((Some(*height), *field), (changed, "the script"), "{error}");
}

#[test]
fn a_damaged_or_cut_undo_file_is_an_error_that_names_it() {
    let imported = Trial::of_copy(&data()).imported_every(50);
    let whole = std::fs::read(imported.file("rev00003.dat")).unwrap();
    let mut damaged = whole.clone();
    damaged[3000] ^= 4;
    std::fs::write(imported.file("rev00003.dat"), damaged).unwrap();
    let error = undo(&imported).unwrap_err().to_string();
    assert!(error.contains("rev00003.dat"), "{error}");
    std::fs::write(imported.file("rev00003.dat"), &whole[..5000]).unwrap();
    let error = undo(&imported).unwrap_err().to_string();
    assert!(
        error.contains("rev00003.dat") && error.contains("cut short"),
        "{error}"
    );
    std::fs::write(imported.file("rev00003.dat"), whole).unwrap();
    assert!(undo(&imported).is_ok());
}

#[test]
fn a_wish_to_stop_is_heard() {
    let imported = Trial::of_copy(&data()).imported_every(50);
    let stop = std::sync::atomic::AtomicBool::new(true);
    let mut watch = blkdex::utxo::Watch {
        stop: &stop,
        tell: &mut |_| {},
    };
    let stopped = verify(imported.index(), &options(None), &mut watch);
    assert!(matches!(fault_of(&stopped), Some(Interrupted)));
}
