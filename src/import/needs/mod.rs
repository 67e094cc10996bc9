//! What an import takes, and whether it is there: disk, memory, rights, time.
//!
//! Invariant: `doctor` and `import` ask here and nowhere else, so what the one says the other does.
//! Estimates are named as such; each figure says where it was measured, and what the plan knows is
//! taken from the plan.
//!
//! | file | what |
//! | --- | --- |
//! | `sample.rs` | a look at some blocks |
//! | `lack.rs` | what is not there |

pub mod lack;
pub mod sample;

use crate::Result;
use crate::import::model::{self, ChainSize, Predicted, predict};
use crate::import::plan::least_for_coins;
use crate::memory::plan::BUDGET_BYTES_MIN;
use crate::os::disk::free_disk_bytes;
use crate::os::memory_limits::available_bytes;
use crate::os::paths::folder_of;
use crate::primitives::consensus::OUTPUT_BYTES_MIN;
use crate::primitives::sha256::Sha256Kernel;
use lack::Lack;
use sample::{Sample, Tally};
use std::path::Path;

/// Bytes that an index has for each output of the chain. (Measured on the bench's chains: 16.9 to 18.3 on
/// 3 GB, 18.1 to 19.2 on 30 GB, with 1 GiB to 64 MiB.)
pub const INDEX_BYTES_PER_OUTPUT: u64 = 19;

/// ...and, if it keeps txids, for each transaction, besides one for each output. (Measured on 1 GB: 32.3.)
const KEPT_BYTES_PER_TX: u64 = 33;

/// An index of hardly anything.
const INDEX_BYTES_MIN: u64 = 2 << 20;

/// The most disk that an import takes on its way, in percent of what its index has at the end: with this
/// much memory and more, and with less. (Measured: 1.01 times; 1.13 on 10 GB with 64 MiB, 1.08 on 30 GB with
/// 128: a batch that waits for its commit weighs less the longer the chain is.)
const AMPLE_MEMORY_BYTES: usize = 256 << 20;
const PEAK_PERCENT_AMPLE: u64 = 101;
const PEAK_PERCENT: u64 = 113;

/// How much of the floor is left where transactions are hashed side by side. All else takes as long as where
/// they are not. (Measured on 1 GB: 0.57 with the SHA extensions, 0.63 with AVX-512.)
const FLOOR_SIDE_BY_SIDE: f64 = 0.6;

/// Outputs that stay unspent, in a thousand (mainnet in 2026: 190 of 3,600 million).
const UNSPENT_PERMILLE: u64 = 55;

/// The work that lies ahead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ahead<'a> {
    /// The index that is, or is to be.
    pub index: &'a Path,
    /// Bytes that it has by now.
    pub index_bytes: u64,
    /// Coins that it has by now.
    pub coins: u64,
    /// Blocks still to import.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The budget.
    pub memory_bytes: usize,
    /// Whether the index keeps txids.
    pub keeps_txids: bool,
}

/// What there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Bytes of disk that are free where the index is to be; `None` if unknown.
    pub disk_bytes: Option<u64>,
    /// Memory that the machine, or the control group, has; `None` if unknown.
    pub memory_bytes: Option<u64>,
}

impl Room {
    /// Asks the operating system.
    pub fn now(index: &Path) -> Room {
        Room {
            disk_bytes: free_disk_bytes(folder_of(index)),
            memory_bytes: available_bytes(),
        }
    }
}

/// What an import would take. All of it is estimated, but for what there is.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
pub struct Needs {
    /// Blocks still to import.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that the whole index will have.
    pub index_bytes: u64,
    /// Bytes of disk needed beyond what the index has now.
    pub disk_bytes: u64,
    /// Bytes of disk that are free where the index is to be; `None` if unknown.
    pub free_disk_bytes: Option<u64>,
    /// How much of `--memory` it will fill.
    pub memory_used_bytes: u64,
    /// A `--memory` with which hardly a spend is looked up on disk, or half of what there is.
    pub memory_advised_bytes: u64,
    /// Memory that the machine, or the control group, has; `None` if unknown.
    pub memory_available_bytes: Option<u64>,
    /// Time that the import will take.
    pub seconds: f64,
    /// What the estimates were made from.
    pub sample: Tally,
    /// How long that took.
    pub sample_seconds: f64,
}

impl Needs {
    /// Works the needs out from a sample of the blocks ahead.
    ///
    /// # Errors
    /// [`crate::memory::Fault::BudgetTooSmall`].
    pub(crate) fn estimate(ahead: &Ahead<'_>, room: Room, sample: &Sample) -> Result<Needs> {
        let sampled = sample.tally.bytes.max(1) as f64;
        let all = |sampled_count: u64| (sampled_count as f64 * ahead.bytes as f64 / sampled) as u64;
        let (outputs, txs) = (all(sample.tally.outputs), all(sample.tally.txs));
        let inputs = all(sample.tally.inputs);
        let kept = match ahead.keeps_txids {
            true => txs * KEPT_BYTES_PER_TX + outputs,
            false => 0,
        };
        let added = match ahead.blocks {
            0 => 0,
            _ => outputs * INDEX_BYTES_PER_OUTPUT + kept + INDEX_BYTES_MIN,
        };
        let percent = match ahead.memory_bytes < AMPLE_MEMORY_BYTES {
            true => PEAK_PERCENT,
            false => PEAK_PERCENT_AMPLE,
        };
        let coins = ahead.coins + outputs * UNSPENT_PERMILLE / 1000;
        let all_in_table = least_for_coins(coins);
        let half = room.memory_bytes.map_or(u64::MAX, |bytes| bytes / 2);
        let chain = ChainSize {
            blocks: ahead.blocks,
            bytes: ahead.bytes,
            txs,
            inputs,
            outputs,
            coins_made: outputs,
            coins_before: ahead.coins,
        };
        // With less there is no import, which is said elsewhere.
        let predicted = predict(&chain, ahead.memory_bytes.max(BUDGET_BYTES_MIN))?;
        let floor_seconds = ahead.bytes as f64 * sample.seconds / sampled;
        Ok(Needs {
            blocks: ahead.blocks,
            bytes: ahead.bytes,
            index_bytes: ahead.index_bytes + added,
            disk_bytes: added / 100 * percent,
            free_disk_bytes: room.disk_bytes,
            memory_used_bytes: all_in_table.min(ahead.memory_bytes) as u64,
            memory_advised_bytes: (all_in_table as u64).min(half).max(BUDGET_BYTES_MIN as u64),
            memory_available_bytes: room.memory_bytes,
            seconds: floor_seconds + seconds_beside(floor_seconds, &chain, &predicted),
            sample: sample.tally,
            sample_seconds: sample.seconds,
        })
    }

    /// What is needed and not there; the index is to be at `index`.
    pub(crate) fn lacks(&self, index: &Path) -> Vec<Lack> {
        let disk = self.free_disk_bytes.filter(|free| *free < self.disk_bytes);
        let disk = disk.map(|free_bytes| Lack::Disk {
            index: index.to_owned(),
            needed_bytes: self.disk_bytes,
            free_bytes,
        });
        let memory = self
            .memory_available_bytes
            .filter(|available| self.blocks > 0 && *available < self.memory_used_bytes);
        let memory = memory.map(|available_bytes| Lack::Memory {
            used_bytes: self.memory_used_bytes,
            available_bytes,
        });
        disk.into_iter().chain(memory).collect()
    }
}

/// What the work ahead lacks. `sample` is asked only if there is not room enough for the most that so many
/// bytes of blocks can need.
///
/// # Errors
/// Those of `sample`.
pub fn lacks(
    ahead: &Ahead<'_>,
    room: Room,
    sample: impl FnOnce() -> Result<Sample>,
) -> Result<Vec<Lack>> {
    let most = Needs::estimate(ahead, room, &most_outputs(ahead.bytes))?;
    if most.lacks(ahead.index).is_empty() {
        return Ok(Vec::new());
    }
    let needs = Needs::estimate(ahead, room, &sample()?)?;
    Ok(needs.lacks(ahead.index))
}

/// Blocks of nothing but the smallest outputs.
fn most_outputs(bytes: u64) -> Sample {
    let tally = Tally {
        bytes,
        outputs: bytes / u64::from(OUTPUT_BYTES_MIN),
        ..Tally::default()
    };
    Sample {
        tally,
        seconds: 0.0,
    }
}

/// What an import takes beside the floor, on this processor: it is as much slower than the model's as its floor
/// is.
fn seconds_beside(floor_seconds: f64, chain: &ChainSize, predicted: &Predicted) -> f64 {
    let floor_seconds = match Sha256Kernel::chosen().is_side_by_side() {
        true => floor_seconds,
        false => floor_seconds * FLOOR_SIDE_BY_SIDE,
    };
    let reference_seconds = model::floor_seconds(chain.bytes);
    predicted.seconds_beside_floor * floor_seconds / reference_seconds.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;
    const GB: u64 = 1_000_000_000;

    /// Mainnet of 2026, as the manual has it (`blkdex manual speed`).
    fn mainnet(memory_bytes: usize) -> (Ahead<'static>, Sample) {
        let ahead = Ahead {
            index: Path::new("blkdex.redb"),
            index_bytes: 0,
            coins: 0,
            blocks: 900_000,
            bytes: 780 * GB,
            memory_bytes,
            keeps_txids: false,
        };
        let tally = Tally {
            bytes: GB,
            txs: 1_350_000_000 / 780,
            inputs: 3_400_000_000 / 780,
            outputs: 4_400_000_000 / 780,
            ..Tally::default()
        };
        (
            ahead,
            Sample {
                tally,
                seconds: 1.28,
            },
        )
    }

    const AMPLE: Room = Room {
        disk_bytes: Some(1000 * GB),
        memory_bytes: Some(64 * GB),
    };

    fn needs(memory_bytes: usize, room: Room) -> Needs {
        let (ahead, sample) = mainnet(memory_bytes);
        Needs::estimate(&ahead, room, &sample).expect("it is enough memory")
    }

    #[test]
    fn mainnet_needs_what_the_manual_says() {
        let chapter = include_str!("../../manual/speed.md");
        let ample = needs(4096 * MIB, AMPLE);
        let gigabytes = (ample.index_bytes + 5 * GB) / (10 * GB) * 10;
        let said = format!("about {INDEX_BYTES_PER_OUTPUT} bytes an output, {gigabytes} GB.");
        assert!(chapter.contains(&said), "{said}");
        let peak = [needs(64 * MIB, AMPLE), ample].map(|needs| {
            let percent = needs.disk_bytes as f64 * 100.0 / needs.index_bytes as f64;
            percent.round() as u64 - 100
        });
        let said = format!(
            "Up to {} % more if imported with little memory, {} % more with {} MiB or",
            peak[0],
            peak[1],
            AMPLE_MEMORY_BYTES / MIB
        );
        assert!(chapter.contains(&said), "{said}");
    }

    #[test]
    fn txids_take_what_the_manual_says() {
        let (ahead, sample) = mainnet(4096 * MIB);
        let keeping = Ahead {
            keeps_txids: true,
            ..ahead
        };
        let [with, without] = [keeping, ahead].map(|ahead| {
            Needs::estimate(&ahead, AMPLE, &sample)
                .expect("it is enough memory")
                .index_bytes
        });
        let gigabytes = (with - without + GB / 2) / GB;
        let said = format!("{gigabytes} GB more for mainnet");
        let chapter = include_str!("../../manual/import.md");
        assert!(chapter.contains(&said), "{said}");
        let per_tx = (with - without) as f64 / 1.35e9;
        assert!(
            chapter.contains(&format!("about {per_tx:.0} bytes a transaction")),
            "{per_tx}"
        );
    }

    #[test]
    fn a_full_disk_and_too_little_memory_are_lacks_of_one_line_each() {
        let short = Room {
            disk_bytes: Some(80 * GB),
            memory_bytes: Some(2 * GB),
        };
        let lacks = needs(4096 * MIB, short).lacks(Path::new("blkdex.redb"));
        assert_eq!(lacks.len(), 2);
        for lack in &lacks {
            assert!(!lack.to_string().contains('\n'), "{lack}");
        }
        assert!(matches!(lacks[0], Lack::Disk { free_bytes, .. } if free_bytes == 80 * GB));
        assert!(matches!(lacks[1], Lack::Memory { used_bytes, .. } if used_bytes == 4 << 30));
        assert_eq!(needs(4096 * MIB, AMPLE).lacks(Path::new("x")), []);
        let unknown = Room {
            disk_bytes: None,
            memory_bytes: None,
        };
        assert_eq!(needs(4096 * MIB, unknown).lacks(Path::new("x")), []);
    }

    #[test]
    fn memory_that_a_small_chain_will_not_fill_is_no_lack() {
        let (ahead, sample) = mainnet(4096 * MIB);
        let small = Ahead {
            bytes: GB / 100,
            blocks: 1000,
            ..ahead
        };
        let short = Room {
            disk_bytes: Some(GB),
            memory_bytes: Some(GB),
        };
        let needs = Needs::estimate(&small, short, &sample).expect("it is enough memory");
        assert_eq!(needs.lacks(small.index), []);
        // Coins that are in the index already are loaded into the table.
        let grown = Ahead {
            coins: 150_000_000,
            ..small
        };
        let lacks = Needs::estimate(&grown, short, &sample)
            .expect("it is enough memory")
            .lacks(grown.index);
        assert!(matches!(lacks[..], [Lack::Memory { .. }]), "{lacks:?}");
    }

    #[test]
    fn blocks_are_read_for_a_sample_only_where_room_is_short() {
        let (ahead, sample) = mainnet(4096 * MIB);
        let few = Ahead {
            bytes: 15_000_000,
            blocks: 10,
            ..ahead
        };
        let no_sample = || -> Result<Sample> { panic!("there is room for anything") };
        assert_eq!(lacks(&few, AMPLE, no_sample).expect("no reading"), []);
        let short = Room {
            disk_bytes: Some(10_000_000),
            ..AMPLE
        };
        let mut asked = false;
        let found = lacks(&few, short, || {
            asked = true;
            Ok(sample)
        });
        assert_eq!(found.expect("sampled"), []);
        assert!(asked, "the most that ten blocks can need is over 30 MB");
    }

    #[test]
    fn nothing_to_import_needs_nothing() {
        let (ahead, _) = mainnet(4096 * MIB);
        let done = Ahead {
            blocks: 0,
            bytes: 0,
            index_bytes: 90 * GB,
            coins: 190_000_000,
            ..ahead
        };
        let nothing = Room {
            disk_bytes: Some(0),
            memory_bytes: Some(0),
        };
        let needs =
            Needs::estimate(&done, nothing, &Sample::default()).expect("it is enough memory");
        assert_eq!((needs.disk_bytes, needs.index_bytes), (0, 90 * GB));
        assert_eq!(needs.lacks(done.index), []);
    }

    #[test]
    fn time_follows_the_memory() {
        let seconds = [64, 128, 8192].map(|mib| needs(mib * MIB, AMPLE).seconds);
        assert!(
            seconds[0] > seconds[1] && seconds[1] > seconds[2],
            "{seconds:?}"
        );
        // A processor half as fast takes twice as long.
        let (ahead, sample) = mainnet(64 * MIB);
        let slow = Sample {
            seconds: 2.0 * sample.seconds,
            ..sample
        };
        let slow = Needs::estimate(&ahead, AMPLE, &slow).expect("it is enough memory");
        assert!(
            (slow.seconds - 2.0 * seconds[0]).abs() < 1.0,
            "{}",
            slow.seconds
        );
        assert!(
            seconds[2] > 780.0 * sample.seconds,
            "it is more than the floor"
        );
    }
}
