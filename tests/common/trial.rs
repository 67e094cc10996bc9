//! A datadir, an index beside it, and imports from the one into the other.
//!
//! Invariant: the index, and the datadir if it is the trial's own, are in one folder that goes away with the
//! trial.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use blkdex::datadir::{Location, Source};
use blkdex::error::{fault_of, unwatched};
use blkdex::import::{Chain as FoundChain, Event, Notice, Options, Summary, Watch, import};
use blkdex::index::Index;
use blkdex::primitives::Height;
use blkdex::query::{Status, View};
use blkdex::store;
use tempfile::TempDir;

use super::chain::Chain;
use super::check::check;
use super::datadir::{Datadir, Layout, write_datadir};
use super::index_file::{IndexFile, RELATIONS};
use super::truth::Truth;

/// The least that works.
pub const MEMORY_BYTES: usize = blkdex::memory::BUDGET_BYTES_MIN;

/// See the module documentation.
pub struct Trial {
    pub folder: TempDir,
    pub datadir: Datadir,
    pub options: Options,
    /// Blocks of the chain that are in the datadir.
    written: usize,
}

/// What an import came to.
pub struct Outcome {
    pub result: blkdex::Result<Summary>,
    pub notices: Vec<Notice>,
    /// One for each scan.
    pub chains: Vec<FoundChain>,
    /// Blocks read, those of batches that came to nothing too.
    pub blocks: u64,
}

/// Bytes of a table of so many slots: 16 for each, and for 64 more behind them.
pub fn table_of(slots: usize) -> Option<usize> {
    Some((slots + 64) * 16)
}

impl Trial {
    /// All blocks of the chain in the order of making, in one file.
    pub fn new(chain: &Chain) -> Trial {
        Trial::with(chain, chain.made(), Layout::default())
    }

    /// These blocks, laid out like this.
    pub fn with(chain: &Chain, order: &[BlockHash], layout: Layout) -> Trial {
        let folder = folder();
        let datadir = write_datadir(chain, &folder.path().join("datadir"), order, layout);
        Trial {
            written: order.len(),
            ..Trial::begin(folder, datadir)
        }
    }

    /// The files of a node, which stay as they are.
    pub fn of(datadir: &Path) -> Trial {
        Trial::begin(folder(), Datadir::found(datadir))
    }

    /// A copy of the files of a node.
    pub fn of_copy(datadir: &Path) -> Trial {
        let folder = folder();
        let copy = Datadir::copied(datadir, &folder.path().join("datadir"));
        Trial::begin(folder, copy)
    }

    /// A datadir, in this folder or elsewhere, and an index to be made in it.
    pub fn begin(folder: TempDir, datadir: Datadir) -> Trial {
        let options = options(&datadir.path, folder.path().join("index.redb"));
        Trial {
            folder,
            datadir,
            options,
            written: 0,
        }
    }

    /// The same, when all is imported.
    pub fn imported(self) -> Trial {
        unwatched(|watch| import(&self.options, watch)).unwrap();
        self
    }

    /// The same, with a commit every so many blocks.
    pub fn imported_every(mut self, blocks: u32) -> Trial {
        self.options.commit_every = blocks;
        self.imported()
    }

    /// The index file.
    pub fn index(&self) -> &Path {
        &self.options.index
    }

    /// A block or undo file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.datadir.blocks.join(name)
    }

    /// The same, with a table of so few slots that nearly every spend misses.
    pub fn with_tiny_table(mut self, slots: usize) -> Trial {
        self.options.table_bytes = table_of(slots);
        self
    }

    /// Writes the blocks that the chain has and the datadir has not.
    pub fn append(&mut self, chain: &Chain) {
        self.datadir.append(chain, &chain.made()[self.written..]);
        self.written = chain.made().len();
    }

    /// Imports to the end.
    pub fn import(&self) -> Outcome {
        self.import_blocks(u64::MAX)
    }

    /// Imports, and asks to stop after so many blocks.
    pub fn import_blocks(&self, blocks: u64) -> Outcome {
        let stop = AtomicBool::new(false);
        let (mut notices, mut chains, mut done) = (Vec::new(), Vec::new(), 0);
        let mut watch = Watch {
            stop: &stop,
            tell: &mut |event| match event {
                Event::Notice(notice) => notices.push(notice),
                Event::Chain(chain) => chains.push(chain.clone()),
                Event::Progress(_) => {
                    done += 1;
                    stop.store(done >= blocks, Ordering::Relaxed);
                }
                _ => {}
            },
        };
        let result = import(&self.options, &mut watch);
        Outcome {
            result,
            notices,
            chains,
            blocks: done,
        }
    }

    /// Compares the whole index with the truth about the chain.
    pub fn check(&self, chain: &Chain) {
        check(&self.options.index, &Truth::of_best(chain));
    }

    /// Imports without a word, and compares.
    pub fn import_and_check(&self, chain: &Chain) -> Summary {
        let summary = self.import().quietly();
        self.check(chain);
        summary
    }

    /// The truth about the blocks that the index says are its chain, decoded by `bitcoin`.
    pub fn truth(&self) -> Truth {
        let mut truth = Truth::default();
        for block in self.index_file().blocks() {
            truth.apply(&block).unwrap();
        }
        truth
    }

    /// Runs of each relation.
    pub fn runs(&self) -> [usize; 4] {
        self.runs_up_to(u32::MAX)
    }

    /// Those of them that are settled.
    pub fn settled_runs(&self) -> [usize; 4] {
        self.runs_up_to(self.index_file().settled().unwrap())
    }

    fn runs_up_to(&self, end: u32) -> [usize; 4] {
        let runs = self.index_file().runs();
        RELATIONS.map(|relation| {
            let own = runs.iter().filter(|run| run.relation == relation);
            own.filter(|run| run.to <= end).count()
        })
    }

    /// What the index file holds.
    pub fn index_file(&self) -> IndexFile {
        IndexFile::read(self.index())
    }

    /// The index, for questions.
    pub fn open(&self) -> Index {
        Index::open(self.index()).unwrap()
    }

    /// What the index says of its chain.
    pub fn status(&self) -> Status {
        status_of(self.index()).unwrap()
    }
}

/// What the index at `path` says of its chain; `None` if it has none.
pub fn status_of(path: &Path) -> Option<Status> {
    let index = Index::open(path);
    let status = index.and_then(|index| View::new(&index, None, None)?.status());
    match fault_of(&status) {
        Some(store::Fault::NoIndex { .. } | store::Fault::NoBlocks { .. }) => None,
        _ => Some(status.unwrap()),
    }
}

/// A datadir as `--datadir` gives it.
pub fn source(path: impl Into<PathBuf>) -> Source {
    Source::new(Location::Datadir(path.into()))
}

/// What an import with little memory is to do.
pub fn options(datadir: &Path, index: PathBuf) -> Options {
    Options {
        memory_bytes: MEMORY_BYTES,
        checks_witness: true,
        ..Options::new(source(datadir), index)
    }
}

/// A folder in a file system in memory, where there is one: durable commits cost nothing there.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

impl Outcome {
    /// The summary of an import that had nothing to say.
    pub fn quietly(self) -> Summary {
        assert_eq!(self.notices, []);
        self.result.unwrap()
    }

    /// The summary of an import that had nothing to say but that blocks are left out, one of these first.
    pub fn leaving_out(self, blocks: &[BlockHash]) -> Summary {
        let [Notice::LeftOut { first, .. }] = &self.notices[..] else {
            panic!("{:?}", self.notices);
        };
        assert!(blocks.contains(&first.hash), "{first:?}");
        self.result.unwrap()
    }

    /// The blocks found invalid, with what is wrong with them.
    pub fn invalid(&self) -> Vec<(Height, BlockHash, String)> {
        let invalid = self.notices.iter().filter_map(|notice| match notice {
            Notice::Invalid {
                height,
                hash,
                fault,
            } => Some((*height, BlockHash::from_byte_array(*hash), fault.clone())),
            _ => None,
        });
        invalid.collect()
    }
}
