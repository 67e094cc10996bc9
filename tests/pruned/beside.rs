//! Imports beside a node that writes and deletes meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use blkdex::datadir;

use super::node::{Pace, PruningNode};
use crate::common::chain::Chain;
use crate::common::check::check;
use crate::common::random::Options;
use crate::common::trial::{Trial, folder};
use crate::common::truth::Truth;

pub const PACE: Pace = Pace {
    file_bytes: 20_000,
    kept_bytes: 60_000,
    kept_blocks: 130,
};

/// Blocks that the node may be ahead: an import may roll back a hundred, and reads these again.
pub const AHEAD_MAX: u32 = PACE.kept_blocks - 110;

/// Branches too, which win or stay behind.
pub fn chain() -> Chain {
    let options = Options {
        blocks: 500,
        txs_max: 4,
        fork_every: 12,
        ..Options::default()
    };
    Chain::random(21, options)
}

/// Lets the node go on when the imports have ended.
pub struct Last<'i>(pub &'i AtomicU32);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        self.0.store(u32::MAX - AHEAD_MAX, Ordering::Relaxed);
    }
}

/// A datadir without files yet, and an index to be made of it.
pub fn trial() -> Trial {
    let folder = folder();
    let path = folder.path().join("datadir");
    std::fs::create_dir_all(path.join("regtest/blocks")).unwrap();
    Trial::begin(folder, crate::common::datadir::Datadir::found(&path))
}

/// The index as it is now, against the chain to its tip.
pub fn check_at_tip(trial: &Trial, chain: &Chain) {
    let hash = trial.status().hash;
    check(trial.index(), &Truth::of(chain, hash).unwrap());
}

/// The node waits for nobody but does not outrun the blocks that it keeps; each import sees other files.
#[test]
fn an_index_kept_beside_a_pruning_node_is_what_all_files_would_have_given() {
    let chain = chain();
    let trial = trial();
    let imported = AtomicU32::new(0);
    let is_done = AtomicBool::new(false);
    let mut deleted = 0;
    let mut node = PruningNode::new(&chain, &trial.datadir.path, PACE);
    node.write(chain.made()[0]);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for hash in &chain.made()[1..] {
                while node.tip() >= imported.load(Ordering::Relaxed) + AHEAD_MAX {
                    std::thread::sleep(Duration::from_micros(200));
                }
                node.write(*hash);
            }
            is_done.store(true, Ordering::Relaxed);
            node.deleted
        });
        // Whatever happens here, the node does not wait for ever.
        let last = Last(&imported);
        let mut imports = 0;
        loop {
            let was_done = is_done.load(Ordering::Relaxed);
            trial.import().result.unwrap();
            imported.store(trial.status().height.0, Ordering::Relaxed);
            imports += 1;
            if imports % 8 == 0 {
                check_at_tip(&trial, &chain);
            }
            if was_done {
                break;
            }
        }
        drop(last);
        deleted = writer.join().unwrap();
    });
    assert!(deleted > 5, "{deleted}");
    trial.check(&chain);
}

/// The node goes its way as fast as it can: an import ends at a tip, or names what is gone, and never is wrong.
#[test]
fn an_import_that_is_outrun_says_which_blocks_are_gone_and_keeps_what_it_has() {
    let chain = chain();
    let mut outrun = 0;
    for first in [1, 40, 120, 250] {
        let trial = trial();
        let pace = Pace {
            kept_blocks: 10,
            ..PACE
        };
        let mut node = PruningNode::new(&chain, &trial.datadir.path, pace);
        chain.made()[..first]
            .iter()
            .for_each(|hash| node.write(*hash));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for hash in &chain.made()[first..] {
                    node.write(*hash);
                    std::thread::sleep(Duration::from_micros(50));
                }
            });
            loop {
                let is_done = writer.is_finished();
                if let Err(error) = trial.import().result {
                    assert!(is_of_deleted_files(&error), "{error}");
                    outrun += 1;
                    break;
                }
                if is_done {
                    break;
                }
            }
        });
        if trial.index().exists() && crate::common::trial::status_of(trial.index()).is_some() {
            check_at_tip(&trial, &chain);
        }
    }
    assert!(outrun > 0);
}

pub fn is_of_deleted_files(error: &blkdex::Error) -> bool {
    matches!(
        error.fault(),
        Some(
            datadir::Fault::BlocksGone { .. }
                | datadir::Fault::FirstFileMissing { .. }
                | datadir::Fault::Vanishing { .. }
        )
    )
}
