//! The account of memory against the kernel's: what regions say that they have mapped is what the process
//! has mapped, but for what the plan charges to redb and the process.
//!
//! It runs in a process of its own, with the program's allocator, and as one test: the kernel counts the
//! stacks of other tests too.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../src/allocator.rs"]
mod allocator;
#[path = "bench/coins.rs"]
mod coins;
#[path = "bench/files.rs"]
mod files;
#[path = "bench/generate.rs"]
mod generate;
#[path = "bench/hash.rs"]
mod hash;
#[allow(dead_code)]
#[path = "common/rng.rs"]
mod rng;
#[path = "bench/script.rs"]
mod script;
#[path = "bench/txs.rs"]
mod txs;
#[path = "bench/undo.rs"]
mod undo;

use blkdex::datadir::{Location, Source};
use blkdex::dataset::{self, export_parquet};
use blkdex::doctor;
use blkdex::export::{BalancesOptions, Destination, Lines, export_balances};
use blkdex::import::{self, Options};
use blkdex::memory::{Account, Part, forget_most};
use blkdex::os::Resident;
use blkdex::utxo::Watch;
use blkdex::verify;
use generate::{Params, chain};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
const MIB: usize = 1 << 20;

/// The kernel maps whole pages, a region counts what was asked for: of sixteen regions, more than there are
/// at a time, each may take a page more. The smallest that every import has is four times as large as
/// this, so none of them can be forgotten.
const MAPPED_MARGIN_BYTES: u64 = 16 * 4096;

/// A data set's tables have many lists, each in a region, and libc maps what zstd takes for pages. With
/// groups of [`GROUP_ROWS`] all regions are larger than this, but for sums and first outputs of so few
/// blocks: of those the parts are looked at.
const DATASET_MARGIN_BYTES: u64 = 1 << 20;

/// The smallest of those lists takes four bytes a row.
const GROUP_ROWS: usize = 280_000;

const _: () = assert!(4 * GROUP_ROWS as u64 > DATASET_MARGIN_BYTES);

/// A table begins with 1 MiB of slots that are in use and are touched only where coins fall.
const TOUCHED_MARGIN_BYTES: u64 = 1 << 20;

/// What was mapped before the work began, and the looks that were taken since.
struct Looks {
    /// What the plan charges to redb and the process.
    charged_bytes: u64,
    /// Whether it is compared: the first time, libc and the allocator map what they keep for ever.
    is_compared: bool,
    /// What the kernel may have mapped more than regions say.
    margin_bytes: u64,
    before: Resident,
    count: u32,
}

impl Looks {
    fn begin(charged_bytes: u64, is_compared: bool) -> Looks {
        assert_eq!(Account::now().mapped_bytes(), 0, "all was given back");
        forget_most();
        Looks {
            charged_bytes,
            is_compared,
            margin_bytes: MAPPED_MARGIN_BYTES,
            before: Resident::now(),
            count: 0,
        }
    }

    fn look(&mut self) {
        let (account, kernel) = (Account::now(), Resident::now());
        self.count += 1;
        if !self.is_compared {
            return;
        }
        let mapped = account.mapped_bytes();
        let grown = kernel.mapped_bytes - self.before.mapped_bytes;
        assert!(
            (mapped..=mapped + self.margin_bytes).contains(&grown),
            "{grown} bytes were mapped, {mapped} are in the account: {account:?}"
        );
        let other = kernel.mapped_bytes - mapped;
        assert!(other <= self.charged_bytes, "{other} bytes are no region's");
        let regions = Part::ALL.into_iter().filter(|part| !is_heap(*part));
        let in_use: u64 = regions
            .map(|part| account.of(part).unwrap().in_use_bytes)
            .sum();
        let touched = kernel
            .private_bytes
            .saturating_sub(self.before.private_bytes);
        assert!(
            in_use <= touched + TOUCHED_MARGIN_BYTES,
            "{in_use} bytes are in use, {touched} were touched"
        );
        assert!(kernel.private_bytes <= mapped + self.charged_bytes);
    }
}

fn is_heap(part: Part) -> bool {
    matches!(part, Part::Redb | Part::Process)
}

/// What a part had mapped at most since the looks began.
fn most_mapped(part: Part) -> usize {
    Account::now().of(part).unwrap().mapped_most_bytes as usize
}

struct Scene {
    folder: tempfile::TempDir,
    /// Its blocks are obfuscated, and so go through a reader's window.
    datadir: PathBuf,
    /// What the plan of the last import charges to redb and the process.
    charged_bytes: u64,
}

fn source(datadir: &Path) -> Source {
    Source::new(Location::Datadir(datadir.to_owned()))
}

impl Scene {
    fn new() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let params = Params {
            bytes: 12_000_000,
            seed: 5,
            plain: false,
        };
        let (datadir, _) = chain(folder.path(), params).unwrap();
        Scene {
            folder,
            datadir,
            charged_bytes: 0,
        }
    }

    fn index(&self) -> PathBuf {
        self.folder.path().join("index.redb")
    }

    /// Imports with so much memory, and of that so much for the table.
    fn import(
        &mut self,
        datadir: &Path,
        megabytes: usize,
        table_bytes: Option<usize>,
        is_compared: bool,
    ) {
        let _ = std::fs::remove_file(self.index());
        let options = Options {
            // With a large table and with a small one, with much memory and with little.
            keeps_txids: (megabytes == 64) == table_bytes.is_none(),
            memory_bytes: megabytes * MIB,
            table_bytes,
            commit_every: 5,
            checks_witness: true,
            ..Options::new(source(datadir), self.index())
        };
        let mut looks = Looks::begin(0, is_compared);
        let mut told = None;
        let summary = import::import(
            &options,
            &mut import::Watch {
                stop: &AtomicBool::new(false),
                tell: &mut |event| {
                    if let import::Event::Plan(plan) = event {
                        let charged = [Part::Redb, Part::Process].map(|part| plan.bytes_of(part));
                        looks.charged_bytes = charged.iter().sum::<usize>() as u64;
                        told = Some(plan.clone());
                    }
                    looks.look();
                },
            },
        );
        let (summary, plan) = (summary.unwrap(), told.unwrap());
        assert_eq!(summary.table.misses > 0, table_bytes.is_some());
        assert!(
            u64::from(looks.count) > summary.imported.blocks,
            "commits too"
        );
        for planned in plan.parts().iter().filter(|planned| !is_heap(planned.part)) {
            let most = most_mapped(planned.part);
            assert!(0 < most && most <= planned.bytes, "{planned:?}: {most}");
        }
        // Headers are gone before what is theirs is given to the table, the rows and the spends; a table
        // set by hand leaves some of it unused.
        let theirs = [Part::Table, Part::Rows, Part::Pending, Part::Deletes];
        let theirs: usize = theirs.map(|part| plan.bytes_of(part)).iter().sum();
        let headers = most_mapped(Part::Headers);
        assert!(0 < headers && (headers <= theirs || table_bytes.is_some()));
        self.charged_bytes = looks.charged_bytes;
    }

    fn examine(&self, is_compared: bool) {
        let options = doctor::Options {
            memory_bytes: 64 * MIB,
            deep: true,
            checks_witness: true,
            ..doctor::Options::new(source(&self.datadir), self.index())
        };
        let mut looks = Looks::begin(self.charged_bytes, is_compared);
        let report = doctor::examine(
            &options,
            &mut import::Watch {
                stop: &AtomicBool::new(false),
                tell: &mut |_| looks.look(),
            },
        );
        let report = report.unwrap();
        assert!(report.works && looks.count > 100, "{report:?}");
    }

    /// Walks over the coins, with regions for these parts and for those of all walks.
    fn read(&self, read: impl FnOnce(&mut Watch<'_>), parts: &[Part], is_compared: bool) {
        let mut looks = Looks::begin(self.charged_bytes, is_compared);
        read(&mut Watch {
            stop: &AtomicBool::new(false),
            tell: &mut |_| looks.look(),
        });
        assert!(looks.count > 0);
        for part in parts.iter().chain(&[Part::Block, Part::SpentOutputs]) {
            assert!(most_mapped(*part) > 0, "{part}");
        }
    }

    fn balances(&self, is_compared: bool) {
        let path = self.folder.path().join("balances.csv");
        let options = BalancesOptions {
            memory_bytes: 64 * MIB,
            ..BalancesOptions::new(Lines::Csv, Destination::File { path, force: true })
        };
        let parts = [Part::Sorting, Part::Receipts, Part::FirstOutputs];
        let export = |watch: &mut Watch<'_>| {
            export_balances(&self.index(), &options, watch).unwrap();
        };
        self.read(export, &parts, is_compared);
    }

    /// Writes a data set with so much memory: in small groups, or in as large ones as are asked for.
    fn dataset(&self, megabytes: usize, hashes: dataset::Hashes, is_compared: bool) {
        let to = self.folder.path().join("set");
        let options = dataset::Options {
            until: dataset::Until::Tip,
            group_rows: GROUP_ROWS,
            blocks_per_file: GROUP_ROWS as u32,
            hashes,
            memory_bytes: megabytes * MIB,
            ..dataset::Options::new(to.clone())
        };
        let mut looks = Looks::begin(self.charged_bytes, is_compared);
        looks.margin_bytes = DATASET_MARGIN_BYTES;
        let mut most = 0;
        let written = export_parquet(
            &self.index(),
            &options,
            &mut dataset::Watch {
                stop: &AtomicBool::new(false),
                tell: &mut |_| {
                    looks.look();
                    most = most.max(Resident::now().private_bytes);
                },
            },
        );
        assert_eq!(u64::from(looks.count), written.unwrap().tables[0].rows);
        assert!(most <= options.memory_bytes as u64, "{most}");
        for part in [
            Part::Rows,
            Part::Block,
            Part::UndoFiles,
            Part::SpentOutputs,
            Part::FirstOutputs,
        ] {
            assert!(most_mapped(part) > 0, "{part}");
        }
        std::fs::remove_dir_all(to).unwrap();
    }

    fn verify(&self, undo: bool, parts: &[Part], is_compared: bool) {
        let options = verify::Options {
            memory_bytes: 64 * MIB,
            hash_serialized: true,
            undo,
            ..verify::Options::default()
        };
        let verify = |watch: &mut Watch<'_>| {
            verify::verify(&self.index(), &options, watch).unwrap();
        };
        self.read(verify, parts, is_compared);
    }
}

#[test]
fn what_regions_have_mapped_is_what_the_kernel_says_less_redb_and_process() {
    let mut scene = Scene::new();
    let datadir = scene.datadir.clone();
    for is_compared in [false, true] {
        // The last, with 64 MiB, is what the walks below are charged by.
        for megabytes in [1024, 128, 96, 64] {
            // With so small a table, coins are spilled, dropped and looked up.
            for table_bytes in [Some(100_000), None] {
                scene.import(&datadir, megabytes, table_bytes, is_compared);
            }
        }
        scene.examine(is_compared);
        scene.balances(is_compared);
        for (megabytes, hashes) in [(96, dataset::Hashes::Hex), (384, dataset::Hashes::Binary)] {
            scene.dataset(megabytes, hashes, is_compared);
        }
        scene.verify(false, &[Part::Sorting], is_compared);
        scene.import(Path::new(DATA), 64, None, is_compared);
        let parts = [Part::UndoFiles, Part::FirstOutputs, Part::Sorting];
        scene.verify(true, &parts, is_compared);
    }
}
