//! An import that stays beside a node that writes and deletes meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bitcoin::hashes::Hash;
use blkdex::import::{Event, Followed, Watch, follow};

use super::beside::{AHEAD_MAX, Last, PACE, chain, check_at_tip, is_of_deleted_files, trial};
use super::node::{Pace, PruningNode};

/// The node is in its first sync when the import comes, and never waits longer than its edge asks for.
#[test]
fn an_import_that_stays_beside_a_first_sync_has_each_block_before_the_node_deletes_it() {
    let (chain, trial) = (chain(), trial());
    let tip = chain.tip().to_byte_array();
    let imported = AtomicU32::new(0);
    let mut node = PruningNode::new(&chain, &trial.datadir.path, PACE);
    node.write(chain.made()[0]);
    let mut deleted = 0;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for hash in &chain.made()[1..] {
                while node.tip() >= imported.load(Ordering::Relaxed) + AHEAD_MAX {
                    std::thread::sleep(Duration::from_micros(200));
                }
                node.write(*hash);
            }
            node.deleted
        });
        // Whatever happens here, the node does not wait for ever.
        let last = Last(&imported);
        let stop = AtomicBool::new(false);
        let mut rest = |_| std::thread::sleep(Duration::from_millis(2));
        let mut tell = |event: Event<'_>| {
            let (height, hash) = match event {
                Event::Added(block) => (block.height, block.hash),
                Event::Tip(summary) => summary.tip.unwrap(),
                _ => return,
            };
            imported.store(height.0, Ordering::Relaxed);
            stop.store(hash == tip, Ordering::Relaxed);
        };
        let mut watch = Watch {
            stop: &stop,
            tell: &mut tell,
        };
        let followed = follow(&trial.options, &mut rest, &mut watch).unwrap();
        assert!(matches!(followed, Followed::AtTip(_, hash) if hash == tip));
        drop(last);
        deleted = writer.join().unwrap();
    });
    assert!(deleted > 5, "{deleted}");
    trial.check(&chain);
}

/// The node deletes more in one go than an import can have seen.
#[test]
fn an_import_that_stays_and_is_outrun_ends_with_the_heights_that_are_gone() {
    let (chain, trial) = (chain(), trial());
    let pace = Pace {
        kept_blocks: 10,
        ..PACE
    };
    let mut node = PruningNode::new(&chain, &trial.datadir.path, pace);
    let (first, rest_of_them) = chain.made().split_at(40);
    first.iter().for_each(|hash| node.write(*hash));
    let stop = AtomicBool::new(false);
    let mut rest = |_| rest_of_them.iter().for_each(|hash| node.write(*hash));
    let mut watch = Watch {
        stop: &stop,
        tell: &mut |_| {},
    };
    let Err(error) = follow(&trial.options, &mut rest, &mut watch) else {
        panic!("it goes on without blocks");
    };
    assert!(is_of_deleted_files(&error), "{error}");
    let next = trial.status().height.next();
    assert!(error.to_string().contains(&next.to_string()), "{error}");
    check_at_tip(&trial, &chain);
}
