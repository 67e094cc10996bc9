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
