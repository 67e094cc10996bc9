//! Which block an answer is as of: named by height, hash, date, or time.

use crate::common::chain::{Chain, Plan};
use crate::common::fixtures::data;
use crate::common::trial::Trial;
use crate::{answer, blkdex, refusal};
use serde_json::Value;

fn as_of(index: &std::path::Path, at: &str) -> Value {
    let out = answer(index, &["--json", "balance", "raw(51)", "--at", at]);
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["height"], answer["as_of"]["height"]);
    answer["as_of"].clone()
}

/// As Bitcoin Core computes it (`chain.h`: `GetMedianTimePast`), from the headers' times.
fn median(times: &[u64], height: usize) -> u64 {
    let mut last = times[height.saturating_sub(10)..=height].to_vec();
    last.sort_unstable();
    last[last.len() / 2]
}

fn utc(seconds: u64) -> String {
    jiff::Timestamp::from_second(seconds as i64)
        .unwrap()
        .to_string()
}

#[test]
fn a_moment_is_the_last_block_whose_median_time_past_is_not_after_it() {
    let indexed = Trial::of(&data()).imported();
    let time = |height: u32| {
        let out = answer(indexed.index(), &["--json", "block", &height.to_string()]);
        let block: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(block["confirmations"], 268 - height);
        block["time"].as_u64().unwrap()
    };
    let times: Vec<u64> = (0..=30).map(time).collect();
    for height in 0..=30 {
        let moment = median(&times, height);
        let last = (height..=30)
            .rfind(|other| median(&times, *other) <= moment)
            .unwrap();
        if last == 30 {
            break;
        }
        let found = as_of(indexed.index(), &utc(moment));
        assert_eq!(found["height"], last);
        assert_eq!(
            (&found["median_time"], &found["tip"]),
            (&moment.into(), &false.into())
        );
        assert_eq!(found["time"], times[last]);
        if height > 0 {
            let before = as_of(indexed.index(), &utc(moment - 1));
            assert!(before["height"].as_u64().unwrap() < height as u64);
        }
    }
}

#[test]
fn a_block_is_named_in_four_ways_and_every_command_takes_them() {
    let indexed = Trial::of(&data()).imported();
    let hash = as_of(indexed.index(), "112")["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let moment = utc(as_of(indexed.index(), "112")["median_time"]
        .as_u64()
        .unwrap());
    let out = indexed.folder.path().join("out");
    let out = out.to_str().unwrap();
    let export = [
        "export", "utxos", "-q", "--force", "--format", "csv", "-o", out,
    ];
    let balances = [
        "export", "balances", "-q", "--force", "--format", "csv", "-o", out,
    ];
    for command in [
        &["status"][..],
        &["verify", "-q"],
        &export,
        &balances,
        &["history", "raw(51)"],
        &["block", "112"],
    ] {
        for at in ["112", &hash, &moment] {
            let args = [&["--json"], command, &["--at", at]].concat();
            let answer: Value = serde_json::from_str(&answer(indexed.index(), &args)).unwrap();
            let found = answer.get("as_of").unwrap_or(&answer);
            assert_eq!(
                (&found["height"], &found["hash"]),
                (&112.into(), &hash.as_str().into()),
                "{args:?}"
            );
        }
    }
}

#[test]
fn a_moment_that_no_block_or_no_index_reaches_is_said() {
    let indexed = Trial::of(&data()).imported();
    let index = indexed.index();
    for command in ["balance raw(51)", "verify -q"] {
        let args: Vec<&str> = command.split(' ').chain(["--at", "2011-02-01"]).collect();
        let err = refusal(index, 1, &args);
        assert!(
            err.contains("before the genesis block, which is of 2011-02-02T23:16:42Z"),
            "{err}"
        );
        let args: Vec<&str> = command.split(' ').chain(["--at", "2999-12-31"]).collect();
        let (code, out, err) = blkdex(index, &args);
        assert_eq!((code, err.lines().count()), (Some(0), 1), "{err}");
        assert!(err.contains("the index ends with block 267"), "{err}");
        assert!(out.contains("0c10cf4590792748"), "{out}");
    }
    let err = refusal(
        index,
        1,
        &["tx", &"00".repeat(32), "--at", &"11".repeat(32)],
    );
    assert!(err.contains("in the chain of the index"), "{err}");
    let (code, _, err) = blkdex(index, &["status", "--at", "yesterday"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("a date (2024-12-31"), "{err}");
}

/// All blocks of a chain share neither order nor spacing of their times with their medians.
#[test]
fn a_date_includes_all_of_its_day() {
    let mut chain = Chain::new();
    for _ in 0..170 {
        chain.grow_with(Plan::default());
    }
    let indexed = Trial::new(&chain).imported();
    let times: Vec<u64> = chain
        .best()
        .iter()
        .map(|hash| u64::from(chain.block(*hash).header.time))
        .collect();
    let end: i64 = "2011-02-03T23:59:59Z"
        .parse::<jiff::Timestamp>()
        .unwrap()
        .as_second();
    let last = (0..=170)
        .rfind(|height| median(&times, *height) <= end as u64)
        .unwrap();
    assert!(last < 170);
    let found = as_of(indexed.index(), "2011-02-03");
    assert_eq!(found["height"], last);
    assert!(median(&times, last + 1) > end as u64);
}
