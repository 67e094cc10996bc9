//! Keys inside a text: private ones, which are not to be shown again, and extended ones whose first letters say
//! what scripts they are for (SLIP 132).
//!
//! Invariant: no text that has a private key in it, mistyped or not, is read any further.

use super::is_hex;
use bitcoin::base58;

/// Bytes of an extended key (BIP 32), of which the first four are its version.
const EXTENDED_BYTES: usize = 78;

/// Versions of extended public keys: of mainnet, and of all others (BIP 32).
const XPUB: [u8; 4] = [0x04, 0x88, 0xb2, 0x1e];
const TPUB: [u8; 4] = [0x04, 0x35, 0x87, 0xcf];

/// What extended private keys begin with, SLIP 132's included.
const EXTENDED_PRIVATE: [&str; 10] = [
    "xprv", "tprv", "yprv", "Yprv", "zprv", "Zprv", "uprv", "Uprv", "vprv", "Vprv",
];

/// A private key by itself has 51 or 52 characters; a few may be missing, or be too many.
const WIF_CHARACTERS: std::ops::RangeInclusive<usize> = 48..=55;

/// What it begins with: on mainnet, on all others.
const WIF_FIRST: [char; 5] = ['5', 'K', 'L', '9', 'c'];

/// Whose key is for what (SLIP 132): its version, the one that it stands for, and what is around it.
const SLIP_132: [([u8; 4], [u8; 4], Around); 8] = [
    ([0x04, 0x9d, 0x7c, 0xb2], XPUB, Around::ShWpkh),
    ([0x02, 0x95, 0xb4, 0x3f], XPUB, Around::ShWshMulti),
    ([0x04, 0xb2, 0x47, 0x46], XPUB, Around::Wpkh),
    ([0x02, 0xaa, 0x7e, 0xd3], XPUB, Around::WshMulti),
    ([0x04, 0x4a, 0x52, 0x62], TPUB, Around::ShWpkh),
    ([0x02, 0x42, 0x89, 0xef], TPUB, Around::ShWshMulti),
    ([0x04, 0x5f, 0x1c, 0xf6], TPUB, Around::Wpkh),
    ([0x02, 0x57, 0x54, 0x83], TPUB, Around::WshMulti),
];

#[derive(Clone, Copy)]
enum Around {
    ShWpkh,
    ShWshMulti,
    Wpkh,
    WshMulti,
}

/// Characters of a private key by itself that a stray character has parted.
const PARTED_CHARACTERS: std::ops::RangeInclusive<usize> = 50..=53;

/// In at most so many parts.
const PARTS_MAX: usize = 16;

/// Whether there is a private key in the text, in one piece or in several.
pub(super) fn has_secret(text: &str) -> bool {
    words(text).any(is_secret) || has_parted(text)
}

/// Whether words that follow each other are a private key together.
fn has_parted(text: &str) -> bool {
    let words: Vec<&str> = words(text).filter(|word| !word.is_empty()).collect();
    (0..words.len()).any(|at| {
        let mut joined = String::new();
        let is_key = |word: &&str| {
            joined.push_str(word);
            is_like_key(&joined)
        };
        words[at].starts_with(WIF_FIRST) && words[at..].iter().take(PARTS_MAX).any(is_key)
    })
}

/// Whether it is as long as a private key, and of the characters of one, of all three kinds.
fn is_like_key(joined: &str) -> bool {
    let is_base58 = |c: u8| c.is_ascii_alphanumeric() && !b"0OIl".contains(&c);
    let has = |kind: fn(&u8) -> bool| joined.as_bytes().iter().any(kind);
    PARTED_CHARACTERS.contains(&joined.len())
        && joined.bytes().all(is_base58)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
}

fn is_secret(word: &str) -> bool {
    let is_extended = EXTENDED_PRIVATE.iter().any(|start| word.starts_with(start));
    let is_single = WIF_CHARACTERS.contains(&word.len()) && word.starts_with(WIF_FIRST);
    is_extended || is_single && !is_hex(word)
}

/// What to write instead of an extended key that stands alone, or of one that says by its first letters what is
/// to stand around it.
pub(super) fn advice(text: &str) -> Option<String> {
    let text = text.split('#').next().unwrap_or(text);
    let is_alone = !text.contains('(');
    for word in words(text) {
        let Some(bytes) = extended(word) else {
            continue;
        };
        let (version, key) = bytes.split_at(XPUB.len());
        let slip_132 = SLIP_132.iter().find(|(slip_132, ..)| version == slip_132);
        if let Some((_, meant, around)) = slip_132 {
            let key = base58::encode_check(&[meant, key].concat());
            let plain = text.replace(word, &key);
            return Some(match is_alone {
                true => around.advice(&branches(&plain)),
                false => format!(
                    "{}... is written as {}... in a descriptor: {plain}",
                    &word[..4],
                    &key[..4]
                ),
            });
        }
        if is_alone && (version == XPUB || version == TPUB) {
            let keys = branches(text);
            return Some(format!(
                "it is an extended key, which stands for many scripts: write pkh({keys}), sh(wpkh({keys})), \
                 wpkh({keys}) or tr({keys}), as its wallet makes addresses"
            ));
        }
    }
    None
}

impl Around {
    fn advice(self, keys: &str) -> String {
        let many = "it is an extended key, which stands for many scripts: write";
        let cosigner = "it is one of the extended keys of a multisignature: write";
        match self {
            Around::ShWpkh => format!("{many} sh(wpkh({keys}))"),
            Around::Wpkh => format!("{many} wpkh({keys})"),
            Around::ShWshMulti => format!("{cosigner} sh(wsh(sortedmulti(M,{keys},OTHER_KEYS)))"),
            Around::WshMulti => format!("{cosigner} wsh(sortedmulti(M,{keys},OTHER_KEYS))"),
        }
    }
}

/// The key with the steps behind it that wallets take (BIP 44): receiving and change, one script after another.
fn branches(key: &str) -> String {
    match key.contains('/') && !key.ends_with(']') && key.contains('*') {
        true => key.to_owned(),
        false => format!("{}/<0;1>/*", key.trim_end_matches('/')),
    }
}

fn extended(word: &str) -> Option<Vec<u8>> {
    let bytes = base58::decode_check(word).ok()?;
    (bytes.len() == EXTENDED_BYTES).then_some(bytes)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
}
