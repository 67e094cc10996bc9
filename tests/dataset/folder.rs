//! The rules of the files: ranges, going on, reorganisations, several processes.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::chain::Chain;
use crate::common::fixtures::data;
use crate::common::random::Options;
use crate::set::{Scene, TABLES, names_in};

/// A chain without branches, of about so many blocks.
fn chain(seed: u64, blocks: u32) -> Chain {
    let options = Options {
        blocks,
        txs_max: 3,
        fork_every: 0,
        ..Options::default()
    };
    Chain::random(seed, options)
}

fn scene(seed: u64, blocks: u32) -> Scene {
    Scene::of(&chain(seed, blocks), 20_000)
}

/// Height of the index's tip.
fn tip(scene: &Scene) -> u32 {
    scene.trial.status().height.0
}

#[test]
fn without_an_end_it_stops_at_the_last_settled_block() {
    let scene = scene(1, 140);
    let settled = scene.trial.index_file().settled().unwrap();
    assert!(settled > 20 && settled < tip(&scene));
    let answer = scene.export(&[]);
    assert_eq!(answer["until"], settled);
    scene.check_whole(settled);
    assert_eq!(scene.manifest()["ranges"][0]["settled"], true);
    let again = scene.export(&[]);
    assert_eq!((&again["first"], &again["rows"]), (&Value::Null, &json!(0)));
    scene.check_whole(settled);
}

#[test]
fn ranges_are_aligned_and_a_run_goes_on_where_the_last_one_ended() {
    let scene = scene(2, 60);
    let last = tip(&scene);
    scene.export(&["--until", "24", "--blocks-per-file", "10"]);
    assert_eq!(scene.ranges("outputs"), [(0, 9), (10, 19), (20, 24)]);
    let before = std::fs::metadata(
        scene
            .dir()
            .join("outputs/outputs_0000000_to_0000009.parquet"),
    );
    let answer = scene.export(&["--until", "33", "--blocks-per-file", "10"]);
    assert_eq!(
        (&answer["first"], &answer["last"]),
        (&json!(20), &json!(33))
    );
    assert_eq!(
        scene.ranges("inputs"),
        [(0, 9), (10, 19), (20, 29), (30, 33)]
    );
    let after = std::fs::metadata(
        scene
            .dir()
            .join("outputs/outputs_0000000_to_0000009.parquet"),
    );
    let modified = |meta: std::io::Result<std::fs::Metadata>| meta.unwrap().modified().unwrap();
    assert_eq!(
        modified(before),
        modified(after),
        "what is whole is left alone"
    );
    scene.check_whole(33);
    scene.export(&["--until", "tip", "--blocks-per-file", "7"]);
    scene.check_whole(last);
}

#[test]
fn the_manifest_says_what_the_utxo_set_is() {
    let scene = Scene::of_copy(&data());
    scene.export(&["--until", "150"]);
    for height in [150, 267] {
        scene.export(&["--until", &height.to_string(), "--blocks-per-file", "100"]);
        let options = blkdex::verify::Options {
            at: Some(blkdex::utxo::At::Height(blkdex::primitives::Height(height))),
            ..Default::default()
        };
        let verified = blkdex::error::unwatched(|watch| {
            blkdex::verify::verify(scene.trial.index(), &options, watch)
        });
        let stats = verified.unwrap().stats;
        assert_eq!(
            scene.manifest()["utxo_set"],
            json!({
                "height": height,
                "hash": stats.hash.to_string(),
                "txouts": stats.txouts,
                "total_amount_sat": stats.total_amount_sat as u64,
            })
        );
        scene.check_whole(height);
    }
    let manifest = scene.manifest();
    assert_eq!(
        (&manifest["network"], &manifest["format"]),
        (&json!("regtest"), &json!(1))
    );
    let ranges = manifest["ranges"].as_array().unwrap();
    let blocks = scene.blocks();
    for range in ranges {
        for (height, hash) in [("first", "first_hash"), ("last", "last_hash")] {
            let height = range[height].as_u64().unwrap() as usize;
            assert_eq!(range[hash], blocks[height].block_hash().to_string());
        }
    }
}

#[test]
fn only_the_wanted_tables_are_written_and_others_later() {
    let scene = scene(3, 30);
    let last = tip(&scene);
    scene.export(&["--until", "tip", "--tables", "outputs"]);
    assert!(
        scene.manifest()["utxo_set"].is_null(),
        "nothing tells what was spent"
    );
    std::fs::remove_dir_all(scene.dir()).unwrap();
    let answer = scene.export(&["--until", "tip", "--tables", "outputs,blocks"]);
    assert_eq!(answer["tables"].as_array().unwrap().len(), 2);
    assert_eq!(
        names_in(&scene.dir()),
        ["blocks", "manifest.json", "outputs"]
    );
    let answer = scene.export(&["--until", "tip"]);
    assert_eq!(answer["tables"][0]["table"], "transactions");
    assert_eq!(answer["tables"].as_array().unwrap().len(), 2);
    assert_eq!(answer["utxo_set"]["height"], last);
    scene.check_whole(last);
    let output = scene.output(&["--tables", "outputs,coins"]);
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("coins is no table"), "{words}");
}

#[test]
fn a_reorganisation_redoes_what_it_touched_and_says_so() {
    let mut chain = chain(4, 60);
    let mut scene = Scene::of(&chain, 20_000);
    let old_tip = tip(&scene);
    let args = ["--until", "tip", "--blocks-per-file", "10"];
    scene.export(&args);
    let best = chain.best();
    let fork = best.len() - 15;
    chain.mine_empty(best[fork], 20);
    scene.append(&chain);
    let new_tip = tip(&scene);
    assert!(new_tip > old_tip);
    let output = scene.output(&args);
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{words}");
    let first = (fork as u32 + 1) / 10 * 10;
    let said = format!("blocks {first} to {} have left the chain", first + 9);
    assert!(words.contains(&said), "{words}");
    scene.check_whole(new_tip);
    crate::rows::check(&scene);
    assert_eq!(scene.export(&args)["redone"], json!([]), "once");
}

#[test]
fn a_reorganisation_takes_back_what_lies_above_an_earlier_end() {
    let mut chain = chain(5, 50);
    let mut scene = Scene::of(&chain, 20_000);
    scene.export(&["--until", "tip", "--blocks-per-file", "10"]);
    let best = chain.best();
    let fork = best.len() - 22;
    chain.mine_empty(best[fork], 30);
    scene.append(&chain);
    let until = (fork as u32 + 3).to_string();
    scene.export(&["--until", &until, "--blocks-per-file", "10"]);
    scene.check_whole(fork as u32 + 3);
    scene.export(&["--until", "tip", "--blocks-per-file", "10"]);
    crate::rows::check(&scene);
}

#[test]
fn a_set_of_another_chain_or_of_another_kind_is_refused() {
    let scene_one = scene(6, 130);
    scene_one.export(&[]);
    let other = scene(7, 140);
    std::fs::rename(scene_one.dir(), other.dir()).unwrap();
    let (code, words) = other.refused(&[]);
    assert_eq!(code, 2, "{words}");
    assert!(words.contains("it is a set of another chain"), "{words}");
    for args in [&["--hashes", "binary"][..], &["--without-spent-coins"]] {
        let (code, words) = other.refused(args);
        assert_eq!(code, 2, "{words}");
        assert!(words.contains("holds another data set"), "{words}");
    }
    let shorter = scene(6, 20);
    std::fs::rename(other.dir(), shorter.dir()).unwrap();
    let (code, words) = shorter.refused(&["--until", "tip"]);
    assert_eq!(code, 2, "{words}");
    assert!(words.ends_with("import first"), "{words}");
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let scene = scene(8, 20);
    let last = tip(&scene);
    for (args, part) in [
        (
            &["--until", "tip", "--from", "1000"][..],
            "nothing to write",
        ),
        (&["--until", "1000"], "above the tip"),
        (&["--until", "tip", "--memory", "30M"], "memory"),
    ] {
        let (_, words) = scene.refused(args);
        assert!(words.contains(part), "{args:?}: {words}");
    }
    let young = Scene::of(&Chain::of_coinbases(20), 20_000);
    let (_, words) = young.refused(&[]);
    assert!(words.contains("no block is settled yet"), "{words}");
    assert!(names_in(&scene.dir().join("outputs")).is_empty());
    std::fs::remove_dir_all(scene.dir()).unwrap();
    std::fs::write(scene.dir(), "mine").unwrap();
    let (code, words) = scene.refused(&["--until", "tip"]);
    assert_eq!(code, 2);
    assert!(words.ends_with("is not a folder"), "{words}");
    std::fs::remove_file(scene.dir()).unwrap();
    scene.export(&["--until", "tip"]);
    let path = scene.dir().join("inputs").join(&scene.names("inputs")[0]);
    std::fs::write(&path, "junk").unwrap();
    let (code, words) = scene.refused(&["--until", "tip"]);
    assert_eq!(code, 1);
    assert!(words.contains(path.to_str().unwrap()), "{words}");
    std::fs::remove_file(&path).unwrap();
    scene.export(&["--until", "tip"]);
    scene.check_whole(last);
}

#[test]
fn a_folder_of_the_node_is_not_written_into() {
    let scene = scene(9, 20);
    let mut command = scene.command(&["--until", "tip"]);
    command.arg("--to").arg(&scene.trial.datadir.blocks);
    let output = command.output().unwrap();
    // The last of two folders would count; clap refuses two.
    assert!(!output.status.success());
    let before = names_in(&scene.trial.datadir.blocks);
    std::os::unix::fs::symlink(&scene.trial.datadir.blocks, scene.dir()).unwrap();
    let (_, words) = scene.refused(&["--until", "tip"]);
    assert!(words.contains("block files"), "{words}");
    assert_eq!(names_in(&scene.trial.datadir.blocks), before);
}

#[test]
fn processes_with_ranges_of_their_own_write_one_set_together() {
    let scene = scene(10, 160);
    let last = tip(&scene);
    let step = last / 4;
    let parts: Vec<(u32, u32)> = (0..4)
        .map(|part| {
            (
                part * step,
                if part == 3 {
                    last
                } else {
                    (part + 1) * step - 1
                },
            )
        })
        .collect();
    let children: Vec<_> = parts
        .iter()
        .map(|(from, until)| {
            let (from, until) = (from.to_string(), until.to_string());
            let args = [
                "--from",
                &from,
                "--until",
                &until,
                "--blocks-per-file",
                "7",
                "--quiet",
            ];
            let mut command = scene.command(&args);
            command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}");
    }
    scene.check_whole(last);
    crate::rows::check(&scene);
    assert_eq!(scene.manifest()["utxo_set"]["height"], last);
}

#[test]
fn blocks_that_two_processes_wrote_are_in_one_file_after_the_next_run() {
    let scene = scene(13, 60);
    let last = tip(&scene);
    scene.export(&["--until", "19", "--blocks-per-file", "10"]);
    let other = scene.trial.folder.path().join("other");
    std::fs::rename(scene.dir(), &other).unwrap();
    // As if it had begun before any file of the other was there.
    scene.export(&["--from", "5", "--until", "24", "--blocks-per-file", "100"]);
    for table in TABLES {
        for name in names_in(&other.join(table)) {
            let name = format!("{table}/{name}");
            std::fs::rename(other.join(&name), scene.dir().join(&name)).unwrap();
        }
    }
    // What lies above its end is not lost.
    scene.export(&["--until", "7", "--blocks-per-file", "10"]);
    scene.check_whole(24);
    assert_eq!(scene.ranges("inputs"), [(0, 9), (10, 19), (20, 24)]);
    scene.export(&["--until", "tip", "--blocks-per-file", "10"]);
    scene.check_whole(last);
    crate::rows::check(&scene);
}

#[test]
fn what_a_living_process_is_writing_is_no_leftover() {
    let scene = scene(11, 20);
    scene.export(&["--until", "5"]);
    let [dead, alive] = ["dead", "alive"].map(|name| {
        let path = scene.dir().join(format!("outputs/.blkdex-{name}.part"));
        std::fs::write(&path, "half").unwrap();
        path
    });
    let file = std::fs::File::open(&alive).unwrap();
    file.lock().unwrap();
    assert_eq!(scene.export(&["--until", "5"])["leftovers"], 1);
    assert!(!dead.exists() && alive.exists());
    drop(file);
    assert_eq!(scene.export(&["--until", "5"])["leftovers"], 1);
    scene.check_whole(5);
}

#[test]
fn every_table_tells_what_it_is_in_its_footer() {
    use parquet::file::reader::FileReader;
    let scene = scene(12, 140);
    scene.export(&["--until", "130"]);
    for table in TABLES {
        let path = scene.dir().join(table).join(&scene.names(table)[0]);
        let reader = std::fs::File::open(path).unwrap();
        let reader = parquet::file::serialized_reader::SerializedFileReader::new(reader).unwrap();
        let pairs = reader
            .metadata()
            .file_metadata()
            .key_value_metadata()
            .unwrap();
        let value = |key: &str| {
            let pair = pairs.iter().find(|pair| pair.key == key);
            pair.and_then(|pair| pair.value.clone()).unwrap()
        };
        assert_eq!(value("blkdex.network"), "regtest");
        assert_eq!(value("blkdex.table"), table);
        assert_eq!(
            (&*value("blkdex.first_block"), &*value("blkdex.last_block")),
            ("0", "130")
        );
        assert_eq!(value("blkdex.version"), env!("CARGO_PKG_VERSION"));
        // Statistics for every column, a filter on what rows are looked for by.
        let group = reader.metadata().row_group(0);
        for column in group.columns() {
            let name = column.column_path().string();
            let has_statistics = column.statistics().is_some();
            assert!(has_statistics, "{table}: {name}");
            let is_looked_for = [
                "hash",
                "transaction_hash",
                "spent_transaction_hash",
                "address",
            ];
            let has_filter = column.bloom_filter_offset().is_some();
            assert_eq!(
                has_filter,
                is_looked_for.contains(&&*name),
                "{table}: {name}"
            );
        }
    }
}
