//! Every constant that bounds a size, a count or a time.
//!
//! Invariant: relations between limits are asserted here, at compile time.

/// Largest serialized block (Bitcoin Core, `consensus/consensus.h`: `MAX_BLOCK_SERIALIZED_SIZE`).
/// Sizes the read window.
pub const BLOCK_BYTES_MAX: u32 = 4_000_000;

/// Largest weight of a block (BIP 141).
pub const BLOCK_WEIGHT_MAX: u64 = 4_000_000;

/// Smallest serialized block: a header and a count.
pub const BLOCK_BYTES_MIN: u32 = 81;

/// Bytes of a serialized block header.
pub const HEADER_BYTES: usize = 80;

/// Scripts longer than this can never be spent (Bitcoin Core, `script/script.h`: `MAX_SCRIPT_SIZE`).
pub const SCRIPT_BYTES_MAX: usize = 10_000;

/// All the money there can be (Bitcoin Core, `consensus/amount.h`: `MAX_MONEY`). No coin is worth
/// more, so a larger amount in a file is damage.
pub const AMOUNT_SAT_MAX: u64 = 21_000_000 * 100_000_000;

/// Smallest serialized input: outpoint, empty script, sequence.
pub const INPUT_BYTES_MIN: u32 = 41;

/// Most inputs a block can have: every one of their bytes weighs four (BIP 141).
pub const BLOCK_INPUTS_MAX: u32 = (BLOCK_WEIGHT_MAX / 4) as u32 / INPUT_BYTES_MIN;

/// Smallest serialized output: amount, empty script.
pub const OUTPUT_BYTES_MIN: u32 = 9;

/// Most outputs a block can have.
pub const BLOCK_OUTPUTS_MAX: u32 = (BLOCK_WEIGHT_MAX / 4) as u32 / OUTPUT_BYTES_MIN;

/// Largest coin in Core's compressed form (Bitcoin Core, `undo.h`, `compressor.h`): height and
/// coinbase 5, version dummy 1, amount 10, length 3, script.
pub const COMPRESSED_COIN_BYTES_MAX: u32 = 5 + 1 + 10 + 3 + SCRIPT_BYTES_MAX as u32;

/// Largest undo record: every input of a block spends a coin of the largest size, and each is in
/// a transaction of its own with a count of at most 3 bytes, after one count of at most 5.
pub const UNDO_BYTES_MAX: u32 = 5 + BLOCK_INPUTS_MAX * (3 + COMPRESSED_COIN_BYTES_MAX);

/// Largest file `verify --expect` takes. What Core prints is under 2,000 bytes; this is for a
/// wrong file given by mistake.
pub const EXPECT_BYTES_MAX: u64 = 1 << 20;
