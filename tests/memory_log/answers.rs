//! `memory diff` and `memory show`.

use super::Log;
use super::maker::{Maker, head};
use blkdex::ledger::Line;
use serde_json::Value;

fn json(log: &Log, args: &str) -> Value {
    let (code, out, err) = log.memory(&format!("{args} --json"));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{args}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn a_leak_is_what_the_plan_does_not_explain() {
    let leaking = Maker {
        leak_bytes: 500,
        ..Maker::default()
    };
    let log = Log::of(&leaking.run(40));
    let diff = json(&log, "diff LOG --from 999 --to 3999");
    assert_eq!(
        (&diff["blocks"], &diff["from"]["height"]),
        (&3000.into(), &999.into())
    );
    let unexplained =
        diff["grown_bytes"].as_u64().unwrap() - diff["explained_bytes"].as_u64().unwrap();
    assert_eq!(unexplained, 500 * 3000);
    let parts = diff["parts"].as_array().unwrap();
    let grown: Vec<i64> = parts
        .iter()
        .map(|part| part["grown_bytes"].as_i64().unwrap())
        .collect();
    assert!(grown.is_sorted_by(|a, b| a >= b), "{grown:?}");
    assert_eq!(parts[0]["name"], "table");
    assert!(
        parts.iter().all(|part| part["name"] != "process"),
        "its use is not known"
    );

    let (code, out, _) = log.memory("diff LOG --from 999 --to 3999");
    assert_eq!(code, Some(0));
    for words in [
        "from height 999 (after a merge) to height 3,999 (after a merge): 3,000 blocks in",
        "it does not explain 1,500,000 bytes, 500.0 a block",
        "heap outside the plan",
        "open files",
        "runs from",
    ] {
        assert!(out.contains(words), "{words} in\n{out}");
    }
    assert!(out.lines().all(|line| line.len() <= 110), "{out}");
}

#[test]
fn without_a_leak_all_growth_is_explained() {
    let log = Log::of(&Maker::default().run(40));
    let diff = json(&log, "diff LOG --from 999 --to 3999");
    assert_eq!(diff["grown_bytes"], diff["explained_bytes"]);
    let (_, out, _) = log.memory("diff LOG --from 999 --to 3999");
    assert!(out.contains("the plan explains all of the"), "{out}");
}

#[test]
fn a_part_beyond_its_plan_is_not_explained() {
    let mut lines = Maker::default().run(2);
    let Some(Line::Record(last)) = lines.last_mut() else {
        panic!("a log ends in a record");
    };
    let pages = last
        .parts
        .iter_mut()
        .find(|part| part.part == "pages".into())
        .unwrap();
    pages.in_use_bytes = Some(9 << 20);
    let diff = json(&Log::of(&lines), "diff LOG --from 99 --to 199");
    let part = |name: &str| {
        let mut parts = diff["parts"].as_array().unwrap().iter();
        parts.find(|part| part["name"] == name).unwrap().clone()
    };
    assert_eq!(part("pages")["grown_bytes"], 5 << 20);
    assert_eq!(
        part("pages")["explained_bytes"],
        0,
        "4 MiB were planned, and in use"
    );
}

#[test]
fn a_height_stands_for_the_last_record_at_or_below_it() {
    let log = Log::of(&Maker::default().run(40));
    for (at, height, moment) in [
        ("", 3999, "after_merge"),
        (" --at 3999", 3999, "after_merge"),
        (" --at 3998", 3899, "commit"),
        (" --at 99", 99, "commit"),
    ] {
        let shown = json(&log, &format!("show LOG{at}"));
        assert_eq!(shown["record"]["height"], height);
        assert_eq!(shown["record"]["moment"], moment);
        assert_eq!((&shown["run"], &shown["runs"]), (&1.into(), &1.into()));
    }
    let (code, out, _) = log.memory("show LOG --at 3998");
    assert_eq!(code, Some(0));
    for words in [
        "3,899, after a commit",
        "1 of 1, ",
        "made with",
        "together",
        "512.0",
        "outside the plan",
        "open files",
        "limit 1,024.0 MiB",
        "lookups hit",
        "spending",
        "parse and hash",
    ] {
        assert!(out.contains(words), "{words} in\n{out}");
    }
}

#[test]
fn runs_and_falling_heights_are_told_apart() {
    let maker = Maker::default();
    let mut lines = maker.run(20);
    lines.push(Line::Head(head()));
    // The chain left the index at height 1,799.
    lines.extend(maker.records(17, 5));
    let log = Log::of(&lines);
    let shown = json(&log, "show LOG --at 1999");
    assert_eq!(
        (&shown["run"], &shown["record"]["height"]),
        (&2.into(), &1999.into())
    );
    assert_eq!(
        shown["record"]["blocks"], 300,
        "counted from the start of the run"
    );
    let before = json(&log, "show LOG --at 1750");
    assert_eq!(
        (&before["run"], &before["record"]["height"]),
        (&1.into(), &1699.into())
    );
    let diff = json(&log, "diff LOG --from 1699 --to 2199");
    assert_eq!(
        (&diff["seconds"], &diff["blocks"]),
        (&Value::Null, &500.into())
    );
    let (_, out, _) = log.memory("diff LOG --from 1699 --to 2199");
    assert!(out.contains("500 blocks in two runs"), "{out}");
    let (code, _, err) = log.memory("show LOG --at 2200");
    assert_eq!(code, Some(1));
    assert!(err.contains("it goes from 99 to 2199"), "{err}");
}
