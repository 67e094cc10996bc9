//! A descriptor that stands for many scripts: its branches, and the scripts of each.
//!
//! Invariant: a branch derives at every index up to the last; that was tried with the first.

use bitcoin::ScriptBuf;
use bitcoin::secp256k1::{Secp256k1, VerifyOnly};
use miniscript::descriptor::checksum::Engine;
use miniscript::descriptor::{Descriptor, DescriptorPublicKey};
use std::sync::LazyLock;

/// The last index that is not hardened (BIP 32).
pub const INDEX_MAX: u32 = (1 << 31) - 1;

static CURVE: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// See the module documentation.
#[derive(Clone, Debug)]
pub struct Wallet {
    descriptor: String,
    branches: Vec<Branch>,
}

/// One of the paths of a multipath descriptor (BIP 389), or all of another.
#[derive(Clone, Debug)]
pub struct Branch {
    /// What is derived at each index: more than one script of `combo` only.
    pub(super) forms: Vec<Form>,
}

/// A descriptor, and what of it is the script.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// All of it.
    Whole(Descriptor<DescriptorPublicKey>),
    /// All of it, but it was written as `combo`.
    Combo(Descriptor<DescriptorPublicKey>),
    /// What is in its `sh`.
    InsideSh(Descriptor<DescriptorPublicKey>),
}

impl Wallet {
    pub(super) fn new(descriptor: &str, branches: Vec<Branch>) -> Wallet {
        Wallet {
            descriptor: with_checksum(descriptor),
            branches,
        }
    }

    /// The descriptor, with its checksum.
    pub fn descriptor(&self) -> &str {
        &self.descriptor
    }

    /// Its branches: one, unless it is a multipath descriptor.
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }
}

impl Branch {
    /// The descriptor of the branch alone, with its checksum.
    pub fn descriptor(&self) -> String {
        with_checksum(&self.forms[0].text())
    }

    /// Whether it has a script at each of many indexes, and not only one.
    pub fn is_ranged(&self) -> bool {
        self.forms[0].descriptor().has_wildcard()
    }

    /// Its scripts at an index: one, or up to four of `combo`.
    ///
    /// # Errors
    /// In words, above [`INDEX_MAX`].
    pub fn scripts_at(&self, index: u32) -> Result<Vec<ScriptBuf>, String> {
        self.forms
            .iter()
            .map(|form| form.script_at(index))
            .collect()
    }

    /// The script, if it is one alone.
    pub(super) fn only_script(&self) -> Option<Result<ScriptBuf, String>> {
        match &self.forms[..] {
            [form] if !self.is_ranged() => Some(form.script_at(0)),
            _ => None,
        }
    }
}

impl Form {
    pub(super) fn descriptor(&self) -> &Descriptor<DescriptorPublicKey> {
        match self {
            Form::Whole(descriptor) | Form::Combo(descriptor) | Form::InsideSh(descriptor) => {
                descriptor
            }
        }
    }

    /// The form once for each path.
    pub(super) fn into_single(self) -> Result<Vec<Form>, String> {
        let (wrap, descriptor): (fn(_) -> Form, _) = match self {
            Form::Whole(descriptor) => (Form::Whole, descriptor),
            Form::Combo(descriptor) => (Form::Combo, descriptor),
            Form::InsideSh(descriptor) => (Form::InsideSh, descriptor),
        };
        let singles = descriptor.into_single_descriptors();
        let singles = singles.map_err(|error| error.to_string())?;
        Ok(singles.into_iter().map(wrap).collect())
    }

    fn script_at(&self, index: u32) -> Result<ScriptBuf, String> {
        let definite = self.descriptor().at_derivation_index(index);
        let definite = definite.map_err(|error| {
            format!("{error}; hardened steps (h or ') are derived from private keys only: give the key behind them")
        })?;
        let derived = definite.derived_descriptor(&CURVE);
        match self {
            Form::Whole(_) | Form::Combo(_) => Ok(derived.script_pubkey()),
            Form::InsideSh(_) => derived.explicit_script().map_err(|error| error.to_string()),
        }
    }

    /// As it is written, without a checksum.
    fn text(&self) -> String {
        let text = format!("{:#}", self.descriptor());
        let inside = |name: &str| text.strip_prefix(name).map(str::to_owned);
        match self {
            Form::Whole(_) => text,
            Form::Combo(_) => inside("pk(").map_or(text, |key| format!("combo({key}")),
            Form::InsideSh(_) => {
                let bare = inside("sh(").and_then(|bare| Some(bare.strip_suffix(')')?.to_owned()));
                bare.unwrap_or(text)
            }
        }
    }
}

fn with_checksum(descriptor: &str) -> String {
    let mut engine = Engine::new();
    match engine.input(descriptor) {
        Ok(()) => format!("{descriptor}#{}", engine.checksum()),
        Err(_) => descriptor.to_owned(),
    }
}
