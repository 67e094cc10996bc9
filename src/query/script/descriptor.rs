//! Descriptors (BIP 380 to 389). Most are read and derived by the `miniscript` crate; `addr`, `raw`, `combo`, a bare
//! `sortedmulti`, and hybrid keys, which old scripts have, it does not know.
//!
//! Invariant: what is read can be derived: no step is hardened, and extended keys are of the index's network.

use super::wallet::{Branch, Form, Wallet};
use super::{from_hex, is_hex};
use crate::primitives::network::NetworkName;
use bitcoin::hashes::{Hash, hash160};
use bitcoin::script::{Builder, PushBytes};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{NetworkKind, PubkeyHash, ScriptBuf, opcodes};
use miniscript::descriptor::checksum::verify_checksum;
use miniscript::descriptor::{Descriptor, DescriptorPublicKey, XKeyNetwork};

/// Keys of a multisignature that is not inside `sh` or `wsh` (Bitcoin Core, `script/descriptor.cpp`).
const BARE_KEYS_MAX: usize = 3;

/// What a descriptor says.
pub(super) enum Said<'a> {
    Script(ScriptBuf),
    Address(&'a str),
    Wallet(Wallet),
}

/// Reads a descriptor.
pub(super) fn read(text: &str, network: NetworkName) -> Result<Said<'_>, String> {
    let descriptor = verify_checksum(text).map_err(|error| error.to_string())?;
    let call = descriptor.split_once('(');
    let call = call.and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?)));
    let (name, inside) = call.ok_or("a descriptor ends with )")?;
    match name {
        "raw" => from_hex(inside).map(Said::Script),
        "addr" => Ok(Said::Address(inside)),
        "pk" if is_hybrid(inside) => key(inside).map(|key| Said::Script(pk(&key))),
        "pkh" if is_hybrid(inside) => key(inside).map(|key| Said::Script(pkh(&key))),
        _ => {
            let branches = branches(descriptor, name, inside, network)?;
            Ok(match &branches[..] {
                [only] => match only.only_script() {
                    Some(script) => Said::Script(script?),
                    None => Said::Wallet(Wallet::new(descriptor, branches)),
                },
                _ => Said::Wallet(Wallet::new(descriptor, branches)),
            })
        }
    }
}

/// Whether the bytes are a public key: on the curve, compressed or not.
pub(super) fn is_key(bytes: &[u8]) -> bool {
    PublicKey::from_slice(bytes).is_ok()
}

/// The branches of a descriptor, each of which can be derived.
fn branches(
    descriptor: &str,
    name: &str,
    inside: &str,
    network: NetworkName,
) -> Result<Vec<Branch>, String> {
    let forms = match name {
        "combo" => combo(inside)?,
        "sortedmulti" => vec![bare_sortedmulti(inside)?],
        _ => vec![Form::Whole(crate_reads(descriptor)?)],
    };
    let mut branches: Vec<Branch> = Vec::new();
    for form in forms {
        expect_network(form.descriptor(), network)?;
        expect_alternatives(form.descriptor())?;
        let singles = form.into_single()?;
        for (number, single) in singles.into_iter().enumerate() {
            match branches.get_mut(number) {
                Some(branch) => branch.forms.push(single),
                None => branches.push(Branch {
                    forms: vec![single],
                }),
            }
        }
    }
    let mut firsts = Vec::with_capacity(branches.len());
    for branch in &branches {
        firsts.push(branch.scripts_at(0)?);
    }
    firsts.sort_unstable();
    match firsts.windows(2).any(|two| two[0] == two[1]) {
        true => Err("two of its branches are the same".into()),
        false => Ok(branches),
    }
}

fn crate_reads(descriptor: &str) -> Result<Descriptor<DescriptorPublicKey>, String> {
    descriptor
        .parse()
        .map_err(|error: miniscript::Error| error.to_string())
}

/// All that a wallet may once have made of a key (BIP 384): of an uncompressed key only the first two.
fn combo(key: &str) -> Result<Vec<Form>, String> {
    let read = |text: String| crate_reads(&text).map(Form::Combo);
    let mut forms = vec![read(format!("pk({key})"))?, read(format!("pkh({key})"))?];
    if let Ok(form) = read(format!("wpkh({key})")) {
        forms.push(form);
        forms.push(read(format!("sh(wpkh({key}))"))?);
    }
    Ok(forms)
}

/// The crate sorts keys inside of `sh` only; the script is the same outside.
fn bare_sortedmulti(inside: &str) -> Result<Form, String> {
    let descriptor = crate_reads(&format!("sh(sortedmulti({inside}))"))?;
    match descriptor.iter_pk().count() {
        0..=BARE_KEYS_MAX => Ok(Form::InsideSh(descriptor)),
        count => Err(format!(
            "a multisignature of {count} keys is for sh() or wsh(); {BARE_KEYS_MAX} may be without"
        )),
    }
}

/// All keys with alternatives have as many, and none twice (BIP 389): the crate lets some pass, and drops branches.
fn expect_alternatives(descriptor: &Descriptor<DescriptorPublicKey>) -> Result<(), String> {
    let mut counts = Vec::new();
    for key in descriptor.iter_pk() {
        if let DescriptorPublicKey::MultiXPub(key) = key {
            let mut paths = key.derivation_paths.into_paths();
            counts.push(paths.len());
            paths.sort_unstable();
            if paths.windows(2).any(|two| two[0] == two[1]) {
                return Err("a step comes twice between < and >".into());
            }
        }
    }
    match counts.windows(2).all(|two| two[0] == two[1]) {
        true => Ok(()),
        false => Err("its keys have different numbers of steps between < and >".into()),
    }
}

fn expect_network(
    descriptor: &Descriptor<DescriptorPublicKey>,
    network: NetworkName,
) -> Result<(), String> {
    let is_main = network == NetworkName::Main;
    match descriptor.xkey_network() {
        XKeyNetwork::NoXKeys => Ok(()),
        XKeyNetwork::Single(found) if (found == NetworkKind::Main) == is_main => Ok(()),
        XKeyNetwork::Single(NetworkKind::Main) => Err(format!(
            "xpub keys are of main, but the index holds {network}, whose keys begin with tpub"
        )),
        XKeyNetwork::Single(NetworkKind::Test) => Err(format!(
            "tpub keys are of test networks, but the index holds {network}, whose keys begin with xpub"
        )),
        XKeyNetwork::Mixed => Err("xpub and tpub keys are of different networks".into()),
    }
}

/// Whether it is a key of the form that OpenSSL called hybrid: uncompressed, but begun with 06 or 07.
fn is_hybrid(hex: &str) -> bool {
    hex.len() == 130 && is_hex(hex) && (hex.starts_with("06") || hex.starts_with("07"))
}

fn key(hex: &str) -> Result<Vec<u8>, String> {
    let bytes = from_hex(hex)?.into_bytes();
    match is_key(&bytes) {
        true => Ok(bytes),
        false => Err(format!("{hex} is no public key")),
    }
}

fn pk(key: &[u8]) -> ScriptBuf {
    let key: &PushBytes = key.try_into().expect("a key is short enough to be pushed");
    let script = Builder::new().push_slice(key);
    script.push_opcode(opcodes::all::OP_CHECKSIG).into_script()
}

fn pkh(key: &[u8]) -> ScriptBuf {
    ScriptBuf::new_p2pkh(&PubkeyHash::from_raw_hash(hash160::Hash::hash(key)))
}
