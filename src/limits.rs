//! Bounds that several rooms share; a bound that one room uses lives in that room, and the numbers of
//! Bitcoin's consensus in [`crate::primitives::consensus`].
//!
//! Invariant: nothing here depends on a room.

/// A redb page with its 16-byte key takes this much from a value that is to fill it exactly
/// (redb 4.5, leaf page: 4 bytes of head, 16 of key, 4 of value end).
pub const REDB_LEAF_BYTES: usize = 24;

/// Pages of runs.
pub const PAGE_BYTES: usize = 4 * 4096 - REDB_LEAF_BYTES;

/// Pages that runs had until index format 4, but for those of coins.
pub const OLD_PAGE_BYTES: usize = 8 * 4096 - REDB_LEAF_BYTES;

/// Bytes of pages gathered before they are given to redb in one transaction without a flush.
/// 2 to 4 MB keep redb's cache small and cost little (measured in the design).
pub const STAGING_BYTES: usize = 2 << 20;

/// Runs that a merge opens at once, at most; a bulk import leaves that many of a relation unmerged.
pub const RUNS_MAX: usize = 512;

/// Fewest bytes of a segment, which costs a durable commit.
pub const SEGMENT_BYTES_MIN: u64 = 8 << 20;

/// Cut records, and stretches of junk, named one by one; the rest are only counted.
pub const PLACES_LISTED_MAX: usize = 16;

/// The least memory that sorts: a few chunks can be merged at a time.
pub const SORTER_BYTES_MIN: usize = 4 << 20;
