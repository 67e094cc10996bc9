//! What is told of an import, in words.
//!
//! Invariant: one line each; a warning begins with that word.

use super::words::grouped;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use blkdex::datadir::{EndState, LeftoverKind};
use blkdex::import::{Chain, Notice};
use blkdex::index::LeftOut;
use blkdex::ledger::Record;
use blkdex::memory::Plan;
use blkdex::primitives::BLOCK_BYTES_MAX;

pub(super) fn describe_plan(plan: &Plan) -> String {
    let parts: Vec<String> = plan
        .parts()
        .iter()
        .map(|planned| format!("{} {}", planned.part, mebibytes(planned.bytes)))
        .collect();
    format!(
        "memory {} MiB: {}",
        mebibytes(plan.budget_bytes()),
        parts.join(", ")
    )
}

fn mebibytes(bytes: usize) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

pub(super) fn describe_memory(record: &Record, live_before: Option<u64>) -> String {
    let mib = |bytes: u64| mebibytes(bytes as usize);
    let (heap, table) = (&record.heap, &record.table);
    let change = heap.live_bytes as i64 - live_before.unwrap_or(heap.live_bytes) as i64;
    let change = match (change.unsigned_abs(), if change < 0 { '-' } else { '+' }) {
        (0, _) => "+0".to_owned(),
        (bytes @ 1..1_048_576, sign) => format!("{sign}{} bytes", grouped(bytes)),
        (bytes, sign) => format!("{sign}{} MiB", mib(bytes)),
    };
    format!(
        "[memory] height {}: heap {} MiB ({change}), resident {} MiB, table {:.0} % full, hit rate {:.1} %",
        record.height,
        mib(heap.live_bytes),
        mib(record.process.private_bytes),
        table.coins as f64 * 100.0 / table.slots.max(1) as f64,
        table.hits as f64 * 100.0 / (table.hits + table.misses).max(1) as f64,
    )
}

pub(super) fn describe_chain(chain: &Chain) -> String {
    let (counts, scanned) = (&chain.counts, &chain.scanned);
    let left = &scanned.leftovers;
    let mut text = format!(
        "best chain ends at height {}; {} files, {} records read",
        grouped(chain.best.0.into()),
        grouped(scanned.files),
        grouped(scanned.records)
    );
    for (count, what) in [
        (u64::from(counts.stale), "stale blocks"),
        (scanned.duplicates, "duplicates"),
        (scanned.out_of_order, "out of order"),
        (u64::from(counts.orphans), "without an ancestor"),
        (u64::from(counts.invalid), "marked invalid"),
        (left.zero_gaps, "gaps of zeros"),
        (left.junk_bytes, "bytes of junk"),
        (left.zero_tail_bytes, "bytes allocated ahead"),
        (left.cut_records, "records cut short"),
        (left.oversize_records, "records larger than any block"),
    ] {
        if count > 0 {
            text += &format!(", {} {what}", grouped(count));
        }
    }
    for place in &left.places {
        let fault = match place.what {
            LeftoverKind::Cut => "cut short".to_owned(),
            LeftoverKind::Oversize => oversize(place.bytes),
            _ => continue,
        };
        let (file, offset) = (place.file, place.offset_bytes);
        text += &format!("; blk{file:05}.dat at byte {offset}: {fault}");
    }
    text
}

/// Words for a record that claims so many bytes.
pub(super) fn oversize(bytes: u64) -> String {
    format!("block length {bytes} is over the limit of {BLOCK_BYTES_MAX}")
}

pub(super) fn describe(notice: &Notice) -> String {
    match notice {
        Notice::Reorganised { from, fork, best } => format!(
            "reorganised: from height {from} back to {fork} ({} blocks), on to {best}",
            from.0 - fork.0
        ),
        Notice::Behind { best, tip } => format!(
            "the block files end at height {best}, the index is at {tip} of the same chain: nothing changed"
        ),
        Notice::NearEdge { next, lowest, best } => format!(
            "warning: block {next} is next, of {best}, and the node, which prunes, has none below {lowest}: it may \
             delete blocks before they are imported; a larger prune= keeps them longer, and `bitcoin-cli \
             setnetworkactive false` holds the node until this import has caught up",
        ),
        Notice::Restarted { tip } => format!(
            "the chain up to height {tip} leads to an invalid block, and another leaves it far below: all of this import is begun anew"
        ),
        Notice::Unfinished(end) => match end.state {
            EndState::Damaged => format!("warning: {end}"),
            _ => format!("warning: {end}; import again later"),
        },
        Notice::LeftOut { blocks, first } => describe_left_out(*blocks, first),
        Notice::NotConnected { height, hash, file } => format!(
            "warning: rev{file:05}.dat has nothing of block {height} ({}): the node has not connected it, or not yet",
            BlockHash::from_byte_array(*hash)
        ),
        Notice::Lack(lack) => format!("warning: {lack}"),
        Notice::Memory(alarm) => format!("warning: {alarm}"),
        Notice::Trouble { words } => format!("warning: {words}; blkdex waits, and tries again"),
        Notice::Moved => "the block files have moved: their positions were noted anew".into(),
        Notice::Invalid {
            height,
            hash,
            fault,
        } => format!(
            "block {height} ({}) is invalid and left out, with all that follow it: {fault}",
            BlockHash::from_byte_array(*hash)
        ),
        Notice::BegunAnew { path, why } => {
            format!(
                "begun anew, {} cannot be gone on with: {why}",
                path.display()
            )
        }
        Notice::OwnerNotKept { path, uid, gid } => format!(
            "warning: the new index has another owner than the old one; root may change that: `chown {uid}:{gid} {}`",
            path.display()
        ),
        Notice::OtherCopy {
            height,
            place,
            copy,
        } => format!(
            "block {height}: blk{:05}.dat at byte {} is damaged, the copy in blk{:05}.dat at byte {} is not",
            place.file, place.offset_bytes, copy.file, copy.offset_bytes
        ),
        Notice::NotWhole {
            height,
            place,
            fault,
        } => format!(
            "block {height}, the newest, is not whole yet (blk{:05}.dat at byte {}: {fault}): import again later",
            place.file, place.offset_bytes
        ),
    }
}

fn describe_left_out(blocks: u32, first: &LeftOut) -> String {
    let are = if blocks == 1 {
        "block is"
    } else {
        "blocks are"
    };
    format!("warning: {blocks} {are} left out as invalid ({first}); the node may think otherwise")
}
