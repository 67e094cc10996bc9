//! The numbers of Bitcoin's consensus that bound a block, and what follows from them.
//!
//! Invariant: nothing here is a choice of this program; a block that Bitcoin Core accepts keeps to all of it.

use super::header::HEADER_BYTES;

/// Largest serialized block (Bitcoin Core, `consensus/consensus.h`: `MAX_BLOCK_SERIALIZED_SIZE`).
pub const BLOCK_BYTES_MAX: u32 = 4_000_000;

/// Largest weight of a block (BIP 141).
pub const BLOCK_WEIGHT_MAX: u64 = 4_000_000;

/// Smallest serialized block: a header and a count.
pub const BLOCK_BYTES_MIN: u32 = HEADER_BYTES as u32 + 1;

/// Scripts longer than this can never be spent (Bitcoin Core, `script/script.h`: `MAX_SCRIPT_SIZE`).
pub const SCRIPT_BYTES_MAX: usize = 10_000;

/// Smallest serialized transaction: version, one input, one output, lock time, and their counts.
pub const TX_BYTES_MIN: u32 = 4 + 1 + INPUT_BYTES_MIN + 1 + OUTPUT_BYTES_MIN + 4;

/// Most transactions a block can have: every one of their bytes weighs four (BIP 141).
pub const BLOCK_TXS_MAX: u32 = (BLOCK_WEIGHT_MAX / 4) as u32 / TX_BYTES_MIN;

/// Confirmations that an output of a coinbase needs to be spent (Bitcoin Core, `consensus/consensus.h`:
/// `COINBASE_MATURITY`).
pub const COINBASE_MATURITY: u32 = 100;

/// Satoshis of a bitcoin (Bitcoin Core, `consensus/amount.h`: `COIN`).
pub const SAT_PER_BITCOIN: u64 = 100_000_000;

/// All the money there can be (Bitcoin Core, `consensus/amount.h`: `MAX_MONEY`). No coin is worth
/// more, so a larger amount in a file is damage.
pub const AMOUNT_SAT_MAX: u64 = 21_000_000 * SAT_PER_BITCOIN;

/// Smallest serialized input: outpoint, empty script, sequence.
pub const INPUT_BYTES_MIN: u32 = 41;

/// Most inputs a block can have: every one of their bytes weighs four (BIP 141).
pub const BLOCK_INPUTS_MAX: u32 = (BLOCK_WEIGHT_MAX / 4) as u32 / INPUT_BYTES_MIN;

/// Smallest serialized output: amount, empty script.
pub const OUTPUT_BYTES_MIN: u32 = 9;

/// Most outputs a block can have.
pub const BLOCK_OUTPUTS_MAX: u32 = (BLOCK_WEIGHT_MAX / 4) as u32 / OUTPUT_BYTES_MIN;
