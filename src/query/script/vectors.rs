//! Published test vectors of descriptors: the BIPs' and Bitcoin Core's.
//!
//! Invariant: what they derive is derived, and what they refuse is refused.

use super::{Asked, Wallet, address_of, parse, parse_any};
use crate::primitives::network::NetworkName;

const A: &str = "xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grBGRjaDMzQLcgJvLJuZZvRcEL";
const B: &str = "xpub68NZiKmJWnxxS6aaHmn81bvJeTESw724CRDs6HbuccFQN9Ku14VQrADWgqbhhTHBaohPX4CjNLf9fq9MYo6oDaPPLPxSb7gwQN3ih19Zm4Y";
const C: &str = "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB";
const D: &str = "xpub661MyMwAqRbcGDZQUKLqmWodYLcoBQnQH33yYkkF3jjxeLvY8qr2wWGEWkiKFaaQfJCoi3HeEq3Dc5DptfbCyjD38fNhSqtKc1UHaP4ba3t";
const E: &str = "xpub661MyMwAqRbcF3yVrV2KyYetLMYA5mCbv4BhrKwUrFE9LZM6JRR1AEt8Jq4V4C8LwtTke6YEEdCZqgXp85YRk2j74EfJKhe3QybQ9kcUjs4";
const PRIVATE: &str = "xprv9s21ZrQH143K31xYSDQpPDxsXRTUcvj2iNHm5NUtrGiGG5e2DtALGdso3pGz6ssrdK4PFmM8NSpSBHNqPqm55Qn3LqFtT2emdEXVYsCzC2U";
const WIF: [&str; 2] = [
    "5KYZdUEo39z3FPrtuX2QbbwGnNP5zTd7yyr2SC1j299sBCnWjss",
    "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1",
];
const KEY: &str = "03a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd";
const LONG_KEY: &str = "04a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd5b8dec5235a0fa8722476c7709c02559e3aa73aa03918ba2d492eea75abea235";

fn wallet(text: &str, network: NetworkName) -> Wallet {
    match parse_any(text, network).expect(text) {
        Asked::Wallet(wallet) => wallet,
        Asked::Script(script) => panic!("{text} is one script, {script}"),
    }
}

fn refused(text: &str) -> String {
    parse_any(text, NetworkName::Main)
        .expect_err(text)
        .to_string()
}

fn hex(text: &str) -> String {
    parse(text, NetworkName::Main).expect(text).to_hex_string()
}

/// Bitcoin Core, `test/functional/rpc_deriveaddresses.py`, with the public key.
#[test]
fn addresses_are_those_of_cores_deriveaddresses() {
    const T: &str = "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B";
    let address = |script: &bitcoin::Script| {
        let address = address_of(script, NetworkName::Regtest);
        address.expect("has one").to_string()
    };
    let first = "bcrt1qjqmxmkpmxt80xz4y3746zgt0q3u3ferr34acd5";
    let one = parse(&format!("wpkh({T}/1/1/0)#s9ga3alw"), NetworkName::Regtest);
    assert_eq!(address(&one.expect("with its checksum")), first);
    let ranged = wallet(&format!("wpkh({T}/1/1/*)"), NetworkName::Regtest);
    for (index, wanted) in [
        first,
        "bcrt1qhku5rq7jz8ulufe2y6fkcpnlvpsta7rq4442dy",
        "bcrt1qpgptk2gvshyl0s9lqshsmx932l9ccsv265tvaq",
    ]
    .into_iter()
    .enumerate()
    {
        let scripts = ranged.branches()[0]
            .scripts_at(index as u32)
            .expect("derives");
        assert_eq!(address(&scripts[0]), wanted);
    }
    let combo = wallet(&format!("combo({T}/1/1/0)"), NetworkName::Regtest);
    let scripts = combo.branches()[0].scripts_at(0).expect("derives");
    let addresses: Vec<String> = scripts[1..].iter().map(|script| address(script)).collect();
    assert_eq!(
        addresses,
        [
            "mtfUoUax9L4tzXARpw1oTGxWyoogp52KhJ",
            first,
            "2NDvEwGfpEqJWfybzpKPHF2XH3jwoQV3D7x"
        ]
    );
    assert!(scripts[0].is_p2pk());
    let hardened = parse(&format!("wpkh({T}/1'/1/0)"), NetworkName::Regtest).expect_err("hardened");
    assert!(
        hardened.to_string().contains("private keys only"),
        "{hardened}"
    );
    let other = parse(&format!("wpkh({T}/1/1/0)"), NetworkName::Main).expect_err("of tests");
    assert!(other.to_string().contains("begin with xpub"), "{other}");
}

/// BIP 389, valid and invalid, those with private keys left out.
#[test]
fn multipath_descriptors_expand_as_bip_389_says() {
    for (text, branches) in [
        (
            format!("pk({B}/<0;1>)"),
            vec![format!("pk({B}/0)"), format!("pk({B}/1)")],
        ),
        (
            format!("multi(2,{A}/<1;2>/*,{B}/<3;4>/0/*)"),
            vec![
                format!("multi(2,{A}/1/*,{B}/3/0/*)"),
                format!("multi(2,{A}/2/*,{B}/4/0/*)"),
            ],
        ),
        (
            format!("pkh({C}/<0;1;2>)"),
            [0, 1, 2].map(|step| format!("pkh({C}/{step})")).to_vec(),
        ),
        (
            format!("sh(multi(2,{A}/<1;2;3>/0/*,{B}/0/*,{D}/0/0/<3;4;5>/*))"),
            [(1, 3), (2, 4), (3, 5)]
                .map(|(a, d)| format!("sh(multi(2,{A}/{a}/0/*,{B}/0/*,{D}/0/0/{d}/*))"))
                .to_vec(),
        ),
    ] {
        let found = wallet(&text, NetworkName::Main);
        let found: Vec<String> = found
            .branches()
            .iter()
            .map(|branch| branch.descriptor())
            .collect();
        let found: Vec<&str> = found.iter().map(|text| &text[..text.len() - 9]).collect();
        assert_eq!(found, branches, "{text}");
    }
    for bad in [
        format!("pkh({C}/<0;1>/<2;3>)"),
        format!("pkh([deadbeef/<0;1>]{C}/0)"),
        format!("tr({E}/<6;7;8;9>/*,{{pk({A}/<1;2;3>/0/*),pk({D}/0/0/<3;4;5>/*)}})"),
        format!("sh(multi(2,{A}/<1;2;3>/0/*,{B}/0/*,{D}/0/0/<3;4>/*))"),
        format!("wpkh({C}/<>/*)"),
        format!("wpkh({C}/0>/*)"),
        format!("wpkh({C}/<0/*)"),
        format!("wpkh({C}/<0;>/*)"),
        format!("wpkh({C}/<1;1>/*)"),
        format!("multi(1,{C}/<1;1>/*,{D}/<2;3>/*)"),
        format!("multi(1,{C}/<1;2>/*,{D}/<3;4;5>/*)"),
    ] {
        refused(&bad);
    }
}

/// BIP 380 (keys), 381, 382, 384 to 386; Bitcoin Core, `src/test/descriptor_tests.cpp`.
#[test]
fn scripts_are_those_of_the_bips() {
    let short = "a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd";
    for (text, script) in [
        (format!("pk({KEY})"), format!("21{KEY}ac")),
        (format!("pk({LONG_KEY})"), format!("41{LONG_KEY}ac")),
        (
            format!("pkh([deadbeef/1/2'/3/4']{KEY})"),
            "76a9149a1c78a507689f6f54b847ad1cef1e614ee23f1e88ac".into(),
        ),
        (
            format!("wpkh({KEY})"),
            "00149a1c78a507689f6f54b847ad1cef1e614ee23f1e".into(),
        ),
        (
            format!("sh(wpkh({KEY}))"),
            "a91484ab21b1b2fd065d4504ff693d832434b6108d7b87".into(),
        ),
        (
            format!("tr({short})"),
            "512077aab6e066f8a7419c5ab714c12c67d25007ed55a43cadcacb4d7a970a093f11".into(),
        ),
        (format!("multi(1,{KEY})"), format!("5121{KEY}51ae")),
        (format!("sortedmulti(1,{KEY})"), format!("5121{KEY}51ae")),
    ] {
        assert_eq!(hex(&text), script, "{text}");
    }
}

const OTHER_KEY: &str = "0260b2003c386519fc9eadf2b5cf124dd8eea4c4e68d5e154050a9346ea98ce600";

/// BIP 67, 383.
#[test]
fn sorted_keys_give_one_script_in_any_order() {
    for wrap in ["", "sh", "wsh"] {
        let of = |name: &str, first: &str, second: &str| {
            let inside = format!("{name}(2,{first},{second})");
            match wrap {
                "" => hex(&inside),
                _ => hex(&format!("{wrap}({inside})")),
            }
        };
        let sorted = of("sortedmulti", KEY, OTHER_KEY);
        assert_eq!(
            sorted,
            of("sortedmulti", OTHER_KEY, KEY),
            "the order is no matter"
        );
        assert_eq!(sorted, of("multi", OTHER_KEY, KEY), "they are sorted");
        assert_ne!(sorted, of("multi", KEY, OTHER_KEY));
    }
}

/// BIP 380 to 386.
#[test]
fn what_the_bips_call_invalid_is_refused() {
    let other = OTHER_KEY;
    for bad in [
        format!("wpkh({LONG_KEY})"),
        format!("sh(wpkh({LONG_KEY}))"),
        format!("wsh(pk({LONG_KEY}))"),
        format!("sh(sh(pk({KEY})))"),
        format!("wsh(wsh(pk({KEY})))"),
        format!("wsh(wpkh({KEY}))"),
        format!("combo({KEY},{KEY})"),
        format!("tr({LONG_KEY})"),
        format!("pkh([deadbeef/0h/0h/0h/*]{other})"),
        format!("pkh([deadbeef/0h/0h/0h/]{other})"),
        format!("pkh([deadbef/0h/0h/0h]{other})"),
        format!("pkh([deadbeeef/0h/0h/0h]{other})"),
        format!("pkh([deadbeef/0f/0f/0f]{other})"),
        format!("pkh([deadbeef/-0/-0/-0]{other})"),
        format!("pkh({A}/3/4/5/*/5)"),
        format!("pkh({A}/2147483648)"),
        format!("pkh({A}/1aa)"),
        format!("pkh([aaaaaaaa][aaaaaaaa]{A}/2147483647'/0)"),
        format!("pkh({A}/3h/4h/5h/*)"),
        format!("pkh({A}/*h)"),
        format!("sortedmulti(2,{KEY},{other},{KEY},{other})"),
        format!("multi(3,{KEY},{other})"),
        format!("multi(0,{KEY})"),
    ] {
        refused(&bad);
    }
}

#[test]
fn a_private_key_is_refused_and_never_shown() {
    let cut = |key: &str| key[..key.len() - 1].to_owned();
    let keys = [PRIVATE, WIF[0], WIF[1]];
    let mistyped = keys.map(cut);
    let keys = keys.map(str::to_owned).into_iter().chain(mistyped);
    for key in keys {
        for text in [
            key.clone(),
            format!("wpkh({key})"),
            format!("pkh([deadbeef/1h]{key}/0/*)#89f8spxm"),
            format!("wsh(multi(1,{A}/0,{key}))"),
            format!("tr({key}"),
            format!("my key is {key}!"),
        ] {
            let refused = refused(&text);
            assert!(refused.contains("private key"), "{refused}");
            assert!(!refused.contains(&key[..12]), "{refused}");
        }
    }
}

/// SLIP 132 has the first key of the well known mnemonic of BIP 84 in three forms.
#[test]
fn keys_of_slip_132_are_answered_with_a_descriptor_that_works() {
    let zpub = "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs";
    let refused_with = refused(zpub);
    let (_, written) = refused_with.split_once(" write ").expect("what to write");
    let first = wallet(written, NetworkName::Main);
    let script = &first.branches()[0].scripts_at(0).expect("derives")[0];
    let address = address_of(script, NetworkName::Main)
        .expect("has one")
        .to_string();
    assert_eq!(
        address, "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu",
        "BIP 84"
    );
    let inside = refused(&format!("wpkh({zpub}/0/*)#89f8spxm"));
    let (_, written) = inside.split_once("descriptor: ").expect("what to write");
    let same = wallet(written, NetworkName::Main);
    assert_eq!(
        &same.branches()[0].scripts_at(0).expect("derives")[0],
        script
    );
    let alone = refused(A);
    for word in alone.split([' ', ',']).filter(|word| word.contains('(')) {
        assert_eq!(wallet(word, NetworkName::Main).branches().len(), 2);
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_understood_or_refused(
        text in ".{0,120}",
        likely in "(sh|wsh|tr|pk|combo|multi|sortedmulti|raw|addr|wpkh|pkh|\\(|\\)|,|[0-9]|<0;1>|/|\\*|h|'|\\{|\\}|\\[deadbeef\\]|02[0-9a-f]{64}|xpub|zpub|#){0,30}",
        at in 0usize..200,
        with in "\\PC",
    ) {
        let mut mutated = format!("wsh(sortedmulti(2,[deadbeef/1h]{A}/<0;1>/*,{B}/<2;3>/*))");
        let at = at % mutated.len();
        mutated.replace_range(at..at + 1, &with);
        for text in [&text, &likely, &mutated] {
            for network in [NetworkName::Main, NetworkName::Regtest] {
                if let Err(error) = parse_any(text, network) {
                    assert!(!error.to_string().contains(char::is_control));
                }
            }
        }
    }
}
