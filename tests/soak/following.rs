//! An import that stays, for as many blocks as come in a month, with reorganisations among them and a reader
//! all the time: what is held at the last commit is what was held at an early one, and the index is no larger
//! than its runs.
//!
//! `BLKDEX_SOAK_BLOCKS=5000 BLKDEX_SOAK_OUTPUTS=600 cargo test --release --test soak following` is the long one.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use blkdex::error::unwatched;
use blkdex::import::{Event, Notice, Watch, follow};
use blkdex::index::Index;
use blkdex::ledger::Moment;
use blkdex::primitives::Height;
use blkdex::query::{View, script};
use blkdex::verify::{self, verify};

use crate::common::chain::{Chain, Plan, SUBSIDY_SAT};
use crate::common::coins::MATURITY_BLOCKS;
use crate::common::datadir::{Layout, MAGIC};
use crate::common::parts::{owner, spend};
use crate::common::rng::Rng;
use crate::common::trial::Trial;
use crate::{ALONE, Held, held};

/// Blocks that come one by one, in the ordinary suite.
const BLOCKS: u32 = 400;

/// One block in so many is the first of a branch that wins.
const FORK_EVERY: u64 = 20;

/// Outputs of a block, in the ordinary suite.
const OUTPUTS: u64 = 60;

/// Where the reader finds the index.
const VARIABLE: &str = "BLKDEX_TEST_READ";

fn blocks() -> u32 {
    let wanted = std::env::var("BLKDEX_SOAK_BLOCKS").ok();
    wanted.map_or(BLOCKS, |text| text.parse().unwrap())
}

fn outputs() -> u64 {
    let wanted = std::env::var("BLKDEX_SOAK_OUTPUTS").ok();
    wanted.map_or(OUTPUTS, |text| text.parse().unwrap())
}

/// Every block spends an old coinbase, and pays many.
fn grow(chain: &mut Chain, parent: bitcoin::BlockHash) -> bitcoin::BlockHash {
    let height = u64::from(chain.height(parent)) + 1;
    let path = chain.path(parent);
    let old = path.len().checked_sub(MATURITY_BLOCKS as usize);
    let coin = old.filter(|old| *old > 0).map(|old| chain.coin(path[old]));
    let outputs = outputs();
    let pay: Vec<_> = (0..outputs)
        .map(|part| (owner(height * outputs + part), SUBSIDY_SAT / outputs))
        .collect();
    let txs = coin.map(|coin| spend(&[coin], &pay)).into_iter().collect();
    chain.mine_with(
        parent,
        Plan {
            txs,
            ..Plan::default()
        },
    )
}

/// A chain with blocks that lose and branches that win, in the order in which they come; how many of them
/// are there at first.
fn chain(blocks: u32) -> (Chain, usize) {
    let (mut chain, mut rng) = (Chain::new(), Rng::new(8));
    for _ in 0..2 * MATURITY_BLOCKS {
        let tip = chain.tip();
        grow(&mut chain, tip);
    }
    let first = chain.made().len();
    while chain.made().len() < first + blocks as usize {
        let back = if rng.below(FORK_EVERY) == 0 {
            1 + rng.below(3)
        } else {
            0
        };
        let path = chain.path(chain.tip());
        let mut parent = path[path.len() - 1 - back as usize];
        for _ in 0..=back {
            parent = grow(&mut chain, parent);
        }
    }
    (chain, first)
}

/// The reader: another process, which asks until it is ended.
struct Reader(Child);

impl Reader {
    fn begin(index: &Path) -> Reader {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "following::the_reader",
                "--ignored",
                "--nocapture",
            ])
            .env(VARIABLE, index)
            .stdout(Stdio::null())
            .spawn();
        Reader(child.unwrap())
    }

    fn end(mut self) {
        assert!(
            self.0.try_wait().unwrap().is_none(),
            "the reader has failed"
        );
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
#[ignore = "it is the other process of the test below"]
fn the_reader() {
    let Ok(index) = std::env::var(VARIABLE) else {
        return;
    };
    let (mut rng, mut height) = (Rng::new(3), Height(0));
    loop {
        let index = Index::open(Path::new(&index)).unwrap();
        let mut view = View::new(&index, None, None).unwrap();
        let status = view.status().unwrap();
        // A reorganisation takes back three blocks at most.
        assert!(status.height.0 + 3 >= height.0);
        height = status.height;
        let number = rng.below(u64::from(height.0) * outputs());
        let script = script::parse(&owner(number).to_hex_string(), view.network()).unwrap();
        view.balance(&script, true).unwrap();
    }
}

#[test]
fn what_is_held_while_it_stays_is_the_same_after_thousands_of_blocks() {
    let _alone = ALONE.lock();
    let blocks = blocks();
    let (chain, first) = chain(blocks);
    let layout = Layout {
        key: None,
        ..Layout::default()
    };
    let trial = Trial::with(&chain, &chain.made()[..first], layout);
    let made = chain.made();
    let mut file = File::options()
        .append(true)
        .open(trial.datadir.file(0))
        .unwrap();
    let (stop, reader) = (AtomicBool::new(false), Cell::new(None));
    let mut next = first;
    let mut rest = |_| {
        if next == first {
            reader.set(Some(Reader::begin(trial.index())));
        }
        let Some(hash) = made.get(next) else {
            stop.store(true, Ordering::Relaxed);
            return;
        };
        let block = chain.bytes(*hash);
        file.write_all(&MAGIC).unwrap();
        file.write_all(&(block.len() as u32).to_le_bytes()).unwrap();
        file.write_all(block).unwrap();
        next += 1;
    };
    let commits = RefCell::new(Vec::<Held>::with_capacity(2 * made.len()));
    let (mut runs_most, mut ratios) = ([0; 4], Vec::with_capacity(made.len()));
    let mut tell = |event: Event<'_>| match event {
        Event::Ledger(record) if record.moment == Moment::Commit => {
            commits.borrow_mut().push(held(record));
            let mut runs_bytes = 0;
            for (most, relation) in runs_most.iter_mut().zip(&record.relations) {
                *most = u64::max(*most, relation.runs);
                runs_bytes += relation.bytes;
            }
            ratios.push(record.index_bytes as f64 / runs_bytes as f64);
        }
        Event::Notice(Notice::Memory(alarm)) => panic!("{alarm}"),
        _ => {}
    };
    let mut watch = Watch {
        stop: &stop,
        tell: &mut tell,
    };
    follow(&trial.options, &mut rest, &mut watch).unwrap();
    reader.take().unwrap().end();
    report(&commits.into_inner(), runs_most, &ratios);
    let followed = muhash_of(&trial);
    let anew = Trial::of(&trial.datadir.path).imported();
    assert_eq!(followed, muhash_of(&anew));
}

fn muhash_of(trial: &Trial) -> (Height, Option<String>) {
    let options = verify::Options::default();
    let verified = unwatched(|watch| verify(trial.index(), &options, watch)).unwrap();
    let muhash = verified.stats.muhash;
    (trial.status().height, muhash.map(|hash| hash.to_string()))
}

/// The least and the most that was held at these commits.
fn range(commits: &[Held], of: fn(&Held) -> u64) -> (u64, u64) {
    let all = commits.iter().map(of);
    (all.clone().min().unwrap(), all.max().unwrap())
}

/// Compares the second half with the first, of which a quarter is left out: everything was used once. In each,
/// blocks come one by one, and branches win.
fn report(commits: &[Held], runs_most: [u64; 4], ratios: &[f64]) {
    let half = commits.len() / 2;
    let (early, late) = (&commits[half / 2..half], &commits[half..]);
    let outside = |commits| range(commits, |held| held.outside_bytes);
    let files = |commits| range(commits, |held| held.files);
    let mappings = |commits| range(commits, |held| held.mappings);
    println!(
        "{} commits: heap outside the plan {:?}, then {:?}; redb's {:?}; files {:?}; maps {:?}, then {:?}",
        commits.len(),
        outside(early),
        outside(late),
        range(late, |held| held.redb_bytes),
        files(late),
        mappings(early),
        mappings(late),
    );
    println!(
        "runs at most {runs_most:?}; file to runs {:?}",
        ratios.last()
    );
    assert_eq!(outside(late), outside(early), "to the byte");
    assert_eq!(files(late), files(early));
    assert!(mappings(late).1 <= mappings(early).1 + 8);
    // A hundred blocks are not settled, and do not merge.
    assert!(runs_most.iter().all(|runs| *runs < 200), "{runs_most:?}");
    // Beside its runs it has rows of blocks, and room that merges have left.
    assert!(*ratios.last().unwrap() < 1.25, "{ratios:?}");
}
