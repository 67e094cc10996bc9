//! How a script is given and shown: by address, descriptor, or the hex of a scriptPubKey.
//!
//! Invariant: an address stands only for a script of its own network, and hexadecimal that has the
//! length of a hash or a key for none: nobody is told a balance of zero for it.
//!
//! | file | what |
//! | --- | --- |
//! | `descriptor.rs` | descriptors |
//! | `wallet.rs` | those that stand for many scripts |
//! | `keys.rs` | private keys, and extended keys of other forms |
//! | `why.rs` | why a text stands for no script |

mod descriptor;
mod keys;
#[cfg(test)]
mod vectors;
mod wallet;
mod why;

pub use wallet::{Branch, INDEX_MAX, Wallet};

use crate::primitives::network::NetworkName;
use crate::query::Fault;
use crate::{Error, Result};
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Script, ScriptBuf};
use descriptor::Said;

/// Characters shown of a text that is refused.
const SHOWN_CHARACTERS_MAX: usize = 80;

/// What a text stands for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A script.
    Script(ScriptBuf),
    /// Many scripts.
    Wallet(Wallet),
}

/// The script that `text` stands for on `network`. What copying leaves around an address is no matter:
/// spaces, line ends, `bitcoin:` and what follows a `?` then (BIP 21).
///
/// # Errors
/// [`crate::query::Fault::NotAScript`], [`crate::query::Fault::AddressOfOtherNetwork`],
/// [`crate::query::Fault::ManyScripts`].
pub fn parse(text: &str, network: NetworkName) -> Result<ScriptBuf> {
    match parse_any(text, network)? {
        Asked::Script(script) => Ok(script),
        Asked::Wallet(wallet) => Err(Error::from(Fault::ManyScripts {
            descriptor: wallet.descriptor().to_owned(),
        })),
    }
}

/// The same, of a text that may stand for many scripts.
///
/// # Errors
/// [`crate::query::Fault::NotAScript`], [`crate::query::Fault::AddressOfOtherNetwork`].
pub fn parse_any(text: &str, network: NetworkName) -> Result<Asked> {
    let text = without_wrapping(text);
    let refuse = |why: String| refused(text, &why);
    if keys::has_secret(text) {
        return Err(refused("***", why::SECRET));
    }
    if let Some(advice) = keys::advice(text) {
        return Err(refuse(advice));
    }
    if text.contains('(') {
        return match descriptor::read(text, network).map_err(refuse)? {
            Said::Script(script) => Ok(Asked::Script(script)),
            Said::Wallet(wallet) => Ok(Asked::Wallet(wallet)),
            Said::Address(address) => match address.parse() {
                Ok(address) => script_of(&address, network).map(Asked::Script),
                Err(_) => Err(refuse(why::no_address(address))),
            },
        };
    }
    plain(text, network).map(Asked::Script)
}

/// The script of an address, or of hexadecimal.
fn plain(text: &str, network: NetworkName) -> Result<ScriptBuf> {
    let refuse = |why: String| refused(text, &why);
    // An address is tried first: it has a checksum, so hex is never taken for one.
    match text.parse::<Address<NetworkUnchecked>>() {
        Ok(address) => script_of(&address, network),
        Err(_) if text.is_empty() => {
            let forms = why::FORMS;
            Err(refuse(format!(
                "it is empty; {forms}; raw() is the empty script"
            )))
        }
        Err(_) if is_hex(text) => from_plain_hex(text).map_err(refuse),
        Err(_) => Err(refuse(why::no_address(text))),
    }
}

/// Whether there is a private key in the text, which is not to be shown again.
pub fn names_secret(text: &str) -> bool {
    keys::has_secret(without_wrapping(text))
}

fn without_wrapping(text: &str) -> &str {
    let is_space = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}');
    let text = text.trim_matches(is_space);
    match text.split_at_checked("bitcoin:".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bitcoin:") => {
            rest.split('?').next().unwrap_or(rest)
        }
        _ => text,
    }
}

/// The error for a text that stands for no script; the reason may quote it.
fn refused(text: &str, why: &str) -> Error {
    Error::from(Fault::NotAScript {
        text: shown(text),
        why: why.chars().map(printable).collect(),
    })
}

/// The character, or what stands for one that would act on a terminal.
fn printable(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

/// So much of it as one reads.
fn shown(text: &str) -> String {
    let shown = text.chars().take(SHOWN_CHARACTERS_MAX);
    let shown: String = shown.map(printable).collect();
    match text.chars().nth(SHOWN_CHARACTERS_MAX) {
        Some(_) => shown + "...",
        None => shown,
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
    Err(Error::from(Fault::AddressOfOtherNetwork {
        address: address.assume_checked_ref().to_string(),
        found: NetworkName::ALL.into_iter().filter(is_of).collect(),
        expected: network,
    }))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A script that is not said to be one.
fn from_plain_hex(text: &str) -> std::result::Result<ScriptBuf, String> {
    let script = from_hex(text)?;
    match why::length(script.as_bytes()) {
        Some(why) => Err(why),
        None => Ok(script),
    }
}

fn from_hex(text: &str) -> std::result::Result<ScriptBuf, String> {
    if !text.len().is_multiple_of(2) && is_hex(text) {
        return Err(format!(
            "{} hexadecimal digits are no whole bytes",
            text.len()
        ));
    }
    ScriptBuf::from_hex(text).map_err(|error| error.to_string())
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
            "pk(029bcd8b9ee1f1ef9f4d3c24b1cd0e8c2a2b1a1d8f5f6f0d0d1a2a3b4c5d6e7f8)",
            "tr(79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f817)",
            "unknown(00)",
            "(",
            " ",
            "bitcoin:",
            "bitcoin:?amount=1",
        ] {
            let refused = main(bad).expect_err(bad);
            assert!(
                matches!(refused.fault(), Some(Fault::NotAScript { .. })),
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

    /// The generator point (SEC 2), whose private key is 1.
    const KEY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    const LONG_KEY: &str = "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
        483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";

    #[test]
    fn a_key_stands_for_its_scripts_byte_for_byte() {
        let hybrid = LONG_KEY.replacen("04", "06", 1);
        for (text, script) in [
            (format!("pk({KEY})"), format!("21{KEY}ac")),
            (format!("pk({LONG_KEY})"), format!("41{LONG_KEY}ac")),
            (format!("pk({hybrid})"), format!("41{hybrid}ac")),
            (
                format!("pkh({KEY})"),
                "76a914751e76e8199196d454941c45d1b3a323f1433bd688ac".into(),
            ),
            (
                format!("pkh({LONG_KEY})"),
                "76a91491b24bf9f5288532960ac687abb035127b1d28a588ac".into(),
            ),
            (
                format!("wpkh({KEY})"),
                "0014751e76e8199196d454941c45d1b3a323f1433bd6".into(),
            ),
        ] {
            assert_eq!(main(&text).expect(&text).to_hex_string(), script, "{text}");
        }
        assert!(main(&format!("wpkh({LONG_KEY})")).is_err());
    }

    #[test]
    fn hex_of_the_length_of_a_hash_or_key_is_refused_with_what_to_write_instead() {
        let no_key = "ff".repeat(33);
        let (twenty, thirty_two) = ("ab".repeat(20), "02".repeat(32));
        for (hex, advised) in [
            (twenty.as_str(), 4),
            (&thirty_two, 3),
            (KEY, 4),
            (LONG_KEY, 3),
            (&no_key, 1),
            (&"00".repeat(65), 1),
        ] {
            let refused = main(hex).expect_err(hex).to_string();
            // The advice works as it is printed, and names different scripts.
            let mut scripts = Vec::new();
            for word in refused
                .split([' ', ',', ':'])
                .filter(|word| word.contains(hex))
            {
                if word.contains('(') {
                    scripts.push(main(word).expect(word));
                }
            }
            scripts.sort();
            scripts.dedup();
            assert_eq!(scripts.len(), advised, "{refused}");
            let meant = main(&format!("raw({hex})")).expect("a script, if it is said so");
            assert_eq!(meant.to_hex_string(), hex);
        }
        for bytes in [1, 19, 21, 22, 23, 25, 31, 34, 35, 64, 66, 67] {
            assert!(main(&"51".repeat(bytes)).is_ok(), "{bytes}");
        }
    }

    #[test]
    fn what_copying_leaves_around_an_address_is_taken_off() {
        let address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        let script = main(address).expect("BIP 173");
        for text in [
            format!(" {address}"),
            format!("{address}\r\n"),
            format!("\t{address}\u{a0}"),
            format!("\u{feff}{address}"),
            format!("bitcoin:{address}"),
            format!("BITCOIN:{}", address.to_uppercase()),
            format!(" bitcoin:{address}?amount=0.1&label=a(b)\r"),
        ] {
            assert_eq!(main(&text).expect(&text), script);
        }
    }

    #[test]
    fn an_address_that_fails_gets_the_reason_that_its_prefix_calls_for() {
        for (text, reason) in [
            (
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
                "checksum is wrong",
            ),
            (
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t",
                "checksum is wrong",
            ),
            (
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3tb",
                "the character 'b'",
            ),
            (
                "bc1Qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                "this is mixed",
            ),
            (
                "addr(bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5)",
                "checksum is wrong",
            ),
            // BIP 350: a witness version that is none.
            (
                "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
                "no bech32 address",
            ),
            (
                "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9",
                "begin with ltc1",
            ),
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "checksum is wrong"),
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNO", "the character 'O'"),
            ("1Pm", "neither an address nor hexadecimal"),
            ("nonsense", "neither an address nor hexadecimal"),
            ("abc", "3 hexadecimal digits are no whole bytes"),
            ("LaMT348PWRnrqeeWArpwQPbuanpXDZGEUz", "another chain"),
            (
                "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8",
                "extended key",
            ),
            (
                "KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn",
                "private key",
            ),
            ("0x51", "as 51"),
            ("satoshi", "neither an address nor hexadecimal"),
            ("51\u{1b}[31m", "neither an address nor hexadecimal"),
        ] {
            let refused = main(text).expect_err(text).to_string();
            assert!(refused.contains(reason), "{refused}");
            assert!(
                !refused.contains(char::is_control) && !refused.contains("legacy address base58")
            );
        }
    }
}
