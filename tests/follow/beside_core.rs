//! Beside Bitcoin Core's own engine, while it writes: from a block on disk to an answer with it.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use bitcoin::consensus::encode::serialize_hex;
use serde_json::Value;

use crate::common::core::Core;
use crate::common::fixtures::data;
use crate::common::trial::Trial;
use crate::running::{Running, blkdex, command};

/// Blocks that are asked for as soon as they are on disk.
const BLOCKS: usize = 9;

/// What is promised from a block on disk to an answer with it.
const PROMISED: Duration = Duration::from_secs(2);

/// Gives Core a block; when this is over, it has written and connected it.
fn take(core: &mut Core, block: &bitcoin::Block) {
    let answer = core.ask(&format!("block {}", serialize_hex(block)));
    assert_eq!(answer, "accepted");
}

#[test]
#[cfg_attr(without_bitcoinkernel, ignore = "needs bitcoinkernel")]
fn a_block_that_core_writes_is_in_the_answers_soon() {
    let file = Trial::of(&data()).imported().index_file();
    let all: Vec<_> = file.blocks().collect();
    let (first, last) = all.split_at(all.len() - BLOCKS);
    let folder = tempfile::tempdir().unwrap();
    let mut core = Core::start();
    assert_eq!(
        core.ask(&format!("begin {}", folder.path().display())),
        "done"
    );
    first[1..].iter().for_each(|block| take(&mut core, block));
    let index = folder.path().join("index.redb");
    let mut running = Running::begin(&mut command(folder.path(), &index));
    assert_eq!(running.line()["height"], first.len() - 1);
    let mut times = Vec::new();
    for (height, block) in (first.len()..).zip(last) {
        take(&mut core, block);
        let on_disk = Instant::now();
        let hash = block.block_hash().to_string();
        let question = ["block", &hash, "--json", "--index"].map(OsStr::new);
        let answer = loop {
            match blkdex(&[&question[..], &[index.as_os_str()]].concat()) {
                (Some(0), answer, _) => break answer,
                (code, _, words) => assert!(words.contains(&hash), "{code:?}: {words}"),
            }
        };
        times.push(on_disk.elapsed());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["height"], height);
        assert_eq!(answer["txs"], block.txdata.len());
        assert_eq!(running.line()["hash"], hash);
    }
    println!("from disk to answer: {times:?}");
    times.sort();
    // One may come late on a machine that has other things to do.
    assert!(times[BLOCKS / 2] < PROMISED, "{times:?}");
    running.signal(libc::SIGTERM);
    let (status, _, words) = running.end();
    assert_eq!(status.code(), Some(0), "{words}");
}
