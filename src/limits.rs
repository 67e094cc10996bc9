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

/// Largest offset in a block file. Headers keep offsets in 32 bits; Bitcoin Core's files end at
/// 128 MiB (`node/blockstorage.h`: `MAX_BLOCKFILE_SIZE`).
pub const BLOCK_FILE_BYTES_MAX: u64 = u32::MAX as u64;

/// Most headers that a scan holds: over three times what testnet3, the longest chain, has (4.8 M).
/// Bounds the part of a large arena that is touched before the scan.
pub const HEADERS_MAX: usize = 1 << 24;

/// Bytes read at once where a record is expected: a page holds the header and, early in the chain,
/// the next records too.
pub const HOP_BYTES: usize = 4096;

/// Bytes read at once while searching junk and zeros; sizes the scanner's only buffer.
pub const SEARCH_BYTES_MAX: usize = 1 << 18;

/// Files searched for a first record before the folder is said to hold none: reading all of a full
/// datadir as junk would take hours.
pub const NETWORK_FILES_MAX: usize = 2;

/// Cut records named one by one in a scan report; the rest are only counted.
pub const CUT_RECORDS_LISTED_MAX: usize = 16;

/// Orphan headers above which a scan says that a stretch of blocks is missing. A syncing node
/// downloads at most 1,024 blocks ahead (Bitcoin Core, `net_processing.cpp`:
/// `BLOCK_DOWNLOAD_WINDOW`), so fewer are normal life.
pub const ORPHANS_QUIET_MAX: u32 = 1024;

/// Block files kept open at a time. Blocks arrive out of order, so neighbouring heights hop between
/// two or three files.
pub const OPEN_FILES_MAX: usize = 4;

/// Bytes of mapped block files that may become resident before they are dropped.
pub const MAPPED_BYTES_MAX: usize = 8 << 20;

/// Bytes asked of the kernel ahead of the reader.
pub const READ_AHEAD_BYTES: usize = 4 << 20;

/// A block file modified more recently than this may still change, so it is not mapped.
pub const SETTLED_AFTER: std::time::Duration = std::time::Duration::from_secs(600);

// A block, and the pages mapped around it, must fit what may be resident.
const _: () = assert!(BLOCK_BYTES_MAX as usize + READ_AHEAD_BYTES <= MAPPED_BYTES_MAX);
const _: () = assert!(HOP_BYTES <= SEARCH_BYTES_MAX);
