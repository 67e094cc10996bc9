//! What inputs spent: undo files that are missing, damaged, or say something else; damaged blocks.

use std::fs;
use std::ops::Range;
use std::path::Path;

use bitcoin::hashes::{Hash, sha256d};

use crate::common::chain::Chain;
use crate::common::fixtures::data;
use crate::set::{Scene, key, names_in, xor};

/// Changes the plain bytes of a file.
fn change(scene: &Scene, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let (path, key) = (scene.trial.file(name), key(&scene.trial));
    let mut bytes = fs::read(&path).unwrap();
    xor(&mut bytes, &key);
    change(&mut bytes);
    xor(&mut bytes, &key);
    fs::write(&path, bytes).unwrap();
}

/// Where the undo bytes of each record are.
fn records(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut records, mut at) = (Vec::new(), 0);
    while bytes[at..].starts_with(&crate::common::datadir::MAGIC) {
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        records.push(at + 8..at + 8 + length);
        at += 8 + length + 32;
    }
    records
}

/// The last words of `verify --undo`.
fn verify_undo(scene: &Scene) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_blkdex"))
        .args(["verify", "--undo", "--quiet", "--index"])
        .arg(scene.trial.index())
        .output()
        .unwrap();
    assert!(!output.status.success(), "it was to fail");
    String::from_utf8(output.stderr)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// No file has a name, and nothing is left.
fn check_nothing_written(dir: &Path) {
    for name in names_in(dir).iter().filter(|name| *name != "manifest.json") {
        assert_eq!(names_in(&dir.join(name)), [""; 0], "{name}");
    }
}

#[test]
fn a_missing_undo_file_is_named_before_anything_is_written() {
    let scene = Scene::of_copy(&data());
    for number in [3, 7] {
        fs::remove_file(scene.trial.file(&format!("rev{number:05}.dat"))).unwrap();
    }
    let (code, words) = scene.refused(&["--until", "tip"]);
    assert_eq!(code, 1);
    assert!(
        words.contains("rev00003.dat is not there, which block "),
        "{words}"
    );
    assert!(words.contains("--without-spent-coins"), "{words}");
    check_nothing_written(&scene.dir());
    // Outputs tell nothing of it.
    scene.export(&["--until", "tip", "--tables", "outputs"]);
}

#[test]
fn without_spent_coins_their_columns_are_null() {
    let scene = Scene::of_copy(&data());
    for number in 0..12 {
        fs::remove_file(scene.trial.file(&format!("rev{number:05}.dat"))).unwrap();
    }
    scene.export(&["--until", "tip", "--without-spent-coins"]);
    for (table, nulls) in [
        ("blocks", &["fee"][..]),
        ("transactions", &["input_value", "fee"]),
        (
            "inputs",
            &[
                "value",
                "type",
                "address",
                "spent_script_hex",
                "spent_block_number",
                "spent_is_coinbase",
            ],
        ),
    ] {
        let rows = scene.rows(table);
        assert!(!rows.is_empty());
        for row in rows {
            for (name, field) in row.get_column_iter() {
                let is_null = *field == parquet::record::Field::Null;
                assert_eq!(is_null, nulls.contains(&&**name), "{table}: {name}");
            }
        }
    }
    assert!(scene.manifest()["utxo_set"].is_null());
    scene.check_whole(267);
}

#[test]
fn an_undo_file_that_disagrees_is_the_error_of_verify() {
    let scene = Scene::of_copy(&data());
    // The last byte of a script in a record of its own right checksum: only the index knows better.
    let blocks = scene.blocks();
    change(&scene, "rev00005.dat", |bytes| {
        for block in &blocks {
            let prev = block.header.prev_blockhash.to_byte_array();
            let sum = |undo: &[u8]| sha256d::Hash::hash(&[&prev, undo].concat()).to_byte_array();
            let found = records(bytes).into_iter().find(|undo| {
                undo.len() > 100 && bytes[undo.end..undo.end + 32] == sum(&bytes[undo.clone()])
            });
            if let Some(undo) = found {
                bytes[undo.end - 1] ^= 1;
                let sum = sum(&bytes[undo.clone()]);
                bytes[undo.end..undo.end + 32].copy_from_slice(&sum);
                return;
            }
        }
        panic!("no record is large");
    });
    let (code, words) = scene.refused(&["--until", "tip", "--blocks-per-file", "300"]);
    assert_eq!(code, 1);
    assert_eq!(words, verify_undo(&scene));
    assert!(words.contains("the script is "), "{words}");
    check_nothing_written(&scene.dir());
}

#[test]
fn a_damaged_or_cut_undo_file_is_the_error_of_verify() {
    for cut in [false, true] {
        let scene = Scene::of_copy(&data());
        change(&scene, "rev00004.dat", |bytes| match cut {
            true => bytes.truncate(records(bytes).last().unwrap().start + 2),
            false => {
                let first = records(bytes)[0].start;
                bytes[first + 3] ^= 1;
            }
        });
        let (code, words) = scene.refused(&["--until", "tip"]);
        assert_eq!(code, 1);
        assert!(words.contains("rev00004.dat"), "{words}");
        if !cut {
            assert_eq!(words, verify_undo(&scene));
        }
        check_nothing_written(&scene.dir());
    }
}

#[test]
fn of_siblings_with_as_many_transactions_the_record_that_fits_is_taken() {
    // Two children of one block, each with one payment of its own; both were connected once.
    for first_wins in [false, true] {
        let mut chain = Chain::of_coinbases(110);
        let best = chain.best();
        let parent = *best.last().unwrap();
        let coins: Vec<_> = (1..=2).map(|at| chain.coin(best[at])).collect();
        let spend = |coin: bitcoin::OutPoint| {
            let mut tx = chain.block(parent).txdata[0].clone();
            tx.input[0].previous_output = coin;
            tx.input[0].script_sig = bitcoin::ScriptBuf::new();
            tx.input[0].witness = bitcoin::Witness::new();
            tx.output.truncate(1);
            tx.output[0].value = bitcoin::Amount::from_sat(1000);
            tx
        };
        let [one, other] = [spend(coins[0]), spend(coins[1])];
        let one = chain.mine(parent, &[one]);
        let other = chain.mine(parent, &[other]);
        chain.mine_empty(if first_wins { one } else { other }, 3);
        let scene = Scene::of(&chain, 1 << 20);
        scene.export(&["--until", "tip"]);
        crate::rows::check(&scene);
    }
}

#[test]
fn a_damaged_block_ends_it_and_the_next_run_goes_on() {
    let scene = Scene::of_copy(&data());
    let block = &scene.blocks()[200];
    let header = bitcoin::consensus::serialize(&block.header);
    let names = names_in(&scene.trial.datadir.blocks);
    let names = names.iter().filter(|name| name.starts_with("blk"));
    let plain = |name: &str| {
        let mut bytes = fs::read(scene.trial.file(name)).unwrap();
        xor(&mut bytes, &key(&scene.trial));
        bytes
    };
    let place = |name: &&String| {
        let bytes = plain(name);
        let mut windows = bytes.windows(80);
        windows.position(|window| window == header)
    };
    let name = names.clone().find(|name| place(name).is_some()).unwrap();
    let at = place(&name).unwrap();
    // In the amount of the coinbase's first output: the block can be read all the same.
    let amount = 80 + 1 + 4 + 2 + 1 + 36 + 1 + block.txdata[0].input[0].script_sig.len() + 4 + 1;
    let flip = || change(&scene, name, |bytes| bytes[at + amount] ^= 1);
    flip();
    let args = ["--until", "tip", "--blocks-per-file", "50"];
    let (code, words) = scene.refused(&args);
    assert_eq!(code, 1);
    assert!(words.contains(name) && words.contains("200"), "{words}");
    assert_eq!(
        scene.ranges("outputs").last(),
        Some(&(150, 199)),
        "what was whole"
    );
    assert_eq!(scene.manifest()["utxo_set"]["height"], 199, "is listed");
    flip();
    scene.export(&args);
    scene.check_whole(267);
    crate::rows::check(&scene);
}
