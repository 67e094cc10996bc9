//! What a script says of itself, whoever spends it.

use crate::primitives::consensus::SCRIPT_BYTES_MAX;

/// The opcode that ends a script in failure: nothing spends what begins with it.
pub const OP_RETURN: u8 = 0x6a;

/// Whether no input can ever spend this script (Bitcoin Core, `script/script.h`:
/// `CScript::IsUnspendable`).
#[inline]
pub fn is_unspendable(script: &[u8]) -> bool {
    script.first() == Some(&OP_RETURN) || script.len() > SCRIPT_BYTES_MAX
}
