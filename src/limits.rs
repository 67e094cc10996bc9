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

/// Smallest serialized transaction: version, one input, one output, lock time, and their counts.
pub const TX_BYTES_MIN: u32 = 4 + 1 + INPUT_BYTES_MIN + 1 + OUTPUT_BYTES_MIN + 4;

/// Most transactions a block can have: every one of their bytes weighs four (BIP 141).
pub const BLOCK_TXS_MAX: u32 = (BLOCK_WEIGHT_MAX / 4) as u32 / TX_BYTES_MIN;

/// Positions stay below this, so that a txo and a flag fit into 40 bits. At mainnet's pace of 2026
/// that is enough for some thousand years.
pub const TXO_MAX: u64 = 1 << 39;

/// Confirmations that an output of a coinbase needs to be spent (Bitcoin Core, `consensus/consensus.h`:
/// `COINBASE_MATURITY`).
pub const COINBASE_MATURITY: u32 = 100;

/// Blocks after which a batch is committed, whatever `--commit-every` says. Sizes what is kept of each.
pub const BATCH_BLOCKS_MAX: u32 = 16_384;

/// Blocks below the best header that a reorganisation may still replace. Core has never seen one of
/// more than a few dozen; it keeps undo data of 288 for pruning (`MIN_BLOCKS_TO_KEEP`).
pub const UNSETTLED_BLOCKS: u32 = 100;

/// Every 16th transaction's byte offset is kept: the others are found by walking from there.
pub const OFFSET_EVERY_TXS: usize = 16;

/// The table is full at this load. Sorted clusters stay short up to about here.
pub const TABLE_LOAD_MAX_PERCENT: usize = 75;

/// As long as it can grow inside its map, the table does so at this load: clusters stay short.
pub const TABLE_LOAD_EASY_PERCENT: usize = 50;

/// Slots that are looked at, 1 MiB, to tell how far coins are from their homes.
pub const TABLE_SAMPLE_SLOTS: usize = 1 << 16;

/// Warn when the heap outside the plan has reached a new high at this many commits. Fewer are an ordinary
/// beginning: a file is opened, a line of progress gets longer.
pub const LEAK_COMMITS_MIN: u32 = 4;

/// ...and has grown by this many bytes. One small allocation kept at each commit is more in the end.
pub const LEAK_BYTES_MIN: u64 = 4096;

/// Runs that the catalogue has room for from the start, so that naming one takes no memory.
pub const RUNS_RESERVED: usize = 16 * RUNS_MAX;

/// Longest line of a memory log. A record with a dozen parts and four relations has under 4,000
/// bytes; this is for a wrong file given by mistake.
pub const LOG_LINE_BYTES_MAX: usize = 1 << 16;

/// Home slots with which a table starts; it doubles inside its map.
pub const TABLE_SLOTS_FIRST: usize = 1 << 16;

/// A redb page with its 16-byte key takes this much from a value that is to fill it exactly
/// (redb 4.5, leaf page: 4 bytes of head, 16 of key, 4 of value end).
pub const REDB_LEAF_BYTES: usize = 24;

/// Pages of coins: small, because a spend looks up one row.
pub const COINS_PAGE_BYTES: usize = 4 * 4096 - REDB_LEAF_BYTES;

/// Pages of the other relations: read in sequence far more often than at a point.
pub const PAGE_BYTES: usize = 8 * 4096 - REDB_LEAF_BYTES;

/// Bytes of pages gathered before they are given to redb in one transaction without a flush.
/// 2 to 4 MB keep redb's cache small and cost little (measured in the design).
pub const STAGING_BYTES: usize = 2 << 20;

/// Runs that a merge opens at once, at most; a bulk import leaves that many of a relation unmerged.
pub const RUNS_MAX: usize = 512;

/// Runs of coins that may cover a key while a long import goes on: every commit reads all of them.
pub const COIN_RUNS_LEFT: usize = 8;

/// Fewest spends of recent outputs that become a run of their own, which is never merged. With fewer,
/// there would be too many such runs.
pub const APART_ROWS_MIN: usize = 1 << 18;

/// A merged base is cut into about this many segments, so that a merge needs that part of its size
/// as additional disk...
pub const SEGMENTS_WANTED: u64 = 32;

/// ...but a segment, which costs a durable commit, has at least this many bytes.
pub const SEGMENT_BYTES_MIN: u64 = 8 << 20;

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

/// So much of a `bitcoin.conf` is read. They have a few hundred lines at most.
pub const CONF_BYTES_MAX: u64 = 1 << 20;

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

/// Cut records, and stretches of junk, named one by one in a scan report; the rest are only counted.
pub const PLACES_LISTED_MAX: usize = 16;

/// Orphans above which a node that is syncing is no explanation: it downloads at most 1,024 blocks ahead
/// (Bitcoin Core, `net_processing.cpp`: `BLOCK_DOWNLOAD_WINDOW`).
pub const ORPHANS_QUIET_MAX: u32 = 1024;

/// A block that a syncing node lacks comes within this time after others came: Core gives a peer ten
/// minutes for a block, and five more for each other peer that it downloads from
/// (`net_processing.cpp`: `BLOCK_DOWNLOAD_TIMEOUT_BASE`, `..._PER_PEER`), eight of them by default.
pub const BEING_WRITTEN_AGE_MAX: std::time::Duration = std::time::Duration::from_secs(3600);

/// Block files kept open at a time. Blocks arrive out of order, so neighbouring heights hop between
/// two or three files.
pub const OPEN_FILES_MAX: usize = 4;

/// Bytes of mapped block files that may become resident before they are dropped.
pub const MAPPED_BYTES_MAX: usize = 8 << 20;

/// Bytes asked of the kernel ahead of the reader.
pub const READ_AHEAD_BYTES: usize = 4 << 20;

/// A block file modified more recently than this may still change, so it is not mapped.
pub const QUIET_AFTER: std::time::Duration = std::time::Duration::from_secs(600);

// A block, and the pages mapped around it, must fit what may be resident.
const _: () = assert!(BLOCK_BYTES_MAX as usize + READ_AHEAD_BYTES <= MAPPED_BYTES_MAX);
const _: () = assert!(HOP_BYTES <= SEARCH_BYTES_MAX);

/// Coins that a block can take or make, together. One of its inputs or outputs changes one coin, and
/// an output is the smaller of the two; an output of a coinbase may also end an older coin (BIP 30),
/// which an input could have done.
pub const COIN_CHANGES_MAX: usize = BLOCK_OUTPUTS_MAX as usize;
const _: () = assert!(OUTPUT_BYTES_MIN <= INPUT_BYTES_MIN);

/// Runs of coins that a batch may spill before it commits: bounds what resolving keeps open.
pub const COIN_SPILLS_MAX: usize = 64;

/// Runs of pending spends that a batch may spill before it commits: as many as the smallest buffer gathers.
pub const PENDING_SPILLS_MAX: usize = 64;

/// Runs that a batch may spill before it commits, all relations together. The commit spills fewer itself.
pub const SPILLS_MAX: usize = 512;

/// Coins of one outpoint that can be live between two commits: one, or one more for each time a coinbase
/// made it again (BIP 30).
pub const OUTPOINT_COINS_MAX: usize = 64;

/// Blocks whose rows wait to be written together.
pub const BLOCK_ROWS_BUFFERED_MAX: usize = 1024;

/// Table slots are asked for this many operations ahead of their use.
pub const PREFETCH_AHEAD: usize = 24;

/// Parts into which positions are counted to find how many of the newest coins fit a table.
pub const WARM_PARTS: usize = 4096;

/// Places of blocks written in one transaction.
pub const PLACES_PER_WRITE: usize = 1 << 16;

/// Hardly a record is smaller than this: magic, length, header, count, the smallest coinbase.
pub const RECORD_BYTES_TYPICAL_MIN: u64 = 140;

/// From this many blocks on, an import is a bulk import: the table is warmed first, runs merge at
/// the end, and the scan is repeated after it.
pub const BULK_BLOCKS_MIN: u32 = 1000;

/// Places of blocks read from the index at once.
pub const PLACES_PER_READ: u32 = 256;

/// A commit at the tip merges at most this many bytes of a relation.
pub const TIP_MERGE_BYTES_MAX: u64 = 64 << 20;

/// Largest record that is sorted outside of memory: an outpoint, what a coin has besides, and its script.
pub const SORTED_BYTES_MAX: usize = 64 + SCRIPT_BYTES_MAX;

/// Bytes of each sorted chunk that a merge reads at once.
pub const SORTED_READ_BYTES: usize = 32 << 10;

/// The least memory that sorts: a few chunks can be merged at a time.
pub const SORTER_BYTES_MIN: usize = 4 << 20;

// A record and its length fit what is read at once, and the length fits 16 bits.
const _: () = assert!(2 + SORTED_BYTES_MAX <= SORTED_READ_BYTES);
const _: () = assert!(SORTED_BYTES_MAX <= u16::MAX as usize);

/// Ranks up to which `export balances --top` drops what cannot be among the richest at once.
pub const RANKED_MAX: usize = 100_000;
