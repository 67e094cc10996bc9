//! Files made to hurt: bounded time and memory, and a clear verdict.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{blkdex, import};
use crate::common::chain::Chain;
use crate::common::limits::limit_memory;
use crate::common::parts::{output_of, owner, spend};
use crate::common::program::told;
use crate::common::trial::Trial;

const SECONDS_MAX: u64 = 60;
/// The budget of [`import`].
const DATA_BYTES_MAX: u64 = 128 << 20;

struct Verdict {
    code: Option<i32>,
    words: String,
}

/// Runs it, within bounds of time and memory: more than it was given is refused by the system.
fn judge(mut command: Command, trial: &Trial) -> Verdict {
    limit_memory(&mut command, DATA_BYTES_MAX);
    let path = trial.folder.path().join("words");
    let file = std::fs::File::create(&path).unwrap();
    let began = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(file).status().unwrap();
    let words = std::fs::read_to_string(path).unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(SECONDS_MAX),
        "{words}"
    );
    assert!(!words.contains("panicked"), "{words}");
    Verdict {
        code: status.code(),
        words,
    }
}

fn import_of(trial: &Trial) -> Verdict {
    judge(import(&trial.datadir.path, &trial.options.index), trial)
}

fn doctor_of(trial: &Trial) -> Verdict {
    let mut command = blkdex("doctor", &trial.options.index);
    command
        .args(["--deep", "--json", "--memory", "128M", "--datadir"])
        .arg(&trial.datadir.path);
    judge(command, trial)
}

/// A budget that nobody named fits what the process may have.
#[test]
fn without_a_budget_an_import_goes_by_the_limit_of_its_process() {
    let trial = Trial::new(&Chain::of_coinbases(150));
    let mut command = blkdex("import", trial.index());
    command
        .args(["--quiet", "--json", "--datadir"])
        .arg(&trial.datadir.path);
    limit_memory(&mut command, 2 * DATA_BYTES_MAX);
    let (code, out, words) = told(command.output().unwrap());
    assert_eq!((code, words.as_str()), (Some(0), ""));
    let summary: serde_json::Value = serde_json::from_str(&out).unwrap();
    let budget_bytes = summary["memory_budget_bytes"].as_u64().unwrap();
    assert_eq!(budget_bytes, DATA_BYTES_MAX);
}

/// Bytes of a block in front of the number of its coinbase's inputs: header, count, version.
const INPUT_COUNT_AT: usize = 80 + 1 + 4;

#[test]
fn counts_and_lengths_beyond_all_bounds_are_named_with_their_place() {
    let huge = |bytes: &mut Vec<u8>, at: usize, size: &[u8]| {
        let end = at + size.len();
        bytes[at..end].copy_from_slice(size);
    };
    let sizes: [(usize, &[u8]); 3] = [
        (INPUT_COUNT_AT, &[0xff; 9]),
        (INPUT_COUNT_AT + 1 + 36, &[0xfe, 0xff, 0xff, 0xff, 0xff]),
        (80, &[0xff; 9]),
    ];
    for (at, size) in sizes {
        let mut chain = Chain::of_coinbases(150);
        let settled = chain.made()[10];
        chain.damage(settled, |bytes| huge(bytes, at, size));
        let trial = Trial::new(&chain);
        let verdict = import_of(&trial);
        assert_eq!(verdict.code, Some(1));
        assert!(
            verdict.words.contains("blk00000.dat at byte"),
            "{}",
            verdict.words
        );
        assert!(verdict.words.contains("block 10:"), "{}", verdict.words);
        assert_eq!(doctor_of(&trial).code, Some(1));
    }
}

#[test]
fn ten_thousand_competing_forks_are_one_chain_and_stale_blocks() {
    let mut chain = Chain::new();
    let genesis = chain.tip();
    for _ in 0..10_000 {
        chain.mine(genesis, &[]);
    }
    let first = chain.made()[1];
    let next = chain.mine(first, &[]);
    let trial = Trial::new(&chain);
    let verdict = import_of(&trial);
    assert_eq!(verdict.code, Some(0), "{}", verdict.words);
    assert_eq!(chain.tip(), next);
    trial.check(&chain);
    assert_eq!(import_of(&trial).code, Some(0));
}

#[test]
fn a_file_of_magic_bytes_is_junk() {
    let chain = Chain::of_coinbases(5);
    let trial = Trial::new(&chain);
    let key = trial.datadir.layout.key.unwrap();
    let magic = trial.datadir.layout.magic;
    let bytes = (0..128 << 20).map(|at: usize| magic[at % 4] ^ key[at % 8]);
    std::fs::write(
        trial.datadir.blocks.join("blk00001.dat"),
        bytes.collect::<Vec<u8>>(),
    )
    .unwrap();
    let verdict = import_of(&trial);
    assert_eq!(verdict.code, Some(0), "{}", verdict.words);
    trial.check(&chain);
    assert_eq!(doctor_of(&trial).code, Some(0));
}

#[test]
fn links_that_lead_to_themselves_are_errors() {
    for name in ["blk00001.dat", "xor.dat"] {
        let trial = Trial::new(&Chain::of_coinbases(5));
        let path = trial.datadir.blocks.join(name);
        let _ = std::fs::remove_file(&path);
        for other in 0..100 {
            symlink(".", trial.datadir.blocks.join(format!("loop{other}"))).unwrap();
        }
        symlink(&path, &path).unwrap();
        let verdict = import_of(&trial);
        assert_eq!(verdict.code, Some(1));
        let expected = format!("cannot open {}", path.display());
        assert!(verdict.words.contains(&expected), "{}", verdict.words);
        assert_eq!(doctor_of(&trial).code, Some(1));
    }
}

#[test]
fn blocks_that_contradict_themselves_are_left_out() {
    let chain = Chain::of_coins(5);
    let pay = spend(&[chain.nth_coin(5)], &[(owner(1), 5), (owner(2), 6)]);
    let on = spend(&[output_of(&pay, 0)], &[(owner(3), 5)]);
    for txs in [
        vec![pay.clone(), pay.clone()],
        vec![on.clone(), pay.clone()],
    ] {
        let mut chain = Chain::of_coins(5);
        let bad = chain.mine_invalid(chain.tip(), &txs);
        chain.mine_empty(bad, 3);
        let trial = Trial::new(&chain);
        let verdict = import_of(&trial);
        let named = format!("block {}", chain.height(bad));
        assert!(verdict.words.contains(&named), "{}", verdict.words);
        match verdict.code {
            Some(0) => trial.check(&chain),
            // A repeated transaction is damage of the block's bytes, not of the chain.
            code => assert_eq!(code, Some(1)),
        }
    }
}
