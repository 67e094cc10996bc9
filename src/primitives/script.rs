//! What a script says of itself, whoever spends it.

use crate::limits::SCRIPT_BYTES_MAX;

/// Whether no input can ever spend this script (Bitcoin Core, `script/script.h`:
/// `CScript::IsUnspendable`).
#[inline]
pub fn is_unspendable(script: &[u8]) -> bool {
    const OP_RETURN: u8 = 0x6a;
    script.first() == Some(&OP_RETURN) || script.len() > SCRIPT_BYTES_MAX
}
