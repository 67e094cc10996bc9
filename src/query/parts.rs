//! What stands in JSON beside a name: the parts of an outpoint, and the type of a script.
//!
//! Invariant: both are made of the one field that they stand beside, so that they cannot differ from it.

use crate::primitives::script_type::ScriptType;
use bitcoin::{OutPoint, ScriptBuf, Txid};
use serde::{Serialize, Serializer};

/// Core's name for the type of a scriptPubKey (`decodescript`, `getrawtransaction`): `pubkeyhash`,
/// `witness_v1_taproot`, `nonstandard` and so on.
pub fn type_of(script: &bitcoin::Script) -> &'static str {
    ScriptType::of(script.as_bytes()).name()
}

/// An output's name, whole and in parts.
#[derive(Serialize)]
struct Parts {
    outpoint: Option<OutPoint>,
    txid: Option<Txid>,
    vout: Option<u32>,
}

/// Serializes `outpoint`, and its `txid` and `vout`.
pub(super) fn of_outpoint<S: Serializer>(
    outpoint: &OutPoint,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    of_outpoint_if_known(&Some(*outpoint), serializer)
}

/// The same of one that may not be known.
pub(super) fn of_outpoint_if_known<S: Serializer>(
    outpoint: &Option<OutPoint>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let parts = Parts {
        outpoint: *outpoint,
        txid: outpoint.map(|outpoint| outpoint.txid),
        vout: outpoint.map(|outpoint| outpoint.vout),
    };
    parts.serialize(serializer)
}

/// The same beside the txid of another transaction, which made or spent it.
pub(super) fn of_outpoint_beside_txid<S: Serializer>(
    outpoint: &Option<OutPoint>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Beside {
        outpoint: Option<OutPoint>,
        outpoint_txid: Option<Txid>,
        vout: Option<u32>,
    }
    let parts = Beside {
        outpoint: *outpoint,
        outpoint_txid: outpoint.map(|outpoint| outpoint.txid),
        vout: outpoint.map(|outpoint| outpoint.vout),
    };
    parts.serialize(serializer)
}

#[derive(Serialize)]
struct Typed<'a> {
    script: Option<&'a ScriptBuf>,
    #[serde(rename = "type")]
    script_type: Option<&'static str>,
}

/// Serializes `script`, and its `type`.
pub(super) fn of_script<S: Serializer>(
    script: &ScriptBuf,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let typed = Typed {
        script: Some(script),
        script_type: Some(type_of(script)),
    };
    typed.serialize(serializer)
}

/// The same of one that may not be known.
pub(super) fn of_script_if_known<S: Serializer>(
    script: &Option<ScriptBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let typed = Typed {
        script: script.as_ref(),
        script_type: script.as_deref().map(type_of),
    };
    typed.serialize(serializer)
}
