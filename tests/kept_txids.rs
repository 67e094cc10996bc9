//! An index that keeps txids answers without block files, as it does with them; one that does not says what it
//! can, and names what is missing.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bitcoin::{OutPoint, ScriptBuf};
use blkdex::error::{fault_of, unwatched};
use blkdex::import::import;
use blkdex::index;
use blkdex::primitives::Height;
use blkdex::query::{Event, View};
use blkdex::{store, utxo};
use common::answers::{check, check_without_files};
use common::chain::{Chain, Plan, SUBSIDY_SAT};
use common::datadir::{Layout, write_datadir};
use common::fixtures::{data, fixture};
use common::parts::{output_of, owner, spend};
use common::random::{OPENING_BLOCKS, Options};
use common::trial::{Trial, status_of};
use common::truth::Truth;

/// The same, with txids kept or not.
fn keeping(mut trial: Trial, keeps: bool) -> Trial {
    trial.options.keeps_txids = keeps;
    trial
}

/// Numbers of the block files that are there.
fn remove_block_files(trial: &Trial, is_gone: impl Fn(usize) -> bool) {
    for number in 0.. {
        let path = trial.file(&format!("blk{number:05}.dat"));
        if !path.exists() {
            assert!(number > 0);
            return;
        }
        if is_gone(number) {
            fs::remove_file(path).unwrap();
        }
    }
}

/// Asks everything at the tip with block files, then at all heights without.
fn check_with_and_without(trial: &Trial, truth: &Truth, heights: &[u32]) {
    common::check::check(trial.index(), truth);
    check(trial.index(), truth, &[truth.height()]).unwrap();
    remove_block_files(trial, |_| true);
    check_without_files(trial.index(), truth, heights).unwrap();
}

#[test]
fn a_nodes_regtest_is_answered_without_its_block_files() {
    for (keeps, heights) in [(true, &[0, 112, 267][..]), (false, &[112])] {
        let trial = keeping(Trial::of_copy(&data()), keeps).imported_every(50);
        assert_eq!(trial.status().keeps_txids, keeps);
        check_with_and_without(&trial, &trial.truth(), heights);
    }
}

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn mainnet_and_signet_are_answered_without_their_block_files() {
    for name in ["mainnet-4312", "signet-120"] {
        let trial = keeping(Trial::of_copy(&fixture(name)), true).imported();
        let truth = trial.truth();
        check_with_and_without(&trial, &truth, &[truth.height()]);
    }
}

#[test]
fn without_the_folder_of_the_block_files_answers_are_the_same() {
    let chain = Chain::random(6, Options::default());
    for keeps in [true, false] {
        let trial = keeping(Trial::new(&chain), keeps).imported();
        fs::remove_dir_all(&trial.datadir.path).unwrap();
        let truth = Truth::of_best(&chain);
        check_without_files(trial.index(), &truth, &[truth.height()]).unwrap();
    }
}

#[test]
fn chains_with_forks_and_repeated_coinbases_are_answered_without_their_block_files() {
    for seed in 0..2 {
        let options = Options {
            repeat_every: if seed % 2 == 0 { 4 } else { 0 },
            ..Options::default()
        };
        let chain = Chain::random(seed, options);
        let order = chain.shuffled(seed);
        let trial = Trial::with(&chain, &order, Layout::default()).with_tiny_table(64);
        let trial = keeping(trial, true).imported_every(7);
        let truth = Truth::of_best(&chain);
        let middle = (OPENING_BLOCKS + truth.height()) / 2;
        check_with_and_without(&trial, &truth, &[OPENING_BLOCKS, middle, truth.height()]);
    }
}

#[test]
fn a_reorganisation_leaves_no_txid_of_the_other_branch() {
    let options = Options {
        fork_every: 0,
        ..Options::default()
    };
    let mut chain = Chain::random(4, options);
    let mut trial = keeping(Trial::new(&chain), true).imported_every(4);
    for depth in [1, 3, 20] {
        let best = chain.best();
        let fork = best[best.len() - 1 - depth];
        chain.mine_empty(fork, depth as u32 + 2);
        trial.append(&chain);
        let outcome = trial.import();
        assert_eq!((outcome.notices.len(), outcome.result.is_ok()), (1, true));
        trial.check(&chain);
    }
}

/// Outputs that nothing can spend, with amounts and without, and transactions that fill many pages.
#[test]
fn outputs_of_large_transactions_and_those_that_can_never_be_spent_are_known() {
    let mut chain = Chain::of_coins(4);
    let never = ScriptBuf::from_bytes(vec![0x6a, 1, 7]);
    let pay = |outputs: u64| -> Vec<_> {
        let one = |number| match number % 5 {
            0 => (never.clone(), number),
            1 => (never.clone(), 0),
            _ => (owner(number % 50), number),
        };
        (0..outputs).map(one).collect()
    };
    for (nth, outputs) in [(1, 14_000), (2, 3), (3, 900)] {
        let tx = spend(&[chain.nth_coin(nth)], &pay(outputs));
        let next = spend(&[output_of(&tx, 2)], &[(owner(60), 1)]);
        chain.grow(&[tx, next]);
    }
    let trial = keeping(Trial::new(&chain), true).imported_every(2);
    let truth = Truth::of_best(&chain);
    assert!(
        truth
            .outputs
            .iter()
            .any(|o| !o.spendable && o.amount_sat > 0)
    );
    common::check::check(trial.index(), &truth);
    remove_block_files(&trial, |_| true);
    check_without_files(trial.index(), &truth, &[truth.height()]).unwrap();
}

#[test]
fn a_block_that_turns_out_to_be_damaged_leaves_no_txid() {
    let mut chain = Chain::of_coinbases(30);
    let pay = (0..4000).map(|number| (owner(number), 1000)).collect();
    let large = chain.grow_with(Plan {
        pay: Some(pay),
        ..Plan::default()
    });
    chain.mine_empty(large, 5);
    // The first copy of the large block is damaged near its end, the second is right.
    let mut order = chain.best();
    order.insert(31, large);
    let layout = Layout {
        damaged_first: vec![large],
        ..Layout::default()
    };
    let trial = keeping(Trial::with(&chain, &order, layout), true).imported();
    common::check::check(trial.index(), &Truth::of_best(&chain));
}

/// What is known of an event from blocks that are there.
fn is_part_of(known: &Event, whole: &Event) -> bool {
    let input_index = known.input_index.and(whole.input_index);
    let same = Event {
        txid: known.txid.and(whole.txid),
        outpoint: known.outpoint.and(whole.outpoint),
        input_index,
        balance_sat: known.balance_sat,
        ..*whole
    };
    *known == same
}

#[test]
fn of_blocks_that_are_there_all_is_known_and_of_others_what_the_index_has() {
    let trial = Trial::of_copy(&data()).imported();
    let truth = trial.truth();
    let index = trial.open();
    let scripts = || truth.scripts().into_iter().step_by(3);
    let histories = |view: &mut View<'_>| -> Vec<_> {
        scripts()
            .map(|script| view.history(script, false).unwrap())
            .collect()
    };
    let before = histories(&mut View::new(&index, None, None).unwrap());
    remove_block_files(&trial, |number| number < 5);
    let mut view = View::new(&index, None, None).unwrap();
    let after = histories(&mut view);
    let gone = view.gone().unwrap();
    assert!(gone.first() < Height(20) && gone.count() > 20, "{gone}");
    assert_eq!(gone.path(), trial.file("blk00000.dat"));
    let (mut known, mut unknown) = (0, 0);
    for (before, after) in before.iter().zip(&after) {
        assert!(before.checked);
        assert_eq!(after.events.len(), before.events.len());
        assert_eq!(
            after.checked,
            after.events.iter().all(|e| e.outpoint.is_some())
        );
        for event in &after.events {
            let mut whole = before.events.iter();
            assert!(whole.any(|whole| is_part_of(event, whole)), "{event:?}");
            known += usize::from(event.txid.is_some());
            unknown += usize::from(event.txid.is_none());
        }
    }
    assert!(known > 100 && unknown > 100);
}

/// The files of another node, which has pruned some, have the names of files that the index remembers.
#[test]
fn blocks_that_another_pruned_node_does_not_have_are_gone_and_not_moved() {
    let chain = Chain::random(8, Options::default());
    let layout = |file_bytes_max| Layout {
        file_bytes_max,
        ..Layout::default()
    };
    let trial = Trial::with(&chain, &chain.best(), layout(3000)).imported();
    let truth = Truth::of_best(&chain);
    fs::remove_dir_all(&trial.datadir.path).unwrap();
    let other = write_datadir(&chain, &trial.datadir.path, &chain.best(), layout(4100));
    for number in 0..other.file_count() / 2 {
        fs::remove_file(other.file(number)).unwrap();
    }
    for is_known in [false, true] {
        let index = trial.open();
        let mut view = View::new(&index, None, None).unwrap();
        let mut txids = Vec::new();
        for script in truth.scripts() {
            let history = view.history(script, false).unwrap();
            txids.extend(history.events.iter().map(|event| event.txid));
        }
        assert!(view.gone().is_some());
        assert_eq!(txids.len(), truth.events.values().flatten().count());
        // Once an import has looked at them, what they have is known.
        assert!(!is_known || txids.iter().flatten().count() > 20);
        drop(view);
        drop(index);
        trial.import().result.unwrap();
    }
}

#[test]
fn txids_are_kept_from_the_first_block_on_or_never() {
    let mut chain = Chain::of_coinbases(20);
    let mut plain = Trial::new(&chain).imported();
    let kept = keeping(Trial::new(&chain), true).imported();
    plain.options.keeps_txids = true;
    let refused = plain.import().result;
    let fault = fault_of(&refused);
    assert!(matches!(fault, Some(index::Fault::KeepsNoTxids { .. })));
    // With the wish or without it, one that keeps them goes on with it.
    for keeps in [true, false] {
        let last = chain.mine_empty(chain.tip(), 3);
        assert_eq!(chain.tip(), last);
        let mut trial = Trial::new(&chain);
        trial.options.keeps_txids = keeps;
        trial.options.index = kept.options.index.clone();
        assert_eq!(trial.import_and_check(&chain).imported.blocks, 3);
        assert!(trial.status().keeps_txids);
    }
}

fn blkdex(command: &str, index: &Path, args: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    program.arg(command).arg("--index").arg(index).args(args);
    program.output().unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Asserts this exit code, and one line that has these words.
fn one_line(output: &Output, code: i32, said: &str) {
    let words = words(output);
    assert_eq!(output.status.code(), Some(code), "{words}");
    assert!(
        words.starts_with("blkdex: ") && words.contains(said),
        "{words}"
    );
    assert_eq!(words.lines().count(), 1, "{words}");
}

#[test]
fn a_rebuild_keeps_the_choice_and_can_add_it() {
    let trial = Trial::new(&Chain::of_coinbases(30)).imported();
    let index = trial.index();
    let datadir = trial.datadir.path.to_str().unwrap();
    let refused = blkdex(
        "import",
        index,
        &["-q", "--keep-txids", "--datadir", datadir],
    );
    one_line(&refused, 1, "was made without --keep-txids");
    // The command that it names works as it is printed.
    let words = words(&refused);
    let advised = words.split('`').nth(1).unwrap();
    let advised: Vec<&str> = advised.split(' ').collect();
    assert_eq!(advised[..3], ["blkdex", "rebuild", "--keep-txids"]);
    let mut rebuild = Command::new(env!("CARGO_BIN_EXE_blkdex"));
    let rebuilt = rebuild.args(&advised[1..]).arg("-q").output().unwrap();
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert!(trial.status().keeps_txids);
    for force in [&["-q"][..], &["-q", "--force"]] {
        assert!(blkdex("rebuild", index, force).status.success());
        assert!(trial.status().keeps_txids);
        common::check::check(index, &trial.truth());
    }
}

#[test]
fn what_needs_blocks_that_are_gone_says_in_one_line_which() {
    const TXID: &str = "8995eb3e7dd5b3f3fa280144de9ff5d93c9ca7b23555365200d7f7dcb1ab0721";
    let trial = Trial::of_copy(&data()).imported();
    remove_block_files(&trial, |number| number < 5);
    let index = trial.index();
    let first = trial.file("blk00000.dat");
    let first = first.to_str().unwrap();
    let csv = trial.folder.path().join("x.csv");
    let export = [
        "utxos",
        "--format",
        "csv",
        "-o",
        csv.to_str().unwrap(),
        "-q",
    ];
    let places = |height: u32| trial.index_file().place(height).file < 5;
    let gone = (0..=267).filter(|height| places(*height)).count();
    let all = format!("{gone} blocks are gone, from 0 to ");
    for (command, args, said) in [
        ("tx", &[TXID][..], "block 112 is gone"),
        ("outpoint", &[&format!("{TXID}:1")], "block 112 is gone"),
        ("block", &["5"], "block 5 is gone"),
        ("verify", &["-q"], &all),
        ("export", &export, &all),
        ("rebuild", &["-q"], &all),
        ("rebuild", &["-q", "--until", "0"], "block 0 is gone"),
    ] {
        let output = blkdex(command, index, args);
        one_line(&output, 1, said);
        assert!(words(&output).contains(" was in "), "{command}");
    }
    assert!(
        blkdex("block", index, &["5"])
            .stderr
            .windows(first.len())
            .any(|w| w == first.as_bytes())
    );
    assert!(!csv.exists());
    assert_eq!(status_of(index).unwrap().height, Height(267));
}

#[test]
fn an_answer_from_which_something_is_missing_says_so_in_one_line() {
    const ADDRESS: &str = "bcrt1qyq8dns7p6a20s5w8jd8a52nvrngkx2r5nqdmn5u7zkweuphul4nsvnjjf0";
    const OUTPOINT: &str = "8995eb3e7dd5b3f3fa280144de9ff5d93c9ca7b23555365200d7f7dcb1ab0721:1";
    for keeps in [true, false] {
        let trial = keeping(Trial::of_copy(&data()), keeps).imported();
        remove_block_files(&trial, |_| true);
        let index = trial.index();
        for command in ["utxos", "history", "balance"] {
            let output = blkdex(command, index, &["--json", ADDRESS]);
            match keeps || command == "balance" {
                true => assert_eq!(words(&output), "", "{command}"),
                false => one_line(&output, 0, "txid, outpoint and input are unknown"),
            }
            let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(answer["checked"], false);
            if let Some(events) = answer["events"].as_array() {
                assert!(events.iter().all(|event| event["txid"].is_null() != keeps));
            }
            one_line(&blkdex(command, index, &["--check", ADDRESS]), 1, "gone");
        }
        let output = blkdex("outpoint", index, &[OUTPOINT]);
        match keeps {
            true => one_line(&output, 0, "blocks 112 to 113 are gone"),
            false => one_line(&output, 1, "block 112 is gone"),
        }
        assert_eq!(output.stdout.is_empty(), !keeps);
    }
}

#[test]
fn a_block_file_that_cannot_be_read_or_holds_something_else_is_no_missing_one() {
    let chain = Chain::of_coinbases(20);
    let trial = Trial::new(&chain).imported();
    let path = trial.file("blk00000.dat");
    let bytes = fs::read(&path).unwrap();
    let asked = || {
        let index = trial.open();
        let mut view = View::new(&index, None, None).unwrap();
        let answer = view.history(&owner(7), false);
        answer.map(|history| history.events[0].txid)
    };
    assert!(asked().unwrap().is_some());
    fs::write(&path, &bytes[..500]).unwrap();
    let cut = asked();
    assert!(
        matches!(fault_of(&cut), Some(utxo::Fault::BlockFiles { .. })),
        "{cut:?}"
    );
    fs::write(&path, vec![7; bytes.len()]).unwrap();
    let other = asked();
    assert!(
        matches!(fault_of(&other), Some(utxo::Fault::BlockMoved { .. })),
        "{other:?}"
    );
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    let link = asked();
    assert!(
        matches!(fault_of(&link), Some(utxo::Fault::BlockFiles { .. })),
        "{link:?}"
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(asked().unwrap(), None);
}

/// Each page of kept txids is damaged, with the checksums of redb unharmed: it does not verify them.
#[test]
fn damage_in_a_page_of_txids_is_noticed_and_named() {
    let chain = Chain::random(9, Options::default());
    let trial = keeping(Trial::new(&chain), true).imported();
    let truth = Truth::of_best(&chain);
    let mut bytes = fs::read(trial.index()).unwrap();
    // A txid stands nowhere else as a whole but in a page that is used, or was used before.
    let txid = truth.txids[truth.txids.len() / 2].to_string();
    let mut needle: Vec<u8> = bitcoin::hex::FromHex::from_hex(&txid).unwrap();
    needle.reverse();
    let places: Vec<usize> = (0..bytes.len() - 32)
        .filter(|at| bytes[*at..*at + 32] == needle[..])
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 1;
    }
    fs::write(trial.index(), bytes).unwrap();
    let wanted = truth
        .outputs
        .iter()
        .find(|output| output.spendable && output.outpoint.txid.to_string() == txid);
    let index = trial.open();
    let mut view = View::new(&index, None, None).unwrap();
    let answer = view.history(&wanted.unwrap().script, false);
    let Some(store::Fault::DamagedIndex { what, .. }) = fault_of(&answer) else {
        panic!("{answer:?}");
    };
    assert!(what.contains("kept txids"), "{what}");
    // In the block files it can be asked for.
    assert!(view.history(&wanted.unwrap().script, true).is_ok());
    drop(answer);
    drop(view);
    drop(index);
    // An import that would go on with the page refuses it too.
    let mut chain = chain;
    chain.mine_empty(chain.tip(), 1);
    let mut trial = trial;
    trial.append(&chain);
    let refused = unwatched(|watch| import(&trial.options, watch));
    assert!(
        matches!(fault_of(&refused), Some(store::Fault::DamagedIndex { .. })),
        "{refused:?}"
    );
}

#[test]
fn the_genesis_output_is_known_without_its_block() {
    let trial = keeping(Trial::new(&Chain::of_coinbases(3)), true).imported();
    let genesis = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
    let outpoint = OutPoint::new(genesis.txdata[0].compute_txid(), 0);
    remove_block_files(&trial, |_| true);
    let index = trial.open();
    let info = View::new(&index, None, None)
        .unwrap()
        .outpoint(outpoint)
        .unwrap();
    assert_eq!((info.amount_sat, info.spendable), (SUBSIDY_SAT, false));
    assert_eq!((info.height, info.coinbase), (Height(0), true));
}
