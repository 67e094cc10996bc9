//! How a script is given and shown: by address, `addr(...)`, `raw(HEX)`, or the hex of a scriptPubKey.
//!
//! Invariant: an address stands only for a script of its own network.

use crate::datadir::NetworkName;
use crate::query::QueryFault;
use crate::{Error, Result};
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Script, ScriptBuf};

/// The characters of a descriptor, by their number (BIP 380).
const DESCRIPTOR_CHARACTERS: &str = "0123456789()[],'/*abcdefgh@:$%{}\
    IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~\
    ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";

/// The characters of a checksum, by their number (BIP 173, BIP 380).
const CHECKSUM_CHARACTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// The script that `text` stands for on `network`.
///
/// # Errors
/// [`QueryFault::NotAScript`], [`QueryFault::AddressOfOtherNetwork`].
pub fn parse(text: &str, network: NetworkName) -> Result<ScriptBuf> {
    let refuse = |why: String| {
        Error::Query(QueryFault::NotAScript {
            text: text.to_string(),
            why,
        })
    };
    if !text.contains('(') {
        // An address is tried first: it has a checksum, so hex is never taken for one.
        return match text.parse::<Address<NetworkUnchecked>>() {
            Ok(address) => script_of(&address, network),
            Err(_) if is_hex(text) && !text.is_empty() => from_hex(text).map_err(refuse),
            Err(error) => Err(refuse(error.to_string())),
        };
    }
    let descriptor = without_checksum(text).map_err(refuse)?;
    let inside = |name: &str| {
        let rest = descriptor.strip_prefix(name)?.strip_prefix('(')?;
        rest.strip_suffix(')')
    };
    match (inside("raw"), inside("addr")) {
        (Some(hex), _) => from_hex(hex).map_err(refuse),
        (_, Some(address)) => match address.parse() {
            Ok(address) => script_of(&address, network),
            Err(error) => Err(refuse(error.to_string())),
        },
        _ => Err(refuse(
            "of descriptors, only raw() and addr() name one script".into(),
        )),
    }
}

/// The address of a script, if it has one; a bare public key (P2PK) has none.
pub fn address_of(script: &Script, network: NetworkName) -> Option<Address> {
    Address::from_script(script, network.bitcoin()).ok()
}

fn script_of(address: &Address<NetworkUnchecked>, network: NetworkName) -> Result<ScriptBuf> {
    if address.is_valid_for_network(network.bitcoin()) {
        return Ok(address.assume_checked_ref().script_pubkey());
    }
    let is_of = |network: &NetworkName| address.is_valid_for_network(network.bitcoin());
    Err(Error::Query(QueryFault::AddressOfOtherNetwork {
        address: address.assume_checked_ref().to_string(),
        found: NetworkName::ALL.into_iter().filter(is_of).collect(),
        expected: network,
    }))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn from_hex(text: &str) -> std::result::Result<ScriptBuf, String> {
    ScriptBuf::from_hex(text).map_err(|error| error.to_string())
}

/// The descriptor without `#` and checksum; the checksum need not be there, but then it must be right.
fn without_checksum(text: &str) -> std::result::Result<&str, String> {
    let Some((descriptor, given)) = text.split_once('#') else {
        return Ok(text);
    };
    match checksum(descriptor) {
        Some(right) if right == given.as_bytes() => Ok(descriptor),
        Some(right) => Err(format!(
            "the checksum is {}, not {given}",
            String::from_utf8_lossy(&right)
        )),
        None => Err("a character that no descriptor has".into()),
    }
}

/// The checksum of a descriptor (BIP 380); `None` for characters that none has.
fn checksum(descriptor: &str) -> Option<[u8; 8]> {
    let mut remainder = 1;
    let (mut groups, mut group_count) = (0, 0);
    for character in descriptor.chars() {
        let number = DESCRIPTOR_CHARACTERS.find(character)? as u64;
        remainder = fold(remainder, number & 31);
        groups = groups * 3 + (number >> 5);
        group_count += 1;
        if group_count == 3 {
            remainder = fold(remainder, groups);
            (groups, group_count) = (0, 0);
        }
    }
    if group_count > 0 {
        remainder = fold(remainder, groups);
    }
    let remainder = (0..8).fold(remainder, |remainder, _| fold(remainder, 0)) ^ 1;
    Some(std::array::from_fn(|at| {
        CHECKSUM_CHARACTERS[(remainder >> (5 * (7 - at)) & 31) as usize]
    }))
}

/// One step of the division that gives the checksum (BIP 380, `PolyMod`).
fn fold(remainder: u64, symbol: u64) -> u64 {
    const GENERATOR: [u64; 5] = [
        0xf5_dee5_1989,
        0xa9_fdca_3312,
        0x1b_ab10_e32d,
        0x37_06b1_677a,
        0x64_4d62_6ffd,
    ];
    let top = remainder >> 35;
    let shifted = (remainder & 0x7_ffff_ffff) << 5 ^ symbol;
    let bits = (0..5).filter(|bit| top >> bit & 1 == 1);
    bits.fold(shifted, |sum, bit| sum ^ GENERATOR[bit])
}

#[cfg(test)]
mod tests {
    use super::*;

    const P2PKH: &str = "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac";

    fn main(text: &str) -> Result<ScriptBuf> {
        parse(text, NetworkName::Main)
    }

    #[test]
    fn one_script_in_all_its_forms() {
        let script = ScriptBuf::from_hex(P2PKH).expect("literal");
        let address = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
        for text in [
            P2PKH.to_string(),
            P2PKH.to_uppercase(),
            format!("raw({P2PKH})"),
            address.to_string(),
            format!("addr({address})"),
        ] {
            assert_eq!(main(&text).expect(&text), script);
        }
        let shown = address_of(&script, NetworkName::Main).expect("has one");
        assert_eq!(shown.to_string(), address);
        assert_eq!(main("raw()").expect("the empty script"), ScriptBuf::new());
    }

    #[test]
    fn a_checksum_is_optional_but_must_be_right() {
        // BIP 380, test vectors.
        assert!(main("raw(deadbeef)#89f8spxm").is_ok());
        assert!(main("raw(deadbeef)").is_ok());
        for bad in [
            "raw(deadbeef)#",
            "raw(deadbeef)#89f8spxmx",
            "raw(deadbeef)#89f8spx",
            "raw(dedbeef)#89f8spxm",
            "raw(deadbeef)##9f8spxm",
            "raw(\u{dc})#00000000",
        ] {
            assert!(main(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_script_is_refused() {
        for bad in [
            "",
            "0",
            "76a9x",
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            "raw(abc)",
            "raw(00",
            "addr(00)",
            "pkh(02)",
            "(",
        ] {
            let refused = main(bad).expect_err(bad);
            assert!(
                matches!(refused, Error::Query(QueryFault::NotAScript { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_address_of_another_network_is_named() {
        let refused = parse("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", NetworkName::Regtest);
        assert_eq!(
            refused.expect_err("mainnet's").to_string(),
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa is an address of main, but the index holds regtest"
        );
        let regtest = "mms7zrFdvSf77QkMBV8mZSRrWPJYA9EMmZ";
        let test = parse(regtest, NetworkName::Main).expect_err("not mainnet's");
        assert!(test.to_string().contains("test, testnet4, signet, regtest"));
        assert!(
            parse(regtest, NetworkName::Signet).is_ok(),
            "they share a prefix"
        );
    }

    #[test]
    fn a_bare_key_has_no_address() {
        let key = "02".to_string() + &"11".repeat(32);
        let script = main(&format!("21{key}ac")).expect("hex");
        assert_eq!(address_of(&script, NetworkName::Main), None);
    }
}
