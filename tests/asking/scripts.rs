//! Names of scripts.

use crate::answer;
use crate::case;
use crate::common::fixtures::{data, fixture};
use crate::common::trial::Trial;
use crate::imported;
use crate::matured;
use crate::refusal;
use serde_json::Value;

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn every_kind_of_script_has_its_amounts_or_is_said_to_be_never_indexed() {
    let zoo = case("script-zoo");
    let blocks = std::fs::read(zoo.join("regtest/blocks/blk00000.dat")).unwrap();
    let indexed = imported(&matured(&blocks));
    let text = std::fs::read_to_string(zoo.join("exp.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let mut unindexed = Vec::new();
    for (kind, right) in expected["exp"].as_object().unwrap() {
        let hex = right["script"].as_str().unwrap();
        let raw = format!("raw({hex})");
        let mut names = vec![raw.as_str()];
        names.extend(right["addr"].as_str());
        if hex.starts_with("6a") || hex.len() > 20_000 {
            for command in ["balance", "utxos", "history"] {
                for json in [&["--json"][..], &[]] {
                    let args = [json, &[command, &raw]].concat();
                    let err = refusal(indexed.index(), 2, &args);
                    assert!(err.contains("are not indexed"), "{err}");
                    let mixed = [json, &[command, "51", &raw]].concat();
                    refusal(indexed.index(), 2, &mixed);
                }
            }
            let txid = expected["txid"].as_str().unwrap();
            let outpoint = format!("{txid}:{}", right["vout"]);
            let out = answer(indexed.index(), &["--json", "outpoint", &outpoint]);
            let found: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(found["amount_sat"], right["received"]);
            unindexed.push(kind.as_str());
            continue;
        }
        for name in names {
            let out = answer(indexed.index(), &["--json", "balance", name]);
            let found: Value = serde_json::from_str(&out).unwrap();
            for (field, right_field) in [
                ("received_sat", "received"),
                ("sent_sat", "sent"),
                ("outputs", "outputs"),
                ("spends", "spends"),
            ] {
                assert_eq!(found[field], right[right_field], "{kind} {name} {field}");
            }
        }
    }
    assert_eq!(unindexed, ["opret_bare", "opret_val", "unspendable_10001"]);
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn a_public_key_is_refused_and_its_script_has_what_it_received() {
    let mainnet = fixture("mainnet-4312");
    let indexed = Trial::of(&mainnet).imported();
    // Block 9's coinbase pays it.
    let key = "0411db93e1dcdb8a016b49840f8c53bc1eb68a382e97b1482ecad7b148a6909a5c\
        b2e0eaddfb84ccf9744464f82e160bfa9b8b64f9d4c03f999b8643f656b412a3";
    let err = refusal(indexed.index(), 2, &["balance", key]);
    let advised = format!("pk({key})");
    assert!(err.contains(&advised), "{err}");
    let out = answer(indexed.index(), &["--json", "balance", &advised]);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["received_sat"], 19_500_000_000u64);
    assert_eq!(found["balance_sat"], 1_800_000_000);
}

#[test]
fn an_address_is_found_whatever_was_copied_with_it() {
    let indexed = Trial::of(&data()).imported();
    let address = "bcrt1qyq8dns7p6a20s5w8jd8a52nvrngkx2r5nqdmn5u7zkweuphul4nsvnjjf0";
    let plain = answer(indexed.index(), &["--json", "balance", address]);
    assert!(plain.contains("\"received_sat\":4177632679"));
    for wrapped in [
        format!(" {address}\r\n"),
        format!("bitcoin:{address}?amount=1"),
        address.to_uppercase(),
    ] {
        assert_eq!(
            answer(indexed.index(), &["--json", "balance", &wrapped]),
            plain
        );
    }
    for (typo, reason) in [
        (address.replace("bcrt1qy", "bcrt1qq"), "checksum is wrong"),
        (address.replace("bcrt1qy", "bcrt1Qy"), "this is mixed"),
        (address.replace("bcrt1", "bc1"), "checksum is wrong"),
    ] {
        let err = refusal(indexed.index(), 2, &["utxos", &typo]);
        assert!(err.contains(reason), "{err}");
    }
}

/// Whoever looks over the shoulder, or reads the log, is not to have it.
#[test]
fn a_private_key_is_refused_and_not_shown_again() {
    let indexed = Trial::of(&data()).imported();
    for secret in [
        "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
        "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
    ] {
        let parted = format!("{} {}", &secret[..20], &secret[20..]);
        for args in [
            &["balance", secret][..],
            &["balance", &parted],
            &["balance", &secret[..20], &secret[20..]],
            &["history", "raw(51)", "--at", secret],
            &["balance", "raw(51)", "--range", secret],
            &["tx", secret],
            &["outpoint", secret],
            &["block", secret],
            &[&format!("{secret}-balance")],
        ] {
            let err = refusal(indexed.index(), 2, args);
            assert!(
                err.contains("there is a private key among the arguments"),
                "{err}"
            );
            assert!(
                !err.contains(&secret[..10]) && !err.contains(&secret[20..30]),
                "{err}"
            );
        }
        for stray in [" ", "\t", "-", ",", ".", "\0"] {
            let line = format!("{}{stray}{}\n", &secret[..40], &secret[40..]);
            let list = indexed.folder.path().join("list");
            std::fs::write(&list, line).unwrap();
            let list = list.to_str().unwrap();
            for command in ["balance", "outpoint", "tx"] {
                let (_, out, err) = super::blkdex(indexed.index(), &[command, "--list", list]);
                let all = format!("{out}{err}");
                assert!(all.contains("***") && !all.contains(&secret[..10]), "{all}");
            }
        }
    }
    // An address and other words beside it are none.
    let address = "bcrt1qyq8dns7p6a20s5w8jd8a52nvrngkx2r5nqdmn5u7zkweuphul4nsvnjjf0";
    let (code, _, err) = super::blkdex(indexed.index(), &["balance", address, "--at", "Later"]);
    assert!(code == Some(2) && err.contains("Later"), "{err}");
}
