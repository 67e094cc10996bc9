//! Many small blocks and many commits: what is held at a late commit is what was held at an early one.
//!
//! The heap is counted to the byte (`tests/common/mod.rs`). Each test plants a leak, too, to show that
//! it would find one.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod following;

use blkdex::error::fault_of;
use blkdex::import;
use blkdex::import::{BULK_BLOCKS_MIN, Event, Notice, Summary, Watch, import};
use blkdex::ledger;
use blkdex::ledger::{Alarm, Moment, Record};
use blkdex::memory::Counted;
use common::chain::{Chain, SUBSIDY_SAT};
use common::coins::MATURITY_BLOCKS;
use common::parts::{heavy, owner, spend};
use common::trial::Trial;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

const BLOCKS: u32 = 6000;
const COMMIT_EVERY: u32 = 40;
const _: () = assert!(BLOCKS > BULK_BLOCKS_MIN);

/// Commits after which everything has been used once.
const LEVEL_COMMITS: usize = 10;

/// What is compared, of one commit. It is of fixed size: noting it takes nothing from the heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Held {
    height: u32,
    outside_bytes: u64,
    redb_bytes: u64,
    files: u64,
    mappings: u64,
}

/// One test at a time: they count the open files of the process.
static ALONE: Mutex<()> = Mutex::new(());

/// Every block spends the coinbase of an older one, from a hundred blocks before, and pays four.
fn chain() -> Chain {
    let mut chain = Chain::new();
    let mut coins = VecDeque::new();
    let mut tip = chain.tip();
    for number in 0..u64::from(BLOCKS) {
        let mut txs = Vec::new();
        if coins.len() == MATURITY_BLOCKS as usize {
            let coin = coins.pop_front().unwrap();
            let pay = [1, 2, 3, 4].map(|part| (owner(4 * number + part), SUBSIDY_SAT / 4));
            txs.push(spend(&[coin], &pay));
        }
        tip = chain.mine(tip, &txs);
        coins.push_back(chain.coin(tip));
    }
    chain
}

fn trial(chain: &Chain) -> Trial {
    let mut trial = Trial::new(chain);
    trial.options.commit_every = COMMIT_EVERY;
    trial
}

fn held(record: &Record) -> Held {
    Held {
        height: record.height.0,
        outside_bytes: record.heap.outside_bytes(),
        redb_bytes: record.heap.redb_bytes,
        files: record.process.open_files,
        mappings: record.process.mappings,
    }
}

struct Soaked {
    held: Vec<Held>,
    alarms: Vec<Alarm>,
    result: blkdex::Result<Summary>,
}

fn soak(trial: &Trial) -> Soaked {
    let mut commits = Vec::with_capacity(BLOCKS as usize);
    let mut alarms = Vec::with_capacity(16);
    let mut watch = Watch {
        stop: &AtomicBool::new(false),
        tell: &mut |event| match event {
            Event::Ledger(record) if record.moment == Moment::Commit => commits.push(held(record)),
            Event::Notice(Notice::Memory(alarm)) => alarms.push(alarm),
            _ => {}
        },
    };
    let result = import(&trial.options, &mut watch);
    Soaked {
        held: commits,
        alarms,
        result,
    }
}

/// The first commit, from the tenth on, at which something of our own differs from the tenth.
fn first_change(held: &[Held]) -> Option<(Held, Held)> {
    let tenth = held[LEVEL_COMMITS - 1];
    let differs = |now: &&Held| now.outside_bytes != tenth.outside_bytes;
    let found = held[LEVEL_COMMITS..].iter().find(differs);
    found.map(|now| (tenth, *now))
}

fn check_flat(trial: &Trial) {
    let before = Counted::now();
    let soaked = soak(trial);
    soaked.result.unwrap();
    assert_eq!(soaked.alarms, []);
    let held = soaked.held;
    assert!(held.len() as u32 >= BLOCKS / COMMIT_EVERY, "{}", held.len());
    assert_eq!(first_change(&held), None, "to the byte");
    let tenth = held[LEVEL_COMMITS - 1];
    for now in &held[LEVEL_COMMITS..] {
        assert_eq!(now.files, tenth.files, "{now:?}, {tenth:?}");
        assert!(now.mappings <= tenth.mappings + 8, "{now:?}, {tenth:?}");
        assert!(now.redb_bytes < 24 << 20, "{now:?}");
    }
    // But for the names in its errors "there is no such table", which are dropped outside.
    let kept = Counted::now().redb_bytes - before.redb_bytes;
    assert!(kept < 1000, "redb gave all back but for {kept} bytes");
}

#[test]
fn the_heap_at_the_last_commit_is_that_of_the_tenth_to_the_byte() {
    let _alone = ALONE.lock();
    let chain = chain();
    check_flat(&trial(&chain));
    // Nearly every spend misses the table and is looked up in the runs.
    check_flat(&trial(&chain).with_tiny_table(100));
}

#[test]
fn a_block_kept_in_a_hundred_is_found_and_its_commit_stays() {
    let _alone = ALONE.lock();
    let chain = chain();
    let mut trial = trial(&chain);
    trial.options.ledger.leak_every = Some(100);
    let soaked = soak(&trial);
    soaked.result.unwrap();
    let (tenth, changed) = first_change(&soaked.held).expect("the check above would fail");
    assert!(changed.outside_bytes > tenth.outside_bytes);
    let [Alarm::Grows { bytes, blocks, .. }] = &soaked.alarms[..] else {
        panic!("{:?}", soaked.alarms);
    };
    let kept = blocks / 100;
    let expected = kept * 400..(kept + 2) * 600;
    assert!(expected.contains(bytes), "{bytes} in {blocks} blocks");

    std::fs::remove_file(&trial.options.index).unwrap();
    trial.options.ledger.is_strict = true;
    let soaked = soak(&trial);
    assert_eq!(soaked.alarms, [], "one line, not two");
    let error = soaked.result.unwrap_err();
    assert!(matches!(
        error.fault(),
        Some(ledger::Fault::MemoryGrows(Alarm::Grows { .. }))
    ));
    let words = error.to_string();
    assert!(
        words.starts_with("heap outside the plan: it grew by"),
        "{words}"
    );
    assert!(words.contains(" bytes a block"), "{words}");
    assert_eq!(trial.status().height.0, soaked.held.last().unwrap().height);
}

#[test]
fn an_error_does_not_keep_the_block_it_names() {
    const WEIGHT: usize = 400_000;
    let _alone = ALONE.lock();
    let mut chain = Chain::of_coins(1);
    let large = chain.grow(&[heavy(chain.nth_coin(1), WEIGHT)]);
    chain.mine_empty(large, 150);
    chain.damage(large, |bytes| bytes[WEIGHT / 8] ^= 1);
    let trial = Trial::new(&chain);
    let before = Counted::now().live_bytes;
    let result = soak(&trial).result;
    assert!(
        matches!(fault_of(&result), Some(import::Fault::StopsAbove { .. })),
        "{result:?}"
    );
    let kept = Counted::now().live_bytes.wrapping_sub(before) as i64;
    assert!(kept < 4096, "{kept} bytes are kept beside the error");
}

#[test]
fn a_file_that_is_not_closed_would_be_seen() {
    let _alone = ALONE.lock();
    let chain = Chain::of_coinbases(30);
    let mut trial = trial(&chain);
    trial.options.commit_every = 1;
    let mut kept = Vec::new();
    let mut counts = Vec::new();
    let mut watch = Watch {
        stop: &AtomicBool::new(false),
        tell: &mut |event| {
            if let Event::Ledger(record) = event {
                kept.push(std::fs::File::open("/dev/null").unwrap());
                counts.push(record.process.open_files);
            }
        },
    };
    import(&trial.options, &mut watch).unwrap();
    assert!(
        counts.windows(2).all(|pair| pair[0] < pair[1]),
        "{counts:?}"
    );
}
