//! `verify` against Bitcoin Core's own numbers.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;
mod proving;

use blkdex::Error;
use blkdex::position::Height;
use blkdex::verify::expect::Expected;
use blkdex::verify::proof::{Options, Verified, verify};
use blkdex::verify::stats::Stats;
use proving::{Imported, MEMORY_BYTES, imported_fixture, watched};

fn options(at: Option<u32>) -> Options {
    Options {
        at: at.map(Height),
        location: None,
        memory_bytes: MEMORY_BYTES,
        hash_serialized: false,
        expect: None,
        undo: false,
    }
}

fn run(imported: &Imported, options: &Options) -> blkdex::Result<Verified> {
    watched(|watch| verify(&imported.index, options, watch))
}

fn every_height_equals_core(name: &str) {
    let Some((imported, expected)) = imported_fixture(name) else {
        return;
    };
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
        assert_eq!(stats.total_amount_sat, number("total_amount_sat"));
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
fn mainnet_equals_core_at_every_height_given() {
    every_height_equals_core("mainnet-4312");
}

#[test]
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
        blkdex::verify::amount::bitcoins(stats.total_amount_sat),
        stats.transactions.unwrap(),
    )
}

#[test]
fn what_core_printed_is_compared_field_by_field() {
    let Some((imported, _)) = imported_fixture("data") else {
        return;
    };
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
            let Error::Differs { field: found, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(found, field);
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
    assert_eq!(
        error,
        "height 268 is above the tip of the index, which is 267"
    );
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
    let Some((imported, _)) = imported_fixture("data") else {
        return;
    };
    let elsewhere = Options {
        location: Some(blkdex::datadir::Location::BlocksDir("/nowhere".into())),
        ..options(None)
    };
    let error = run(&imported, &elsewhere).unwrap_err().to_string();
    assert!(error.contains("/nowhere"), "{error}");
    assert!(run(&imported, &options(Some(268))).is_err());
}
