//! A node that writes while imports read: whole blocks only, and no SIGBUS.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::chain::Chain;
use crate::common::check::check;
use crate::common::datadir::MAGIC;
use crate::common::random::Options;
use crate::common::rng::Rng;
use crate::common::trial::Trial;
use crate::common::truth::Truth;

/// Blocks that are there from the beginning.
const FIRST: usize = 20;
/// Where the second process finds the datadir.
const VARIABLE: &str = "BLKDEX_TEST_NODE";
/// Bytes that the node allocates ahead, as bitcoind does with 16 MiB.
const AHEAD: u64 = 16 << 10;
/// Bytes at which it begins the next file.
const FILE_BYTES: u64 = 60_000;

fn chain() -> Chain {
    let options = Options {
        blocks: 120,
        fork_every: 0,
        ..Options::default()
    };
    Chain::random(9, options)
}

#[test]
fn imports_beside_a_writing_node_see_whole_blocks_only() {
    let chain = chain();
    let trial = Trial::with(&chain, &chain.made()[..FIRST], Default::default());
    let mut node = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "node::the_node", "--ignored"])
        .env(VARIABLE, &trial.datadir.blocks)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let path = chain.path(chain.tip());
    let (mut imports, mut heights) = (0, std::collections::BTreeSet::new());
    loop {
        let is_done = node.try_wait().unwrap();
        trial.import().result.unwrap();
        imports += 1;
        let tip = trial.status().height;
        if heights.insert(tip.0) && heights.len() % 5 == 1 {
            let truth = Truth::of(&chain, path[tip.0 as usize]).unwrap();
            check(&trial.options.index, &truth);
        }
        if let Some(status) = is_done {
            assert!(status.success());
            break;
        }
    }
    trial.check(&chain);
    println!("{imports} imports, {} tips", heights.len());
    assert!(heights.len() > 3, "{heights:?}");
}

/// The second process: writes the rest of the chain piece by piece.
#[test]
#[ignore = "it is the other process of the test above"]
fn the_node() {
    let Ok(blocks) = std::env::var(VARIABLE) else {
        return;
    };
    let (chain, blocks) = (chain(), Path::new(&blocks));
    let key = std::fs::read(blocks.join("xor.dat")).unwrap();
    let open = |number: u32| {
        let path = blocks.join(format!("blk{number:05}.dat"));
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .unwrap()
    };
    let (mut number, mut file) = (0, open(0));
    let mut end = file.metadata().unwrap().len();
    let mut rng = Rng::new(1);
    for hash in &chain.made()[FIRST..] {
        let block = chain.bytes(*hash);
        let mut record = [&MAGIC[..], &(block.len() as u32).to_le_bytes(), block].concat();
        if end + record.len() as u64 > FILE_BYTES {
            // A full file loses what was allocated ahead.
            file.set_len(end).unwrap();
            number += 1;
            (file, end) = (open(number), 0);
        }
        for (at, byte) in (end..).zip(&mut record) {
            *byte ^= key[(at % 8) as usize];
        }
        let record_end = end + record.len() as u64;
        if file.metadata().unwrap().len() < record_end {
            file.set_len(record_end + AHEAD).unwrap();
        }
        write_in_pieces(&file, &record, end, &mut rng);
        end = record_end;
    }
    file.set_len(end).unwrap();
}

fn write_in_pieces(file: &File, record: &[u8], at: u64, rng: &mut Rng) {
    let mut done = 0;
    while done < record.len() {
        let piece = 1 + rng.below((record.len() - done) as u64) as usize;
        file.write_all_at(&record[done..done + piece], at + done as u64)
            .unwrap();
        done += piece;
        std::thread::sleep(Duration::from_micros(rng.below(4000)));
    }
}
