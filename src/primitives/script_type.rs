//! What Bitcoin Core calls the form of a script (`script/solver.cpp`: `Solver`, `GetTxnOutputType`).
//!
//! Invariant: the name is the one that `decodescript` and `getrawtransaction` print as `type`.

use crate::primitives::script::OP_RETURN;

const OP_PUSHDATA1: u8 = 0x4c;
const OP_PUSHDATA2: u8 = 0x4d;
const OP_PUSHDATA4: u8 = 0x4e;
const OP_1: u8 = 0x51;
const OP_16: u8 = 0x60;
const OP_CHECKSIG: u8 = 0xac;
const OP_CHECKMULTISIG: u8 = 0xae;

/// Bytes of a compressed and of an uncompressed public key.
const KEY_BYTES: [usize; 2] = [33, 65];

/// Most keys of a bare multisig (Bitcoin Core, `script/script.h`: `MAX_PUBKEYS_PER_MULTISIG`).
const MULTISIG_KEYS_MAX: u8 = 20;

/// See the module documentation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScriptType {
    /// A bare public key.
    PubKey,
    /// The hash of a public key.
    PubKeyHash,
    /// The hash of a script.
    ScriptHash,
    /// Some of several bare public keys.
    Multisig,
    /// OP_RETURN, then pushes only.
    NullData,
    /// Segwit, the hash of a public key.
    WitnessV0KeyHash,
    /// Segwit, the hash of a script.
    WitnessV0ScriptHash,
    /// Taproot.
    WitnessV1Taproot,
    /// Pay to anchor: anybody can spend it.
    Anchor,
    /// Segwit of a version or length that means nothing yet.
    WitnessUnknown,
    /// Anything else.
    NonStandard,
}

impl ScriptType {
    /// Of a script.
    pub fn of(script: &[u8]) -> ScriptType {
        match script {
            [0x76, 0xa9, 20, hash @ .., 0x88, OP_CHECKSIG] if hash.len() == 20 => {
                ScriptType::PubKeyHash
            }
            [0xa9, 20, hash @ .., 0x87] if hash.len() == 20 => ScriptType::ScriptHash,
            [version, length, program @ ..] if is_witness(*version, *length, program) => {
                of_witness(*version, program)
            }
            [OP_RETURN, rest @ ..] if is_push_only(rest) => ScriptType::NullData,
            [length, key @ .., OP_CHECKSIG] if *length as usize == key.len() && is_key(key) => {
                ScriptType::PubKey
            }
            [.., OP_CHECKMULTISIG] if is_multisig(script) => ScriptType::Multisig,
            _ => ScriptType::NonStandard,
        }
    }

    /// Core's name.
    pub const fn name(self) -> &'static str {
        match self {
            ScriptType::PubKey => "pubkey",
            ScriptType::PubKeyHash => "pubkeyhash",
            ScriptType::ScriptHash => "scripthash",
            ScriptType::Multisig => "multisig",
            ScriptType::NullData => "nulldata",
            ScriptType::WitnessV0KeyHash => "witness_v0_keyhash",
            ScriptType::WitnessV0ScriptHash => "witness_v0_scripthash",
            ScriptType::WitnessV1Taproot => "witness_v1_taproot",
            ScriptType::Anchor => "anchor",
            ScriptType::WitnessUnknown => "witness_unknown",
            ScriptType::NonStandard => "nonstandard",
        }
    }
}

/// `CScript::IsWitnessProgram`.
fn is_witness(version: u8, length: u8, program: &[u8]) -> bool {
    let is_version = version == 0 || (OP_1..=OP_16).contains(&version);
    is_version && (2..=40).contains(&length) && program.len() == length as usize
}

fn of_witness(version: u8, program: &[u8]) -> ScriptType {
    match (version, program) {
        (0, _) if program.len() == 20 => ScriptType::WitnessV0KeyHash,
        (0, _) if program.len() == 32 => ScriptType::WitnessV0ScriptHash,
        (0, _) => ScriptType::NonStandard,
        (OP_1, _) if program.len() == 32 => ScriptType::WitnessV1Taproot,
        (OP_1, [0x4e, 0x73]) => ScriptType::Anchor,
        _ => ScriptType::WitnessUnknown,
    }
}

/// `CPubKey::ValidSize`: the first byte says how long it is.
fn is_key(key: &[u8]) -> bool {
    match key.first() {
        Some(2 | 3) => key.len() == KEY_BYTES[0],
        Some(4 | 6 | 7) => key.len() == KEY_BYTES[1],
        _ => false,
    }
}

/// The next opcode with what it pushes, and the rest; `None` at the end, and where a push runs past it.
fn next_op(script: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&op, rest) = script.split_first()?;
    let length_bytes = match op {
        OP_PUSHDATA1 => 1,
        OP_PUSHDATA2 => 2,
        OP_PUSHDATA4 => 4,
        _ => 0,
    };
    let (length, rest) = rest.split_at_checked(length_bytes)?;
    let pushed = match op {
        0..OP_PUSHDATA1 => op as usize,
        _ => length
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | *byte as usize),
    };
    let (data, rest) = rest.split_at_checked(pushed)?;
    Some((op, data, rest))
}

/// `CScript::IsPushOnly`.
fn is_push_only(mut script: &[u8]) -> bool {
    while !script.is_empty() {
        match next_op(script) {
            Some((op, _, rest)) if op <= OP_16 => script = rest,
            _ => return false,
        }
    }
    true
}

/// `GetScriptNumber`: a count, pushed in the shortest way.
fn count_of(op: u8, data: &[u8]) -> Option<u8> {
    match (op, data) {
        (OP_1..=OP_16, _) => Some(op - OP_1 + 1),
        (1, [count @ 17..=MULTISIG_KEYS_MAX]) => Some(*count),
        _ => None,
    }
}

/// `MatchMultisig`.
fn is_multisig(script: &[u8]) -> bool {
    let first = next_op(script).and_then(|(op, data, rest)| Some((count_of(op, data)?, rest)));
    let Some((needed, mut rest)) = first else {
        return false;
    };
    let mut keys = 0;
    loop {
        let Some((op, data, behind)) = next_op(rest) else {
            return false;
        };
        if is_key(data) {
            (keys, rest) = (keys + 1, behind);
            continue;
        }
        let is_all = count_of(op, data).is_some_and(|count| count >= needed && keys == count);
        return is_all && behind == [OP_CHECKMULTISIG];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hex::FromHex;

    /// The cases of Bitcoin Core's `script_standard_tests.cpp`, and their neighbours.
    #[test]
    fn forms_have_cores_names() {
        let key = format!("02{}", "11".repeat(32));
        let long = format!("04{}", "11".repeat(64));
        let (h20, h32) = ("22".repeat(20), "33".repeat(32));
        for (hex, name) in [
            (format!("21{key}ac"), "pubkey"),
            (format!("41{long}ac"), "pubkey"),
            (format!("2105{}ac", "11".repeat(32)), "nonstandard"),
            (format!("41{long}ac00"), "nonstandard"),
            (format!("76a914{h20}88ac"), "pubkeyhash"),
            (format!("76a914{h20}88ac61"), "nonstandard"),
            (format!("a914{h20}87"), "scripthash"),
            (format!("a913{}87", "22".repeat(19)), "nonstandard"),
            (format!("5121{key}51ae"), "multisig"),
            (format!("5221{key}41{long}52ae"), "multisig"),
            (format!("5221{key}51ae"), "nonstandard"),
            (format!("5121{key}52ae"), "nonstandard"),
            (format!("0021{key}51ae"), "nonstandard"),
            (format!("5121{key}51ae61"), "nonstandard"),
            (
                format!("51{}0114ae", format!("21{key}").repeat(20)),
                "multisig",
            ),
            (
                format!("51{}60ae", format!("21{key}").repeat(20)),
                "nonstandard",
            ),
            ("6a".into(), "nulldata"),
            ("6a0401020304".into(), "nulldata"),
            ("6a510100600650".into(), "nonstandard"),
            ("6a5150".into(), "nulldata"),
            ("6a61".into(), "nonstandard"),
            ("6a4c01".into(), "nonstandard"),
            (format!("0014{h20}"), "witness_v0_keyhash"),
            (format!("0020{h32}"), "witness_v0_scripthash"),
            ("00020102".into(), "nonstandard"),
            (format!("5120{h32}"), "witness_v1_taproot"),
            ("51024e73".into(), "anchor"),
            ("51024e74".into(), "witness_unknown"),
            (format!("6014{h20}"), "witness_unknown"),
            ("5101ff".into(), "nonstandard"),
            (String::new(), "nonstandard"),
            ("51".into(), "nonstandard"),
            ("ae".into(), "nonstandard"),
        ] {
            let script = Vec::from_hex(&hex).expect("written here");
            assert_eq!(ScriptType::of(&script).name(), name, "{hex}");
        }
    }

    #[test]
    fn no_script_makes_reading_panic() {
        proptest::proptest!(|(script: Vec<u8>)| {
            ScriptType::of(&script);
        });
    }
}
