//! What happens to the files while an import waits.

use std::fs;

use blkdex::datadir;
use blkdex::error::fault_of;
use blkdex::import::{Fault, Notice};
use blkdex::os;
use blkdex::store;

use crate::common::chain::Chain;
use crate::common::datadir::Layout;
use crate::common::fixtures::data;
use crate::common::trial::Trial;
use crate::stepwise::{end, follow_in_steps};

#[test]
fn nothing_is_written_while_nothing_is_new() {
    let chain = Chain::of_coinbases(130);
    for trial in [Trial::of(&data()), Trial::new(&chain)] {
        let (mut before, mut changes) = (Vec::new(), 0);
        let (followed, heard) = follow_in_steps(&trial.options, |step, _| {
            let now = fs::read(trial.index()).unwrap();
            changes += usize::from(step > 0 && now != before);
            before = now;
            step == 40
        });
        // Once, when the files have not been written to for so long that the time of their last change is sure.
        assert!(changes <= 1, "{changes} times in 40 rests");
        end(followed);
        assert_eq!(heard.notices, []);
    }
}

#[test]
fn a_block_that_is_not_whole_is_waited_for() {
    let mut chain = Chain::of_coinbases(120);
    let mut trial = Trial::new(&chain);
    let options = trial.options.clone();
    let (followed, heard) = follow_in_steps(&options, |step, _| {
        let tail_bytes = 900;
        match step {
            1 => {
                chain.mine_empty(chain.tip(), 2);
                (
                    trial.datadir.layout.cut_bytes,
                    trial.datadir.layout.tail_bytes,
                ) = (40, tail_bytes);
                trial.append(&chain);
            }
            6 => {
                (
                    trial.datadir.layout.cut_bytes,
                    trial.datadir.layout.tail_bytes,
                ) = (0, tail_bytes - 40);
                trial.append(&chain);
            }
            _ => {}
        }
        step == 9
    });
    assert_eq!(end(followed).1, chain.tip());
    assert_eq!(heard.added.len(), 2);
    let [Notice::NotWhole { height, .. }] = &heard.notices[..] else {
        panic!("{:?}", heard.notices);
    };
    assert_eq!(height.0, chain.height(chain.tip()));
    trial.check(&chain);
}

#[test]
fn files_that_grow_ahead_and_are_cut_are_read_to_their_end() {
    let mut chain = Chain::of_coinbases(120);
    let mut trial = Trial::new(&chain);
    trial.datadir.layout.file_bytes_max = 32_000;
    let options = trial.options.clone();
    let (followed, heard) = follow_in_steps(&options, |step, _| {
        trial.datadir.layout.tail_bytes = [5000, 0, 300][step % 3];
        if step % 2 == 0 {
            chain.mine_empty(chain.tip(), 7);
        }
        trial.append(&chain);
        step == 60
    });
    assert!(trial.datadir.file_count() > 1);
    // The last blocks came when it was over.
    assert_eq!(heard.added.len(), 7 * 30);
    assert_eq!(heard.notices, []);
    end(followed);
    trial.import_and_check(&chain);
}

/// A block is missing, and bytes that are none stand where it may have been: to a new import that is damage.
#[test]
fn a_gap_is_said_once_and_waited_for() {
    let chain = Chain::of_coinbases(140);
    let made = chain.made();
    let mut trial = Trial::with(&chain, &made[..121], Layout::default());
    let options = trial.options.clone();
    let (followed, heard) = follow_in_steps(&options, |step, _| {
        match step {
            1 => {
                trial.datadir.layout.junk_bytes = 300;
                trial.datadir.append(&chain, &made[122..141]);
            }
            8 => trial.datadir.append(&chain, &made[121..122]),
            _ => {}
        }
        step == 12
    });
    let [Notice::Trouble { words }] = &heard.notices[..] else {
        panic!("{:?}", heard.notices);
    };
    assert!(words.contains("19 blocks lack an ancestor"), "{words}");
    assert_eq!(heard.added.len(), 20);
    assert_eq!(end(followed).1, chain.tip());
    trial.check(&chain);
}

#[test]
fn another_key_and_a_folder_that_is_gone_end_it_with_the_reason() {
    let chain = Chain::of_coinbases(120);
    let trial = Trial::new(&chain);
    let (followed, _) = follow_in_steps(&trial.options, |step, _| {
        if step == 2 {
            fs::write(trial.file("xor.dat"), [1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
            // As if all files were of that other node.
            let other = Trial::with(
                &chain,
                chain.made(),
                Layout {
                    key: Some([1, 2, 3, 4, 5, 6, 7, 8]),
                    ..Layout::default()
                },
            );
            fs::copy(other.datadir.file(0), trial.datadir.file(0)).unwrap();
        }
        false
    });
    assert!(
        matches!(fault_of(&followed), Some(Fault::KeyChanged { .. })),
        "{:?}",
        followed.err()
    );
    trial.import();
    trial.check(&chain);

    let moved = trial.folder.path().join("moved");
    let (followed, _) = follow_in_steps(&trial.options, |step, _| {
        if step == 2 {
            fs::rename(&trial.datadir.path, &moved).unwrap();
        }
        false
    });
    assert!(
        matches!(
            fault_of(&followed),
            Some(os::Fault::Io { path, .. }) if *path == trial.datadir.path
        ) || matches!(
            fault_of(&followed),
            Some(datadir::Fault::NoBlockFiles { .. })
        ),
        "{:?}",
        followed.err()
    );
    fs::rename(&moved, &trial.datadir.path).unwrap();
    trial.check(&chain);
}

/// What is written to a file that has lost its name is in no index.
#[test]
fn an_index_that_is_removed_or_replaced_ends_it_with_the_reason() {
    let chain = Chain::of_coinbases(130);
    for (replaces, has_news) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut trial = Trial::with(&chain, &chain.made()[..121], Layout::default()).imported();
        let options = trial.options.clone();
        let (index, copy) = (options.index.clone(), options.index.with_extension("copy"));
        fs::copy(&index, &copy).unwrap();
        let (followed, heard) = follow_in_steps(&options, |step, _| {
            if step == 2 {
                match replaces {
                    true => fs::rename(&copy, &index).unwrap(),
                    false => fs::remove_file(&index).unwrap(),
                }
                if has_news {
                    trial.datadir.append(&chain, &chain.made()[121..122]);
                }
            }
            step == 50
        });
        let fault = fault_of::<_, store::Fault>(&followed);
        assert!(
            matches!(fault, Some(store::Fault::IndexReplaced { path }) if *path == index),
            "{:?}",
            followed.err()
        );
        assert_eq!(heard.blocks(), []);
        // Nothing was made in its place either.
        assert_eq!(index.exists(), replaces);
        trial.import().quietly();
        assert_eq!(trial.status().height.0, 120 + u32::from(has_news));
    }
}
